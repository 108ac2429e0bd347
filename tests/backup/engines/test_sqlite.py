"""What is particular about copying SQLite."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from secops.model.city import Product
from secops.model.step import ProcedureFailed
from tests.backup.engines.databases import Bench, make_bench
from tests.backup.performing import Performing

pytestmark = pytest.mark.slow


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """In WAL mode, under a name that needs quoting, two tables that are always written together."""
    (tmp_path / "data of the city").mkdir()
    path = tmp_path / "data of the city" / "it's 100% ours?.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE left_side (n INTEGER, filler TEXT)")
        connection.execute("CREATE TABLE right_side (n INTEGER, filler TEXT)")
        connection.commit()
    return path


@pytest.fixture
def bench(database: Path, performing: Performing, tmp_path: Path) -> Bench:
    return make_bench(tmp_path, performing, Product.SQLITE, path=str(database))


class Writer:
    """Writes pairs of rows all the while."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.started = threading.Event()

    def _write(self) -> None:
        with closing(sqlite3.connect(self._database, timeout=280)) as connection:
            number = 0
            while not self._stop.is_set():
                number += 1
                with connection:
                    connection.execute("INSERT INTO left_side VALUES (?, ?)", (number, "x" * 2000))
                    connection.execute("INSERT INTO right_side VALUES (?, ?)", (number, "y" * 2000))
                if number == 200:
                    self.started.set()

    def __enter__(self) -> "Writer":
        self._thread.start()
        self.started.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_a_copy_under_writes_is_of_one_moment(bench: Bench, database: Path, tmp_path: Path) -> None:
    with Writer(database):
        copied = bench.copy()
    bench.restore(copied, tmp_path / "back")
    with closing(sqlite3.connect(tmp_path / "back/database.sqlite")) as connection:
        left, right = (
            connection.execute(f"SELECT count(*), max(n) FROM {side}").fetchone()
            for side in ("left_side", "right_side")
        )
    assert left == right
    assert left[0] >= 200


def test_the_source_is_left_as_it_is(bench: Bench, database: Path) -> None:
    before = database.read_bytes()
    bench.copy()
    assert database.read_bytes() == before
    assert sorted(path.name for path in database.parent.iterdir()) == [database.name]


def test_a_database_that_is_not_there_is_not_made(bench: Bench, database: Path) -> None:
    database.unlink()
    with pytest.raises(ProcedureFailed, match="unable to open database"):
        bench.copy()
    assert not database.exists()


def test_a_damaged_database_is_not_kept(bench: Bench, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany("INSERT INTO left_side VALUES (?, ?)", ((n, "x" * 500) for n in range(500)))
    content = bytearray(database.read_bytes())
    content[4096 * 4 : 4096 * 4 + 100] = b"\xff" * 100
    database.write_bytes(content)
    with pytest.raises(ProcedureFailed, match=r"is damaged|malformed"):
        bench.copy()
