"""A finding as its document keeps it: with what makes writing it exact although the server knows no transactions.

- `applied`: the number of the last entry of each outbox that reached it. An entry that is sent again after a crash
  does not reach it twice.
- `pending`: its last events, until it is certain that they stand among the events, which are written afterwards.
- `lock` and `plan`: a change of several findings is decided by the write of one of them, the leader, that holds what
  all are to become. The others are locked for it before. Whoever meets a locked one looks at its leader: with the
  plan, they do what is left of it; without, they wait until it is there or nobody can be at it any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from secops.model.finding import Finding
from secops.model.text import Text
from secops.store.auditing import edit_audited
from secops.store.documents import from_document, to_document
from secops.store.elasticsearch_documents import audit_document, event_document, finding_document, finding_of
from secops.store.elasticsearch_json import OURS, Document
from secops.store.elasticsearch_server import Found
from secops.store.event import Event
from secops.support.clock import from_text

By = tuple[str, int]
"""An outbox and the number of one of its entries."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Somebody is about to change this finding together with others."""

    by: By
    leader: str


@dataclass(frozen=True, slots=True)
class Note:
    """An event of a finding that may not stand among the events yet."""

    by: By
    number: int
    """Among the events of the finding, from 1."""
    event: Event
    audit: int = 0
    """The number of the audit entry that says so, too; 0: none does."""

    @property
    def id(self) -> str:
        """Of the event's document, and of the audit entry's."""
        return f"{self.event.finding}.{self.number}"

    def event_document(self) -> Document:
        """To stand among the events."""
        return event_document(self.event, self.number)

    def audit_document(self) -> Document:
        """To stand in the audit."""
        return audit_document(edit_audited(self.event), self.audit)

    def to_json(self) -> Document:
        """As it is kept."""
        event = self.event
        told = (event.revision, event.at.isoformat(), event.actor, event.change, event.reason.zh, event.reason.en)
        return {"by": self.by, "number": self.number, "audit": self.audit, "event": told}


@dataclass(slots=True)
class Kept:
    """One finding with all that, and how it is on the server."""

    finding: Finding
    found: Found | None = None
    """None: it is not there."""
    applied: dict[str, int] = field(default_factory=dict)
    told: int | None = 0
    """How many events it has; None: they are to be counted."""
    pending: tuple[Document, ...] = ()
    """Notes as they are kept."""
    lock: Lock | None = None
    plan: Document | None = None
    by: tuple[int, ...] = ()
    """Numbers of the entries that changed it since it was read."""
    notes: tuple[Note, ...] = ()
    """Events since it was read."""
    noted: tuple[Document, ...] = ()
    """The same as they are kept."""
    source: Document = field(default_factory=dict)
    """What is read back of its document, as it was last made."""

    @property
    def changed(self) -> bool:
        """Whether it is to be written."""
        return bool(self.by)

    def put(self, finding: Finding, by: By) -> None:
        """It becomes so through an entry."""
        self.finding = finding
        self.applied[by[0]] = max(by[1], self.applied.get(by[0], 0))
        if by[1] not in self.by:
            self.by = (*self.by, by[1])

    def note(self, event: Event, by: By, audit: int = 0) -> None:
        """One more event."""
        assert self.told is not None
        self.told += 1
        note = Note(by, self.told, event, audit)
        self.notes, self.noted = (*self.notes, note), (*self.noted, note.to_json())

    def written(self, found: Found) -> "Kept":
        """As it is after it was written."""
        return Kept(self.finding, found, {**self.applied}, self.told, self._kept_notes(), plan=self.plan)

    def extra(self, plan: Document | None = None) -> Document:
        """What stands in its document beside the finding, when it is written."""
        extra: Document = {
            "applied": self.applied,
            "told": self.told,
            "pending": self._kept_notes(),
        }
        if plan:
            extra["plan"] = plan
        return extra

    def _kept_notes(self) -> tuple[Document, ...]:
        return (*self.pending, *self.noted) if self.noted else self.pending

    def untold(self) -> list[Note]:
        """Its last events, that may not stand among the events yet."""
        return [note_of(self.finding.id, told) for told in self.pending]

    def document(self, plan: Document | None = None) -> Document:
        """As it is written."""
        document = finding_document(self.finding, self.extra(plan=plan))
        self.source = {OURS: {name: document[OURS][name] for name in ("document", "extra")}}
        return document


def kept_of(found: Found) -> Kept:
    """The finding of a document."""
    finding, extra = finding_of(found.source)
    lock = extra.get("lock")
    return Kept(
        finding=finding,
        found=Found(found.id, {}, found.index, found.seq_no, found.primary_term),
        applied=extra.get("applied", {}),
        told=extra.get("told"),
        pending=tuple(extra.get("pending", ())),
        lock=Lock((lock[0], lock[1]), lock[2]) if lock else None,
        plan=extra.get("plan"),
    )


def locked_document(source: Document, lock: Lock | None) -> Document:
    """The finding of a document as it is, locked or free."""
    finding, extra = finding_of(source)
    extra.pop("lock", None)
    if lock:
        extra["lock"] = (*lock.by, lock.leader)
    return finding_document(finding, extra)


def plan_of(by: By, others: Mapping[str, Kept]) -> Document:
    """What the others become."""
    return {
        "by": by,
        "findings": {
            id: {"finding": to_document(one.finding).decode(), "extra": one.extra()} for id, one in others.items()
        },
    }


def planned_document(plan: Document, id: str) -> Document:
    """One of the others of a plan, as it is to be written."""
    told = plan["findings"][id]
    return finding_document(from_document(told["finding"]), told["extra"])


def note_of(finding: str, told: Document) -> Note:
    """The note that is kept so."""
    revision, at, actor, change, zh, en = told["event"]
    event = Event(finding, revision, from_text(at), actor, change, Text(zh, en))
    return Note((told["by"][0], told["by"][1]), told["number"], event, told["audit"])
