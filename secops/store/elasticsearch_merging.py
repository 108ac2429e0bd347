"""Entries merged into what is on the server: what is to be written, and what was refused. Touches nothing itself."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from secops.model.finding import Finding
from secops.model.outcome import Evaluation
from secops.store.acceptances import require_next_revision
from secops.store.auditing import acceptance_audited, baseline_audited
from secops.store.elasticsearch_course import Course, Marked
from secops.store.elasticsearch_documents import (
    Kind,
    acceptance_document,
    acceptance_of,
    audit_document,
    content_document,
    digest,
    place_id,
    told_of,
)
from secops.store.elasticsearch_ecs import moment
from secops.store.elasticsearch_json import Document
from secops.store.elasticsearch_kept import Kept, Note, note_of
from secops.store.elasticsearch_places import (
    baseline_document,
    coverage_key,
    last_successful,
    newest_document,
    observation_document,
    place_document,
)
from secops.store.elasticsearch_reading import Claims, Picture
from secops.store.elasticsearch_server import Action, Found
from secops.store.entries import Approving, Deciding, Editing, Recording
from secops.store.event import Event
from secops.store.finding_store import AuditEntry
from secops.store.merge import Changes
from secops.store.outbox import Entry
from secops.support.clock import from_text
from secops.support.errors import BadInput, JindunError

_MOST_AUDITED = 100
"""Audit entries of one write that keep their order among each other."""


@dataclass(frozen=True, slots=True)
class Job:
    """One document to be written, and the entries that it comes from."""

    action: Action
    by: tuple[int, ...]
    kind: Kind
    once: bool = False
    """Whether it is enough that a document with its id is there."""


@dataclass(slots=True)
class _Held:
    """A document that is no finding, on its way."""

    found: Found | None
    document: Document
    by: list[int]


@dataclass(slots=True)
class Merging:
    """Entries in their order over a picture of the server."""

    course: Course
    picture: Picture
    claims: Claims
    changes: dict[int, Changes] = field(default_factory=dict)
    """By number, what each recording did."""
    refusals: dict[int, JindunError] = field(default_factory=dict)
    """Entries that change nothing, and why."""
    edited: set[str] = field(default_factory=set)
    """Findings that belong to one edit and are written together."""
    jobs: list[Job] = field(default_factory=list)
    """All but findings, events and what is held."""
    carried: list[Note] = field(default_factory=list)
    """Events of others that are to be written again, for they may not have managed to."""
    places: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Numbers of the entries that evaluated a place."""
    _held: dict[tuple[Kind, str], _Held] = field(default_factory=dict)

    def merge(self, entries: Sequence[Entry]) -> None:
        """Merge them in their order."""
        for entry in entries:
            if entry.number in self.claims.lost or entry.number in self.claims.refused:
                continue
            try:
                match entry.write:
                    case Recording() as write:
                        self._record(entry, write)
                    case Editing() as write:
                        self._edit(entry, write)
                    case Deciding() as write:
                        self._decide(entry, write)
                    case Approving() as write:
                        self._approve(entry, write)
            except BadInput as refusal:
                self.refusals[entry.number] = refusal
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                # A bug of ours, or what no program of ours wrote: it holds nobody else up.
                self.claims.refused[entry.number] = repr(error)
        self._keep_contents(entries)
        self._carry()

    def changed(self) -> list[Kept]:
        """Findings to be written."""
        return [one for one in self.picture.findings.values() if one.changed]

    def documents(self) -> list[Job]:
        """All but findings and events."""
        held = [
            Job(self._action(kind, id, one), tuple(one.by), kind) for (kind, id), one in self._held.items() if one.by
        ]
        return [*self.jobs, *held]

    def left_over(self) -> Iterator[Note]:
        """Events of earlier tries that may not stand among the events yet."""
        for one in self.picture.findings.values():
            yield from self.course.left_over(one)

    def _carry(self) -> None:
        """Keep the last events of findings with them until it is certain that they stand among the events."""
        course = self.course
        for one in self.changed():
            kept = []
            for told in one.pending:
                outbox, number = told["by"]
                if course.surely_written((outbox, number)):
                    continue
                if outbox != course.outbox or number in course.dead:
                    # Somebody else's, who may be gone: ours to write now.
                    note = replace(note_of(one.finding.id, told), by=(course.outbox, one.by[-1]))
                    self.carried.append(note)
                    told = note.to_json()
                kept.append(told)
            one.pending = tuple(kept)

    def _record(self, entry: Entry, write: Recording) -> None:
        evaluation, number = write.evaluation, entry.number
        seen = self.course.seen_by(entry)
        at_place = self.picture.places.get((evaluation.asset, evaluation.check), set())
        self._mark_place(number, write)
        known = self._evaluated(number, evaluation, self.picture.known({*seen, *at_place}))
        changes = Changes(write.scan)
        changes.merge(evaluation, seen, known)
        done = {id for id in changes.findings if self._is_done(entry, id)}
        self._put(number, changes.findings, done)
        for event in changes.events:
            if event.finding not in done:
                self._note(event, number)
        for ids in (changes.new, changes.seen_again, changes.reopened, changes.resolved):
            ids -= done
        changes.findings = {id: finding for id, finding in changes.findings.items() if id not in done}
        self.changes[number] = changes
        self._observe(number, write)

    def _evaluated(self, number: int, evaluation: Evaluation, known: dict[str, Finding]) -> dict[str, Finding]:
        """The same, with when the check last ran successfully where that matters to merging."""
        place, at = (evaluation.asset, evaluation.check), self.course.evaluated[number]
        missed = [one for one in known.values() if (one.gone or one.misses) and (one.asset, one.check) == place]
        if at is None:
            return known
        return known | {one.id: replace(one, last_evaluated=from_text(at)) for one in missed}

    def _is_done(self, entry: Entry, id: str) -> bool:
        """Whether an earlier try brought the entry to this finding. A group is reached as a whole."""
        if entry.again is not None and id not in entry.again:
            return True
        one = self.picture.findings.get(id)
        if one is None:
            return False
        first = self.picture.findings.get(one.finding.part_of) or one
        members = [
            first,
            *(self.picture.findings[part] for part in first.finding.parts if part in self.picture.findings),
        ]
        # Entries come in order: one that reached the finding in this very merging has a lower number.
        return any(self._reached(member) >= entry.number for member in members)

    def _reached(self, one: Kept) -> int:
        return one.applied.get(self.course.outbox, 0)

    def _put(self, number: int, findings: dict[str, Finding], done: set[str]) -> None:
        by = (self.course.outbox, number)
        for id, finding in findings.items():
            if id in done:
                continue
            one = self.picture.findings.get(id) or Kept(finding)
            one.put(finding, by)
            self.picture.put(one)
            first = self.picture.findings.get(finding.part_of)
            if first is not None:
                # Of two who change parts of a group at once, the later must see what the earlier did.
                first.put(first.finding, by)

    def _note(self, event: Event, number: int, audit: int = 0) -> None:
        self.picture.findings[event.finding].note(event, (self.course.outbox, number), audit)

    def _edit(self, entry: Entry, write: Editing) -> None:
        edit, number = write.edit, entry.number
        known = self.picture.known((edit.finding, *edit.others))
        if entry.again is not None or any(self._reached(self.picture.findings[id]) >= number for id in known):
            return
        edited = edit.apply(known, actor=write.actor, at=write.at)
        self._put(number, edited.findings, set())
        if len(edited.findings) > 1:
            self.edited = set(edited.findings)
        for place, event in enumerate(edited.events):
            self._note(event, number, number * _MOST_AUDITED + place)

    def _decide(self, entry: Entry, write: Deciding) -> None:
        one, key = write.acceptance, (Kind.ACCEPTANCES, write.acceptance.id)
        held = self._hold(key)
        present = acceptance_of(held.document) if held.document else None
        if present != one or not self._may_be_repeated(entry):
            require_next_revision(one, present.revision if present else 0)
            held.document = acceptance_document(one)
            held.by.append(entry.number)
            self.course.decided.add(entry.number)
        self._audit(entry, acceptance_audited(one, write.actor, write.action, write.at))

    def _may_be_repeated(self, entry: Entry) -> bool:
        """Whether an earlier try may have written what it decides."""
        return entry.number <= self.course.sent_before or entry.number in self.course.decided

    def _approve(self, entry: Entry, write: Approving) -> None:
        id = digest(self.course.outbox, str(entry.claim))
        alias = self.course.indices.alias(Kind.BASELINES)
        action = Action(alias, id, baseline_document(write, entry.claim))
        self.jobs.append(Job(action, (entry.number,), Kind.BASELINES, once=True))
        told = baseline_audited(write.asset, write.check, write.observation, write.approved_by, write.at)
        self._audit(entry, told)

    def _audit(self, entry: Entry, audited: AuditEntry) -> None:
        id = f"{self.course.outbox}.{entry.claim}"
        action = Action(self.course.appending(Kind.AUDIT), id, audit_document(audited, entry.claim * _MOST_AUDITED))
        self.jobs.append(Job(action, (entry.number,), Kind.AUDIT, once=True))

    def _mark_place(self, number: int, write: Recording) -> None:
        """Note the evaluation of its place, once; it is written when the findings are, lest a crash between them makes
        an evaluation look overtaken by itself.
        """
        course, id = self.course, place_id(write.evaluation.asset, write.evaluation.check)
        self.places[id].append(number)
        if number in course.evaluated:
            return
        marked = course.places.get(id)
        if marked is None:
            found = self.picture.documents.get((Kind.PLACES, id))
            marked = course.places[id] = Marked(found.source if found else {}, found)
        marked.document = place_document(marked.document or None, write.scan, write.evaluation)
        course.evaluated[number] = last_successful(marked.document)

    def _observe(self, number: int, write: Recording) -> None:
        evaluation = write.evaluation
        if not evaluation.observation:
            return
        key = coverage_key(write.scan, evaluation)
        action = Action(self.course.appending(Kind.OBSERVATIONS), key, observation_document(write.scan, evaluation))
        self.jobs.append(Job(action, (number,), Kind.OBSERVATIONS, once=True))
        held = self._hold((Kind.NEWEST, place_id(evaluation.asset, evaluation.check)))
        if not held.document or moment(evaluation.started) > told_of(held.document)["at"]:
            held.document = newest_document(write.scan, evaluation)
            held.by.append(number)

    def _keep_contents(self, entries: Sequence[Entry]) -> None:
        """What was observed, once."""
        bodies: dict[str, bytes] = {}
        by: defaultdict[str, list[int]] = defaultdict(list)
        for entry in entries:
            if entry.number in self.changes and isinstance(entry.write, Recording):
                body = entry.write.evaluation.observation
                if body:
                    sha256 = hashlib.sha256(body).hexdigest()
                    bodies[sha256] = body
                    by[sha256].append(entry.number)
        for sha256, body in bodies.items():
            if sha256 not in self.course.contents:
                action = Action(self.course.appending(Kind.CONTENTS), sha256, content_document(body))
                self.jobs.append(Job(action, tuple(by[sha256]), Kind.CONTENTS, once=True))

    def _hold(self, key: tuple[Kind, str]) -> _Held:
        if key not in self._held:
            found = self.picture.documents.get(key)
            self._held[key] = _Held(found, found.source if found else {}, [])
        return self._held[key]

    def _action(self, kind: Kind, id: str, one: _Held) -> Action:
        if one.found is None:
            return Action(self.course.indices.alias(kind), id, one.document)
        return Action(self.course.indices.own(one.found.index), id, one.document, one.found)
