"""Findings as they were last written to a server, on this machine's disk: what need not be fetched again to be merged.

A row is used only while the server names the very version of the document that it holds: the same index, by the UUID
that no other index ever has, the same sequence number and primary term. So what others write, what is restored or
moved, and a file that is old or gone cost a fetch and never a wrong finding; and each write is compared and set as
before. Nothing here may stop a shipper: whatever is wrong with the file, it is done without.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import orjson

from secops.store.elasticsearch_json import OURS
from secops.store.elasticsearch_server import Found
from secops.store.sqlite_file import SqliteFile
from secops.support.errors import BadInput, JindunError

APPLICATION = 0x4A44_4D49
""" "JDMI", in the header of the file."""
VERSION = 1
SCHEMA = """
CREATE TABLE findings (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, uuid TEXT NOT NULL, seq_no INTEGER NOT NULL,
    primary_term INTEGER NOT NULL, document TEXT NOT NULL, extra TEXT NOT NULL
);
"""
MIRROR_FILE = "mirror.sqlite"
"""Its name beside the outbox."""
MOST_FINDINGS = 100_000
"""Beyond it those that were written longest ago are forgotten."""
_LONGEST_CHARACTERS = 4_000
"""Of what is kept of one; a larger one is fetched."""


class Mirror:
    """What is known of findings on servers; whoever ships an outbox has it for themselves."""

    def __init__(self, path: Path, *, most_findings: int = MOST_FINDINGS) -> None:
        """Open or create the file; one that cannot be used is made anew, for nothing is lost with it."""
        self._path = path
        self._most_findings = most_findings
        self._file = self._opened()

    def known(self, uuid: str, versions: Sequence[Found]) -> dict[str, Found]:
        """Of these versions, all of one index, those that are here, with what `finding_of` needs."""
        wanted = {one.id: one for one in versions}
        found: dict[str, Found] = {}
        query = "SELECT * FROM findings WHERE id IN (SELECT value FROM json_each(?))"
        with suppress(JindunError, sqlite3.Error):
            if self._file is None:
                return found
            with self._file.reading() as connection:
                for row in connection.execute(query, (orjson.dumps(list(wanted)).decode(),)):
                    one = wanted[row["id"]]
                    if (row["uuid"], row["seq_no"], row["primary_term"]) == (uuid, one.seq_no, one.primary_term):
                        source = {OURS: {"document": row["document"], "extra": row["extra"]}}
                        found[one.id] = Found(one.id, source, one.index, one.seq_no, one.primary_term)
        return found

    def keep(self, uuid: str, findings: Iterable[Found]) -> None:
        """Remember documents of one index as they are on the server."""
        rows = [
            (one.id, uuid, one.seq_no, one.primary_term, one.source[OURS]["document"], one.source[OURS]["extra"])
            for one in findings
        ]
        rows = [row for row in rows if len(row[4]) + len(row[5]) <= _LONGEST_CHARACTERS]
        with suppress(JindunError, sqlite3.Error):
            if self._file is None or not rows:
                return
            with self._file.writing() as connection:
                connection.executemany("INSERT OR REPLACE INTO findings VALUES (NULL, ?, ?, ?, ?, ?, ?)", rows)
                query = "DELETE FROM findings WHERE number <= (SELECT max(number) FROM findings) - ?"
                connection.execute(query, (self._most_findings,))

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        if self._file is not None:
            self._file.close()

    def _opened(self, *, again: bool = False) -> SqliteFile | None:
        try:
            return SqliteFile(
                self._path, application=APPLICATION, schema=SCHEMA, version=VERSION, upgrades={}, wait_seconds=5
            )
        except BadInput:
            # Broken, or of another kind. One that is only busy is somebody's: it stays.
            return None if again else self._made_anew()
        except (JindunError, sqlite3.Error, OSError):
            return None

    def _made_anew(self) -> SqliteFile | None:
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(f"{self._path.name}{suffix}").unlink(missing_ok=True)
        return self._opened(again=True)
