"""The tables of the SQLite store, and how nouns become rows and rows nouns."""

import sqlite3
from collections.abc import Iterable
from dataclasses import replace

from secops.model.finding import Finding
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.store.documents import from_document
from secops.store.event import Event
from secops.store.finding_store import AuditEntry, CoverageRow
from secops.store.merge import watched
from secops.store.query import due_of, folded, mark_of, microseconds
from secops.support.clock import from_text, to_text

APPLICATION = 0x4A44_4653
""" "JDFS", in the header of the file: ours, and no other program's."""
VERSION = 3
CLAUSE_MARK = "\x1f"
TEXT_END = "\n\n"
LIFE_COLUMNS = """
ALTER TABLE findings ADD COLUMN due INTEGER NOT NULL DEFAULT 253402300799999999;
ALTER TABLE findings ADD COLUMN mark INTEGER NOT NULL DEFAULT 253402300799999999;
ALTER TABLE findings ADD COLUMN deadline TEXT NOT NULL DEFAULT 'none';
ALTER TABLE findings ADD COLUMN acceptance TEXT NOT NULL DEFAULT '';
ALTER TABLE findings ADD COLUMN part_of TEXT NOT NULL DEFAULT '';
ALTER TABLE findings ADD COLUMN exploited TEXT NOT NULL DEFAULT 'no';
"""
"""Added as they are to a file of before: rewriting a million rows would take minutes. The number is NEVER."""
DECISIONS = """
CREATE TABLE acceptances (
    id TEXT PRIMARY KEY, revision INTEGER NOT NULL, requested TEXT NOT NULL, document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,
    detail TEXT NOT NULL, reason_zh TEXT NOT NULL, reason_en TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);
"""
_FINDINGS_OF_VERSION_2 = """
CREATE TABLE findings (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, severity INTEGER NOT NULL, first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL, state_since INTEGER NOT NULL, times_seen INTEGER NOT NULL,
    regressions INTEGER NOT NULL, state TEXT NOT NULL, open INTEGER NOT NULL, system TEXT NOT NULL,
    asset TEXT NOT NULL, check_name TEXT NOT NULL, rule TEXT NOT NULL, class TEXT NOT NULL, clauses TEXT NOT NULL
);
"""
_SEARCH = """
CREATE INDEX findings_by_rank ON findings (severity, first_seen, id);
CREATE INDEX findings_by_system ON findings (system, severity, first_seen, id);
CREATE INDEX findings_by_state ON findings (state, severity, first_seen, id);
CREATE INDEX findings_by_rule ON findings (rule, severity, first_seen, id);
CREATE INDEX findings_by_first_seen ON findings (first_seen, id);
CREATE INDEX findings_by_place ON findings (asset, check_name, open);
CREATE TABLE documents (
    number INTEGER PRIMARY KEY REFERENCES findings, document TEXT NOT NULL
);
CREATE TABLE texts (
    number INTEGER PRIMARY KEY REFERENCES findings, title TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE VIRTUAL TABLE trigrams USING fts5 (
    title, reason, content='texts', content_rowid='number', tokenize='trigram case_sensitive 1', detail=none,
    columnsize=0
);
INSERT INTO trigrams (trigrams, rank) VALUES ('hashsize', 16777216);
CREATE VIRTUAL TABLE trigram_words USING fts5vocab (trigrams, row);
CREATE TRIGGER texts_written AFTER INSERT ON texts BEGIN
    INSERT INTO trigrams (rowid, title, reason) VALUES (new.number, new.title, new.reason);
END;
CREATE TRIGGER texts_changed AFTER UPDATE ON texts BEGIN
    INSERT INTO trigrams (trigrams, rowid, title, reason) VALUES ('delete', old.number, old.title, old.reason);
    INSERT INTO trigrams (rowid, title, reason) VALUES (new.number, new.title, new.reason);
END;
"""
FINDINGS = _FINDINGS_OF_VERSION_2 + LIFE_COLUMNS + _SEARCH
EVENTS = """
CREATE TABLE events (
    number INTEGER PRIMARY KEY, finding TEXT NOT NULL REFERENCES findings (id), revision INTEGER NOT NULL, at TEXT NOT NULL,
    actor TEXT NOT NULL, change TEXT NOT NULL, reason_zh TEXT NOT NULL, reason_en TEXT NOT NULL
);
CREATE INDEX events_by_finding ON events (finding, number);
"""
SCHEMA = f"""
{FINDINGS}{EVENTS}{DECISIONS}
CREATE TABLE contents (
    sha256 TEXT PRIMARY KEY, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE observations (
    scan TEXT NOT NULL, asset TEXT NOT NULL, check_name TEXT NOT NULL, at TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES contents, size_bytes INTEGER NOT NULL,
    PRIMARY KEY (scan, asset, check_name)
) WITHOUT ROWID;
CREATE INDEX observations_by_place ON observations (asset, check_name, at);
CREATE TABLE coverage (
    scan TEXT NOT NULL, asset TEXT NOT NULL, check_name TEXT NOT NULL, system TEXT NOT NULL, outcome TEXT NOT NULL,
    reason_zh TEXT NOT NULL, reason_en TEXT NOT NULL, at TEXT NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (scan, asset, check_name)
) WITHOUT ROWID;
CREATE TABLE places (
    asset TEXT NOT NULL, check_name TEXT NOT NULL,
    newest_scan TEXT NOT NULL, newest_at TEXT NOT NULL, last_successful TEXT,
    PRIMARY KEY (asset, check_name)
) WITHOUT ROWID;
CREATE TABLE baselines (
    number INTEGER PRIMARY KEY, asset TEXT NOT NULL, check_name TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES contents, approved_by TEXT NOT NULL, at TEXT NOT NULL
);
CREATE INDEX baselines_by_place ON baselines (asset, check_name, number);
"""

SELECT_FINDING = """
SELECT d.document, p.last_successful FROM findings f JOIN documents d USING (number)
LEFT JOIN places p ON p.asset = f.asset AND p.check_name = f.check_name
"""
SELECT_KNOWN = f"""
{SELECT_FINDING} WHERE f.asset = ?1 AND f.check_name = ?2 AND f.open
UNION ALL {SELECT_FINDING} WHERE f.id IN (SELECT value FROM json_each(?3))
AND NOT (f.asset = ?1 AND f.check_name = ?2 AND f.open)
"""  # noqa: S608
_SELECT_COVERAGE = """
SELECT c.*, p.last_successful FROM coverage c JOIN places p ON p.asset = c.asset AND p.check_name = c.check_name
"""
_BY_PLACE = " ORDER BY c.system, c.asset, c.check_name"
SELECT_COVERAGE_OF_SCAN = _SELECT_COVERAGE + "WHERE c.scan = ?" + _BY_PLACE
SELECT_NEWEST_COVERAGE = _SELECT_COVERAGE + "WHERE p.newest_scan = c.scan" + _BY_PLACE


FINDING_COLUMNS = (
    *("id", "severity", "first_seen", "last_seen", "state_since", "times_seen", "regressions", "state", "open"),
    *("system", "asset", "check_name", "rule", "class", "clauses"),
    *("due", "mark", "deadline", "acceptance", "part_of", "exploited"),
)


def row_of_finding(finding: Finding) -> tuple[str | int, ...]:
    """FINDING_COLUMNS of a finding. Moments are microseconds since 1970."""
    weakness = finding.weakness
    return (
        finding.id,
        weakness.severity.rank,
        microseconds(finding.first_seen),
        microseconds(finding.last_seen),
        microseconds(finding.state_since),
        finding.times_seen,
        finding.regressions,
        finding.state.value,
        int(watched(finding)),
        storable(finding.system),
        storable(finding.asset),
        storable(finding.check),
        storable(weakness.rule),
        weakness.weakness_class.value,
        clauses_column(weakness.clauses),
        microseconds(due_of(finding)),
        microseconds(mark_of(finding)),
        finding.deadline.standing if finding.deadline else "none",
        finding.acceptance,
        finding.part_of,
        "yes" if weakness.exploited else "no",
    )


def clauses_column(clauses: Iterable[str]) -> str:
    """Every clause between two marks; empty when there is none."""
    listed = CLAUSE_MARK.join(map(storable, clauses))
    return f"{CLAUSE_MARK}{listed}{CLAUSE_MARK}" if listed else ""


def row_of_texts(number: int, finding: Finding) -> tuple[int, str, str]:
    """The columns of `texts`, in order: both languages, folded, in a line each.

    An empty line ends them, so that their last two characters, too, begin a trigram.
    """
    title, reason = finding.weakness.title, finding.weakness.reason
    return number, _searched(title), _searched(reason)


def _searched(text: Text) -> str:
    return storable(f"{folded(text.zh)}\n{folded(text.en)}{TEXT_END}")


def row_of_event(event: Event) -> tuple[str | int, ...]:
    """The columns of `events` after its number, in order."""
    reason = event.reason
    at = to_text(event.at)
    return (event.finding, event.revision, at, event.actor, event.change, storable(reason.zh), storable(reason.en))


def finding_of(row: sqlite3.Row) -> Finding:
    """The finding, with the time that its check last ran successfully."""
    finding = from_document(row["document"])
    evaluated = row["last_successful"]
    return replace(finding, last_evaluated=from_text(evaluated)) if evaluated else finding


def row_of_audit(entry: AuditEntry) -> tuple[str, ...]:
    """The columns of `audit` after its number, in order."""
    reason = entry.reason
    said = (entry.actor, entry.action, entry.subject, entry.detail, reason.zh, reason.en)
    return (to_text(entry.at), *map(storable, said))


def audit_of(row: sqlite3.Row) -> AuditEntry:
    """One row of `audit`."""
    reason = Text(row["reason_zh"], row["reason_en"])
    return AuditEntry(from_text(row["at"]), row["actor"], row["action"], row["subject"], row["detail"], reason)


def event_of(row: sqlite3.Row) -> Event:
    """One row of `events`."""
    reason = Text(row["reason_zh"], row["reason_en"])
    return Event(row["finding"], row["revision"], from_text(row["at"]), row["actor"], row["change"], reason)


def coverage_of(row: sqlite3.Row) -> CoverageRow:
    """One row of `coverage` with the time of the last success."""
    return CoverageRow(
        system=row["system"],
        asset=row["asset"],
        check=row["check_name"],
        scan=row["scan"],
        outcome=Outcome(row["outcome"]),
        reason=Text(row["reason_zh"], row["reason_en"]),
        at=from_text(row["at"]),
        last_successful=from_text(row["last_successful"]) if row["last_successful"] else None,
    )


def storable(text: str) -> str:
    """Text that SQLite can store: halves of surrogate pairs become `?`."""
    return text.encode("utf-8", "replace").decode()


def row_of_coverage(scan: str, evaluation: Evaluation) -> tuple[str | float, ...]:
    """The columns of `coverage`, in order."""
    return (
        scan,
        evaluation.asset,
        evaluation.check,
        evaluation.system,
        evaluation.outcome.value,
        storable(evaluation.reason.zh),
        storable(evaluation.reason.en),
        to_text(evaluation.started),
        evaluation.seconds,
    )
