"""A user stays logged in, and what was answered while logged out does not count."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from scanners.safety import Safety
from scanners.web.crawl.crawl import crawl
from scanners.web.crawl.plan import Crawled, CrawlPlan, LeftOut
from scanners.web.message import Request
from scanners.web.sessions.keeper import OutOfSession, SessionKeeper, confirmed
from scanners.web.sessions.session_file import load_session
from scanners.web.urls import target_of
from secops.support.errors import BadInput
from tests.lab.sites import Site, loopback_client, running_flask
from tests.scanners.web.sessions.member_site import PASSWORD, Members, member_site

pytestmark = pytest.mark.slow


@dataclass
class Lab:
    site: Site
    members: Members
    folder: Path

    def keeper(self, client: Any, **spec: Any) -> SessionKeeper:
        """The keeper of a session file with these entries; `SITE` stands for the site."""
        probe = {"url": "SITE/home", "shows": "Welcome alice"}
        text = yaml.safe_dump({"probe": probe, **spec}).replace("SITE", self.site.url)
        (self.folder / "session.yaml").write_text(text)
        return SessionKeeper(client, load_session(self.folder / "session.yaml"), folder=self.folder)

    def home(self) -> tuple[Any, Request]:
        return target_of(self.site.url), Request("GET", "/home")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    app, members = member_site()
    with running_flask(app) as site:
        yield Lab(site, members, tmp_path)


FORM = {"page": "SITE/login", "fields": {"user": "alice", "pass": PASSWORD}}
JSON = {
    "url": "SITE/api/login",
    "page": "SITE/start",
    "body": {"user": "alice", "pass": PASSWORD},
    "token": "/data/token",
}
STEPS = [
    {"url": "SITE/start", "take": {"t": "name=t value='(\\w+)'"}},
    {"url": "/steps/login", "method": "POST", "fields": {"t": "{{t}}", "pass": PASSWORD}},
]


@pytest.mark.parametrize("way", [{"form": FORM}, {"json": JSON}, {"steps": STEPS}], ids=lambda way: next(iter(way)))
def test_ways_to_log_in_and_again_when_lost(lab: Lab, way: dict[str, Any]) -> None:
    async def story() -> None:
        async with loopback_client() as client:
            keeper = lab.keeper(client, **way)
            first = await keeper.before()
            assert first == 1
            assert await keeper.before() == 1
            assert await keeper.after(first)
            lab.members.sessions.clear()
            assert not await keeper.after(first)
            second = await keeper.before()
            assert second == 2
            assert not await keeper.after(first), "what was done in the lost session never counts"
            assert await keeper.after(second)
            target, request = lab.home()
            assert keeper.dressed(target_of("http://other.test/"), request) == request
            answer = await client.exchange(target, keeper.dressed(target, request), session=keeper.cookies)
            assert answer.response and b"alice" in answer.response.body
        assert lab.members.tried == [True, True]

    asyncio.run(story())


def test_cookies_and_bearer_that_somebody_brought(lab: Lab) -> None:
    session = lab.members.begin()
    exported = [
        {"domain": "127.0.0.1", "name": "sid", "value": session, "path": "/"},
        {"domain": ".x.test", "name": "a", "value": "b"},
    ]
    (lab.folder / "c.json").write_text(json.dumps(exported))
    (lab.folder / "c.txt").write_text(
        f"# Netscape HTTP Cookie File\n#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\t{session}\n"
    )
    ways = ({"cookies": {"file": "c.json"}}, {"cookies": {"file": "c.txt"}}, {"bearer": {"token": session}})

    async def story() -> None:
        async with loopback_client(profile=Safety.SAFE) as client:
            for way in ways:
                keeper = lab.keeper(client, **way)
                assert await keeper.before() == 1, way
                assert await keeper.after(1)
            lab.members.sessions.clear()
            assert not await keeper.after(1)
            assert await keeper.before() == 0
            assert keeper.trouble is not None
        assert lab.members.tried == []

    asyncio.run(story())


def test_after_two_failures_nobody_tries_again(lab: Lab) -> None:
    async def story() -> None:
        async with loopback_client() as client:
            wrong = {**FORM, "fields": {"user": "alice", "pass": "wrong"}}
            keeper = lab.keeper(client, form=wrong)
            for _ in range(5):
                assert await keeper.before() == 0
            assert keeper.locked
            assert keeper.trouble and "locked" in keeper.trouble.en
            with pytest.raises(OutOfSession) as caught:
                await confirmed(keeper, lambda: asyncio.sleep(0))
            assert caught.value.exit_code == 3
        assert lab.members.tried == [False, False]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ({"form": {"page": "SITE/login", "fields": {"name": "x"}}}, "no form with name"),
        ({"form": {"page": "http://127.0.0.1:1/", "fields": {"name": "x"}}}, "cannot be reached"),
        ({"steps": [{"url": "SITE/home", "take": {"t": "nothing (like) this"}}]}, "there is no t"),
    ],
)
def test_what_cannot_be_sent_is_no_failed_login(lab: Lab, way: dict[str, Any], sentence: str) -> None:
    async def story() -> None:
        async with loopback_client() as client:
            keeper = lab.keeper(client, **way)
            for _ in range(4):
                assert await keeper.before() == 0
            assert not keeper.locked
            assert keeper.trouble and sentence in keeper.trouble.en and keeper.trouble.zh != keeper.trouble.en

    asyncio.run(story())


def test_a_safe_profile_does_not_log_in(lab: Lab) -> None:
    async def story() -> None:
        async with loopback_client(profile=Safety.SAFE) as client:
            keeper = lab.keeper(client, form=FORM)
            assert await keeper.before() == 0
            assert not keeper.locked
        assert lab.members.tried == []

    asyncio.run(story())


def test_work_of_several_tasks_is_done_again_when_the_session_was_lost(lab: Lab) -> None:
    lab.members.lives = 9

    async def story() -> None:
        async with loopback_client() as client:
            keeper = lab.keeper(client, form=FORM)
            target, request = lab.home()

            async def work() -> bytes:
                bodies = b""
                for _ in range(2):
                    answer = await client.exchange(target, keeper.dressed(target, request), session=keeper.cookies)
                    assert answer.response
                    bodies += answer.response.body
                return bodies

            results = list[bytes]()
            for _ in range(4):
                results += await asyncio.gather(*(confirmed(keeper, work) for _ in range(2)))
            assert all(body.count(b"Welcome alice") == 2 for body in results)
            assert len(results) == 8
            assert keeper.logins > 1

    asyncio.run(story())


def crawl_logged_in(lab: Lab, **spec: Any) -> Crawled:
    async def story() -> Crawled:
        async with loopback_client() as client:
            keeper = lab.keeper(client, **spec)
            plan = CrawlPlan((lab.site.url + "/home",), confirm_every=4)
            return await crawl(client, plan, keeper=keeper)

    return asyncio.run(story())


def pages(lab: Lab, crawled: Crawled) -> dict[str, int]:
    return {entry.lead.url.removeprefix(lab.site.url): entry.status for entry in crawled.entries}


def test_a_crawl_sees_the_site_as_its_user_does(lab: Lab) -> None:
    lab.members.lives = 7
    crawled = crawl_logged_in(lab, form=FORM)
    found = pages(lab, crawled)
    assert {
        page: found.get(page) for page in ("/home", "/home/orders", "/home/profile", "/home/bills")
    } == dict.fromkeys(("/home", "/home/orders", "/home/profile", "/home/bills"), 200)
    assert found["/home/save"] == 0
    assert crawled.left_out[LeftOut.LOGOUT] == 1
    assert "GET /logout" not in lab.site.asked
    assert len(lab.members.tried) > 1


def test_a_page_that_ends_the_session_is_found_and_left_out(lab: Lab) -> None:
    crawled = crawl_logged_in(lab, form=FORM)
    assert crawled.examples[LeftOut.OUT_OF_SESSION] == (lab.site.url + "/home/kick",)
    found = pages(lab, crawled)
    assert [found.get(f"/home/{page}") for page in ("orders", "profile", "bills")] == [200, 200, 200]


def test_a_session_that_cannot_be_had_again_ends_the_crawl(lab: Lab) -> None:
    lab.members.lives = 5
    crawled = crawl_logged_in(lab, bearer={"token": lab.members.begin()})
    assert crawled.failed
    assert crawled.left_out[LeftOut.OUT_OF_SESSION]
    assert all(entry.status != 302 for entry in crawled.entries)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty", b""),
        ("other host", b'[{"domain": "x.test", "name": "a", "value": "b"}]'),
        ("no json", b'[{"domain": '),
        ("wrong json", b'{"cookies": [1]}'),
        ("wrong lines", b"a\tb\n"),
        ("binary", b"\xff\xfe\x00"),
    ],
)
def test_bad_cookie_files(lab: Lab, name: str, content: bytes) -> None:
    (lab.folder / "c").write_bytes(content)

    async def story() -> None:
        async with loopback_client() as client:
            with pytest.raises(BadInput) as caught:
                await lab.keeper(client, cookies={"file": "c"}).before()
            assert caught.value.text.zh != caught.value.text.en

    asyncio.run(story())
