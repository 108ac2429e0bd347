"""Templates against many sites in one process, a few sites at a time."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from time import monotonic
from typing import Protocol

from scanners.web.campaign.ended import Ended
from scanners.web.campaign.found import of_match, template_check
from scanners.web.campaign.gating import Gate, Products
from scanners.web.campaign.in_session import run_in_session
from scanners.web.campaign.ledger import Entry
from scanners.web.campaign.repertoire import Repertoire
from scanners.web.campaign.site_run import Hears, Manner, SiteRun
from scanners.web.client import Client
from scanners.web.out_of_band import Late, interaction_of
from scanners.web.sessions.keeper import SessionKeeper
from scanners.web.templates.out_of_band import OutOfBand
from scanners.web.templates.running import Awaited
from scanners.web.templates.site import Site

_SITES_AT_ONCE = 8


class Listener(OutOfBand, Hears, Protocol):
    """Gives addresses and hears who asks for them."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A site and the templates that are to be run against it, by their place in the repertoire."""

    site: Site
    indices: tuple[int, ...]


@dataclass(slots=True)
class Tally:
    """What all sites together have seen."""

    asked: int = 0
    sent: int = 0
    controls: int = 0
    others: int = 0
    """Requests of crawls and of our own checks."""
    fingerprints: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By site: the products that it names."""

    def add(self, other: "Tally") -> None:
        """What other sites have seen."""
        self.asked += other.asked
        self.sent += other.sent
        self.controls += other.controls
        self.others += other.others
        self.fingerprints |= other.fingerprints


@dataclass(slots=True)
class Campaign:
    """One batch of work for a client."""

    client: Client
    repertoire: Repertoire
    manner: Manner
    on_entry: Callable[[Entry], None]
    products: Products | None = None
    """None: nothing is gated."""
    listener: Listener | None = None
    listens_at: str = ""
    """The address of the listener."""
    tally: Tally = field(default_factory=Tally)
    keeper: SessionKeeper | None = None
    """Who is logged in at one of the sites."""
    running: list[SiteRun] = field(default_factory=list)
    last_bait: float = float("-inf")
    """When a template ended that still waits for a call."""
    _awaiting: list[tuple[Entry, tuple[Awaited, ...]]] = field(default_factory=list)

    async def run(self, assignments: Iterable[Assignment], at_once: int = _SITES_AT_ONCE) -> None:
        """Until every template has ended on its sites. Raises what is our bug."""
        given = tuple(assignments)
        inside = [one for one in given if self.keeper is not None and one.site.target == self.keeper.site]
        await self._run_outside([one for one in given if one not in inside], at_once)
        for assignment in inside:
            await self._run_inside(assignment)

    async def _run_outside(self, assignments: Iterable[Assignment], at_once: int) -> None:
        waiting = deque(assignments)
        done = asyncio.Event()
        errors: list[BaseException] = []

        def next_site(ended: SiteRun | None = None) -> None:
            if ended is not None:
                self._count(ended)
                errors.extend([ended.error] if ended.error is not None else ())
            while waiting and len(self.running) < at_once:
                self._start(waiting.popleft(), next_site)
            if not self.running or errors:
                done.set()

        next_site()
        await done.wait()
        if errors:
            raise errors[0]

    async def _run_inside(self, assignment: Assignment) -> None:
        """In the session of the keeper. Raises what is our bug."""
        keeper, seen = self.keeper, set[str]()
        assert keeper is not None
        client = self.client.as_person(keeper.fully_dressed)

        def start(indices: Sequence[int], on_ended: Callable[[Ended], None], on_done: Callable[[], None]) -> SiteRun:
            def done(ended: SiteRun) -> None:
                seen.update(ended.gate.seen)
                self._count(ended)
                on_done()

            return self._start(Assignment(assignment.site, tuple(indices)), done, client, on_ended, seen)

        # What a product opens comes behind everything that may tell of one.
        indices = sorted(assignment.indices, key=lambda index: bool(self.products and self.products.of[index]))
        templates = self.repertoire.templates
        await run_in_session(keeper, str(assignment.site), templates, indices, start, self._tell)

    def _start(
        self,
        assignment: Assignment,
        on_done: Callable[[SiteRun], None],
        client: Client | None = None,
        on_ended: Callable[[Ended], None] | None = None,
        seen: Iterable[str] = (),
    ) -> SiteRun:
        gate = Gate(assignment.indices, self.products)
        gate.seen.update(seen)
        listener = self.listener if self.listener and can_call(assignment.site.target.host, self.listens_at) else None
        site_run = SiteRun(
            client or self.client, assignment.site, self.repertoire, gate, self.manner, on_ended or self._tell, on_done,
            listener, listener,
        )  # fmt: skip
        self.running.append(site_run)
        site_run.start()
        return site_run

    def _count(self, ended: SiteRun) -> None:
        self.running.remove(ended)
        counts, tally = ended.counts, self.tally
        tally.asked += counts.asked
        tally.sent += counts.sent
        tally.controls += counts.controls
        tally.fingerprints[str(ended.site)] = tuple(sorted(ended.gate.seen))

    def _tell(self, ended: Ended) -> None:
        entry = entry_of_ended(ended)
        self.on_entry(entry)
        if ended.awaited:
            self._awaiting.append((entry, ended.awaited))
            self.last_bait = monotonic()

    def heard_late(self, late: Iterable[Late]) -> list[Entry]:
        """Entries that are other ones now: the site called when their template was over."""
        calls = [interaction_of(one.hit) for one in late]
        amended = []
        for entry, awaited in self._awaiting if calls else ():
            matches = [
                match for one in awaited for call in calls if call.token in one.tokens for match in one.complete(call)
            ]
            found = {(one.rule, one.matcher, one.url): one for match in matches for one in of_match(match)}
            for known in entry.found:
                found.pop((known.rule, known.matcher, known.url), None)
            if found:
                amended.append(entry.called_back(found.values()))
        return amended


def entry_of_ended(ended: Ended) -> Entry:
    """The entry of the ledger."""
    found = tuple(one for match in ended.matches for one in of_match(match))
    return Entry(
        ended.site, template_check(ended.template.identity), ended.outcome, ended.reason, ended.template.digest, found,
        ended.discarded, ended.sent,
    )  # fmt: skip


def can_call(host: str, listens_at: str) -> bool:
    """Whether a site could reach the listener: one on loopback is heard from sites on loopback alone."""
    return bool(listens_at) and (not _is_loopback(listens_at) or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
