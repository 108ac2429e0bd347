"""Findings in one file of the state folder."""

import sqlite3
from contextlib import closing
from pathlib import Path

from secops.model.text import Text
from secops.service.storing import Opener, Place
from secops.store.sqlite_store import SqliteStore
from secops.support.errors import Incomplete

SQLITE_FILE = "findings.sqlite"
_TABLES = ("findings", "acceptances", "observations", "contents", "events", "coverage", "baselines", "audit")


def _open(place: Place) -> SqliteStore:
    return SqliteStore(place.state / SQLITE_FILE, deadline_of=place.deadline_of)


def held_by(file: Path) -> dict[str, int] | None:
    """How many of what the file of findings holds; None when there is none yet. Nothing is changed."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return {name: _count(connection, name) for name in _TABLES if name in there}
    except sqlite3.Error as error:
        raise Incomplete(Text(f"无法读取 {file}:{error}", f"{file} cannot be read: {error}")) from error


def _count(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608, one of _TABLES
    return int(count)


SQLITE = Opener("sqlite", _open)
