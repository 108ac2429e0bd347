"""Tries the checks on the vulnerable applications, with the real client: what is found, and what is found in vain."""

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote, urlencode

from scanners.safety import Safety
from scanners.scope import Guard, scope_of
from scanners.web.client import Client
from scanners.web.cookies import CookieJar
from scanners.web.finding_points import points_of
from scanners.web.message import Answer, Request, Target
from scanners.web.out_of_band import OutOfBand
from scanners.web.pace import Pace
from scanners.web.points import Part, Point, Where
from scanners.web.probing.driver import Performed, perform
from scanners.web.probing.examine import Examined, examine_page, examine_point
from scanners.web.probing.found import page_checks, passive_checks, point_checks
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Probing, Purpose, Session, Trial
from scanners.web.probing.weakness import WebCheck
from scanners.web.urls import target_of
from secops.support.clock import now
from tests.lab.vulnerable.lab import Flaw, Lab

_QUICK = Pace(most=2000, start=2000, connections=16)
OWN, OTHER = "alice-4f5a9c1e77", "bob-90ab31cc42"


@dataclass
class Tried:
    """What came of all checks at one flaw, or at its twin."""

    flaw: Flaw
    flawed: bool
    found: dict[str, set[str]] = field(default_factory=dict)
    """Rules by class."""
    sent: int = 0
    sent_by: dict[str, int] = field(default_factory=dict)
    """Requests by check."""
    failures: list[str] = field(default_factory=list)
    because: list[str] = field(default_factory=list)

    def keep(self, examined: Examined) -> None:
        """Count what one check sent and found."""
        check, done = examined.check, examined.performed
        self.sent += done.sent
        self.sent_by[check.name] = self.sent_by.get(check.name, 0) + done.sent
        self.failures += [f"{check.name}: {failure.detail.en}" for failure in done.failures]
        if done.verdict:
            self.found.setdefault(check.weakness.value, set()).add(check.rule_of(done.verdict))
            self.because.append(f"{check.rule_of(done.verdict)}: {done.verdict.because.en}")

    @property
    def right(self) -> bool:
        """A flaw: found as what it is. A twin: nothing was found."""
        return (self.flaw.weakness in self.found) if self.flawed and self.flaw.weakness != "none" else not self.wrong

    @property
    def wrong(self) -> set[str]:
        """Classes that were found and are not there."""
        real = {self.flaw.weakness, *self.flaw.also} if self.flawed else set()
        return set(self.found) - real


def request_of(lab: Lab, flaw: Flaw, flawed: bool) -> tuple[Target, Request]:
    """The ordinary request of a flaw."""
    target = target_of(lab.url(flaw.app))
    path = ("/flawed" if flawed else "/fixed") + flaw.path
    headers: list[tuple[str, str]] = [("User-Agent", "Mozilla/5.0 (lab)")]
    fields, body = dict(flaw.fields), flaw.body.encode()
    if flaw.content_type:
        headers.append(("Content-Type", flaw.content_type))
    if flaw.file:
        headers.append(("Content-Type", "multipart/form-data; boundary=lab7"))
        body = (
            f'--lab7\r\nContent-Disposition: form-data; name="{flaw.file}"; filename="a.png"\r\n'
            "Content-Type: image/png\r\n\r\npicture\r\n--lab7--\r\n"
        ).encode()
    match flaw.where:
        case "query":
            path += "?" + urlencode({flaw.at: flaw.value, **fields})
        case "raw_query":
            path += "?" + flaw.value
        case "form":
            fields = {flaw.at: flaw.value, **fields}
        case "json":
            headers.append(("Content-Type", "application/json"))
            body = json.dumps({flaw.at: flaw.value, **fields}).encode()
        case "header":
            headers = [pair for pair in headers if pair[0] != flaw.at] + [(flaw.at, flaw.value)]
        case "cookie":
            headers.append(("Cookie", f"{flaw.at}={quote(flaw.value)}"))
    if fields and not body and flaw.method == "POST":
        headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        body = urlencode(fields).encode()
    return target, Request(flaw.method, path, tuple(headers), body)


def point_at(points: Iterable[Point], flaw: Flaw) -> list[Point]:
    """The points of the flaw; a cookie has two, by how it is written."""
    wanted = Where(flaw.where)
    return [
        point
        for point in points
        if point.where is wanted
        and point.part is Part(flaw.part)
        and (wanted in (Where.PATH, Where.RAW_QUERY) or point.parameter.lower() == flaw.at.lower())
        and (wanted is not Where.PATH or _segment(point) == flaw.path.rstrip("/").count("/"))
    ]


def _segment(point: Point) -> int:
    return int(point.name)


class Trying:
    """Runs checks against the lab. Use it in `async with`."""

    def __init__(self, lab: Lab, only: str = "") -> None:
        self.lab = lab
        self._only = only
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Trying":
        scope = scope_of(("127.0.0.1/32",), "tester", now() + timedelta(days=1))
        self.client = await self._stack.enter_async_context(
            Client(Guard(scope, audit=lambda touch: None), profile=Safety.INTRUSIVE, pace=_QUICK)
        )
        self.listener = await self._stack.enter_async_context(OutOfBand())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def try_one(self, flaw: Flaw, flawed: bool) -> Tried:
        """Every check that fits, at one flaw or at its twin."""
        tried = Tried(flaw, flawed)
        target, request = request_of(self.lab, flaw, flawed)
        trial = self._trial(target, flaw, flawed)
        sender = _Sender(self.client, target, flaw.sessions)
        page = Page(request, await sender(Ask(request, Purpose.LOOK)))
        url = f"{target}{request.target}"
        if not flaw.where or flaw.method == "GET":
            for passive in passive_checks().values():
                for verdict in passive.judge(url, page):
                    tried.found.setdefault(passive.weakness.value, set()).add(passive.rule_of(verdict))
        wanted = [check for check in page_checks().values() if self._wanted(check.name)]

        async def performing(probing: Probing) -> Performed:
            return await perform(probing, sender, allowed=Safety.INTRUSIVE, listener=self.listener)

        for examined in await examine_page(page, wanted, trial, performing):
            tried.keep(examined)
        points = point_at(points_of(target, request), flaw) if flaw.where else []
        assert points or not flaw.where, f"no point for {flaw.name}"
        at_points = [check for check in point_checks().values() if self._wanted(check.name)]
        for point in points:
            if flaw.weakness not in tried.found:
                for examined in await examine_point(point, page, at_points, trial, performing):
                    tried.keep(examined)
        return tried

    async def try_all(
        self, flaws: Iterable[Flaw], at_once: int = 6, on_tried: Callable[[Tried], None] = lambda _: None
    ) -> list[Tried]:
        """Flaws and twins, in the order given; `on_tried` hears of each when it is done."""
        gate = asyncio.Semaphore(at_once)

        async def one(flaw: Flaw, flawed: bool) -> Tried:
            async with gate:
                tried = await self.try_one(flaw, flawed)
                on_tried(tried)
                return tried

        pairs = [(flaw, flawed) for flaw in flaws if flaw.app in self.lab.ports for flawed in (True, False)]
        return list(await asyncio.gather(*(one(*pair) for pair in pairs)))

    def _wanted(self, name: str) -> bool:
        return not self._only or name in self._only.split(",")

    def _trial(self, target: Target, flaw: Flaw, flawed: bool) -> Callable[[WebCheck], Trial]:
        word = "/flawed" if flawed else "/fixed"
        views = tuple(Request("GET", word + path) for path in (flaw.seen_at, flaw.form_at) if path)
        sessions = frozenset(Session) if flaw.sessions else frozenset({Session.OWN, Session.NOBODY})
        identity = ("Alice Zhao", "13812345678") if flaw.sessions else ()

        def make(check: WebCheck) -> Trial:
            return Trial(
                target, check.name, f"{word}{flaw.name}", seed="lab", baits=self.listener, views=views,
                sessions=sessions, identity=identity,
            )  # fmt: skip

        return make


class _Sender:
    def __init__(self, client: Client, target: Target, sessions: bool) -> None:
        self._client = client
        self._target = target
        self._jars = {Session.OWN: CookieJar(), Session.OTHER: CookieJar()}
        self._cookies = {Session.OWN: OWN, Session.OTHER: OTHER} if sessions else {}

    async def __call__(self, ask: Ask) -> Answer:
        request = ask.request
        if who := self._cookies.get(ask.session):
            request = Request(
                request.method, request.target, (*request.headers, ("Cookie", f"who={who}")), request.body
            )
        return await self._client.exchange(
            self._target, request, session=self._jars.get(ask.session), timeout_seconds=ask.patience_seconds or 8.0
        )
