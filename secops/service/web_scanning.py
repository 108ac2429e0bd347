"""Scans of web sites: templates, crawl and checks, journal and sessions put together for one call."""

import asyncio
import gc
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import scanners.web.templates
from scanners.audit import AuditLog
from scanners.safety import Safety
from scanners.scope import Guard
from scanners.web.browser.rendering import Browser, open_browser
from scanners.web.campaign.campaign import Assignment, Campaign, Tally, can_call
from scanners.web.campaign.earlier import NOTHING_EARLIER, Earlier, code_of_checks
from scanners.web.campaign.examination import Examination, examination_of
from scanners.web.campaign.fingerprint import fingerprint
from scanners.web.campaign.forecast import forecast
from scanners.web.campaign.found import TEMPLATE_PREFIX, template_check
from scanners.web.campaign.gating import Products
from scanners.web.campaign.journal import Recorded, ScanJournal, head_of, identity_of, read_journal
from scanners.web.campaign.ledger import UNCHANGED, Entry, Ledger
from scanners.web.campaign.repertoire import Repertoire
from scanners.web.campaign.sender import Sessions
from scanners.web.campaign.site_checks import SiteChecks
from scanners.web.campaign.site_run import Manner
from scanners.web.canary import Canary, watched
from scanners.web.client import Client
from scanners.web.crawl.crawl import crawl
from scanners.web.crawl.journal import CrawlJournal
from scanners.web.crawl.plan import Crawled, CrawlPlan
from scanners.web.loop import run as run_loop
from scanners.web.message import Request
from scanners.web.out_of_band import OutOfBand
from scanners.web.pace import Pace
from scanners.web.probing.found import every_check
from scanners.web.sessions.keeper import SessionKeeper
from scanners.web.sessions.session_file import SessionFile, load_session
from scanners.web.templates.library import Library, load
from scanners.web.templates.model import Refused, Template
from scanners.web.templates.selection import USUALLY_EXCLUDED
from scanners.web.templates.site import Site, site_of
from secops.execution.secrets import Secrets
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.service.web_jobs import refused_entry
from secops.service.web_parts import Notes, Part, Reports, parts_of, scan_parts
from secops.service.web_wish import OnFound, Watch, WebPlan, WebScanned, WebState, WebWish, untold, unwatched
from secops.support.clock import now
from secops.support.errors import BadInput

SHIPPED = Path(scanners.web.templates.__path__[0]) / "shipped"
_ASKED_FOR = frozenset({"intrusive", "fuzz", "default-login"})
"""Tags whose templates run in intrusive scans alone; the others that are usually left out never run."""
_TOLD_SECONDS = 0.25
_SITES_WITH_CANARY = 32
_SITES_CRAWLED_AT_ONCE = 4


def scan_web(wish: WebWish, watch: Watch = unwatched, on_found: OnFound = untold) -> WebScanned:
    """Scan. Raises BadInput for what cannot be used: URLs, templates, jobs, session files, journals.

    `on_found` hears of what is found as soon as it is; it may hear of the same again, and what holds is in the result.
    """
    return _WebScan(wish, watch, on_found).run()


def plan_web(wish: WebWish) -> WebPlan:
    """What a scan would do, without sending anything. Raises BadInput."""
    scan = _WebScan(wish, unwatched)
    chosen = [(site, forecast(scan.repertoire, indices, scan.products)) for site, indices in scan.assigned.items()]
    checks = len(every_check()) if wish.checks and not wish.jobs else 0
    return WebPlan(tuple((str(site), one) for site, one in chosen), len(scan.excluded), scan.refused, checks)


class _WebScan:
    def __init__(self, wish: WebWish, watch: Watch, on_found: OnFound = untold) -> None:
        self._wish, self._watch, self._on_found = wish, watch, on_found
        self.refused: tuple[Refused, ...] = ()
        self.excluded: list[Template] = []
        self.assigned: dict[Site, tuple[int, ...]] = {}
        self._starts: dict[Site, list[str]] = {}
        """The URLs that name each site: a crawl begins with all that they ask."""
        self._skipped: list[Entry] = []
        self.repertoire = self._load_jobs() if wish.jobs else self._load()
        self.products = Products(self.repertoire.templates) if wish.gating and not wish.jobs else None
        self.id = f"{now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        self._ledger = Ledger(wish.enough)
        self._ledger.name(map(str, self.assigned))
        self._entries: list[Entry] = []
        self._tally = Tally()
        self._journal: Notes | None = None
        self._numbers = {site: number for number, site in enumerate(self.assigned)}
        self._divisor = 1
        self._is_part = False
        self._states: dict[int, WebState] = {}
        """Of the parts that other processes scan."""
        self._known: dict[Any, Any] = {}
        """Texts that those tell again and again."""
        self._path: Path | None = None
        self._phase = "templates"
        self._expected = 0
        self._campaign: Campaign | None = None
        self._browser: Browser | None = None
        self._checked: list[SiteChecks] = []
        self._earlier: dict[str, Earlier] = {}
        """By target that has not changed since the scan that this one follows."""
        self._crawled_requests = 0
        self._told = (monotonic(), 0, 0.0)

    # What is to be done.

    def _load(self) -> Repertoire:
        wish = self._wish
        paths = [*([SHIPPED] if wish.shipped else []), *wish.templates]
        library = load(paths, wish.cache) if paths else Library((), ())
        self.refused = library.refused
        left_out = frozenset(USUALLY_EXCLUDED) - (_ASKED_FOR if wish.profile is Safety.INTRUSIVE else frozenset())
        chosen = [one for one in library.templates if not left_out & set(one.info.tags)]
        self.excluded = [one for one in library.templates if left_out & set(one.info.tags)]
        repertoire = Repertoire(chosen)
        every = tuple(range(len(repertoire.templates)))
        for url in dict.fromkeys(wish.urls):
            self._starts.setdefault(site_of(url), []).append(url)
        self.assigned = dict.fromkeys(self._starts, every)
        return repertoire

    def _load_jobs(self) -> Repertoire:
        """Each file once, whatever its id."""
        loaded = {path: load([path]) for path in dict.fromkeys(job.template for job in self._wish.jobs)}
        templates = {path: library.templates[0] for path, library in loaded.items() if library.templates}
        self.refused = tuple(refused for library in loaded.values() for refused in library.refused)
        identities = {template.identity for template in templates.values()}
        repertoire = Repertoire(templates.values(), indexed=len(identities) == len(templates))
        place = {id(template): index for index, template in enumerate(repertoire.templates)}
        wanted: dict[Site, dict[int, None]] = {}
        for job in self._wish.jobs:
            site = site_of(job.url)
            chosen = wanted.setdefault(site, {})
            if job.template in templates:
                chosen[place[id(templates[job.template])]] = None
            else:
                self._skipped.append(refused_entry(str(site), job.template, loaded[job.template].refused))
        self.assigned = {site: tuple(sorted(indices)) for site, indices in wanted.items()}
        return repertoire

    def run(self) -> WebScanned:
        """Everything."""
        recorded = self._recorded()
        self.id, seed = (recorded.scan, recorded.seed) if recorded else (self.id, self._wish.seed)
        with self._open_journal(recorded, seed) or nullcontext() as journal:
            self._journal = journal
            for entry in recorded.entries if recorded else ():
                self._count(entry)
            self._skip_what_is_left_out(recorded)
            with _rare_collection():
                self._scan_all(recorded, seed)
            if journal is not None and not self._ledger.stopped:
                journal.end()
        return WebScanned(self.id, self._ledger, self._tally, self.refused, tuple(self._entries))

    def _recorded(self) -> Recorded | None:
        """The scan that is to go on. Raises BadInput when there is none."""
        if not self._wish.resume:
            return None
        path = self._wish.journal or self._unfinished()
        if path is None or not path.is_file():
            raise BadInput(Text("没有可以继续的扫描日志", "there is no journal of a scan that could go on"))
        recorded = read_journal(path)
        if recorded.identity != self._identity():
            raise BadInput(
                Text(
                    f"{path} 是另一次扫描的日志(目标、模板或设置不同)",
                    f"{path} is the journal of another scan (other targets, templates or settings)",
                )
            )
        return recorded

    def _unfinished(self) -> Path | None:
        """The newest journal of this very scan that was not brought to its end."""
        folder, identity = self._wish.journals, self._identity()
        candidates = sorted(folder.glob("*.jsonl"), reverse=True) if folder else []
        same = (path for path in candidates if head_of(path).get("identity") == identity)
        return next((path for path in same if not read_journal(path).ended), None)

    def _since(self) -> Recorded | None:
        """The earlier scan. Raises BadInput when there is none."""
        wish = self._wish
        if not wish.since:
            return None
        by_id = wish.journals / f"{wish.since}.jsonl" if wish.journals else None
        return read_journal(by_id if by_id is not None and by_id.is_file() else Path(wish.since))

    def _identity(self) -> str:
        wish = self._wish
        return identity_of(
            {
                "sites": {str(site): len(indices) for site, indices in self.assigned.items()},
                "starts": sorted(url for urls in self._starts.values() for url in urls),
                "templates": sorted((one.identity, one.digest) for one in self.repertoire.templates),
                "variables": sorted(wish.variables),
                "manner": [wish.profile.value, wish.seed, wish.gating, wish.checks and not wish.jobs]
                + ["render"] * wish.render,
            }
        )

    def _open_journal(self, recorded: Recorded | None, seed: str) -> ScanJournal | None:
        folder = self._wish.journals
        self._path = self._wish.journal or (folder / f"{self.id}.jsonl" if folder else None)
        if self._path is None:
            return None
        about = (self._manner(), code_of_checks())
        return ScanJournal(self._path, self.id, self._identity(), seed, recorded is not None, *about)

    def _manner(self) -> str:
        """Where this differs, what an earlier scan did not find says nothing."""
        wish = self._wish
        return identity_of(
            {
                "profile": wish.profile.value,
                "sessions": [sha256(path.read_bytes()).hexdigest() for path in wish.sessions if path.is_file()],
                "variables": sorted(wish.variables),
                "rest": [wish.render, bool(wish.listens_at)],
            }
        )

    def _count(self, entry: Entry) -> None:
        self._ledger.take(entry)
        # A part tells them all and keeps only those that may end otherwise: they are most of its memory.
        if not self._is_part or not entry.check.startswith(TEMPLATE_PREFIX):
            self._entries.append(entry)

    def _take(self, entry: Entry) -> None:
        """One more has ended."""
        self._count(entry)
        for found in entry.found:
            self._on_found(found)
        if self._journal is not None:
            self._journal.append(entry)

    def _amend(self, entry: Entry) -> None:
        """One that has ended, ended otherwise."""
        same = (at for at, one in enumerate(self._entries) if (one.site, one.check) == (entry.site, entry.check))
        if (at := next(same, None)) is not None:
            self._ledger.amend(self._entries[at], entry)
            self._entries[at] = entry
        if self._journal is not None:
            self._journal.amend(entry)

    def _skip_what_is_left_out(self, recorded: Recorded | None) -> None:
        done = {(entry.site, entry.check) for entry in recorded.entries} if recorded else set()
        reason = Text("按标签排除(侵入性或面向第三方)", "left out by its tags: intrusive, or it looks elsewhere")
        left_out = [
            Entry(str(site), template_check(one.identity), Outcome.SKIPPED, reason, one.digest)
            for site in self.assigned
            for one in self.excluded
        ]
        for entry in (*self._skipped, *left_out):
            if (entry.site, entry.check) not in done:
                self._take(entry)

    # Doing it.

    def _scan_all(self, recorded: Recorded | None, seed: str) -> None:
        """In this process, or each part of the sites in one of its own."""
        wish = self._wish
        self._expected = sum(map(len, self.assigned.values())) + len(self.excluded) * len(self.assigned)
        alone = wish.jobs or wish.sessions or wish.render
        parts = parts_of(tuple(self.assigned), wish.scope, 1 if alone else wish.processes)
        if len(parts) == 1:
            run_loop(self._scan(recorded, seed))
            return
        whole = scan_parts(parts, partial(self._scan_part, recorded, seed), self._hear, self._tell)
        self._ledger.stopped = self._ledger.stopped or not whole
        self._watch(self._state())

    def _scan_part(self, recorded: Recorded | None, seed: str, part: Part, reports: Reports) -> None:
        """In the process of a part."""
        self.assigned = {site: self.assigned[site] for site in part.sites}
        self._divisor, self._is_part = part.divisor, True
        self._journal, self._watch, self._on_found = reports, reports.state, untold
        run_loop(self._scan(recorded, seed))
        reports.end(self._tally, self._ledger.stopped)

    def _hear(self, number: int, what: str, about: tuple[Any, ...]) -> None:
        """What a part tells. Raises what was our bug there."""
        match what:
            case "entry":
                self._take(_sharing(about[0], self._known))
            case "amended":
                self._amend(about[0])
            case "state":
                self._states[number] = about[0]
                self._phase = about[0].phase
            case "end" if isinstance(about[0], Exception):
                raise about[0]
            case "end":
                self._tally.add(about[0])
                self._states.pop(number, None)
                self._ledger.stopped = self._ledger.stopped or about[1]
            case _ if self._journal is not None:
                getattr(self._journal, what)(*about)

    async def _scan(self, recorded: Recorded | None, seed: str) -> None:
        wish = self._wish
        async with AsyncExitStack() as stack:
            audit = stack.enter_context(AuditLog(wish.audit)) if wish.audit else None
            guard = Guard(wish.scope, audit=audit.record) if audit else Guard(wish.scope)
            client = await stack.enter_async_context(self._client(guard))
            listener = await stack.enter_async_context(OutOfBand(wish.listens_at)) if wish.listens_at else None
            telling = asyncio.create_task(self._tell_now_and_then())
            stack.callback(telling.cancel)
            specs = [(path, load_session(path)) for path in wish.sessions[:2]]
            if wish.render or any(spec.browser for _, spec in specs):
                self._browser = await stack.enter_async_context(open_browser(client))
            since = self._since()
            same = await self._look_at(client, since)
            # Before the templates: a login that does not work must not show only after an hour.
            sessions = await self._sessions(client, specs)
            async with AsyncExitStack() as watching:
                await self._watch_health(client, watching)
                await self._run_templates(client, recorded, _settled(since, same), seed, listener, sessions)
                if wish.checks and not wish.jobs:
                    self._earlier = {site: _earlier(since, site) for site in same if since}
                    await self._run_checks(client, recorded, seed, sessions, listener)
                if listener is not None:
                    await self._hear_late(listener)
            self._ledger.stopped = guard.stop.is_set()
        self._watch(self._state())

    def _client(self, guard: Guard) -> Client:
        wish = self._wish
        usual, shared = Pace(), self._divisor
        most = (wish.rate or usual.most) / shared
        start = most if wish.rate else usual.start / shared
        pace = Pace(most=most, start=start, connections=max(1, wish.connections // shared))
        return Client(guard, profile=wish.profile, pace=pace, proxy=wish.proxy, kill_file=wish.kill_file)

    async def _look_at(self, client: Client, since: Recorded | None) -> frozenset[str]:
        """Note what the targets look like; those that look as they did, to a scan of the same manner."""
        if self._path is None and since is None:
            return frozenset()
        marks = dict(
            zip(self.assigned, await asyncio.gather(*(fingerprint(client, s) for s in self.assigned)), strict=True)
        )
        for site, mark in marks.items():
            if self._journal is not None:
                self._journal.fingerprint(str(site), mark)
        if since is None or since.manner != self._manner():
            return frozenset()
        return frozenset(
            str(site) for site, mark in marks.items() if mark and since.fingerprints.get(str(site)) == mark
        )

    async def _watch_health(self, client: Client, stack: AsyncExitStack) -> None:
        """A canary for each site; for very many sites the pace alone has to do."""
        if len(self.assigned) > _SITES_WITH_CANARY or self._wish.jobs:
            return
        canaries = [Canary(client, site.target, Request("GET", site.path or "/")) for site in self.assigned]
        for canary in canaries:
            await stack.enter_async_context(watched(canary))

    async def _run_templates(
        self,
        client: Client,
        recorded: Recorded | None,
        unchanged: dict[tuple[str, str], str],
        seed: str,
        listener: OutOfBand | None,
        sessions: Sessions,
    ) -> None:
        done = {(entry.site, entry.check) for entry in recorded.entries} if recorded else set()
        campaign = self._campaign = Campaign(
            client,
            self.repertoire,
            Manner(seed, now(), at_once=max(16, 2 * self._wish.connections), given=self._wish.variables),
            self._take,
            self.products,
            listener,
            self._wish.listens_at,
            self._tally,
            sessions.own,
        )
        await campaign.run(list(self._assignments(done, unchanged)))

    def _assignments(self, done: set[tuple[str, str]], unchanged: dict[tuple[str, str], str]) -> Iterator[Assignment]:
        """What is left to be run on each site."""
        for site, indices in self.assigned.items():
            left = []
            for index in indices:
                template = self.repertoire.templates[index]
                key = (str(site), template_check(template.identity))
                if key in done:
                    continue
                if unchanged.get(key) == template.digest:
                    self._take(Entry(*key, Outcome.SKIPPED, UNCHANGED, template.digest))
                else:
                    left.append(index)
            if left:
                yield Assignment(site, tuple(left))

    async def _run_checks(
        self,
        client: Client,
        recorded: Recorded | None,
        seed: str,
        sessions: Sessions,
        listener: OutOfBand | None,
    ) -> None:
        room = asyncio.Semaphore(_SITES_CRAWLED_AT_ONCE)

        async def one(site: Site) -> None:
            async with room:
                await self._check_site(client, site, recorded, seed, sessions, listener)

        async with asyncio.TaskGroup() as group:
            for site in self.assigned:
                group.create_task(one(site))

    async def _hear_late(self, listener: OutOfBand) -> None:
        """What somebody was made to ask for may be asked for when all checks are over."""
        laid: list[Campaign | SiteChecks] = [*([self._campaign] if self._campaign else []), *self._checked]
        last = max((one.last_bait for one in laid), default=float("-inf"))
        await asyncio.sleep(max(0.0, last + self._wish.late_seconds - monotonic()))
        late = listener.late()
        for one in laid:
            for entry in one.heard_late(late):
                self._amend(entry)

    async def _check_site(
        self,
        client: Client,
        site: Site,
        recorded: Recorded | None,
        seed: str,
        sessions: Sessions,
        listener: OutOfBand | None,
    ) -> None:
        name = str(site)
        done = {entry.check for entry in recorded.entries if entry.site == name} if recorded else set()
        self._phase = "crawl"
        crawled = await self._crawl(client, site, sessions)
        self._phase = "checks"
        heard = listener if listener and can_call(site.target.host, self._wish.listens_at) else None
        checks = SiteChecks(
            client, name, crawled, seed, sessions=sessions, listener=heard, done=_examined_before(recorded, name),
            on_place=lambda place, examined: self._note_place(name, place, examined),
            earlier=self._earlier.get(name, NOTHING_EARLIER),
        )  # fmt: skip
        self._checked.append(checks)
        for entry in await checks.run():
            if entry.check not in done:
                self._take(entry)
        self._tally.others += crawled.answered + checks.sent

    async def _crawl(self, client: Client, site: Site, sessions: Sessions) -> Crawled:
        wish = self._wish
        seeds = (url if site.path else urlsplit(url)._replace(path="/").geturl() for url in self._starts[site])
        plan = CrawlPlan(tuple(dict.fromkeys(seeds)), max_pages=wish.max_pages, submits=wish.profile is not Safety.SAFE)
        journal = None
        if self._path is not None:
            journal = CrawlJournal(self._path.with_suffix(f".crawl-{self._numbers[site]}"), plan)
        with journal or nullcontext() as opened:
            shows = self._browser if wish.render else None
            return await crawl(client, plan, journal=opened, keeper=sessions.own, browser=shows)

    def _note_place(self, site: str, place: str, examined: Examination) -> None:
        for _, found in examined.found:
            self._on_found(found)
        if self._journal is not None:
            self._journal.place(site, place, examined.row())

    async def _sessions(self, client: Client, specs: Sequence[tuple[Path, SessionFile]]) -> Sessions:
        keepers = []
        for path, spec in specs:
            folder = path.resolve().parent
            secret = Secrets(folder).resolve
            keeper = SessionKeeper(client, spec, folder=folder, resolve_secret=secret, browser=self._browser)
            if not await keeper.before():
                raise BadInput(keeper.trouble or Text("无法登录", "logging in failed"))
            keepers.append(keeper)
        return Sessions(*keepers)

    # Telling.

    async def _tell_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_TOLD_SECONDS)
            self._tell()

    def _tell(self) -> None:
        if self._journal is not None:
            self._journal.flush()
        self._watch(self._state())

    def _state(self) -> WebState:
        total = self._ledger.total
        applied = total.total() - total[Outcome.SKIPPED]
        tested = total[Outcome.FOUND] + total[Outcome.TESTED_CLEAN]
        sent = self.sent
        at, before, rate = self._told
        passed = monotonic() - at
        if passed >= _TOLD_SECONDS:
            rate = 0.7 * rate + 0.3 * (sent - before) / passed
            self._told = (monotonic(), sent, rate)
        share = tested / applied if applied else 0.0
        return WebState(
            self._phase, sent, rate, len(self._ledger.found), total.total(), max(self._expected, total.total()), share
        )

    @property
    def sent(self) -> int:
        """Requests so far; those of the crawl, the canary and the logins are not among them."""
        running = self._campaign.running if self._campaign else []
        here = self._tally.sent + sum(one.counts.sent for one in running) + sum(one.sent for one in self._checked)
        return here + sum(state.sent for state in self._states.values())


@contextmanager
def _rare_collection() -> Iterator[None]:
    """Runs and answers are let go one by one; looking for circles among all that lives would cost a fifth of the scan."""
    usual = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _sharing(entry: Entry, known: dict[Any, Any]) -> Entry:
    """The same, with texts that are kept once however often they come over from another process."""
    site, check, digest = (known.setdefault(text, text) for text in (entry.site, entry.check, entry.digest))
    return replace(entry, site=site, check=check, digest=digest, reason=known.setdefault(entry.reason, entry.reason))


def _settled(since: Recorded | None, same: frozenset[str]) -> dict[tuple[str, str], str]:
    """Digests by target and check of what the earlier scan tested, or knew to be tested, on targets that are the same."""
    return {
        (entry.site, entry.check): entry.digest
        for entry in (since.entries if since else ())
        if entry.site in same and (entry.outcome is Outcome.TESTED_CLEAN or entry.reason == UNCHANGED)
    }


def _earlier(since: Recorded, site: str) -> Earlier:
    same = (name for name, digest in code_of_checks().items() if since.checks.get(name) == digest)
    return Earlier(_examined_before(since, site), same)


def _examined_before(recorded: Recorded | None, site: str) -> dict[str, Examination]:
    places = recorded.places if recorded else {}
    return {place: examination_of(row) for (of, place), row in places.items() if of == site}
