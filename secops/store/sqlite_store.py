"""The store of findings that needs nothing but a file."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from secops.model.acceptance import Acceptance
from secops.model.finding import Finding, State
from secops.model.outcome import Evaluation
from secops.model.text import Text
from secops.store.acceptances import require_next_revision
from secops.store.auditing import acceptance_audited, baseline_audited, edit_audited
from secops.store.documents import acceptance_from_document, acceptance_to_document
from secops.store.edits import Edit, Edited, Move
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
from secops.store.merge import Changes, DeadlineOf, no_deadline, weaknesses_by_id
from secops.store.moving import Item, Part
from secops.store.query import Condition, Query, at
from secops.store.sqlite_file import SqliteFile
from secops.store.sqlite_findings import (
    as_json,
    count,
    findings_named,
    one_finding,
    page,
    with_relatives,
    write_findings,
)
from secops.store.sqlite_moving import dump, load
from secops.store.sqlite_tables import (
    APPLICATION,
    SCHEMA,
    SELECT_COVERAGE_OF_SCAN,
    SELECT_KNOWN,
    SELECT_NEWEST_COVERAGE,
    VERSION,
    audit_of,
    coverage_of,
    event_of,
    finding_of,
    row_of_audit,
    row_of_coverage,
    row_of_event,
)
from secops.store.sqlite_upgrades import UPGRADES
from secops.support.clock import from_text, now, to_text
from secops.support.errors import BadInput, Incomplete


class SqliteStore:
    """A `FindingStore` in one file. When the check last ran on a finding's asset is kept once per (asset, check)."""

    def __init__(
        self,
        path: Path,
        *,
        wait_seconds: float = 30.0,
        clock: Callable[[], datetime] = now,
        deadline_of: DeadlineOf = no_deadline,
    ) -> None:
        """Open or create the file. Raises BadInput when it cannot be used; then it is left as it was."""
        self._file = SqliteFile(
            path,
            application=APPLICATION,
            schema=SCHEMA,
            version=VERSION,
            upgrades=UPGRADES,
            wait_seconds=wait_seconds,
        )
        self._clock = clock
        self._deadline_of = deadline_of

    def record(self, scan: str, evaluations: Iterable[Evaluation]) -> Recorded:
        """Write evaluations of one scan in one transaction."""
        # Drawn first: evaluations may come from a scan that is still running, and others wait for the lock meanwhile.
        batch = list(evaluations)
        changes = Changes(scan, deadline_of=self._deadline_of)
        with self._file.writing() as connection:
            for evaluation in batch:
                if _cover(connection, scan, evaluation):
                    _observe(connection, scan, evaluation)
                    seen = weaknesses_by_id(evaluation)
                    changes.merge(evaluation, seen, _known(connection, evaluation, seen, changes))
            _write(connection, changes.findings.values(), changes.events)
        return changes.recorded()

    def get(self, finding: str) -> Finding:
        """The finding with that id, or whose id alone begins so."""
        with self._file.reading() as connection:
            return one_finding(connection, finding)

    def find(self, query: Query, limit: int = 100, cursor: str | None = None) -> Page:
        """A page by keyset."""
        require_page(limit)
        resolved = replace(query, where=self._resolved(query))
        with self._file.reading() as connection:
            return page(connection, query, resolved, limit, cursor)

    def count(self, query: Query, by: Sequence[str] = ()) -> Counts:
        """How many there are of each."""
        require_groupable(by)
        with self._file.reading() as connection:
            return count(connection, self._resolved(query), by)

    def _resolved(self, query: Query) -> Condition | None:
        """The condition as it is now, without ages."""
        return at(query.where, self._clock()) if query.where else None

    def history(self, finding: str) -> Sequence[Event]:
        """Every change, oldest first."""
        query = "SELECT * FROM events WHERE finding = ? ORDER BY number"
        with self._file.reading() as connection:
            return [event_of(row) for row in connection.execute(query, (one_finding(connection, finding).id,))]

    def edit(self, edit: Edit, *, actor: str) -> Finding:
        """Change a finding, and what belongs to it."""
        at = self._clock()
        with self._file.writing() as connection:
            edited = edit.apply(_known_to(connection, [edit]), actor=actor, at=at)
            _write_edited(connection, edited)
            return one_finding(connection, edit.finding)

    def edit_each(self, edits: Iterable[Edit], *, actor: str) -> tuple[str, ...]:
        """Change each by itself, in one transaction."""
        at, batch, done, together = self._clock(), list(edits), [], Edited()
        with self._file.writing() as connection:
            known = _known_to(connection, batch)
            for edit in batch:
                try:
                    edited = edit.apply(known, actor=actor, at=at)
                except BadInput:
                    continue
                known |= edited.findings
                together.findings |= edited.findings
                together.events += edited.events
                done.append(edit.finding)
            _write_edited(connection, together)
        return tuple(done)

    def transition(self, finding: str, to: State, *, revision: int, actor: str, reason: str) -> Finding:
        """Move a finding by hand."""
        return self.edit(Move(self.get(finding).id, Text(reason, reason), revision, to), actor=actor)

    def acceptances(self) -> Sequence[Acceptance]:
        """All that were ever requested."""
        query = "SELECT document FROM acceptances ORDER BY requested, id"
        with self._file.reading() as connection:
            return [acceptance_from_document(row["document"]) for row in connection.execute(query)]

    def keep_acceptance(self, acceptance: Acceptance, *, actor: str, action: str) -> None:
        """Write it over the revision before."""
        one = acceptance
        document = acceptance_to_document(one).decode()
        with self._file.writing() as connection:
            row = connection.execute("SELECT revision FROM acceptances WHERE id = ?", (one.id,)).fetchone()
            require_next_revision(one, row["revision"] if row else 0)
            connection.execute(
                "REPLACE INTO acceptances VALUES (?, ?, ?, ?)",
                (one.id, one.revision, to_text(one.requested), document),
            )
            _remember(connection, acceptance_audited(one, actor, action, self._clock()))

    def audit(self, since: datetime | None = None) -> Sequence[AuditEntry]:
        """What people and policies did."""
        query = "SELECT * FROM audit WHERE at >= ? ORDER BY number"
        with self._file.reading() as connection:
            return [audit_of(row) for row in connection.execute(query, (to_text(since) if since else "",))]

    def coverage(self, scan: str | None = None) -> Sequence[CoverageRow]:
        """How the evaluations of the scan ended, or the newest of each (asset, check)."""
        query, values = (SELECT_NEWEST_COVERAGE, ()) if scan is None else (SELECT_COVERAGE_OF_SCAN, (scan,))
        with self._file.reading() as connection:
            return [coverage_of(row) for row in connection.execute(query, values)]

    def approve_baseline(self, asset: str, check: str, observation: bytes, approved_by: str) -> None:
        """Make an observation the baseline."""
        require_approver(approved_by)
        at = self._clock()
        with self._file.writing() as connection:
            connection.execute(
                "INSERT INTO baselines (asset, check_name, sha256, approved_by, at) VALUES (?, ?, ?, ?, ?)",
                (asset, check, _keep(connection, observation), approved_by, to_text(at)),
            )
            _remember(connection, baseline_audited(asset, check, observation, approved_by, at))

    def baseline(self, asset: str, check: str) -> tuple[bytes, str] | None:
        """The approved observation and who approved it."""
        query = """
            SELECT sha256, body, approved_by FROM baselines JOIN contents USING (sha256)
            WHERE asset = ? AND check_name = ? ORDER BY number DESC LIMIT 1
        """
        with self._file.reading() as connection:
            row = connection.execute(query, (asset, check)).fetchone()
        return (self._body(row), row["approved_by"]) if row else None

    def baseline_history(self, asset: str, check: str) -> Sequence[Approval]:
        """Every approval, oldest first."""
        query = "SELECT approved_by, at, sha256 FROM baselines WHERE asset = ? AND check_name = ? ORDER BY number"
        with self._file.reading() as connection:
            rows = connection.execute(query, (asset, check)).fetchall()
        return [Approval(row["approved_by"], from_text(row["at"]), row["sha256"]) for row in rows]

    def latest_observation(self, asset: str, check: str) -> bytes | None:
        """The newest observation that is not empty."""
        query = """
            SELECT sha256, body FROM observations JOIN contents USING (sha256)
            WHERE asset = ? AND check_name = ? ORDER BY at DESC LIMIT 1
        """
        with self._file.reading() as connection:
            row = connection.execute(query, (asset, check)).fetchone()
        return self._body(row) if row else None

    def observations(self, scan: str) -> Sequence[StoredObservation]:
        """What the scan observed, by asset and check."""
        query = "SELECT * FROM observations WHERE scan = ? ORDER BY asset, check_name"
        with self._file.reading() as connection:
            return [
                StoredObservation(
                    row["asset"], row["check_name"], from_text(row["at"]), row["sha256"], row["size_bytes"]
                )
                for row in connection.execute(query, (scan,))
            ]

    def _body(self, row: sqlite3.Row) -> bytes:
        """The content, if it is still what was stored: a baseline decides what counts as tampering."""
        body = bytes(row["body"])
        if hashlib.sha256(body).hexdigest() != row["sha256"]:
            raise Incomplete(
                Text(
                    f"{self._file.path} 中的观测 {row['sha256']} 与其摘要不符:存储之后被改动过",
                    f"observation {row['sha256']} in {self._file.path} does not match its digest: "
                    "it was altered after it was stored",
                )
            )
        return body

    def dump(self, part: Part) -> Iterator[Item]:
        """All of a part, for another store."""
        return dump(self._file, part)

    def load(self, part: Part, items: Iterable[Item]) -> int:
        """What another store dumped."""
        return load(self._file, part, items)

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _cover(connection: sqlite3.Connection, scan: str, evaluation: Evaluation) -> bool:
    """Write the coverage; False when this (scan, asset, check) was recorded before."""
    at = to_text(evaluation.started)
    row = row_of_coverage(scan, evaluation)
    written = connection.execute("INSERT OR IGNORE INTO coverage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    if not written.rowcount:
        return False
    connection.execute(
        """
        INSERT INTO places VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET
            newest_scan = iif(?4 >= newest_at, ?3, newest_scan), newest_at = max(?4, newest_at),
            last_successful = max(coalesce(?5, last_successful), coalesce(last_successful, ?5))
        """,
        (evaluation.asset, evaluation.check, scan, at, at if evaluation.outcome.successful else None),
    )
    return True


def _observe(connection: sqlite3.Connection, scan: str, evaluation: Evaluation) -> None:
    if evaluation.observation:
        connection.execute(
            "INSERT INTO observations VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(scan, evaluation.asset, evaluation.check, to_text(evaluation.started)),
                *(_keep(connection, evaluation.observation), len(evaluation.observation)),
            ),
        )


def _keep(connection: sqlite3.Connection, body: bytes) -> str:
    """The digest of the content, stored once however often it is observed."""
    digest = hashlib.sha256(body).hexdigest()
    connection.execute("INSERT OR IGNORE INTO contents VALUES (?, ?)", (digest, body))
    return digest


def _known(
    connection: sqlite3.Connection, evaluation: Evaluation, seen: Iterable[str], changes: Changes
) -> dict[str, Finding]:
    """By id: the watched findings of its asset and check, those that it saw, and their relatives, as they are in this
    transaction.
    """
    values = (evaluation.asset, evaluation.check, as_json(seen))
    stored = {finding.id: finding for finding in map(finding_of, connection.execute(SELECT_KNOWN, values))}
    stored = with_relatives(connection, stored)
    return stored | {id: changes.findings[id] for id in (*stored, *seen) if id in changes.findings}


def _known_to(connection: sqlite3.Connection, edits: Iterable[Edit]) -> dict[str, Finding]:
    """What the edits need to know, by id."""
    ids = (id for edit in edits for id in (edit.finding, *edit.others))
    return with_relatives(connection, findings_named(connection, ids))


def _write_edited(connection: sqlite3.Connection, edited: Edited) -> None:
    _write(connection, edited.findings.values(), edited.events)
    for event in edited.events:
        _remember(connection, edit_audited(event))


def _remember(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    connection.execute(
        "INSERT INTO audit (at, actor, action, subject, detail, reason_zh, reason_en) VALUES (?, ?, ?, ?, ?, ?, ?)",
        row_of_audit(entry),
    )


def _write(connection: sqlite3.Connection, findings: Iterable[Finding], events: Iterable[Event]) -> None:
    write_findings(connection, findings)
    connection.executemany(
        "INSERT INTO events (finding, revision, at, actor, change, reason_zh, reason_en) VALUES (?, ?, ?, ?, ?, ?, ?)",
        map(row_of_event, events),
    )
