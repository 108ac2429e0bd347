"""Logs in as a person would, step by step in the browser, and takes along what the site then knows them by."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scanners.web.browser.chromium import is_of_playwright
from scanners.web.browser.rendering import Browser, tab_of
from scanners.web.browser.traffic import Capture, Traffic
from scanners.web.cookies import CookieJar
from scanners.web.sessions.session_file import BrowserStep
from scanners.web.urls import resolve, target_of
from scanners.web.visitor import Nobody
from secops.model.text import Text

_ACTS = frozenset({"click", "press"})
_STEP_SECONDS = 0.25
_SETTLE_SECONDS = 8.0
_SPARE_SECONDS = 40.0
"""Beyond what the steps may take."""
_SESSION_STORAGE = "() => ({...sessionStorage})"


@dataclass(slots=True)
class Walked:
    """What came of the steps."""

    trouble: Text | None = None
    """The step that could not be done; None when all were."""
    acted: bool = False
    """Something was clicked or a key pressed: the site may count it as a try."""
    authorization: str = ""
    """As scripts of the site sent it."""
    storage: Any = None
    """As Playwright's `storage_state` writes it."""
    kept: dict[str, str] = field(default_factory=dict)
    """Local and session storage of the site."""


async def walk(browser: Browser, site: str, steps: Sequence[BrowserStep], jar: CookieJar) -> Walked:
    """Do the steps in a fresh profile; cookies go into the jar. `site`: an address there, from which others start."""
    capture = Capture(site)
    traffic = Traffic(browser.sends, Nobody(jar), capture, browser.kept, travels=True)
    walked = Walked()
    try:
        async with asyncio.timeout(_SPARE_SECONDS + sum(step.seconds for step in steps)):
            await _walk(browser, traffic, site, steps, jar, walked)
    except Exception as error:
        if not is_of_playwright(error):
            raise
        walked.trouble = Text("浏览器在登录过程中失去响应", "the browser stopped answering during the login")
    walked.authorization = capture.authorization
    return walked


async def _walk(
    browser: Browser, traffic: Traffic, site: str, steps: Sequence[BrowserStep], jar: CookieJar, walked: Walked
) -> None:
    async with browser.chromium.profile() as profile:
        tab, _ = await tab_of(profile, traffic)
        for number, step in enumerate(steps, 1):
            walked.acted = walked.acted or step.verbs[0] in _ACTS
            try:
                await _do(tab, step, site)
            except Exception as error:
                if not is_of_playwright(error):
                    raise
                walked.trouble = _failed(number, step, tab.url)
                return
        await traffic.settle(_STEP_SECONDS, _SETTLE_SECONDS)
        await _take_along(profile, tab, site, jar, walked)


async def _do(tab: Any, step: BrowserStep, site: str) -> None:
    patience = step.seconds * 1000
    if step.goto:
        await tab.goto(resolve(site, step.goto), timeout=patience, wait_until="domcontentloaded")
    elif step.fill:
        await tab.fill(step.fill, step.value, timeout=patience)
    elif step.choose:
        await tab.select_option(step.choose, step.value, timeout=patience)
    elif step.click:
        # What a click leads to may take long; the steps behind it wait for what they need.
        await tab.click(step.click, timeout=patience, no_wait_after=True)
    elif step.press:
        await tab.keyboard.press(step.press)
    elif step.wait:
        await tab.wait_for_selector(step.wait, timeout=patience)
    else:
        await tab.wait_for_url(lambda url: step.until in url, timeout=patience, wait_until="commit")


async def _take_along(profile: Any, tab: Any, site: str, jar: CookieJar, walked: Walked) -> None:
    """Cookies that scripts have set, and what the site keeps in the browser."""
    target = target_of(site)
    known = {cookie.name: cookie.value for cookie in jar.cookies()}
    for cookie in await profile.cookies(site):
        if known.get(cookie["name"]) != cookie["value"]:
            jar.add(target, cookie["name"], cookie["value"], cookie["path"])
    walked.storage = await profile.storage_state()
    for origin in walked.storage["origins"]:
        if target_of(origin["origin"]) == target:
            walked.kept |= {item["name"]: item["value"] for item in origin["localStorage"]}
    if tab.url.startswith("http") and target_of(tab.url) == target:
        walked.kept |= await tab.evaluate(_SESSION_STORAGE)


def _failed(number: int, step: BrowserStep, url: str) -> Text:
    """Without what was typed: it may be a secret."""
    (verb,) = step.verbs
    what = f"{verb} {getattr(step, verb)}"[:120]
    where = url.partition("?")[0][:200]
    return Text(
        f"浏览器登录第 {number} 步({what})在 {step.seconds:g} 秒内未能完成,当时页面为 {where}",
        f"step {number} of the login in the browser ({what}) was not done within {step.seconds:g} s, at {where}",
    )
