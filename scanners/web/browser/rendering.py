"""Shows pages in Chromium, presses what can be pressed, and captures what their scripts ask for."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from time import monotonic
from typing import Any
from urllib.parse import quote

from scanners.web.browser.chromium import Chromium, is_of_playwright, running_chromium
from scanners.web.browser.page_view import Button, PageView
from scanners.web.browser.traffic import Capture, Kept, Sends, Traffic
from scanners.web.cookies import CookieJar
from scanners.web.crawl.avoidance import changes_things, ends_session
from scanners.web.crawl.lead import Lead, Reading, Source
from scanners.web.visitor import Visitor

_TABS = 2
_LOAD_SECONDS = 15.0
_SETTLE_SECONDS = 5.0
_EXPLORE_SECONDS = 10.0
_STEP_SECONDS = 0.2
_MOST_PRESSED = 30
_MOST_ROUNDS = 3
_MOST_ROUTES = 15
_MOST_CHARACTERS = 16_000_000
"""Of all that one page has shown."""
_PAGE_SECONDS = _LOAD_SECONDS + _SETTLE_SECONDS + _EXPLORE_SECONDS + 10.0


@asynccontextmanager
async def open_browser(sends: Sends) -> AsyncIterator["Browser"]:
    """A browser until the end of the block. Raises BadInput when Playwright or Chromium is missing or cannot start."""
    async with running_chromium() as chromium:
        yield Browser(sends, chromium)


class Browser:
    """Renders pages, each in a profile of its own."""

    def __init__(self, sends: Sends, chromium: Chromium) -> None:
        self.sends = sends
        self.chromium = chromium
        self.kept = Kept()
        self._tabs = asyncio.Semaphore(_TABS)

    async def render(self, lead: Lead, visitor: Visitor, *, submits: bool = False) -> Reading | None:
        """What the page gives once its scripts have run and its buttons were pressed; None when nothing was seen of it.

        A page that never came to rest, or died, gives what was seen until then, and is marked as unseen.
        """
        capture = Capture(lead.url)
        traffic = Traffic(self.sends, visitor, capture, self.kept, submits=submits)
        look = None
        async with self._tabs:
            try:
                async with asyncio.timeout(_PAGE_SECONDS), self._tab(traffic, visitor) as (tab, session):
                    _hear_windows(session, capture)
                    look = _Look(PageView(session), traffic, capture)
                    # Whoever waits for more waits for ever when the page moves on at once.
                    await tab.goto(lead.url, timeout=_LOAD_SECONDS * 1000, wait_until="commit")
                    await look.view.ready(_LOAD_SECONDS)
                    await self._explore(look)
            except Exception as error:
                if not is_of_playwright(error):
                    raise
        pages, whole = (look.pages, look.whole) if look else ([], False)
        reading = await asyncio.to_thread(capture.reading, *pages)
        if not (pages or reading.leads):
            return None
        return reading if whole else replace(reading, unseen=True)

    async def _explore(self, look: "_Look") -> None:
        """The page as it comes, then each of its views; on each of them what can be pressed is pressed."""
        await look.traffic.settle(_STEP_SECONDS, _SETTLE_SECONDS, look.view.size)
        await look.keep()
        look.traffic.exploring = True
        waiting, known = deque([""]), {""}
        ends_at = monotonic() + _EXPLORE_SECONDS
        while waiting and monotonic() < ends_at:
            if route := waiting.popleft():
                await look.go(route)
            await look.press_all(ends_at)
            found = [one for one in await look.view.routes() if one not in known][: _MOST_ROUTES - len(known)]
            waiting += dict.fromkeys(found)
            known.update(found)
        look.whole = True

    @asynccontextmanager
    async def _tab(self, traffic: Traffic, visitor: Visitor) -> AsyncIterator[tuple[Any, Any]]:
        """A tab in a fresh profile, and its session of the DevTools protocol."""
        async with self.chromium.profile(visitor.storage) as profile:
            await lend_cookies(profile, visitor.cookies)
            tab, session = await tab_of(profile, traffic)
            yield tab, session


class _Look:
    """At one page: what it has shown so far, also when it ends badly."""

    def __init__(self, view: PageView, traffic: Traffic, capture: Capture) -> None:
        self.view = view
        self.traffic = traffic
        self.pages: list[str] = []
        self.whole = False
        self._capture = capture
        self._pressed: set[tuple[str, str, str]] = set()

    async def keep(self) -> None:
        """The page as it is now."""
        if sum(map(len, self.pages)) < _MOST_CHARACTERS:
            self.pages.append(await self.view.html())

    async def go(self, route: str) -> None:
        """To a view of the page."""
        await self.view.go(route)
        await self.traffic.settle(_STEP_SECONDS / 2, 2.0, self.view.size)
        await self.keep()

    async def press_all(self, ends_at: float) -> None:
        """What is here, and what that brings."""
        for _ in range(_MOST_ROUNDS):
            fresh = [one for one in await self.view.buttons() if one.name not in self._pressed]
            for button in fresh:
                if monotonic() > ends_at or len(self._pressed) >= _MOST_PRESSED:
                    return
                if _harmless(button, self._capture.harvest.page) and await self._press(button):
                    self._pressed.add(button.name)
            if not fresh:
                return

    async def _press(self, button: Button) -> bool:
        """Whether it was there."""
        before = await self.view.size()
        self.traffic.care = button.takes_secrets
        if not await self.view.press(button):
            return False
        await self.traffic.settle(_STEP_SECONDS / 2, 1.0)
        after = await self.view.size()
        if after != before:
            await self.keep()
            self._capture.take("GET", after.partition("|")[2], {}, b"", moves=True)
        return True


async def tab_of(profile: Any, traffic: Traffic) -> tuple[Any, Any]:
    """The one tab of a profile, with its traffic in our hands, and its session of the DevTools protocol."""
    await profile.route("**/*", traffic.answer)
    tab = await profile.new_page()
    profile.on("page", _close)
    tab.on("dialog", _dismiss)
    session = await profile.new_cdp_session(tab)
    await session.send("Page.enable")
    return tab, session


async def lend_cookies(profile: Any, jar: CookieJar) -> None:
    """Scripts see the cookies of the session as they would."""
    lent = [
        {"name": one.name, "value": one.value, "domain": one.domain, "path": one.path}
        for one in jar.cookies()
        if one.name
    ]
    if lent:
        await profile.add_cookies(lent)


def _hear_windows(session: Any, capture: Capture) -> None:
    """Windows that the page wants to open stay closed; where they lead is kept."""

    def opened(event: dict[str, Any]) -> None:
        capture.take("GET", event.get("url", ""), {}, b"", moves=True)

    session.on("Page.windowOpen", opened)


def _harmless(button: Button, page: str) -> bool:
    """By the same words that keep the crawl from following a link."""
    words = Lead(f"{page.partition('?')[0]}?{quote(f'{button.marks} {button.form}')}", Source.LINK, text=button.text)
    return not (ends_session(words) or changes_things(words))


async def _dismiss(dialog: Any) -> None:
    with suppress(Exception):
        await dialog.dismiss()


async def _close(page: Any) -> None:
    with suppress(Exception):
        await page.close()
