"""A SQLite database in WAL mode, under a name that needs quoting; it has no server."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from secops.model.city import Product
from tests.lab.database import DatabaseLab, RunningDatabase
from tests.lab.serving import folder_for_server


@dataclass
class SqliteFile(RunningDatabase):
    """The file, and whoever asks it."""

    file: Path

    def __post_init__(self) -> None:
        self.path = str(self.file)

    def ask(self, statement: str, *values: object) -> list[str]:
        """The first column of all rows."""
        with closing(sqlite3.connect(self.file, timeout=30)) as connection, connection:
            return [str(row[0]) for row in connection.execute(statement, values)]

    def write(self, note: str) -> None:
        self.ask("INSERT INTO note VALUES (?, ?)", note, time.time())

    def notes(self) -> set[str]:
        return set(self.ask("SELECT text FROM note"))

    def notes_in(self, folder: Path) -> set[str]:
        return SqliteFile(folder / "database.sqlite").notes()

    def options(self, engine: str) -> Mapping[str, str | tuple[str, ...]]:
        return {"dump": ("sqlite3", "{path}", "VACUUM INTO '{folder}/database.sqlite'")} if engine == "command" else {}

    def away_options(self) -> Mapping[str, str]:
        """Its path is all there is of it."""
        return {}

    def tried_with(self) -> Mapping[str, str]:
        return {
            "question": "SELECT text FROM note WHERE text = 'wanted'",
            "answer": "wanted",
            "canary": "SELECT max(written) FROM note",
            "canary_within_seconds": "60",
        }


class _Lab(DatabaseLab):
    @contextmanager
    def running(self) -> Iterator[RunningDatabase]:
        with folder_for_server("sqlite") as folder:
            database = SqliteFile(folder / "it's 100% ours?.db")
            database.ask("PRAGMA journal_mode=WAL")
            database.ask("CREATE TABLE note (text TEXT PRIMARY KEY, written REAL)")
            yield database


lab = _Lab("sqlite", Product.SQLITE, ("sqlite3",), told=("command",))
