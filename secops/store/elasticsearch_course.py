"""One course of shipping: where to, at what pace, and what is known of what was written on the way."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

from secops.model.finding import Weakness
from secops.store.elasticsearch_documents import Kind
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_json import Document
from secops.store.elasticsearch_kept import By, Kept, Note, note_of
from secops.store.elasticsearch_sending import Sender
from secops.store.elasticsearch_server import Found
from secops.store.entries import Recording
from secops.store.merge import weaknesses_by_id
from secops.store.mirror import Mirror
from secops.store.outbox import Entry
from secops.support.errors import Incomplete

Place = tuple[str, str]
_MOST_FRESH = 20_000
"""Findings whose state is remembered because searches may not know it yet."""


class RouteLost(Incomplete):
    """An index that entries were sent to is gone; they are to be sent elsewhere."""


@dataclass(slots=True)
class Fresh:
    """What was written and searches may not find yet, as it is on the server."""

    findings: dict[str, Kept] = field(default_factory=dict)
    places: defaultdict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The findings above by asset and check."""
    documents: dict[tuple[Kind, str], Found] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether it is time for a refresh."""
        return len(self.findings) + len(self.documents) >= _MOST_FRESH

    def put(self, one: Kept) -> None:
        """Remember a finding as it was just written."""
        self.findings[one.finding.id] = one
        self.places[one.finding.asset, one.finding.check].add(one.finding.id)

    def clear(self) -> None:
        """Searches know all of it."""
        self.findings.clear()
        self.places.clear()
        self.documents.clear()


@dataclass(slots=True)
class Marked:
    """What is to be said of a place when the findings are written, and what is on the server."""

    document: Document
    found: Found | None


@dataclass(slots=True)
class Course:
    """From the lock of an outbox to its release."""

    indices: Indices
    outbox: str
    route: Mapping[str, str]
    """By kind that is only appended, the index where entries are sent to."""
    sender: Sender
    readers: Executor
    mirror: Mirror
    sent_before: int
    """Entries up to this number may have been sent before."""
    dead: frozenset[int]
    """Numbers of dead letters: of these not everything was written."""
    floor: int = 0
    """All entries below this number are done."""
    fresh: Fresh = field(default_factory=Fresh)
    contents: set[str] = field(default_factory=set)
    """Digests of some that are there."""
    decided: set[int] = field(default_factory=set)
    """Entries whose acceptance was sent once."""
    seen: dict[int, dict[str, Weakness]] = field(default_factory=dict)
    """By number of the entry."""
    places: dict[str, Marked] = field(default_factory=dict)
    """By id, those that this course evaluated."""
    evaluated: dict[int, str | None] = field(default_factory=dict)
    """By number of the entry, when its place had been evaluated successfully as it was merged first."""
    uuids: dict[str, str] = field(default_factory=dict)
    """By index of findings, what no other index of that name ever had."""
    lagging: bool = False
    """Whether searches do not know all findings that were written. Whoever searches for all else refreshes it first."""

    def appending(self, kind: Kind) -> str:
        """What to append through."""
        return self.indices.own(self.route[kind.value])

    def refresh(self) -> None:
        """Let searches find all findings."""
        if self.lagging:
            self.indices.server.refresh(self.indices.alias(Kind.FINDINGS))
        self.lagging = False
        self.fresh.clear()

    def uuid_of(self, index: str) -> str:
        """Of an index of findings; empty when it is gone."""
        if index not in self.uuids:
            there = self.indices.server.indices(f"{self.indices.alias(Kind.FINDINGS)}-*")
            self.uuids |= {name: str(one["settings"]["index"]["uuid"]) for name, one in there.items()}
        return self.uuids.get(index, "")

    def remember(self, findings: Iterable[Found]) -> None:
        """These are what stands on the server."""
        by_index: defaultdict[str, list[Found]] = defaultdict(list)
        for one in findings:
            by_index[one.index].append(one)
        for index, some in by_index.items():
            if uuid := self.uuid_of(index):
                self.mirror.keep(uuid, some)

    def surely_written(self, by: By) -> bool:
        """Whether what an entry was to write afterwards is there."""
        return by[0] == self.outbox and by[1] < self.floor and by[1] not in self.dead

    def left_over(self, one: Kept) -> Iterator[Note]:
        """Its events that an earlier try of ours may not have brought among the events."""
        for told in one.pending if self.sent_before else ():
            outbox, number = told["by"]
            if outbox == self.outbox and self.floor <= number <= self.sent_before:
                yield note_of(one.finding.id, told)

    def seen_by(self, entry: Entry) -> dict[str, Weakness]:
        """The weaknesses of a recording by id, worked out once."""
        if entry.number not in self.seen:
            assert isinstance(entry.write, Recording)
            self.seen[entry.number] = weaknesses_by_id(entry.write.evaluation)
        return self.seen[entry.number]
