"""Logins that need a browser: steps as a person takes them, in a real Chromium, against a site that insists on scripts."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from scanners.web.browser.rendering import open_browser
from scanners.web.client import Client
from scanners.web.crawl.crawl import crawl
from scanners.web.crawl.plan import CrawlPlan
from scanners.web.message import Request
from scanners.web.sessions.keeper import SessionKeeper, confirmed
from scanners.web.sessions.session_file import load_session
from scanners.web.urls import target_of
from tests.lab.sites import Site, loopback_client, running_flask
from tests.scanners.web.browser.needing import needs_browser
from tests.scanners.web.sessions.script_site import PASSWORD, Entered, script_site

pytestmark = [pytest.mark.slow, needs_browser]
STEPS: list[dict[str, Any]] = [
    {"goto": "/login"},
    {"fill": "#user", "value": "alice"},
    {"fill": "#pass", "value": "${env:PASS}"},
    {"choose": "#where", "value": "city"},
    {"click": "text=登录"},
    {"until": "/home"},
    {"wait": "#who"},
]
Story = Callable[[Client, SessionKeeper, Site], Awaitable[None]]


def told(folder: Path, story: Story, *, cookies: bool = True, password: str = PASSWORD, **browser: Any) -> Entered:
    """Live through the story with a keeper of that session file."""
    app, entered = script_site(cookies=cookies)

    async def live(site: Site) -> None:
        path = folder / "session.yaml"
        probe = {"url": f"{site.url}/api/me", "shows": "alice"}
        path.write_text(yaml.safe_dump({"probe": probe, "browser": {"steps": STEPS, **browser}}, allow_unicode=True))
        async with loopback_client() as client, open_browser(client) as opened:

            def secret(text: str) -> str:
                return text.replace("${env:PASS}", password)

            keeper = SessionKeeper(client, load_session(path), folder=folder, resolve_secret=secret, browser=opened)
            await story(client, keeper, site)

    with running_flask(app) as site:
        asyncio.run(live(site))
    return entered


async def page_of(client: Client, keeper: SessionKeeper, site: Site, path: str) -> int:
    """The status of a page for who is logged in."""
    target = target_of(site.url)
    answer = await client.exchange(target, keeper.dressed(target, Request("GET", path)), session=keeper.cookies)
    assert answer.response
    return answer.response.status


@pytest.mark.parametrize(
    ("cookies", "more"),
    [
        (True, {}),
        (False, {}),
        (False, {"token": {"key": "auth", "pointer": "/token"}}),
    ],
    ids=["by cookie", "by the header that scripts send", "by a token that they keep"],
)
def test_what_proves_the_session_is_taken_along(tmp_path: Path, cookies: bool, more: dict[str, Any]) -> None:
    async def story(client: Client, keeper: SessionKeeper, site: Site) -> None:
        assert await keeper.before(), keeper.trouble
        assert await page_of(client, keeper, site, "/mine/alice") == 200
        assert {cookie.name for cookie in keeper.cookies.cookies()} == {"sid"}

    entered = told(tmp_path, story, cookies=cookies, **more)
    assert entered.tried == [True]


def test_a_lost_session_is_begun_again_in_the_browser(tmp_path: Path) -> None:
    async def story(client: Client, keeper: SessionKeeper, site: Site) -> None:
        async def work() -> int:
            return await page_of(client, keeper, site, "/mine/alice")

        assert await confirmed(keeper, work) == 200
        keeper.cookies.clear()
        keeper._login.headers = ()
        assert await confirmed(keeper, work) == 200
        assert keeper.logins == 2

    assert told(tmp_path, story).tried == [True, True]


def test_a_wrong_password_is_not_tried_until_the_account_is_locked(tmp_path: Path) -> None:
    async def story(client: Client, keeper: SessionKeeper, site: Site) -> None:
        for _ in range(4):
            assert await keeper.before() == 0
        assert keeper.locked
        assert keeper.trouble and "step 6" in keeper.trouble.en and "until /home" in keeper.trouble.en
        assert "第 6 步" in keeper.trouble.zh
        assert "wrong" not in keeper.trouble.en, "what was typed is told to nobody"

    steps = [*STEPS[:5], {"until": "/home", "seconds": 2}]
    assert told(tmp_path, story, password="wrong", steps=steps).tried == [False, False]


def test_a_step_that_cannot_be_done_is_no_failed_login(tmp_path: Path) -> None:
    async def story(client: Client, keeper: SessionKeeper, site: Site) -> None:
        for _ in range(3):
            assert await keeper.before() == 0
        assert not keeper.locked
        assert keeper.trouble and "step 2 " in keeper.trouble.en and "#nobody" in keeper.trouble.en

    steps = [{"goto": "/login"}, {"fill": "#nobody", "value": "x", "seconds": 1}]
    assert told(tmp_path, story, steps=steps).tried == []


def test_a_token_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def story(client: Client, keeper: SessionKeeper, site: Site) -> None:
        assert await keeper.before() == 0
        assert keeper.trouble and "there is no jwt in the browser" in keeper.trouble.en

    told(tmp_path, story, token={"key": "jwt"})


def test_steps_cannot_lead_outside_the_scope(tmp_path: Path) -> None:
    async def story(client: Client, keeper: SessionKeeper, site: Site) -> None:
        assert await keeper.before() == 0
        assert keeper.trouble and "step 1 " in keeper.trouble.en

    told(tmp_path, story, steps=[{"goto": "http://192.0.2.1/", "seconds": 3}])


def test_pages_are_rendered_for_who_is_logged_in(tmp_path: Path) -> None:
    """The page asks the storage of the browser for its token."""

    async def story(client: Client, keeper: SessionKeeper, site: Site) -> None:
        plan = CrawlPlan((site.url + "/home",))
        crawled = await crawl(client, plan, keeper=keeper, browser=keeper._login._browser)
        found = {entry.lead.url.removeprefix(site.url): entry for entry in crawled.entries}
        assert found["/mine/alice?tab=bills"].status == 200
        assert found["/api/me"].status == 200
        proofs = [value for entry in crawled.entries for name, value in entry.lead.headers if name == "authorization"]
        assert proofs == [], "what proves the session is no place for payloads"

    told(tmp_path, story, cookies=False)
