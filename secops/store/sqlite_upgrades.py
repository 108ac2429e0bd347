"""How a file of an older version becomes one of the next. Each entry is kept as it was when its version was new."""

import sqlite3

from secops.store.documents import from_document
from secops.store.sqlite_file import Upgrade, execute_all
from secops.store.sqlite_findings import write_findings
from secops.store.sqlite_tables import DECISIONS, EVENTS, FINDINGS, LIFE_COLUMNS

_AT_ONCE = 1000


def _searchable(connection: sqlite3.Connection) -> None:
    """1 → 2: every queryable field in a column of its own, documents apart, texts searchable."""
    execute_all(
        connection,
        """
        DROP INDEX findings_by_rank; DROP INDEX findings_by_place; DROP INDEX events_by_finding;
        ALTER TABLE events RENAME TO events_1; ALTER TABLE findings RENAME TO findings_1;
        """,
    )
    # As they are in the newest version: what is written into them is of that version, too.
    execute_all(connection, FINDINGS + EVENTS)
    old = connection.execute("SELECT document FROM findings_1 ORDER BY rowid")
    while rows := old.fetchmany(_AT_ONCE):
        write_findings(connection, [from_document(row["document"]) for row in rows])
    execute_all(
        connection,
        """
        INSERT INTO events SELECT * FROM events_1 ORDER BY number;
        DROP TABLE events_1; DROP TABLE findings_1;
        """,
    )


def _with_a_life(connection: sqlite3.Connection) -> None:
    """2 → 3: deadlines, acceptances, parts; what was decided and who did what."""
    columns = {row["name"] for row in connection.execute("PRAGMA table_info(findings)")}
    execute_all(connection, DECISIONS if "due" in columns else LIFE_COLUMNS + DECISIONS)


UPGRADES: dict[int, Upgrade] = {1: _searchable, 2: _with_a_life}
"""By the version that a file has before."""
