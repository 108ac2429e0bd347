"""The store of findings in Elasticsearch 8 or 9, of any licence: nothing but its core is needed.

What is written lands in an outbox on this machine first and is brought to the server before the method returns. With
the server away, evaluations wait there and scanning goes on; whatever ships next brings them.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Self

from secops.model.acceptance import Acceptance
from secops.model.finding import Finding, State
from secops.model.outcome import Evaluation
from secops.model.text import Text
from secops.store import elasticsearch_findings
from secops.store.edits import Edit, Move
from secops.store.elasticsearch_access import Access
from secops.store.elasticsearch_documents import (
    FINDING_FIELDS,
    Kind,
    acceptance_of,
    audit_of,
    body_of,
    event_of,
    finding_of,
    path_of,
    place_id,
    told_of,
)
from secops.store.elasticsearch_ecs import moment
from secops.store.elasticsearch_errors import Unreachable
from secops.store.elasticsearch_indices import Indices, require_ready
from secops.store.elasticsearch_json import Document
from secops.store.elasticsearch_kept import kept_of
from secops.store.elasticsearch_moving import dump, in_order, load
from secops.store.elasticsearch_places import approval_of, coverage_row, last_successful, observation_of, place_rows
from secops.store.elasticsearch_sending import Patience
from secops.store.elasticsearch_server import ElasticsearchServer, Found
from secops.store.entries import Approving, Deciding, Editing, Recording, Write
from secops.store.event import Event, Recorded
from secops.store.finding_store import (
    Approval,
    AuditEntry,
    Counts,
    CoverageRow,
    Page,
    StoredObservation,
    require_approver,
    require_groupable,
    require_page,
)
from secops.store.merge import Changes
from secops.store.moving import Item, Part
from secops.store.outbox import Outbox, OutboxStatus, Outcome
from secops.store.query import FIELDS, Condition, Query, at
from secops.store.refusals import no_such_finding, the_one
from secops.store.shipping import Shipper
from secops.support.clock import from_text, now
from secops.support.errors import Incomplete

PREFIX = "jindun"
_EVERYTHING: Document = {"match_all": {}}
_LONGEST_ID = 64
_AWAY_SECONDS = 5.0
"""For so long a server that did not answer is not asked to take evaluations."""
_UNREACHABLE_SECONDS = 1.0


class Kept(Incomplete):
    """What somebody did is kept on this machine; it will be done when the server is back."""

    def __init__(self, because: Incomplete) -> None:
        super().__init__(
            Text(
                f"{because.text.zh};此操作已保存在本机,服务器恢复后会完成,除非该发现届时已被他人改动"
                "(则列入 secops store dead list)",
                f"{because.text.en}; this is kept here and will be done when the server is back, unless somebody "
                "changes the finding meanwhile (it is then among `secops store dead list`)",
            )
        )


class ElasticsearchStore:
    """A `FindingStore` on a server that others write to as well. Readers may see a scan appear piece by piece."""

    def __init__(
        self,
        access: Access,
        outbox: Outbox,
        *,
        prefix: str = PREFIX,
        clock: Callable[[], datetime] = now,
        patience_seconds: float = 30.0,
    ) -> None:
        """Connect, make the indices on a server that has none, bring what was left in the outbox, which is closed with
        the store. A server that is away is no error yet. Raises BadInput and Incomplete.
        """
        self._server = ElasticsearchServer(access)
        self._indices = Indices(self._server, prefix)
        self._outbox = outbox
        self._shipper = Shipper(self._indices, outbox)
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._away_until = 0.0
        self._ready = False
        try:
            self._bring_what_is_left()
        except BaseException:
            self.close()
            raise

    def _bring_what_is_left(self) -> None:
        try:
            self._set_up()
            if self._outbox.first() is not None:
                self._shipper.ship(patience=self._patience(), wait_seconds=self._patience_seconds)
        except Unreachable:
            self._away_until = time.monotonic() + _AWAY_SECONDS
        except Incomplete:
            if not self._ready:
                raise
            # Busy, or taking no writes: reading still works, and whoever writes next is told.

    def _set_up(self) -> None:
        """Make the indices where there are none. A missing one of several was deleted: that must be told."""
        if not self._ready:
            there = self._server.indices(f"{self._indices.alias(Kind.FINDINGS)}*")
            if not there:
                require_ready(self._indices.set_up(now()))
            self._ready = True

    def record(self, scan: str, evaluations: Iterable[Evaluation]) -> Recorded:
        """Write evaluations of one scan; with the server away they wait."""
        numbers = self._outbox.append((Recording(scan, one) for one in evaluations), waited_for=True)
        if not numbers:
            return Recorded()
        outcomes: dict[int, Outcome] = {}
        if time.monotonic() >= self._away_until:
            try:
                outcomes = self._ship(numbers)
            except Incomplete as trouble:
                self._note(trouble)
        waiting = 0 if len(outcomes) == len(numbers) else self._outbox.nobody_waits(numbers)
        whole = Changes(scan)
        for outcome in outcomes.values():
            whole.new |= set(outcome.recorded.new)
            whole.seen_again |= set(outcome.recorded.seen_again)
            whole.reopened |= set(outcome.recorded.reopened)
            whole.resolved |= set(outcome.recorded.resolved)
        return replace(whole.recorded(), waiting=waiting)

    def ship(self, *, patience_seconds: float | None = None) -> None:
        """Bring everything that waits. Raises Incomplete when the server does not take it."""
        seconds = self._patience_seconds if patience_seconds is None else patience_seconds
        self._set_up()
        self._shipper.ship(patience=Patience(seconds, seconds), wait_seconds=seconds)

    def waiting(self) -> OutboxStatus:
        """How the outbox stands."""
        return self._outbox.standing()

    def get(self, finding: str) -> Finding:
        """The finding with that id, or whose id alone begins so."""
        return self._evaluated([self._one(finding)])[0]

    def find(self, query: Query, limit: int = 100, cursor: str | None = None) -> Page:
        """A page by keyset."""
        require_page(limit)
        index, where = self._alias(Kind.FINDINGS), self._resolved(query)
        page = elasticsearch_findings.page(self._server, index, query, where, limit, cursor)
        return replace(page, findings=tuple(self._evaluated(page.findings)))

    def count(self, query: Query, by: Sequence[str] = ()) -> Counts:
        """How many there are of each."""
        require_groupable(by)
        return elasticsearch_findings.count(self._server, self._alias(Kind.FINDINGS), self._resolved(query), by)

    def history(self, finding: str) -> Sequence[Event]:
        """Every change, oldest first."""
        id = self._one(finding).id
        query = {"term": {"jindun.finding": id}}
        hits = self._all_of(Kind.EVENTS, query)
        events = {int(hit.source["jindun"]["number"]): event_of(hit.source) for hit in hits}
        found = self._server.get(self._alias(Kind.FINDINGS), [id], FINDING_FIELDS)
        pending = {note.number: note.event for note in kept_of(found[id]).untold()} if id in found else {}
        return [event for _, event in sorted((events | pending).items())]

    def edit(self, edit: Edit, *, actor: str) -> Finding:
        """Change a finding, and what belongs to it."""
        self._do([Editing(edit, actor, self._clock())])
        return self.get(edit.finding)

    def edit_each(self, edits: Iterable[Edit], *, actor: str) -> tuple[str, ...]:
        """Change each by itself."""
        at, batch = self._clock(), list(edits)
        outcomes = self._try([Editing(edit, actor, at) for edit in batch])
        return tuple(edit.finding for edit, outcome in zip(batch, outcomes, strict=True) if outcome.refusal is None)

    def transition(self, finding: str, to: State, *, revision: int, actor: str, reason: str) -> Finding:
        """Move a finding by hand."""
        return self.edit(Move(self._one(finding).id, Text(reason, reason), revision, to), actor=actor)

    def acceptances(self) -> Sequence[Acceptance]:
        """All that were ever requested."""
        found = self._all_of(Kind.ACCEPTANCES, _EVERYTHING)
        return sorted((acceptance_of(one.source) for one in found), key=lambda one: (one.requested, one.id))

    def keep_acceptance(self, acceptance: Acceptance, *, actor: str, action: str) -> None:
        """Write it over the revision before."""
        self._do([Deciding(acceptance, actor, action, self._clock())])

    def audit(self, since: datetime | None = None) -> Sequence[AuditEntry]:
        """What people and policies did."""
        query: Document = {"range": {"@timestamp": {"gte": moment(since)}}} if since else _EVERYTHING
        found = self._all_of(Kind.AUDIT, query)
        return [audit_of(one.source) for one in sorted(found, key=in_order)]

    def coverage(self, scan: str | None = None) -> Sequence[CoverageRow]:
        """How the evaluations of the scan ended, or the newest of each (asset, check)."""
        if scan is None:
            places = self._all_of(Kind.PLACES, _EVERYTHING, ("jindun.document",))
            rows = [place_rows(one.source) for one in places]
        else:
            query = {"term": {"jindun.scan": scan}}
            told = [told_of(one.source) for one in self._all_of(Kind.COVERAGE, query)]
            succeeded = self._successes((one["asset"], one["check"]) for one in told)
            rows = [coverage_row(one, succeeded.get((one["asset"], one["check"]))) for one in told]
        return sorted(rows, key=lambda row: (row.system, row.asset, row.check))

    def approve_baseline(self, asset: str, check: str, observation: bytes, approved_by: str) -> None:
        """Make an observation the baseline."""
        require_approver(approved_by)
        self._do([Approving(asset, check, observation, approved_by, self._clock())])

    def baseline(self, asset: str, check: str) -> tuple[bytes, str] | None:
        """The approved observation and who approved it."""
        index = self._alias(Kind.BASELINES)
        self._server.refresh(index)
        order = [{"jindun.number": "desc"}, {"@timestamp": "desc"}]
        newest = self._server.search(index, _at(asset, check), order, 1)
        return (self._body(newest[0].source), approval_of(newest[0].source).approved_by) if newest else None

    def baseline_history(self, asset: str, check: str) -> Sequence[Approval]:
        """Every approval, oldest first."""
        fields = ("@timestamp", "jindun.document", "jindun.number")
        found = self._all_of(Kind.BASELINES, _at(asset, check), fields)
        return [approval_of(one.source) for one in sorted(found, key=in_order)]

    def latest_observation(self, asset: str, check: str) -> bytes | None:
        """The newest observation that is not empty."""
        id = place_id(asset, check)
        found = self._server.get(self._alias(Kind.NEWEST), [id])
        return self._body(found[id].source) if found else None

    def observations(self, scan: str) -> Sequence[StoredObservation]:
        """What the scan observed, by asset and check."""
        query = {"term": {"jindun.scan": scan}}
        rows = (observation_of(one.source) for one in self._all_of(Kind.OBSERVATIONS, query))
        return sorted(rows, key=lambda one: (one.asset, one.check))

    def dump(self, part: Part) -> Iterator[Item]:
        """All of a part, for another store; what waits in the outbox is brought first."""
        self.ship()
        return dump(self._indices, part)

    def load(self, part: Part, items: Iterable[Item]) -> int:
        """What another store dumped."""
        self.ship()
        return load(self._indices, part, items)

    def close(self) -> None:
        """Close the connections and the outbox; closing twice is fine."""
        self._shipper.close()
        self._server.close()
        self._outbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- writing

    def _patience(self) -> Patience:
        return Patience(self._patience_seconds, min(_UNREACHABLE_SECONDS, self._patience_seconds))

    def _ship(self, numbers: Sequence[int]) -> dict[int, Outcome]:
        self._set_up()
        return self._shipper.ship(numbers, patience=self._patience(), wait_seconds=self._patience_seconds)

    def _note(self, trouble: Incomplete) -> None:
        if isinstance(trouble, Unreachable):
            self._away_until = time.monotonic() + _AWAY_SECONDS

    def _try(self, writes: Sequence[Write]) -> list[Outcome]:
        """Do them all, and tell of each. Raises Kept when the server lets none or not all be done now."""
        numbers = self._outbox.append(writes, waited_for=True)
        trouble = Incomplete(Text("另一个进程正在写入", "another process is still writing"))
        outcomes: dict[int, Outcome] = {}
        try:
            outcomes = self._ship(numbers)
        except Incomplete as error:
            self._note(error)
            trouble = error
        if len(outcomes) < len(numbers):
            if self._outbox.nobody_waits(numbers):
                raise Kept(trouble)
            outcomes |= self._outbox.outcomes(numbers)
        return [outcomes.get(number, Outcome()) for number in numbers]

    def _do(self, writes: Sequence[Write]) -> None:
        """The same; raises the refusal of one."""
        for outcome in self._try(writes):
            if outcome.refusal is not None:
                raise outcome.refusal

    # --- reading

    def _alias(self, kind: Kind) -> str:
        return self._indices.alias(kind)

    def _all_of(self, kind: Kind, query: Document, fields: Sequence[str] = ()) -> list[Found]:
        """What was written until now; findings alone can be searched for as soon as they are written."""
        self._server.refresh(self._alias(kind))
        # One that was written to two indices, a crash between, counts once.
        return list({one.id: one for one in self._server.everything(self._alias(kind), query, fields)}.values())

    def _resolved(self, query: Query) -> Condition | None:
        """The condition as it is now, without ages."""
        return at(query.where, self._clock()) if query.where else None

    def _one(self, beginning: str) -> Finding:
        """The one finding whose id begins so, as it is now. Raises NotFound."""
        ids = self._ids(beginning) if 0 < len(beginning) <= _LONGEST_ID else []
        id = the_one(beginning, ids)
        found = self._server.get(self._alias(Kind.FINDINGS), [id], FINDING_FIELDS)
        if not found:
            raise no_such_finding(beginning)
        return finding_of(found[id].source)[0]

    def _ids(self, beginning: str) -> list[str]:
        """The first two ids that begin so."""
        path = path_of(FIELDS["id"])
        query = {"prefix": {path: beginning.encode("utf-8", "replace").decode()}}
        hits = self._server.search(self._alias(Kind.FINDINGS), query, [{path: "asc"}], 2, fields=("jindun.place",))
        return [hit.id for hit in hits]

    def _evaluated(self, findings: Sequence[Finding]) -> list[Finding]:
        """The findings, with when their checks last ran successfully."""
        succeeded = self._successes((finding.asset, finding.check) for finding in findings)
        return [
            replace(finding, last_evaluated=from_text(when))
            if (when := succeeded.get((finding.asset, finding.check)))
            else finding
            for finding in findings
        ]

    def _successes(self, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str | None]:
        """When these were last evaluated successfully."""
        ids = {place: place_id(*place) for place in set(places)}
        found = self._server.get(self._alias(Kind.PLACES), ids.values(), ("jindun.document",)) if ids else {}
        return {place: last_successful(found[id].source) for place, id in ids.items() if id in found}

    def _body(self, source: Document) -> bytes:
        """The content, if it is still what was stored: a baseline decides what counts as tampering."""
        body, digest = body_of(source), source["jindun"]["sha256"]
        if hashlib.sha256(body).hexdigest() != digest:
            raise Incomplete(
                Text(
                    f"{self._server.name} 中的观测 {digest} 与其摘要不符:存储之后被改动过",
                    f"observation {digest} at {self._server.name} does not match its digest: "
                    "it was altered after it was stored",
                )
            )
        return body


def _at(asset: str, check: str) -> Document:
    return {"term": {"jindun.place": place_id(asset, check)}}
