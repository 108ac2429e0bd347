"""Crawls a site: the frontier decides, the client sends, the readings go back in order.

Requests go out in waves. A wave counts only when the session still held after it; else it is asked again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Protocol

from scanners.web.cookies import CookieJar
from scanners.web.crawl.clusters import cluster_of, key_of
from scanners.web.crawl.frontier import Frontier
from scanners.web.crawl.journal import CrawlJournal
from scanners.web.crawl.lead import Lead, Reading, Source
from scanners.web.crawl.plan import Crawled, CrawlPlan, LeftOut
from scanners.web.crawl.reading import read
from scanners.web.message import Answer, Reason, Request, Target
from scanners.web.visitor import Nobody, Visitor
from secops import __version__

_ASKED_AGAIN = frozenset({Reason.RESET, Reason.CLOSED, Reason.CUT_SHORT})
_MOST_RENDERED = 200
_READ_ASIDE_BYTES = 256 * 1024
_OUR_HEADERS = (
    ("User-Agent", f"jindun/{__version__}"),
    ("Accept", "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"),
    ("Accept-Encoding", "gzip, deflate"),
)


class Sends(Protocol):
    """Sends requests inside the scope; the scanning client is one."""

    async def exchange(self, target: Target, request: Request, *, session: CookieJar | None = None) -> Answer:
        """The answer, or why there is none; never raises for what a server does."""
        ...


class KeepsSession(Visitor, Protocol):
    """Keeps a user logged in; see SessionKeeper."""

    async def before(self) -> int:
        """The number of the session, which is begun when need be; 0 when that cannot be done."""
        ...

    async def after(self, session: int) -> bool:
        """Whether what was answered since `before` counts."""
        ...


class Renders(Protocol):
    """A browser that shows a page and tells what it made of it."""

    async def render(self, lead: Lead, person: Visitor, *, submits: bool = False) -> Reading | None:
        """What the page gives once its scripts have run; None when it could not be shown."""
        ...


@dataclass(frozen=True, slots=True)
class CrawlState:
    """Where a crawl is, for whoever watches."""

    sent: int
    waiting: int
    found: int
    last: str


def _unwatched(state: CrawlState) -> None:
    """Nobody watches."""


async def crawl(
    sends: Sends,
    plan: CrawlPlan,
    *,
    journal: CrawlJournal | None = None,
    keeper: KeepsSession | None = None,
    browser: Renders | None = None,
    watch: Callable[[CrawlState], None] = _unwatched,
) -> Crawled:
    """Everything that the site can be asked, within the plan.

    Raises ValueError for seeds that are no web address, BadInput for the journal of another crawl.
    """
    crawler = _Crawler(sends, plan, keeper, browser, journal)
    ends_at = crawler.ends_at
    wave = crawler.replay()
    while (wave := wave or crawler.wave()) and not crawler.killed:
        if monotonic() >= ends_at:
            crawler.stop(wave, LeftOut.TIME)
            break
        readings = await crawler.ask(wave)
        if readings is None:
            crawler.stop(wave, LeftOut.OUT_OF_SESSION)
            break
        crawler.take(wave, readings)
        watch(CrawlState(crawler.sent, crawler.frontier.waiting, crawler.frontier.found, wave[-1].url))
        wave = []
    return crawler.frontier.crawled()


class _Crawler:
    def __init__(
        self,
        sends: Sends,
        plan: CrawlPlan,
        keeper: KeepsSession | None,
        browser: Renders | None,
        journal: CrawlJournal | None,
    ) -> None:
        self.frontier = Frontier(plan)
        self.sent = 0
        self.killed = False
        self._sends = sends
        self.ends_at = monotonic() + plan.max_seconds
        self._plan = plan
        self._keeper = keeper
        self._browser = browser
        self._journal = journal
        self._rendered = 0
        self._growing: dict[str, bool] = {}
        """Whether the browser saw more than the page says, by kind of page."""
        self._visitor: Visitor = keeper or Nobody()

    def wave(self) -> list[Lead]:
        """The next requests."""
        found = list[Lead]()
        while len(found) < self._plan.confirm_every and (lead := self.frontier.next()):
            found.append(lead)
        return found

    def replay(self) -> list[Lead]:
        """Take what the journal has; what is left of its last wave is still to be asked. Raises BadInput."""
        if self._journal is None:
            return []
        recorded = list(self._journal.replay())
        at = 0
        while at < len(recorded) and (wave := self.wave()):
            there = recorded[at : at + len(wave)]
            for lead, (key, reading) in zip(wave, there, strict=False):
                if key != key_of(lead):
                    raise self._journal.unfit()
                self.frontier.take(lead, reading)
            if len(there) < len(wave):
                return wave[len(there) :]
            at += len(wave)
        return []

    async def ask(self, wave: Sequence[Lead]) -> list[Reading] | None:
        """The readings of a wave; None when no session can be had for it."""
        readings = await self._in_session(wave)
        if readings is not None or self._keeper is None:
            return readings
        # Something in this wave ends the session: one request at a time shows which.
        found = list[Reading]()
        for lead in wave:
            alone = await self._in_session([lead]) or await self._in_session([lead])
            if alone is None and not await self._keeper.before():
                return None
            found += alone or [Reading(failure=LeftOut.OUT_OF_SESSION.value)]
        return found

    async def _in_session(self, wave: Sequence[Lead]) -> list[Reading] | None:
        """The readings, if they were given to somebody logged in."""
        if self._keeper is None:
            return await self._answers(wave)
        session = await self._keeper.before()
        if not session:
            return None
        readings = await self._answers(wave)
        return readings if await self._keeper.after(session) else None

    def take(self, wave: Sequence[Lead], readings: Sequence[Reading]) -> None:
        """Write down and learn."""
        self.killed = any(reading.failure == Reason.KILLED for reading in readings)
        if self.killed:
            self.stop(wave, LeftOut.STOPPED)
            return
        for lead, reading in zip(wave, readings, strict=True):
            if self._journal:
                self._journal.append(lead, reading)
            self.frontier.take(lead, reading)

    def stop(self, wave: Sequence[Lead], reason: LeftOut) -> None:
        """Leave out what is under way and what waits."""
        for lead in wave:
            self.frontier.give_up(lead, reason)
        self.frontier.close(reason)

    async def _answers(self, wave: Sequence[Lead]) -> list[Reading]:
        room = asyncio.Semaphore(self._plan.concurrency)

        async def one(lead: Lead) -> Reading:
            async with room:
                return await self._reading(lead)

        readings = await asyncio.gather(*map(one, wave))
        return await self._shown(wave, readings) if self._browser else list(readings)

    async def _reading(self, lead: Lead) -> Reading:
        answer = await self._send(lead)
        if answer.failure and answer.failure.reason in _ASKED_AGAIN and lead.method in ("GET", "HEAD"):
            answer = await self._send(lead)
        body = answer.response.body if answer.response else b""
        return await asyncio.to_thread(read, lead, answer) if len(body) > _READ_ASIDE_BYTES else read(lead, answer)

    async def _send(self, lead: Lead) -> Answer:
        self.sent += 1
        request = self._visitor.dressed(lead.target, lead.request)
        if not request.headers or not any(name.lower() == "user-agent" for name, _ in request.headers):
            request = replace(request, headers=(*_OUR_HEADERS, *request.headers))
        return await self._sends.exchange(lead.target, request, session=self._visitor.cookies)

    async def _shown(self, wave: Sequence[Lead], readings: Sequence[Reading]) -> list[Reading]:
        """With what the browser saw of the pages that grow in it."""
        chosen = [self._is_worth_showing(lead, reading) for lead, reading in zip(wave, readings, strict=True)]
        shown = await asyncio.gather(
            *(
                self._with_browser(*pair)
                for pair, wanted in zip(zip(wave, readings, strict=True), chosen, strict=True)
                if wanted
            )
        )
        later = iter(shown)
        found = []
        for lead, reading, wanted in zip(wave, readings, chosen, strict=True):
            richer = next(later) if wanted else reading
            if wanted:
                grew = richer.unseen or len(richer.leads) > len(reading.leads)
                self._growing[cluster_of(lead)] = self._growing.get(cluster_of(lead), False) or grew
            found.append(richer)
        return found

    def _is_worth_showing(self, lead: Lead, reading: Reading) -> bool:
        """A page that its scripts make, and one with scripts of each other kind, to see whether they do."""
        if lead.method != "GET" or lead.source in (Source.MISS, Source.PROBE) or reading.kind != "html":
            return False
        return reading.grows or (reading.scripted and self._growing.get(cluster_of(lead), True))

    async def _with_browser(self, lead: Lead, reading: Reading) -> Reading:
        """Shown by a browser too."""
        assert self._browser is not None
        if self._rendered >= _MOST_RENDERED or monotonic() > self.ends_at:
            return replace(reading, unseen=reading.grows)
        self._rendered += 1
        shown = await self._browser.render(lead, self._visitor, submits=self._plan.submits)
        if shown is None:
            return replace(reading, unseen=True)
        leads = tuple(dict.fromkeys((*shown.leads, *reading.leads)))
        names = tuple(dict.fromkeys((*shown.names, *reading.names)))
        return replace(reading, leads=leads, names=names, shape=shown.shape or reading.shape, unseen=shown.unseen)
