"""One drain of an outbox: chunk after chunk, each merged while the one before it is on its way.

A chunk takes off the moment that all of the one before it is known to be written; what follows from that answer is
worked out while the next one flies. The events of a chunk are written behind its findings, along with the chunk after
next; then the chunk is struck off.
"""

import gc
import random
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field

from secops.model.text import Text
from secops.store.edits import Merge, Rekey, Split
from secops.store.elasticsearch_course import Course
from secops.store.elasticsearch_documents import Kind
from secops.store.elasticsearch_errors import IndexMissing, Refused
from secops.store.elasticsearch_groups import write_together
from secops.store.elasticsearch_kept import Kept, Note
from secops.store.elasticsearch_merging import Job, Merging
from secops.store.elasticsearch_places import place_of_both
from secops.store.elasticsearch_reading import (
    Claims,
    Picture,
    claim,
    documents_of,
    named,
    patch,
    places_of,
    reached,
    read,
    wait_for_writes,
)
from secops.store.elasticsearch_sending import packed
from secops.store.elasticsearch_server import Action, Found, Result, Status
from secops.store.entries import Deciding, Editing
from secops.store.event import Recorded
from secops.store.merge import Changes
from secops.store.outbox import Entry, Outbox, Outcome
from secops.support.errors import Incomplete, JindunError

_MOST_ENTRIES = 5_000
_GROWTH = 4
"""How much larger documents are than the entries that they come from, about."""
_RARELY = 200_000
"""Containers made between two looks for garbage."""
_MOST_ROUNDS = 200
_LONGEST_PAUSE_SECONDS = 0.2


@dataclass(slots=True)
class _Chunk:
    """Entries that are shipped together, and what becomes of them."""

    entries: list[Entry]
    claims: Claims
    effects: dict[int, Changes] = field(default_factory=dict)
    refusals: dict[int, JindunError] = field(default_factory=dict)
    """Entries that change nothing as things stand."""
    dead: dict[int, str] = field(default_factory=dict)
    """Those of which the server takes a document never, and why."""
    missed: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Findings that these did not reach."""
    notes: dict[str, Note] = field(default_factory=dict)
    """Events to be written."""
    places: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """By id, the entries that evaluated them."""
    apart: bool = False
    """Whether one of several entries is not to be taken: it is to be found out which."""


@dataclass(slots=True)
class _Try:
    """Entries of a chunk, merged into what is on the server."""

    chunk: _Chunk
    merging: Merging
    findings: list[Kept]
    """Those that are written each by itself."""
    groups: list[tuple[Kept, dict[str, Kept]]]
    """Those that change together: a leader and the others."""
    jobs: list[Job]


@dataclass(slots=True)
class _Landed:
    """A chunk whose findings are written, and what is to be written behind them."""

    chunk: _Chunk
    events: list[Job]


@dataclass(slots=True)
class _Flight:
    """A try on its way, behind it the events of chunks before."""

    tried: _Try
    results: "Future[list[Result]]"
    behind: list[_Landed]

    def all_well(self) -> bool:
        """Wait until it is down; whether nothing of it stands in the way of what comes after."""
        return not self.tried.groups and all(result.status is Status.OK for result in self.results.result())


class Drain:
    """Ships until nothing is left, or the last wanted number is done."""

    def __init__(
        self,
        course: Course,
        outbox: Outbox,
        wire: Executor,
        until: int | None,
        mine: Collection[int],
        told: dict[int, Outcome],
        sent: int,
    ) -> None:
        """
        Args:
            mine: numbers whose outcomes are put into `told`; others are left with the outbox.
            sent: up to this number the outbox knows that entries may be sent.
        """
        self._course = course
        self._outbox = outbox
        self._wire = wire
        self._until = until
        self._mine = mine
        self._told = told
        self._sent = sent
        self._flight: _Flight | None = None
        self._behind: list[_Landed] = []
        """In their order, chunks whose events have not taken off."""

    def run(self) -> None:
        """Raises Incomplete when the server does not let us finish; what was done until then stays done."""
        # Documents hold no cycles, and there are hundreds of thousands: looking for some takes a third of the time.
        before = gc.get_threshold()
        gc.set_threshold(_RARELY, *before[1:])
        try:
            self._run()
        finally:
            gc.set_threshold(*before)
            if self._flight:
                # Nobody else is to ship while something of ours may still arrive.
                wait([self._flight.results])

    def _run(self) -> None:
        at = 0
        while entries := self._next(at):
            at = entries[-1].number
            exactly = any(isinstance(entry.write, Editing | Deciding) for entry in entries)
            if exactly:
                self._arrive()
            chunk, picture = self._prepare(entries, exactly)
            if self._flight and _meet(self._course, self._flight.tried, entries, picture):
                self._land()
            # Else merged and encoded while the one before is still under way.
            self._take_off(self._merged(chunk, picture, exactly))
        self._arrive()

    def _next(self, at: int) -> list[Entry]:
        """The next chunk; a change of several findings is one by itself."""
        limit_bytes = self._course.sender.pace.limit_bytes // _GROWTH
        entries = self._outbox.after(at, limit_bytes=limit_bytes, limit=_MOST_ENTRIES)
        entries = [entry for entry in entries if self._until is None or entry.number <= self._until]
        several = (place for place, entry in enumerate(entries) if _changes_several(entry))
        return entries[: max(next(several, len(entries)), 1)]

    def _prepare(self, entries: list[Entry], exactly: bool) -> tuple[_Chunk, Picture]:
        if entries[-1].number > self._sent:
            self._sent = self._outbox.sending()
        if self._course.fresh.full:
            self._course.refresh()
        claims = claim(self._course, entries)
        chunk = _Chunk(entries, claims, dead=dict(claims.refused))
        left = [entry for entry in entries if entry.number not in claims.lost | claims.refused.keys()]
        return chunk, read(self._course, left, exactly=exactly)

    def _merged(self, chunk: _Chunk, picture: Picture, exactly: bool) -> tuple[_Try, list[Action]]:
        """Merged into what is known, and encoded."""
        if not exactly:
            patch(self._course, picture, chunk.entries)
        tried = self._try(chunk, chunk.entries, picture)
        return tried, [packed(action) for action in self._actions(tried)]

    def _take_off(self, ready: tuple[_Try, list[Action]]) -> None:
        """Behind the one that flies: at once when that one is written, else after whatever stood in its way."""
        before = self._flight
        if before and not before.all_well():
            self._land()
            before = None
        self._launch(*ready)
        if before:
            self._unload(before)

    def _launch(self, tried: _Try, actions: list[Action]) -> None:
        """Let the wire do the rest, along with the events that wait."""
        behind, self._behind = self._behind, []
        actions += [job.action for landed in behind for job in landed.events]
        self._flight = _Flight(tried, self._wire.submit(self._course.sender.send, actions), behind)

    def _land(self) -> None:
        """What flies is written, whatever stood in the way, but for its events."""
        flight, self._flight = self._flight, None
        if flight:
            wait([flight.results])
            self._unload(flight)

    def _unload(self, flight: _Flight) -> None:
        """Of one that is down: the chunks whose events it brought are struck off, its own events are to follow."""
        results = flight.results.result()
        count = len(results) - sum(len(landed.events) for landed in flight.behind)
        mine, results = results[:count], results[count:]
        for landed in flight.behind:
            count = len(landed.events)
            self._written_events(landed.chunk, landed.events, results[:count])
            self._strike_off(landed.chunk)
            results = results[count:]
        chunk = flight.tried.chunk
        self._once_more(chunk, self._taken(flight.tried, mine))
        self._behind.append(_Landed(chunk, self._events(chunk)))

    def _arrive(self) -> None:
        """Land, and strike everything off."""
        self._land()
        for landed in self._behind:
            sent = self._course.sender.send([job.action for job in landed.events])
            self._written_events(landed.chunk, landed.events, sent)
            self._strike_off(landed.chunk)
        self._behind = []

    # --- one try

    def _try(self, chunk: _Chunk, entries: Sequence[Entry], picture: Picture) -> _Try:
        merging = Merging(self._course, picture, chunk.claims)
        merging.merge(entries)
        chunk.refusals |= merging.refusals
        chunk.dead |= chunk.claims.refused
        for note in (*merging.left_over(), *merging.carried):
            chunk.notes[note.id] = note
        chunk.places = {id: tuple(by) for id, by in merging.places.items()} | chunk.places
        alone, groups = _grouped(merging, entries)
        return _Try(chunk, merging, alone, groups, merging.documents())

    def _actions(self, tried: _Try) -> list[Action]:
        """Findings that change alone, then the rest."""
        return [*map(self._finding_action, tried.findings), *(job.action for job in tried.jobs)]

    def _finding_action(self, one: Kept) -> Action:
        indices = self._course.indices
        if one.found is None:
            return Action(indices.alias(Kind.FINDINGS), one.finding.id, one.document())
        return Action(indices.own(one.found.index), one.finding.id, one.document(), one.found)

    def _taken(self, tried: _Try, results: Sequence[Result]) -> set[int]:
        """Remember what was written; the numbers of entries that have to be merged once more."""
        count = len(tried.findings)
        verdict = _Verdict(self._course, tried, _arrived(self._course, tried.findings, results[:count]))
        for one, result in zip(tried.findings, results[:count], strict=True):
            verdict.of_finding(one, result)
        for job, result in zip(tried.jobs, results[count:], strict=True):
            verdict.of_document(job, result)
        for leader, others in tried.groups:
            verdict.of_group(leader, others, write_together(self._course, leader, others))
        verdict.keep_effects()
        self._course.remember(verdict.written)
        if verdict.stuck:
            wait_for_writes(self._course, verdict.stuck.status, verdict.stuck.reason)
        return verdict.again

    def _once_more(self, chunk: _Chunk, numbers: set[int]) -> None:
        """Merge those again into what is there now, until nobody comes between."""
        for round_number in range(_MOST_ROUNDS):
            if not numbers:
                return
            if round_number:
                longest = min(0.005 * 2**round_number, _LONGEST_PAUSE_SECONDS)
                time.sleep(random.uniform(0, longest))  # noqa: S311
            todo = [entry for entry in chunk.entries if entry.number in numbers]
            # When a document of several entries is refused, each of them is tried by itself.
            parts = [[entry] for entry in todo] if chunk.apart else [todo]
            numbers = {number for part in parts for number in self._round(chunk, part)}
        raise _crowded(self._course.indices.server.name)

    def _round(self, chunk: _Chunk, entries: list[Entry]) -> set[int]:
        tried = self._try(chunk, entries, read(self._course, entries, exactly=True))
        return self._taken(tried, self._course.sender.send(self._actions(tried)))

    # --- afterwards

    def _events(self, chunk: _Chunk) -> list[Job]:
        """What a chunk writes behind its findings: events, the audit of edits, when its places were evaluated."""
        jobs = [self._place_job(id, by) for id, by in chunk.places.items() if self._place_changed(id)]
        return [*jobs, *(job for note in chunk.notes.values() for job in self._jobs_of(note))]

    def _place_changed(self, id: str) -> bool:
        marked = self._course.places[id]
        return marked.found is None or marked.document is not marked.found.source

    def _place_job(self, id: str, by: tuple[int, ...]) -> Job:
        marked, indices = self._course.places[id], self._course.indices
        alias = indices.own(marked.found.index) if marked.found else indices.alias(Kind.PLACES)
        return Job(Action(alias, id, marked.document, marked.found), by, Kind.PLACES)

    def _jobs_of(self, note: Note) -> list[Job]:
        by, appending = (note.by[1],), self._course.appending
        action = packed(Action(appending(Kind.EVENTS), note.id, note.event_document()))
        jobs = [Job(action, by, Kind.EVENTS, once=True)]
        if note.audit:
            action = packed(Action(appending(Kind.AUDIT), note.id, note.audit_document()))
            jobs.append(Job(action, by, Kind.AUDIT, once=True))
        return jobs

    def _written_events(self, chunk: _Chunk, jobs: Sequence[Job], results: Sequence[Result]) -> None:
        while jobs:
            left: list[tuple[Job, Result]] = []
            for job, result in zip(jobs, results, strict=True):
                if result.status is Status.REFUSED:
                    _die(chunk, job.by, result.reason)
                elif not _is_there(job, result):
                    left.append((job, result))
                elif job.kind is Kind.PLACES:
                    self._place_written(job, result)
            stuck = [result for _, result in left if result.status is not Status.CONFLICT]
            if stuck:
                wait_for_writes(self._course, stuck[0].status, stuck[0].reason)
            overtaken = {job.action.id: job.by for job, _ in left if job.kind is Kind.PLACES}
            self._read_places(overtaken)
            jobs = [job for job, _ in left if job.kind is not Kind.PLACES]
            jobs += [self._place_job(id, by) for id, by in overtaken.items() if self._place_changed(id)]
            results = self._course.sender.send([job.action for job in jobs])

    def _place_written(self, job: Job, result: Result) -> None:
        marked, document = self._course.places[job.action.id], job.action.document or {}
        marked.found = Found(job.action.id, document, result.index, result.seq_no, result.primary_term)

    def _read_places(self, ids: Collection[str]) -> None:
        """Somebody else evaluated them meanwhile."""
        alias = self._course.indices.alias(Kind.PLACES)
        there = self._course.indices.server.get(alias, ids, ("jindun.document",)) if ids else {}
        for id in ids:
            marked = self._course.places[id]
            marked.found = there.get(id)
            if marked.found:
                marked.document = place_of_both(marked.document, marked.found.source)

    def _strike_off(self, chunk: _Chunk) -> None:
        outcomes: dict[int, Outcome] = {}
        for entry in chunk.entries:
            number = entry.number
            effects = chunk.effects.get(number)
            recorded = effects.recorded() if effects else Recorded()
            refusal = chunk.refusals.get(number)
            edits = isinstance(entry.write, Editing | Deciding)
            if number in chunk.dead and not (entry.waited_for and edits):
                self._outbox.bury(number, _refused(self._course, chunk.dead[number]).text, _missed(chunk, number))
            elif refusal and not entry.waited_for:
                self._outbox.bury(number, refusal.text)
            elif number in chunk.dead:
                refusal = _refused(self._course, chunk.dead[number])
            outcomes[number] = Outcome(recorded, refusal)
        self._outbox.done(outcomes, told=self._mine)
        self._told |= {number: outcome for number, outcome in outcomes.items() if number in self._mine}
        self._course.floor = chunk.entries[-1].number + 1
        for entry in chunk.entries:
            self._course.seen.pop(entry.number, None)
            self._course.evaluated.pop(entry.number, None)
        if chunk.dead:
            self._course.dead = self._outbox.dead_claims()


@dataclass(slots=True)
class _Verdict:
    """What the server said to a try."""

    course: Course
    tried: _Try
    arrived: set[str]
    """Findings that were written although the server says otherwise."""
    again: set[int] = field(default_factory=set)
    written: list[Found] = field(default_factory=list)
    """Documents of findings as they are now on the server."""
    stuck: Result | None = None
    _written: set[str] = field(default_factory=set)

    def of_finding(self, one: Kept, result: Result) -> None:
        """One that changed alone."""
        id = one.finding.id
        self.course.lagging = True
        if result.status is Status.OK:
            self._keep(one, Found(id, {}, result.index, result.seq_no, result.primary_term))
            self.written.append(Found(id, one.source, result.index, result.seq_no, result.primary_term))
            return
        self.course.fresh.findings.pop(id, None)
        if id in self.arrived:
            self._written.add(id)
            self._remember(one.notes)
        else:
            self._failed(one.by, result, {id})

    def of_group(self, leader: Kept, others: dict[str, Kept], result: Result) -> None:
        """Several that changed together, or not."""
        members = [leader, *others.values()]
        for one in members:
            self.course.fresh.findings.pop(one.finding.id, None)
            if result.status is Status.OK and one.found is not None:
                self._keep(one, one.found)
        if result.status is Status.OK:
            for one in members:
                self._written.add(one.finding.id)
                self._remember(one.notes)
        else:
            numbers = sorted({number for one in members for number in one.by})
            self._failed(tuple(numbers), result, {one.finding.id for one in members})

    def of_document(self, job: Job, result: Result) -> None:
        """All else."""
        action = job.action
        if _is_there(job, result):
            if job.kind is Kind.CONTENTS:
                self.course.contents.add(action.id)
            elif not job.once and action.document is not None:
                found = Found(action.id, action.document, result.index, result.seq_no, result.primary_term)
                self.course.fresh.documents[job.kind, action.id] = found
        else:
            self.course.fresh.documents.pop((job.kind, action.id), None)
            self._failed(job.by, result, set())

    def keep_effects(self) -> None:
        """Of what recordings did, that which is written."""
        for number, changes in self.tried.merging.changes.items():
            kept = self.tried.chunk.effects.setdefault(number, Changes(changes.scan))
            kept.new |= changes.new & self._written
            kept.seen_again |= changes.seen_again & self._written
            kept.reopened |= changes.reopened & self._written
            kept.resolved |= changes.resolved & self._written

    def _keep(self, one: Kept, found: Found) -> None:
        self._written.add(one.finding.id)
        self._remember(one.notes)
        self.course.fresh.put(one.written(found))

    def _remember(self, notes: Iterable[Note]) -> None:
        for note in notes:
            self.tried.chunk.notes[note.id] = note

    def _failed(self, by: tuple[int, ...], result: Result, findings: set[str]) -> None:
        if result.status is Status.REFUSED and len(by) == 1:
            _die(self.tried.chunk, by, result.reason)
            self.tried.chunk.missed[by[0]] |= findings
            return
        if result.status is Status.REFUSED:
            self.tried.chunk.apart = True
        if result.status in (Status.BLOCKED, Status.MISSING):
            self.stuck = result
        self.again |= set(by)


def _arrived(course: Course, findings: Sequence[Kept], results: Sequence[Result]) -> set[str]:
    """Ids of those that conflict with themselves: the answer to an earlier request that brought them was lost."""
    doubtful = [one for one, result in zip(findings, results, strict=True) if result.status is Status.CONFLICT]
    return reached(course, {one.finding.id: max(one.by) for one in doubtful}) if doubtful else set()


def _is_there(job: Job, result: Result) -> bool:
    if result.status is Status.MISSING and job.once:
        raise IndexMissing(job.action.alias)
    return result.status is Status.OK or (job.once and result.status is Status.CONFLICT)


def _die(chunk: _Chunk, by: tuple[int, ...], reason: str) -> None:
    for number in by:
        chunk.dead.setdefault(number, reason)


def _missed(chunk: _Chunk, number: int) -> frozenset[str] | None:
    """The findings that a dead entry did not reach; None: it reached nothing."""
    return None if number in chunk.claims.refused else frozenset(chunk.missed[number])


def _refused(course: Course, reason: str) -> Refused:
    return Refused(course.indices.server.name, "a document", reason)


def _meet(course: Course, before: _Try, entries: Sequence[Entry], picture: Picture) -> bool:
    """Whether entries may depend on what an earlier try writes."""
    written = [*before.findings, *(one for leader, others in before.groups for one in (leader, *others.values()))]
    ids = {one.finding.id for one in written}
    places = {(one.finding.asset, one.finding.check) for one in written}
    documents = {(job.kind, job.action.id) for job in before.jobs if not job.once}
    return not (
        ids.isdisjoint(picture.findings)
        and ids.isdisjoint(named(course, entries))
        and places.isdisjoint(places_of(course, entries))
        and documents.isdisjoint(documents_of(entries))
    )


def _changes_several(entry: Entry) -> bool:
    return isinstance(entry.write, Editing) and isinstance(entry.write.edit, Merge | Split | Rekey)


def _grouped(merging: Merging, entries: Sequence[Entry]) -> tuple[list[Kept], list[tuple[Kept, dict[str, Kept]]]]:
    """Changed findings that are written alone, and those that are written together."""
    changed = merging.changed()
    if len(merging.edited) > 1:
        (write,) = (entry.write for entry in entries)
        assert isinstance(write, Editing)
        by_id = {one.finding.id: one for one in changed}
        # One that is not there yet cannot be locked: its creation decides.
        leader = next((one for one in changed if one.found is None), by_id.get(write.edit.finding) or changed[0])
        by_id.pop(leader.finding.id)
        return [], [(leader, by_id)]
    alone: list[Kept] = []
    parts: defaultdict[str, dict[str, Kept]] = defaultdict(dict)
    for one in changed:
        if one.finding.part_of:
            parts[one.finding.part_of][one.finding.id] = one
    for one in changed:
        if not one.finding.part_of and one.finding.id not in parts:
            alone.append(one)
    return alone, [(merging.picture.findings[first], others) for first, others in parts.items()]


def _crowded(where: str) -> Incomplete:
    return Incomplete(
        Text(
            f"{where} 上太多人同时改动同一发现;已保存在本机,稍后会完成",
            f"too many change the same finding at {where}; it is kept here and will be finished later",
        )
    )
