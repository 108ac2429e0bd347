"""Our own checks on everything that a crawl found: passive ones on each page, active ones at each place that answers."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from scanners.safety import Safety
from scanners.web.campaign.found import Found, of_verdict
from scanners.web.campaign.ledger import Entry, found_of, found_row
from scanners.web.client import Client
from scanners.web.cookies import CookieJar
from scanners.web.crawl.clusters import key_of
from scanners.web.crawl.lead import Source
from scanners.web.crawl.plan import Crawled
from scanners.web.crawl.plan import Entry as Asked
from scanners.web.message import Answer, Request, Target
from scanners.web.points import Part, Point, Where
from scanners.web.probing.driver import Listener, Performed, perform
from scanners.web.probing.examine import Examined, examine_page, examine_point
from scanners.web.probing.found import page_checks, passive_checks, point_checks
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Baits, Probing, Purpose, Session, Trial
from scanners.web.probing.weakness import WebCheck
from scanners.web.sessions.keeper import OutOfSession, SessionKeeper, confirmed
from scanners.web.urls import url_of
from secops import __version__
from secops.model.outcome import Outcome
from secops.model.text import Text

_MOST_FAILED = 0.05
"""Of the places where a check was tried; with more of them unanswered it was not tested."""
_SHOWN_KINDS = frozenset({"", "html", "json", "xml", "text"})
_USER_AGENT = ("User-Agent", f"jindun/{__version__}")
_MOST_VIEWS = 3
_ODD = "'\"<"
"""Characters that break statements and pages."""
_CHECK_SECONDS = 8.0


class BaitsAndHits(Baits, Listener, Protocol):
    """The out-of-band listener."""


@dataclass(slots=True)
class Examination:
    """What came of all checks at one place; as JSON in the journal."""

    found: list[tuple[str, Found]] = field(default_factory=list)
    """By check."""
    counts: dict[str, list[int]] = field(default_factory=dict)
    """By check: tried, without a whole answer, not allowed by the profile, requests."""
    trouble: Text | None = None

    def keep(self, examined: Examined, url: str, point: Point | None = None) -> None:
        """Count one check."""
        check, done = examined.check, examined.performed
        counts = self.counts.setdefault(check.name, [0, 0, 0, 0])
        counts[0] += 1
        counts[1] += bool(done.failures) and done.verdict is None
        counts[2] += done.refused is not None and done.verdict is None
        counts[3] += done.sent
        if done.verdict is not None:
            self.found.append((check.name, of_verdict(check, done.verdict, url, point)))

    def row(self) -> dict[str, Any]:
        """As JSON."""
        trouble = [self.trouble.zh, self.trouble.en] if self.trouble else None
        return {
            "found": [[name, found_row(one)] for name, one in self.found],
            "counts": self.counts,
            "trouble": trouble,
        }


def examination_of(row: Mapping[str, Any]) -> Examination:
    """The other way round."""
    trouble = Text(*row["trouble"]) if row["trouble"] else None
    return Examination([(name, found_of(one)) for name, one in row["found"]], dict(row["counts"]), trouble)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Who is logged in."""

    own: SessionKeeper | None = None
    other: SessionKeeper | None = None
    """A second person, to tell whose objects are whose."""

    @property
    def kinds(self) -> frozenset[Session]:
        """Those that can be had."""
        return frozenset({Session.OWN, Session.NOBODY} | ({Session.OTHER} if self.other else set()))


def _ignore(place: str, examined: Examination) -> None:
    """Nobody keeps a journal."""


class SiteChecks:
    """All checks of ours on one crawled site."""

    def __init__(
        self,
        client: Client,
        site: str,
        crawled: Crawled,
        seed: str,
        *,
        sessions: Sessions | None = None,
        listener: BaitsAndHits | None = None,
        done: Mapping[str, Examination] | None = None,
        on_place: Callable[[str, Examination], None] = _ignore,
        at_once: int = 8,
    ) -> None:
        """`done`: places that were examined before the scan was killed."""
        self._client, self._site, self._crawled, self._seed = client, site, crawled, seed
        self._sessions = sessions or Sessions()
        self._listener = listener
        self._done = done or {}
        self._on_place = on_place
        self._at_once = at_once
        self._jar = self._sessions.own.cookies if self._sessions.own else CookieJar()
        self.sent = 0
        self.examined = 0

    async def run(self) -> list[Entry]:
        """Examine everything; one entry for each check."""
        wanted = deque(one for one in self._crawled.entries if self._is_wanted(one))
        all_of_them: dict[str, Examination] = {}

        async def work() -> None:
            while wanted:
                asked = wanted.popleft()
                place = key_of(asked.lead)
                known = self._done.get(place)
                examination = known or await self._examined(asked)
                all_of_them[place] = examination
                self.examined += 1
                if known is None:
                    self._on_place(place, examination)

        order = [key_of(one.lead) for one in wanted]
        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(work())
        return list(self._entries([all_of_them[place] for place in order]))

    def _is_wanted(self, asked: Asked) -> bool:
        """What answers, or is a form that was not sent; what was guessed must be there."""
        if asked.kind not in _SHOWN_KINDS or asked.lead.source is Source.MISS or asked.status == 404:
            return False
        if asked.lead.needs_care and self._client.profile is Safety.SAFE:
            return False
        return asked.status < 400 or not asked.lead.source.is_guess

    async def _examined(self, asked: Asked) -> Examination:
        own = self._sessions.own
        if own is None:
            return await self._examine(asked)
        try:
            return await confirmed(own, lambda: self._examine(asked))
        except OutOfSession as error:
            return Examination(trouble=error.text)

    async def _examine(self, asked: Asked) -> Examination:
        examination = Examination()
        request, url = _dressed_up(asked.request), url_of(asked.target, asked.request)
        page = Page(request, await self._send(asked.target, Ask(request, Purpose.LOOK)))
        for passive in passive_checks().values():
            counts = examination.counts.setdefault(passive.name, [0, 0, 0, 0])
            counts[0] += 1
            counts[1] += page.response is None
            examination.found += [(passive.name, of_verdict(passive, one, url)) for one in passive.judge(url, page)]
        if page.response is None:
            return examination

        async def sends(ask: Ask) -> Answer:
            return await self._send(asked.target, ask)

        async def performing(probing: Probing) -> Performed:
            return await perform(probing, sends, allowed=self._client.profile, listener=self._listener)

        for examined in await examine_page(page, page_checks().values(), self._trials(asked, url, page), performing):
            examination.keep(examined, url)
        for point in asked.points:
            if await self._matters(point, sends):
                trials = self._trials(asked, _place(url, point), page)
                for examined in await examine_point(point, page, point_checks().values(), trials, performing):
                    examination.keep(examined, url, point)
        return examination

    async def _matters(self, point: Point, sends: Callable[[Ask], Awaitable[Answer]]) -> bool:
        """Fields that the site sends itself do; names, headers, segments and guessed fields only when what stands there
        changes the answer, or is in it. On a page that is never twice the same, only its status tells.
        """
        if point.part is not Part.NAME and not point.is_new and point.where not in (Where.HEADER, Where.PATH):
            return True
        mark = "jd" + _mark(self._seed, point)

        async def looked(payload: str) -> Page:
            request = point.inject(payload)
            return Page(request, await sends(Ask(request, Purpose.LOOK)))

        plain, odd = await looked(mark), await looked(mark[::-1] + _ODD)
        if plain.response is None or odd.response is None:
            return False
        if mark in plain.text and plain.status != 404:
            return True
        if plain.status != odd.status:
            return True
        return plain.text != odd.text and plain.text == (await looked(mark)).text and plain.status != 404

    def _trials(self, asked: Asked, place: str, page: Page) -> Callable[[WebCheck], Trial]:
        views = _views(asked)

        def trial_of(check: WebCheck) -> Trial:
            return Trial(
                asked.target, check.name, place, seed=self._seed, baits=self._listener, views=views,
                sessions=self._sessions.kinds,
            )  # fmt: skip

        return trial_of

    async def _send(self, target: Target, ask: Ask) -> Answer:
        self.sent += 1
        seconds = ask.patience_seconds or _CHECK_SECONDS
        keeper = {Session.OWN: self._sessions.own, Session.OTHER: self._sessions.other}.get(ask.session)
        if keeper is not None:
            request = keeper.dressed(target, ask.request)
            return await self._client.exchange(target, request, session=keeper.cookies, timeout_seconds=seconds)
        jar = self._jar if ask.session is Session.OWN else None
        return await self._client.exchange(target, ask.request, session=jar, timeout_seconds=seconds)

    def _entries(self, examinations: Iterable[Examination]) -> Iterable[Entry]:
        examined = list(examinations)
        lost = next((one.trouble for one in examined if one.trouble), None)
        for name in sorted({**passive_checks(), **page_checks(), **point_checks()}):
            found = [one for each in examined for check, one in each.found if check == name]
            distinct = {(one.rule, one.url, one.parameter, one.where, one.matcher): one for one in found}
            rows = [each.counts[name] for each in examined if name in each.counts]
            tried, failed, refused, sent = (sum(row[at] for row in rows) for at in range(4))
            outcome, reason = self._verdict(len(distinct), tried, failed, refused, lost)
            yield Entry(self._site, name, outcome, reason, "", tuple(distinct.values()), sent=sent)

    def _verdict(self, found: int, tried: int, failed: int, refused: int, lost: Text | None) -> tuple[Outcome, Text]:
        if found:
            return Outcome.FOUND, Text(f"{tried} 处试探,发现 {found} 处", f"found at {found} of {tried} places")
        if lost is not None:
            return Outcome.UNREACHABLE, lost
        if self._crawled.failed and not tried:
            return Outcome.UNREACHABLE, Text("站点无法爬取", "the site could not be crawled")
        if not tried:
            return Outcome.SKIPPED, Text("站点上没有适用之处", "there is nothing on the site that it applies to")
        if failed > _MOST_FAILED * tried:
            return Outcome.UNREACHABLE, Text(
                f"{tried} 处中有 {failed} 处没有完整应答", f"at {failed} of {tried} places there was no whole answer"
            )
        if refused == tried:
            return Outcome.SKIPPED, Text("扫描档位不允许", "the profile of the scan does not allow it")
        return Outcome.TESTED_CLEAN, Text(f"{tried} 处试探,未发现", f"nothing at {tried} places")


def _dressed_up(request: Request) -> Request:
    if any(name.lower() == "user-agent" for name, _ in request.headers):
        return request
    return Request(request.method, request.target, (_USER_AGENT, *request.headers), request.body, request.raw)


def _views(asked: Asked) -> tuple[Request, ...]:
    """Pages that may show what was stored: where the form stands, and what it is sent to."""
    here = [asked.request.target.partition("?")[0]]
    found_on = asked.lead.found_on
    if found_on.startswith(str(asked.target)):
        here.insert(0, found_on.removeprefix(str(asked.target)) or "/")
    return tuple(Request("GET", path) for path in dict.fromkeys(here))[:_MOST_VIEWS]


def _place(url: str, point: Point) -> str:
    return f"{point.request.method} {url.partition('?')[0]} {point.where.value} {point.part.value} {point.name}"


def _mark(seed: str, point: Point) -> str:
    return Trial(point.target, "matters", f"{point.where}{point.part}{point.name}", seed=seed).mark(7)
