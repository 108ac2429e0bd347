"""What has to be known of the server before entries can be merged."""

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from secops.model.finding import Finding
from secops.store.elasticsearch_course import Course, Place
from secops.store.elasticsearch_documents import (
    FINDING_FIELDS,
    Kind,
    coverage_document,
    path_of,
    place_id,
    told_of,
)
from secops.store.elasticsearch_errors import Blocked
from secops.store.elasticsearch_json import Document
from secops.store.elasticsearch_kept import Kept, kept_of, planned_document
from secops.store.elasticsearch_places import coverage_key
from secops.store.elasticsearch_server import PAGE, Action, Found, Status
from secops.store.entries import Deciding, Editing, Recording
from secops.store.merge import relatives
from secops.store.outbox import Entry
from secops.store.query import FIELDS

_LOCK_SECONDS = 60.0
"""After that whoever locked a finding is taken for dead."""


@dataclass(slots=True)
class Claims:
    """Which recordings are ours to merge."""

    lost: set[int] = field(default_factory=set)
    """Recorded before, by somebody else or by another entry: they change nothing."""
    refused: dict[int, str] = field(default_factory=dict)
    """The server takes not even the coverage."""


@dataclass(slots=True)
class Picture:
    """Findings and other documents as they are on the server, by id."""

    findings: dict[str, Kept] = field(default_factory=dict)
    places: defaultdict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The findings above by asset and check."""
    documents: dict[tuple[Kind, str], Found] = field(default_factory=dict)

    def put(self, one: Kept) -> None:
        """Add a finding."""
        self.findings[one.finding.id] = one
        self.places[one.finding.asset, one.finding.check].add(one.finding.id)

    def known(self, ids: Iterable[str]) -> dict[str, Finding]:
        """Those that are there, and all relatives."""
        found: dict[str, Finding] = {}
        todo = set(ids)
        while todo:
            more = {id: self.findings[id].finding for id in todo if id in self.findings}
            found |= more
            todo = relatives(more.values()) - found.keys()
        return found


def claim(course: Course, entries: Sequence[Entry]) -> Claims:
    """Write the coverage of each recording; who is first merges it."""
    claims = Claims()
    keys = {
        entry.number: coverage_key(entry.write.scan, entry.write.evaluation)
        for entry in entries
        if isinstance(entry.write, Recording)
    }
    mine = {entry.number: f"{course.outbox}:{entry.claim}" for entry in entries}
    older = _claims(course, course.indices.alias(Kind.COVERAGE), set(keys.values())) if _older(course) else {}
    claims.lost |= {number for number, key in keys.items() if older.get(key, mine[number]) != mine[number]}
    documents: dict[int, Document] = {}
    for entry in entries:
        if entry.number in keys and entry.number not in claims.lost:
            try:
                documents[entry.number] = _coverage(entry, mine[entry.number])
            except (ArithmeticError, TypeError, ValueError) as error:
                claims.refused[entry.number] = repr(error)
    todo = [entry for entry in entries if entry.number in documents]
    while todo:
        alias = course.appending(Kind.COVERAGE)
        results = course.sender.send([Action(alias, keys[entry.number], documents[entry.number]) for entry in todo])
        taken = [entry for entry, result in zip(todo, results, strict=True) if result.status is Status.CONFLICT]
        there = course.indices.server.get(
            course.appending(Kind.COVERAGE), (keys[entry.number] for entry in taken), ("jindun.document",)
        )
        for entry in taken:
            if told_of(there[keys[entry.number]].source)["claim"] != mine[entry.number]:
                claims.lost.add(entry.number)
        for entry, result in zip(todo, results, strict=True):
            if result.status is Status.REFUSED:
                claims.refused[entry.number] = result.reason
        stuck = [
            (entry, result)
            for entry, result in zip(todo, results, strict=True)
            if result.status in (Status.BLOCKED, Status.MISSING)
        ]
        todo = [entry for entry, _ in stuck]
        if stuck:
            wait_for_writes(course, stuck[0][1].status, stuck[0][1].reason)
    return claims


def wait_for_writes(course: Course, status: Status, reason: str) -> None:
    """An index takes no writes or is gone: wait for it to be mended; raises when that takes too long."""
    name = course.indices.server.name
    course.sender.patience.pause(Blocked(name, reason or status.value))


def _coverage(entry: Entry, mine: str) -> Document:
    assert isinstance(entry.write, Recording)
    return coverage_document(entry.write.scan, entry.write.evaluation, mine)


def _older(course: Course) -> bool:
    """Whether coverage may stand in an index that was written before the present one."""
    return not course.route[Kind.COVERAGE.value].endswith("-000001")


def _claims(course: Course, alias: str, keys: set[str]) -> dict[str, str]:
    """Who claimed the coverage that stands in any of the indices."""
    order = [{"jindun.place": "asc"}, {"jindun.scan": "asc"}]
    found: dict[str, str] = {}
    wanted = sorted(keys)
    for start in range(0, len(wanted), PAGE // 2):
        query = {"ids": {"values": wanted[start : start + PAGE // 2]}}
        for hit in course.indices.server.search(alias, query, order, PAGE, fields=("jindun.document",)):
            found[hit.id] = told_of(hit.source).get("claim", "")
    return found


def read(course: Course, entries: Sequence[Entry], *, exactly: bool = False) -> Picture:
    """Everything that merging the entries needs to know, but for what was written on this course (`patch`).

    `exactly`: as it is at this moment, where searches may lag behind.
    """
    picture = Picture()
    others = _read_others(course, picture, entries)
    wanted = named(course, entries)
    repeated = any(entry.number <= course.sent_before for entry in entries)
    places = places_of(course, entries)
    there = _at_places(course, places, unwatched=repeated)
    if not exactly:
        for found in _documents(course, there):
            picture.put(kept_of(found))
    else:
        wanted |= {version.id for version in there}
        wanted = wanted.union(*(course.fresh.places.get(place, ()) for place in places))
    _read_findings(course, picture, wanted)
    for future in others:
        future.result()
    return picture


def patch(course: Course, picture: Picture, entries: Sequence[Entry]) -> None:
    """Put what was written on this course over what was read."""
    fresh = course.fresh
    ids = named(course, entries) | picture.findings.keys()
    ids = ids.union(*(fresh.places.get(place, ()) for place in places_of(course, entries)))
    for id in ids & fresh.findings.keys():
        picture.put(copied(fresh.findings[id]))
    for key in documents_of(entries) & fresh.documents.keys():
        picture.documents[key] = fresh.documents[key]


def named(course: Course, entries: Sequence[Entry]) -> set[str]:
    """Ids of the findings that the entries name."""
    wanted: set[str] = set()
    for entry in entries:
        match entry.write:
            case Recording():
                wanted |= course.seen_by(entry).keys()
            case Editing(edit):
                wanted |= {edit.finding, *edit.others}
    return wanted


def places_of(course: Course, entries: Sequence[Entry]) -> set[Place]:
    """Where it matters what is not named."""
    return {
        (entry.write.evaluation.asset, entry.write.evaluation.check)
        for entry in entries
        if isinstance(entry.write, Recording)
        and (entry.write.evaluation.outcome.successful or entry.number <= course.sent_before)
    }


def _at_places(course: Course, places: Iterable[Place], *, unwatched: bool) -> list[Found]:
    """Versions of the findings of these places that searches know; of those that may have been reached before, all."""
    ids = [place_id(*place) for place in places]
    versions: list[Found] = []
    for start in range(0, len(ids), 1000):
        filters: list[dict[str, object]] = [{"terms": {"jindun.place": ids[start : start + 1000]}}]
        if not unwatched:
            filters.append({"term": {"jindun.watched": True}})
        after: Sequence[str] = ()
        while True:
            alias, query = course.indices.alias(Kind.FINDINGS), {"bool": {"filter": filters}}
            hits = course.indices.server.versions(alias, query, path_of(FIELDS["id"]), PAGE, after)
            versions += hits
            if len(hits) < PAGE:
                break
            after = [hits[-1].id]
    return versions


def _documents(course: Course, versions: Sequence[Found]) -> Iterable[Found]:
    """The documents of these versions, or newer ones: from this machine where it holds the version, else fetched."""
    known: dict[str, Found] = {}
    for index in {one.index for one in versions}:
        known |= course.mirror.known(course.uuid_of(index), [one for one in versions if one.index == index])
    yield from known.values()
    missing = [one.id for one in versions if one.id not in known]
    if missing:
        fetched = course.indices.server.get(course.indices.alias(Kind.FINDINGS), missing, FINDING_FIELDS)
        course.remember(fetched.values())
        yield from fetched.values()


def _read_findings(course: Course, picture: Picture, wanted: set[str]) -> None:
    """Those, their relatives and whoever takes part in a change of several."""
    todo = wanted - picture.findings.keys()
    while True:
        found = course.indices.server.get(course.indices.alias(Kind.FINDINGS), todo, FINDING_FIELDS)
        for one in found.values():
            picture.put(kept_of(one))
        _finish_plans(course, picture)
        _count_events(course, picture)
        asked = wanted | picture.findings.keys()
        todo = relatives(one.finding for one in picture.findings.values()) - asked
        wanted |= todo
        if not todo:
            return


def copied(one: Kept) -> Kept:
    """One that may be changed without a trace."""
    return Kept(one.finding, one.found, {**one.applied}, one.told, one.pending)


def reached(course: Course, numbers: Mapping[str, int]) -> set[str]:
    """Of these findings, those that the entry with that number has reached by now."""
    there = course.indices.server.get(course.indices.alias(Kind.FINDINGS), numbers, FINDING_FIELDS)
    return {id for id, found in there.items() if kept_of(found).applied.get(course.outbox, 0) >= numbers[id]}


def _count_events(course: Course, picture: Picture) -> None:
    """Of findings that came from another store with their events."""
    for one in picture.findings.values():
        if one.told is None:
            query = {"term": {"jindun.finding": one.finding.id}}
            last = course.indices.server.search(
                course.indices.alias(Kind.EVENTS), query, [{"jindun.number": "desc"}], 1, fields=("jindun.number",)
            )
            one.told = int(last[0].source["jindun"]["number"]) if last else 0


def _finish_plans(course: Course, picture: Picture) -> None:
    """Do what somebody had decided and not finished, and wait for those who are at it."""
    started = time.monotonic()
    while True:
        leaders = {one.lock.leader for one in picture.findings.values() if one.lock}
        missing = leaders - picture.findings.keys()
        server, alias = course.indices.server, course.indices.alias(Kind.FINDINGS)
        for found in server.get(alias, missing, FINDING_FIELDS).values() if missing else ():
            picture.put(kept_of(found))
        for leader in [one for one in picture.findings.values() if one.plan]:
            _finish_plan(course, picture, leader)
        locked = [one for one in picture.findings.values() if one.lock and one.lock.by[0] != course.outbox]
        if not locked or time.monotonic() - started > _LOCK_SECONDS:
            break
        time.sleep(0.05)
        wanted = {one.finding.id for one in locked} | leaders
        for found in server.get(alias, wanted, FINDING_FIELDS).values():
            picture.put(kept_of(found))
    for one in picture.findings.values():
        one.lock = None


def _finish_plan(course: Course, picture: Picture, leader: Kept) -> None:
    plan = leader.plan
    assert plan
    leader.plan = None
    by = (plan["by"][0], plan["by"][1])
    if course.surely_written(by):
        return
    server, indices = course.indices.server, course.indices
    there = server.get(indices.alias(Kind.FINDINGS), plan["findings"])
    left = [one for one in there.values() if (lock := kept_of(one).lock) and lock.by == by]
    course.sender.send([Action(indices.own(one.index), one.id, planned_document(plan, one.id), one) for one in left])
    course.lagging = True
    for found in server.get(indices.alias(Kind.FINDINGS), plan["findings"], FINDING_FIELDS).values():
        picture.put(kept_of(found))


def documents_of(entries: Sequence[Entry]) -> set[tuple[Kind, str]]:
    """What the entries change that is no finding."""
    wanted: set[tuple[Kind, str]] = set()
    for entry in entries:
        match entry.write:
            case Recording(_, evaluation):
                id = place_id(evaluation.asset, evaluation.check)
                wanted.add((Kind.PLACES, id))
                if evaluation.observation:
                    wanted.add((Kind.NEWEST, id))
            case Deciding(acceptance):
                wanted.add((Kind.ACCEPTANCES, acceptance.id))
    return wanted


def _read_others(course: Course, picture: Picture, entries: Sequence[Entry]) -> list["Future[None]"]:
    wanted: defaultdict[Kind, set[str]] = defaultdict(set)
    for kind, id in documents_of(entries):
        wanted[kind].add(id)
    reads = [course.readers.submit(_read_documents, course, picture, kind, ids) for kind, ids in wanted.items()]
    digests = {
        hashlib.sha256(entry.write.evaluation.observation).hexdigest()
        for entry in entries
        if isinstance(entry.write, Recording) and entry.write.evaluation.observation
    }
    return [*reads, course.readers.submit(_read_contents, course, digests - course.contents)]


def _read_documents(course: Course, picture: Picture, kind: Kind, ids: set[str]) -> None:
    found = course.indices.server.get(course.indices.alias(kind), ids, ("jindun.document",))
    for id, one in found.items():
        picture.documents[kind, id] = one


def _read_contents(course: Course, digests: set[str]) -> None:
    if digests:
        alias = course.appending(Kind.CONTENTS)
        course.contents |= course.indices.server.get(alias, digests, ("jindun.sha256",)).keys()
