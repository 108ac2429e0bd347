"""Shows pages in Chromium and captures what their scripts ask for. Needs Playwright and a browser; see `open_browser`.

The browser has no network of its own: every request it makes is answered by the scanning client, inside the scope, at
its pace and on its record, or is broken off.
"""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol
from urllib.parse import urlsplit

from scanners.web.cookies import CookieJar
from scanners.web.crawl.avoidance import changes_things, ends_session
from scanners.web.crawl.html import read_html
from scanners.web.crawl.lead import Harvest, Lead, Reading, Source
from scanners.web.message import Answer, Request, Response, Target
from scanners.web.urls import resolve, target_of
from secops.model.text import Text
from secops.support.errors import BadInput

_BINARIES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_SETTLED_SECONDS = 5.0
_PAGE_SECONDS = 20.0
_MOST_CAPTURED = 300
_NOT_SENT = frozenset({"image", "media", "font", "websocket", "eventsource", "ping", "manifest"})
_OF_EVERY_BROWSER = re.compile(
    r"sec-.*|:.*|accept(?:-encoding|-language)?|cache-control|connection|content-(?:length|type)|cookie|dnt|host|origin|"
    r"pragma|referer|upgrade-insecure-requests|user-agent",
    re.IGNORECASE,
)
_ARGUMENTS = (
    # Whatever the interception below should miss runs into a wall.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_UNWRITTEN = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive"})


class Sends(Protocol):
    """Sends requests inside the scope; the scanning client is one."""

    async def exchange(self, target: Target, request: Request, *, session: CookieJar | None = None) -> Answer:
        """The answer, or why there is none."""
        ...


@asynccontextmanager
async def open_browser(
    sends: Sends,
    jar: CookieJar | None = None,
    *,
    submits: bool = False,
    dressed: Callable[[Target, Request], Request] = lambda _target, request: request,
) -> AsyncIterator["Browser"]:
    """A browser until the end of the block. Raises BadInput when Playwright or Chromium is not installed."""
    binary = next(filter(None, map(shutil.which, _BINARIES)), None)
    if find_spec("playwright") is None or binary is None:
        raise BadInput(_missing(playwright=find_spec("playwright") is None, chromium=binary is None))
    arguments = [*_ARGUMENTS, *(["--no-sandbox"] if os.getuid() == 0 else [])]
    async with import_module("playwright.async_api").async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=binary, args=arguments)
        try:
            context = await chromium.new_context(service_workers="block", accept_downloads=False)
            yield Browser(sends, context, jar, submits, dressed)
        finally:
            await chromium.close()


class Browser:
    """Renders pages, each in a tab of its own."""

    def __init__(
        self,
        sends: Sends,
        context: Any,
        jar: CookieJar | None,
        submits: bool,
        dressed: Callable[[Target, Request], Request],
    ) -> None:
        self._sends = sends
        self._context = context
        self._jar = jar if jar is not None else CookieJar()
        self._submits = submits
        self._dressed = dressed
        self._tabs = asyncio.Semaphore(2)

    async def render(self, lead: Lead) -> Reading | None:
        """What the page gives once its scripts have run; None when it could not be shown."""
        async with self._tabs:
            tab = await self._context.new_page()
            capture = Capture(lead.url)
            try:
                await self._lend_cookies()
                async with asyncio.timeout(_PAGE_SECONDS + _SETTLED_SECONDS):
                    await tab.route("**/*", lambda route: self._answer(route, capture))
                    tab.on("dialog", _dismiss)
                    await tab.goto(lead.url, timeout=_PAGE_SECONDS * 1000, wait_until="domcontentloaded")
                    with suppress(Exception):
                        await tab.wait_for_load_state("networkidle", timeout=_SETTLED_SECONDS * 1000)
                    return capture.reading(await tab.content())
            except Exception as error:
                if isinstance(error, TimeoutError) or type(error).__module__.startswith("playwright."):
                    return None
                raise
            finally:
                with suppress(Exception):
                    await tab.close()

    async def _answer(self, route: Any, capture: "Capture") -> None:
        """Answer one request of the browser through the client."""
        asked = route.request
        told = await asked.all_headers()
        lead = capture.take(asked.method, asked.url, told, asked.post_data_buffer or b"")
        if lead is None or not self._may_send(lead) or asked.resource_type in _NOT_SENT:
            await route.abort("blockedbyclient")
            return
        request = self._with_cookies(lead, told.get("cookie", ""))
        answer = await self._sends.exchange(lead.target, request, session=self._jar)
        response = answer.response
        if response is None or answer.failure is not None:
            await route.abort("failed")
            return
        await route.fulfill(status=response.status, headers=_for_the_browser(response), body=response.body)

    def _with_cookies(self, lead: Lead, told: str) -> Request:
        """The request as the session sends it, with the cookies that scripts of the page have set."""
        request = self._dressed(lead.target, lead.request)
        known = {cookie.name for cookie in self._jar.cookies()}
        pairs = (pair.strip() for pair in told.split(";"))
        own = [pair for pair in pairs if pair and pair.partition("=")[0] not in known]
        return replace(request, headers=(*request.headers, ("Cookie", "; ".join(own)))) if own else request

    async def _lend_cookies(self) -> None:
        """Scripts see the cookies of the session as they would."""
        lent = [
            {"name": one.name, "value": one.value, "domain": one.domain, "path": one.path}
            for one in self._jar.cookies()
            if one.name
        ]
        if lent:
            await self._context.add_cookies(lent)

    def _may_send(self, lead: Lead) -> bool:
        """As the crawl itself: nothing that ends the session, nothing that changes things unless it may."""
        if ends_session(lead) or changes_things(lead):
            return False
        return self._submits or lead.method in ("GET", "HEAD", "OPTIONS")


class Capture:
    """What one page was seen to ask for."""

    def __init__(self, page: str) -> None:
        self._harvest = Harvest(page)
        self._calls: dict[Lead, None] = {}

    def take(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Lead | None:
        """The request as a lead; None when it leads nowhere on the web."""
        absolute = resolve(url, url)
        if not absolute or len(self._calls) >= _MOST_CAPTURED:
            return None
        own = tuple((name, value) for name, value in headers.items() if not _OF_EVERY_BROWSER.fullmatch(name))
        for name, _ in own:
            self._harvest.name(name)
        for pair in headers.get("cookie", "").split(";"):
            self._harvest.name(pair.partition("=")[0])
        kind = (("Content-Type", headers["content-type"]),) if body and "content-type" in headers else ()
        page = self._harvest.page
        lead = Lead(absolute, Source.CALL, page, method.upper(), (*kind, *own), body)
        if absolute != page and target_of(absolute) == target_of(page):
            self._calls.setdefault(lead)
        return lead

    def reading(self, html: str) -> Reading:
        """Of the page as the browser shows it, and of all that was captured."""
        for lead in self._calls:
            if not urlsplit(lead.url).path.endswith((".js", ".css")):
                self._harvest.add(lead)
        shape, _ = read_html(html, self._harvest)
        return Reading(
            200, "html", shape="2html" + shape, leads=tuple(self._harvest.leads), names=tuple(self._harvest.names)
        )


def _for_the_browser(response: Response) -> dict[str, str]:
    """Its headers; lines of one name are told apart by line breaks."""
    headers: dict[str, str] = {}
    for name, value in response.headers:
        lowered = name.lower()
        if lowered not in _UNWRITTEN:
            headers[lowered] = f"{headers[lowered]}\n{value}" if lowered in headers else value
    return headers


async def _dismiss(dialog: Any) -> None:
    await dialog.dismiss()


def _missing(playwright: bool, chromium: bool) -> Text:
    commands = [f"{sys.executable} -m pip install playwright"] if playwright else []
    commands += ["apt-get install chromium"] if chromium else []
    return Text(f"渲染页面需要先安装:{';'.join(commands)}", f"to render pages, install first: {'; '.join(commands)}")
