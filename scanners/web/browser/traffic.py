"""Every request of a page in the browser: captured, weighed, and answered by the scanning client or broken off."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Any, Protocol
from urllib.parse import urlsplit

from scanners.web.browser.chromium import is_of_playwright
from scanners.web.cookies import CookieJar
from scanners.web.crawl.avoidance import changes_things, ends_session
from scanners.web.crawl.html import read_html
from scanners.web.crawl.lead import Harvest, Lead, Reading, Source
from scanners.web.limits import Limits
from scanners.web.message import Answer, Request, Response, Target
from scanners.web.urls import resolve, target_of
from scanners.web.visitor import Visitor
from secops import __version__

_MOST_CAPTURED = 300
_MOST_ALIKE = 3
"""Times that one request of a page is sent: pages that poll say the same again and again."""
_MOST_REDIRECTS = 10
_MOST_KEPT_BYTES = 32 * 1024 * 1024
_LIMITS = Limits(body_bytes=16 * 1024 * 1024)
"""Scripts of whole applications are larger than pages; one that is cut does not run at all."""
_NOT_SENT = frozenset({"image", "media", "font", "websocket", "eventsource", "ping", "manifest", "texttrack"})
_KEPT = frozenset({"script", "stylesheet"})
_PASSED_ON = ("accept", "accept-language", "origin", "referer")
_OF_EVERY_BROWSER = re.compile(
    r"sec-.*|:.*|accept(?:-encoding|-language)?|access-control-request-.*|cache-control|connection|"
    r"content-(?:length|type)|cookie|dnt|host|origin|pragma|purpose|referer|upgrade-insecure-requests|user-agent",
    re.IGNORECASE,
)
_UNWRITTEN = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive"})
_READS = ("GET", "HEAD", "OPTIONS")


class Sends(Protocol):
    """Sends requests inside the scope; the scanning client is one."""

    async def exchange(
        self, target: Target, request: Request, *, session: CookieJar | None = None, limits: Limits | None = None
    ) -> Answer:
        """The answer, or why there is none."""
        ...


class Kept:
    """Scripts and styles that were fetched for one page and serve others."""

    def __init__(self) -> None:
        self._kept: dict[str, Response] = {}
        self._bytes = 0

    def find(self, url: str) -> Response | None:
        """What was kept."""
        return self._kept.get(url)

    def keep(self, url: str, response: Response) -> None:
        """Keep it while there is room."""
        if response.status == 200 and self._bytes + len(response.body) <= _MOST_KEPT_BYTES and url not in self._kept:
            self._bytes += len(response.body)
            self._kept[url] = response


class Capture:
    """What one page was seen to ask for."""

    def __init__(self, page: str) -> None:
        self.harvest = Harvest(page)
        self.authorization = ""
        """As scripts of the page sent it last to their own site."""
        self._calls: dict[Lead, None] = {}
        self._moves: dict[Lead, None] = {}
        """Where the page went, or a form of it was sent: most are in its links and forms, too."""

    def take(
        self, method: str, url: str, headers: dict[str, str], body: bytes, *, moves: bool = False, care: bool = False
    ) -> Lead | None:
        """The request as a lead; None when it leads nowhere on the web. `care`: it may carry a password or a file."""
        absolute = resolve(url, url)
        if not absolute or len(self._calls) + len(self._moves) >= _MOST_CAPTURED:
            return None
        own = tuple((name, value) for name, value in headers.items() if not _OF_EVERY_BROWSER.fullmatch(name))
        ours = target_of(absolute) == target_of(self.harvest.page)
        for name in (*(name for name, _ in own), *(pair.partition("=")[0] for pair in _pairs(headers))):
            self.harvest.name(name)
        kind = (("Content-Type", headers["content-type"]),) if body and "content-type" in headers else ()
        page = self.harvest.page
        lead = Lead(absolute, Source.CALL, page, method.upper(), (*kind, *own), body, needs_care=care and bool(body))
        if ours:
            self.authorization = headers.get("authorization", self.authorization)
            # A proof of the session is no part of the request: it would be tested, and written down.
            proofless = replace(lead, headers=tuple(one for one in lead.headers if one[0] != "authorization"))
            if absolute != page or body:
                (self._moves if moves else self._calls).setdefault(proofless)
        return lead

    def reading(self, *pages: str) -> Reading:
        """Of the page as the browser shows it, the first time and later, and of all that was captured."""
        for lead in self._calls:
            if not urlsplit(lead.url).path.endswith((".js", ".css")):
                self.harvest.add(lead)
                self._name_fields(lead)
        shapes = [read_html(html, self.harvest)[0] for html in pages]
        known = {(lead.method, lead.url.partition("?")[0]) for lead in self.harvest.leads}
        for lead in self._moves:
            if (lead.method, lead.url.partition("?")[0]) not in known or (not lead.body and urlsplit(lead.url).query):
                self.harvest.add(replace(lead, source=Source.FORM if lead.body else Source.LINK))
        shape = f"2html{shapes[0]}" if shapes else ""
        return Reading(200, "html", shape=shape, leads=tuple(self.harvest.leads), names=tuple(self.harvest.names))

    def _name_fields(self, lead: Lead) -> None:
        """The fields of JSON that scripts send."""
        if lead.body[:1] == b"{" and len(lead.body) < 100_000:
            try:
                fields = json.loads(lead.body)
            except (ValueError, RecursionError):
                return
            for name in fields:
                self.harvest.name(name)


class Traffic:
    """Answers what one tab asks for."""

    def __init__(
        self,
        sends: Sends,
        visitor: Visitor,
        capture: Capture,
        kept: Kept,
        *,
        submits: bool = False,
        travels: bool = False,
    ) -> None:
        """`travels`: it may go to other pages and send what it likes, as somebody who logs in; else it stays."""
        self.under_way = 0
        self.asked = 0
        self.exploring = False
        """Its buttons are being pressed: what that sends is captured, and nothing but reading goes out."""
        self.care = False
        """What is pressed may send a password or a file: nothing goes out."""
        self._sends = sends
        self._visitor = visitor
        self._capture = capture
        self._kept = kept
        self._submits = submits
        self._travels = travels
        self._arrived = False
        self._times: Counter[tuple[str, str, bytes]] = Counter()

    async def answer(self, route: Any) -> None:
        """One request of the browser."""
        self.asked += 1
        self.under_way += 1
        try:
            await self._answer(route)
        except Exception as error:
            # The tab was closed meanwhile, or the request cancelled, or it belongs to no page.
            if not is_of_playwright(error):
                raise
            with suppress(Exception):
                await route.abort("failed")
        finally:
            self.under_way -= 1

    async def settle(self, least_seconds: float, most_seconds: float, size: Callable[[], Any] | None = None) -> None:
        """Until nothing is under way, nothing new is asked for and the page does not grow, or the time is over."""
        ends_at = monotonic() + most_seconds
        before: tuple[int, Any] = (-1, None)
        while monotonic() < ends_at:
            await asyncio.sleep(least_seconds)
            now = (self.asked, await size() if size and not self.under_way else None)
            if not self.under_way and now == before:
                return
            before = now

    async def _answer(self, route: Any) -> None:
        asked = route.request
        told = asked.headers
        body = asked.post_data_buffer or b""
        moves = asked.is_navigation_request() and asked.frame.parent_frame is None
        first, self._arrived = not self._arrived, True
        lead = self._capture.take(
            asked.method, asked.url, told, body, moves=moves and not first, care=self.care and self.exploring
        )
        if lead is None or asked.resource_type in _NOT_SENT or not self._may_send(lead):
            await _stay_or_fail(route, moves)
            return
        if moves and not first and not self._travels:
            await route.fulfill(status=204)
            return
        response = await self._response(lead, told, asked.resource_type, moves)
        if response is None:
            await route.abort("failed")
        elif (location := _location(lead.url, response)) and not self._travels:
            self._capture.take("GET", location, {}, b"", moves=True)
            await route.fulfill(status=204)
        elif location:
            # A redirect is followed past all interception; a page that goes there comes back to us.
            await route.fulfill(
                status=200, headers={**_for_the_browser(response), "content-type": "text/html"}, body=_moving(location)
            )
        else:
            await route.fulfill(status=response.status, headers=_for_the_browser(response), body=response.body)

    async def _response(self, lead: Lead, told: dict[str, str], kind: str, moves: bool) -> Response | None:
        """What the site says; what is no page of its own is followed through redirects within its origin."""
        if kind in _KEPT and (kept := self._kept.find(lead.url)):
            return kept
        start = lead
        for _ in range(_MOST_REDIRECTS):
            answer = await self._sends.exchange(
                lead.target, self._as_sent(lead, told), session=self._visitor.cookies, limits=_LIMITS
            )
            response = answer.response
            if response is None or answer.failure is not None:
                return None
            location = _location(lead.url, response)
            if not location or moves:
                if kind in _KEPT:
                    self._kept.keep(start.url, response)
                return response
            lead = replace(lead, url=location)
            if response.status not in (307, 308):
                lead = replace(lead, method="GET", body=b"", headers=())
            if lead.target != start.target or not self._may_send(lead):
                return None
        return None

    def _as_sent(self, lead: Lead, told: dict[str, str]) -> Request:
        """The request as the session sends it, with the cookies that scripts of the page have set."""
        given = {name.lower() for name, _ in lead.headers}
        passed = tuple((name.title(), told[name]) for name in _PASSED_ON if name in told and name not in given)
        headers = (
            ("User-Agent", f"jindun/{__version__}"),
            ("Accept-Encoding", "gzip, deflate"),
            *passed,
            *lead.headers,
        )
        if own := self._own_cookies(lead.target, told):
            headers = (*headers, ("Cookie", "; ".join(own)))
        return self._visitor.dressed(lead.target, replace(lead.request, headers=headers))

    def _own_cookies(self, target: Target, told: dict[str, str]) -> list[str]:
        """Those that the session does not know; whoever logs in keeps them as the browser has them."""
        jar = self._visitor.cookies
        known = {cookie.name: cookie.value for cookie in jar.cookies()}
        pairs = _pairs(told)
        if self._travels:
            for name, _, value in (pair.partition("=") for pair in pairs):
                if known.get(name) != value:
                    jar.add(target, name, value)
            return []
        return [pair for pair in pairs if pair.partition("=")[0] not in known]

    def _may_send(self, lead: Lead) -> bool:
        """As the crawl itself: nothing that ends the session, nothing that changes things unless it may."""
        self._times[lead.method, lead.url, lead.body] += 1
        if self._times[lead.method, lead.url, lead.body] > _MOST_ALIKE and not self._travels:
            return False
        if self._travels:
            return True
        if ends_session(lead) or changes_things(lead) or (self.exploring and self.care):
            return False
        return lead.method in _READS or (self._submits and not self.exploring)


def _pairs(headers: dict[str, str]) -> list[str]:
    return [pair for pair in (pair.strip() for pair in headers.get("cookie", "").split(";")) if pair]


async def _stay_or_fail(route: Any, moves: bool) -> None:
    """A page that wants to go elsewhere stays as it is."""
    if moves:
        await route.fulfill(status=204)
    else:
        await route.abort("blockedbyclient")


def _location(url: str, response: Response) -> str:
    """Where a redirect leads; empty when it is none, or leads nowhere on the web."""
    if response.status not in (301, 302, 303, 307, 308):
        return ""
    return resolve(url, response.header("location"))


def _moving(location: str) -> str:
    written = json.dumps(location).replace("<", "\\u003c")
    return f"<!doctype html><script>location.replace({written})</script>"


def _for_the_browser(response: Response) -> dict[str, str]:
    """Its headers; lines of one name are told apart by line breaks."""
    headers: dict[str, str] = {}
    redirects = 300 <= response.status < 400
    for name, value in response.headers:
        lowered = name.lower()
        if lowered in _UNWRITTEN or (redirects and lowered not in ("set-cookie", "cache-control")):
            continue
        headers[lowered] = f"{headers[lowered]}\n{value}" if lowered in headers else value
    return headers
