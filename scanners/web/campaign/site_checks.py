"""Our own checks on everything that a crawl found: passive ones on each page, active ones at each place that answers."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Protocol

from scanners.safety import Safety
from scanners.web.campaign.earlier import NOTHING_EARLIER, Earlier, mark_of
from scanners.web.campaign.examination import Examination, entries_of
from scanners.web.campaign.found import of_verdict
from scanners.web.campaign.leaving import Left, all_marked, pages_that_may_show, shown_in
from scanners.web.campaign.ledger import Entry
from scanners.web.campaign.persons import words_of_one
from scanners.web.campaign.sender import USER_AGENT, Sender, Sessions, dressed_up
from scanners.web.charset import DEFAULT
from scanners.web.client import Client
from scanners.web.crawl.clusters import key_of
from scanners.web.crawl.lead import Lead, Source
from scanners.web.crawl.plan import Crawled
from scanners.web.crawl.plan import Entry as Asked
from scanners.web.finding_points import NOTHING_LEARNED
from scanners.web.inert import MARK, Prober
from scanners.web.message import Answer, Request, Target
from scanners.web.out_of_band import Late
from scanners.web.points import Part, Point, Where
from scanners.web.probing.check import PointCheck
from scanners.web.probing.driver import Listener, Performed, perform
from scanners.web.probing.examine import examine_page, examine_point
from scanners.web.probing.found import page_checks, passive_checks, point_checks
from scanners.web.probing.page import Page
from scanners.web.probing.taken import taken_late
from scanners.web.probing.trial import Ask, Bait, Baits, Probing, Purpose, Session, Trial
from scanners.web.probing.weakness import WebCheck
from scanners.web.relevance import Choice, Chosen, Misses, Worth, worth_of
from scanners.web.sessions.keeper import OutOfSession, confirmed
from scanners.web.urls import url_of

_SHOWN_KINDS = frozenset({"", "html", "json", "xml", "text"})
_PARTS = frozenset({"script", "style"})
"""Of pages. Where they lie, a server may hand out other files, too."""
_MOST_VIEWS = 3
_MOST_SHOWN = 300
"""Pages on which is looked for what was left behind elsewhere."""
_NOWHERE = f"/{MARK}-nowhere"
"""A place that no site has: what is said there may repeat what was asked for."""
SHOWN_ELSEWHERE = "shown elsewhere"
"""In place of a place, in the journal: what was left at one place and shows at another."""


class BaitsAndHits(Baits, Listener, Protocol):
    """The out-of-band listener."""


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
        earlier: Earlier = NOTHING_EARLIER,
        at_once: int = 8,
    ) -> None:
        """`done`: places that were examined before the scan was killed; `earlier`: by the scan that this one follows."""
        self._client, self._site, self._crawled, self._seed = client, site, crawled, seed
        self._sessions = sessions or Sessions()
        self._listener = listener
        self._done = done or {}
        self._earlier = earlier
        self._on_place = on_place
        self._at_once = at_once
        self._sender = Sender(client, self._sessions)
        self._misses = Misses(seed)
        self._chosen: dict[str, Chosen] = {}
        self._identity: tuple[str, ...] = ()
        self._laid: dict[tuple[str, str], tuple[str, Point | None]] = {}
        """Where baits were laid, by check and place."""
        self._ended: dict[str, Entry] = {}
        self.last_bait = float("-inf")
        """When the last bait was laid."""
        self.examined = 0

    @property
    def sent(self) -> int:
        """Requests so far."""
        return self._sender.sent

    async def run(self) -> list[Entry]:
        """Examine everything; one entry for each check."""
        wanted = [*(one for one in self._crawled.entries if self._is_wanted(one)), *self._folders(), *self._nowhere()]
        choice = Choice()
        self._chosen = {key_of(one.lead): choice.of(one.points) for one in wanted}
        self._identity = await self._own_words()
        all_of_them: dict[str, Examination] = {}
        waiting = deque(wanted)

        async def work() -> None:
            while waiting:
                asked = waiting.popleft()
                place = key_of(asked.lead)
                all_of_them[place] = await self._once(place, partial(self._examine, asked))

        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(work())
        examined = [all_of_them[place] for place in self._chosen]
        left = self._left_behind(
            wanted, {(name, one.url, one.parameter) for each in examined for name, one in each.found}
        )
        if left:
            examined.append(await self._once(SHOWN_ELSEWHERE, partial(self._look_everywhere, left)))
        self._ended = {entry.check: entry for entry in entries_of(self._site, examined, self._crawled)}
        return list(self._ended.values())

    def heard_late(self, late: Iterable[Late]) -> list[Entry]:
        """Entries that are other ones now: somebody took a bait when its check was over."""
        before = dict(self._ended)
        for one in late:
            check = {**point_checks(), **page_checks()}.get(one.check)
            laid = self._laid.get((one.check, one.place))
            if check is None or laid is None:
                continue
            found, entry = of_verdict(check, taken_late(one.hit), *laid), self._ended[one.check]
            if any(
                (known.url, known.parameter, known.where) == (found.url, found.parameter, found.where)
                for known in entry.found
            ):
                continue
            self._ended[one.check] = entry.called_back((found,))
        return [self._ended[name] for name, entry in before.items() if self._ended[name] is not entry]

    def _is_wanted(self, asked: Asked) -> bool:
        """What answers, or is a form that was not sent; what was guessed must be there."""
        if asked.kind not in _SHOWN_KINDS or asked.lead.source is Source.MISS:
            return False
        if asked.lead.needs_care and self._client.profile is Safety.SAFE:
            return False
        return asked.status < 400 or not asked.lead.source.is_guess

    def _folders(self) -> Iterable[Asked]:
        """One of the files in each folder of those that pages are made of."""
        parts = (one for one in self._crawled.entries if one.kind in _PARTS and one.request.method == "GET")
        found = {(one.target, one.request.target.partition("?")[0].rpartition("/")[0]): one for one in parts}
        return found.values()

    def _nowhere(self) -> Iterable[Asked]:
        """A place where nothing is, on each origin that was crawled."""
        for target in dict.fromkeys(asked.target for asked in self._crawled.entries):
            yield Asked(Lead(f"{target}{_NOWHERE}", Source.MISS), 404, "html", DEFAULT, NOTHING_LEARNED)

    async def _once(self, place: str, examine: Callable[[], Awaitable[Examination]]) -> Examination:
        """What is known of a place from before, or its examination now."""
        known = self._done.get(place)
        examination = known or await self._in_session(examine)
        self.examined += 1
        if known is None:
            self._on_place(place, examination)
        return examination

    async def _in_session(self, examine: Callable[[], Awaitable[Examination]]) -> Examination:
        own = self._sessions.own
        if own is None:
            return await examine()
        try:
            return await confirmed(own, examine)
        except OutOfSession as error:
            return Examination(trouble=error.text)

    async def _own_words(self) -> tuple[str, ...]:
        """What the site says to the first person and not to the second."""
        own, other = self._sessions.own, self._sessions.other
        if own is None or other is None or not self._crawled.entries:
            return ()
        target = self._crawled.entries[0].target

        async def ask(session: Session, path: str) -> Page:
            request = Request("GET", path, (USER_AGENT,))
            return Page(request, await self._sender.send(target, Ask(request, Purpose.LOOK, session=session)))

        return await words_of_one(ask, ("/", own.probe_target))

    async def _examine(self, asked: Asked) -> Examination:
        request, url = dressed_up(asked.request), url_of(asked.target, asked.request)
        page = Page(request, await self._sender.send(asked.target, Ask(request, Purpose.LOOK)))
        mark = mark_of(page, self._tried(asked))
        settled = self._earlier.settled(key_of(asked.lead), mark)
        examination = Examination(mark=mark, unchanged=sorted(settled))
        is_somewhere = asked.lead.source is not Source.MISS and asked.kind not in _PARTS
        stranger = await self._as_stranger(asked.target, page) if is_somewhere else page
        if is_somewhere:
            self._look_at(page, stranger, url, examination)
        if page.response is None:
            return examination
        performing = self._performing(asked.target)
        if is_somewhere:
            trials = self._trials(asked, url, page)
            for seen in (page, stranger):
                unsettled = (check for name, check in page_checks().items() if name not in settled)
                fitting = [check for check in unsettled if check.as_stranger is (seen is stranger)]
                for examined in await examine_page(seen, fitting, trials, performing):
                    examination.keep(examined, url)
        left = [check for name, check in point_checks().items() if name not in settled]
        for point, checks in await self._worthy(asked, left):
            trials = self._trials(asked, url, page, point)
            for examined in await examine_point(point, page, checks, trials, performing):
                examination.keep(examined, url, point)
        return examination

    async def _as_stranger(self, target: Target, page: Page) -> Page:
        """What somebody is answered who has no session; where there is none, the page itself."""
        if self._sessions.own is None or page.request.method != "GET":
            return replace(page)
        return Page(
            page.request, await self._sender.send(target, Ask(page.request, Purpose.LOOK, session=Session.NOBODY))
        )

    def _look_at(self, page: Page, stranger: Page, url: str, examination: Examination) -> None:
        for passive in passive_checks().values():
            counts = examination.counts.setdefault(passive.name, [0, 0, 0, 0])
            counts[0] += 1
            counts[1] += page.response is None
            seen = (page, stranger) if passive.as_stranger and stranger.answer is not page.answer else (page,)
            verdicts = {(one.rule, one.place): one for each in seen for one in passive.judge(url, each)}
            examination.found += [(passive.name, of_verdict(passive, one, url)) for one in verdicts.values()]

    def _tried(self, asked: Asked) -> list[Point]:
        """Where payloads may be tried: what other places try as well may be left to them."""
        chosen = self._chosen[key_of(asked.lead)]
        return [asked.points[number] for number in (*sorted(chosen.points), *sorted(chosen.unknown))]

    async def _worthy(self, asked: Asked, checks: Sequence[PointCheck]) -> list[tuple[Point, Sequence[PointCheck]]]:
        """The points of a request that are worth it, each with those of the checks that may tell something there."""
        if not checks:
            return []
        chosen = self._chosen[key_of(asked.lead)]
        only = {Where.PATH} if asked.kind in _PARTS else set(Where)
        points = enumerate(asked.points)
        wanted = {number: point for number, point in points if number in chosen.points and point.where in only}
        prober = Prober(self._sender, asked.target, asked.request)
        live = set(await prober.without_inert(list(wanted.values())))
        worthy: list[tuple[Point, Sequence[PointCheck]]] = []
        for number, point in wanted.items():
            if point not in live:
                continue
            worth = await worth_of(point, prober, self._misses, nowhere=asked.lead.source is Source.MISS)
            if worth is Worth.ALL:
                worthy.append((point, checks))
            elif worth is Worth.FEW and number in chosen.unknown:
                worthy.append((point, tuple(check for check in checks if check.fits_unknown(point))))
        return worthy

    def _left_behind(self, wanted: Iterable[Asked], found: set[tuple[str, str, str]]) -> list[Left]:
        """Fields whose content may show elsewhere, and did not where it was looked for."""
        if self._client.profile is Safety.SAFE:
            return []
        keeping = [check for check in point_checks().values() if check.shows_elsewhere]
        left = []
        for asked in wanted:
            url = url_of(asked.target, asked.request)
            for number, point in enumerate(asked.points):
                # A field that goes by another name has no value any more: all of them are marked in one request.
                if point.part is Part.NAME or number not in self._chosen[key_of(asked.lead)].points:
                    continue
                for check in keeping:
                    if check.fits(point) and (check.name, url, point.parameter) not in found:
                        left.append(Left(asked, point, check, self._mark_of(check, asked, point)))
        return left

    def _mark_of(self, check: PointCheck, asked: Asked, point: Point) -> str:
        """The mark that the check itself begins with at this point."""
        place = _place(url_of(asked.target, asked.request), point)
        return Trial(asked.target, check.name, place, seed=self._seed).mark()

    async def _look_everywhere(self, left: Sequence[Left]) -> Examination:
        """Leave all marks again, then look at every page of the site for them."""
        examination = Examination()
        by_place: dict[str, list[Left]] = {}
        for one in left:
            by_place.setdefault(key_of(one.asked.lead), []).append(one)
        for together in by_place.values():
            await self._sender.send(together[0].asked.target, Ask(all_marked(together), Purpose.LOOK))
        by_mark, shown = {one.mark: one for one in left}, dict[str, list[Asked]]()
        for asked in pages_that_may_show(self._crawled.entries, _MOST_SHOWN):
            request = dressed_up(asked.request)
            text = Page(request, await self._sender.send(asked.target, Ask(request, Purpose.LOOK))).text
            for one in shown_in(text, by_mark):
                shown.setdefault(one.mark, []).append(asked)
        for mark, places in shown.items():
            for place in places[:_MOST_VIEWS]:
                # One page may escape what another does not.
                if await self._probe_shown(by_mark[mark], place, examination):
                    break
        return examination

    async def _probe_shown(self, left: Left, shown: Asked, examination: Examination) -> bool:
        """The check once more, now that it is known where to look; whether it found something."""
        asked, url = left.asked, url_of(left.asked.target, left.asked.request)
        page = Page(asked.request, Answer(()))
        trials = self._trials(asked, url, page, left.point, (dressed_up(shown.request),))
        for examined in await examine_point(left.point, page, (left.check,), trials, self._performing(asked.target)):
            examination.keep(examined, url, left.point)
            if examined.performed.verdict is not None:
                return True
        return False

    def _performing(self, target: Target) -> Callable[[Probing], Awaitable[Performed]]:
        async def sends(ask: Ask) -> Answer:
            return await self._sender.send(target, ask)

        async def performing(probing: Probing) -> Performed:
            return await perform(probing, sends, allowed=self._client.profile, listener=self._listener)

        return performing

    def _trials(
        self, asked: Asked, url: str, page: Page, point: Point | None = None, views: tuple[Request, ...] = ()
    ) -> Callable[[WebCheck], Trial]:
        place = _place(url, point) if point else url
        shown = views or _views(asked)

        def trial_of(check: WebCheck) -> Trial:
            baits = _Laying(self, self._listener, url, point) if self._listener else None
            return Trial(
                asked.target, check.name, place, seed=self._seed, baits=baits, views=shown,
                sessions=self._sessions.kinds, identity=self._identity,
            )  # fmt: skip

        return trial_of

    def laying(self, check: str, place: str, url: str, point: Point | None) -> None:
        """A bait is about to be laid: whoever takes it late, tells of this."""
        self._laid[check, place] = (url, point)
        self.last_bait = monotonic()


class _Laying:
    """Baits for one place, which is remembered."""

    def __init__(self, checks: SiteChecks, baits: Baits, url: str, point: Point | None) -> None:
        self._checks, self._baits, self._url, self._point = checks, baits, url, point

    def bait(self, check: str, place: str) -> Bait:
        self._checks.laying(check, place, self._url, self._point)
        return self._baits.bait(check, place)


def _views(asked: Asked) -> tuple[Request, ...]:
    """Pages that may show what was stored: where the form stands, and what it is sent to."""
    here = [asked.request.target.partition("?")[0]]
    found_on = asked.lead.found_on
    if found_on.startswith(str(asked.target)):
        here.insert(0, found_on.removeprefix(str(asked.target)) or "/")
    return tuple(Request("GET", path) for path in dict.fromkeys(here))[:_MOST_VIEWS]


def _place(url: str, point: Point) -> str:
    return f"{point.request.method} {url.partition('?')[0]} {point.where.value} {point.part.value} {point.name}"
