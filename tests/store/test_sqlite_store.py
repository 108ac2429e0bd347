"""What is peculiar to the store in a file: locks, full disks, damage, and what a reader sees meanwhile."""

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.store.query import Query
from secops.store.sqlite_store import SqliteStore
from secops.support.errors import BadInput, Incomplete
from tests.contracts.evaluations import evaluation, id_of, weakness
from tests.store.scarce_disk import in_read_only_folder, on_file_of_a_megabyte, on_full_disk

HERE = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "findings.db"


@pytest.fixture
def held(path: Path) -> Iterator[SqliteStore]:
    """A store while somebody else holds the writer's lock of its file."""
    with SqliteStore(path, wait_seconds=0.2) as store:
        store.record("before", [evaluation(weakness())])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield store
        finally:
            other.close()


def test_a_store_that_stays_locked_says_so_and_writes_nothing(held: SqliteStore, path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(Incomplete, match=r"held by another process and stayed locked for 0.2 s") as error:
        held.record("s", [evaluation(weakness("/b"), minutes=1)])
    assert str(path) in str(error.value)
    assert 0.15 < time.monotonic() - started < 60
    assert [row.scan for row in held.coverage()] == ["before"]


def test_a_reader_waits_for_no_writer(held: SqliteStore) -> None:
    assert held.get(id_of()).times_seen == 1


def test_a_writer_waits_for_the_other_to_finish(path: Path) -> None:
    with SqliteStore(path, wait_seconds=10) as store:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.3, other.rollback)
        release.start()
        store.record("s", [evaluation(weakness())])
        release.join()
        other.close()
        assert store.get(id_of()).times_seen == 1


def test_many_can_create_one_file_at_once(path: Path) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(8)

    def create(number: int) -> None:
        try:
            start.wait()
            with SqliteStore(path) as store:
                store.record(f"s{number}", [evaluation(weakness(), asset=f"a{number}")])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with SqliteStore(path) as store:
        assert len(store.coverage()) == 8


def test_what_is_written_is_synced_before_the_method_returns(path: Path) -> None:
    """The settings that make it so, as SQLite itself reports them."""
    with SqliteStore(path) as store, store._file.writing() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


FILL = """
import sys
from pathlib import Path
from secops.store.sqlite_store import SqliteStore
from secops.support.errors import Incomplete
from tests.contracts.evaluations import evaluation, weakness

with SqliteStore(Path(sys.argv[1])) as store:
    for number in range(10_000):
        body = bytes(5000) + b"%d" % number
        batch = [evaluation(weakness(), asset=f"{number}-{a}", observation=body) for a in range(9)]
        try:
            store.record(f"s{number}", batch)
        except Incomplete as error:
            print(number, error)
            break
"""


def check_filled(path: Path, told: str, expected: str) -> None:
    """What was recorded before the disk was full is there, whole; what was not is not; writing goes on with room."""
    count, message = told.split(maxsplit=1)
    assert expected in message
    assert int(count) > 0
    with SqliteStore(path) as store:
        assert {row.scan for row in store.coverage()} == {f"s{number}" for number in range(int(count))}
        assert all(len(store.coverage(f"s{number}")) == 9 for number in range(int(count)))
        store.record("with room again", [evaluation(weakness())])
        assert store.get(id_of()).times_seen == 1


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    check_filled(*on_full_disk(FILL, tmp_path), "is full")


def test_a_file_that_may_not_grow_loses_nothing(path: Path) -> None:
    check_filled(path, on_file_of_a_megabyte(FILL, path), "this batch was not written")


def test_a_folder_that_may_not_be_written_is_told_to_who_only_looks(path: Path) -> None:
    SqliteStore(path).close()
    look = "import sys; from pathlib import Path; from secops.store.sqlite_store import SqliteStore; "
    look += "SqliteStore(Path(sys.argv[1]))"
    said = in_read_only_folder(look, path)
    assert "looking alone needs that as well" in said


def test_damage_inside_the_file_is_told_not_guessed_over(path: Path) -> None:
    with SqliteStore(path) as store:
        store.record("s", [evaluation(*(weakness(f"/{number}") for number in range(300)))])
    content = bytearray(path.read_bytes())
    schema = 64 * 4096
    content[schema:] = b"\xa5" * (len(content) - schema)
    path.write_bytes(content)
    with SqliteStore(path) as store:
        with pytest.raises(BadInput, match="is not a usable database"):
            store.find(Query())
        with pytest.raises(BadInput, match="is not a usable database"):
            store.record("t", [evaluation(weakness(), minutes=1)])


def test_a_baseline_that_was_altered_in_the_file_is_not_believed(path: Path) -> None:
    with SqliteStore(path) as store:
        store.approve_baseline("page", "page-tamper", b"good", "li")
    intruder = sqlite3.connect(path)
    intruder.execute("UPDATE contents SET body = ?", (b"evil",))
    intruder.commit()
    intruder.close()
    with SqliteStore(path) as store, pytest.raises(Incomplete, match="does not match its digest"):
        store.baseline("page", "page-tamper")


def test_an_observation_is_kept_once_however_often_it_is_seen(path: Path) -> None:
    body = bytes(100_000)
    with SqliteStore(path) as store:
        for scan in range(30):
            store.record(f"s{scan}", [evaluation(minutes=scan, observation=body)])
    assert path.stat().st_size < 5 * len(body)


def test_the_file_can_be_copied_after_closing(path: Path, tmp_path: Path) -> None:
    with SqliteStore(path) as store:
        store.record("s", [evaluation(weakness())])
    assert [file.name for file in tmp_path.iterdir()] == ["findings.db"], "no journal is left beside it"
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    with SqliteStore(copy) as store:
        assert store.get(id_of()).times_seen == 1


def test_recording_is_fast_enough_for_a_city(path: Path) -> None:
    """30,000 findings; far below what one core does, so that a busy machine does not fail it."""
    batch = [evaluation(*(weakness(f"/{n}") for n in range(50)), asset=f"a{a}") for a in range(600)]
    with SqliteStore(path) as store:
        started = time.process_time()
        store.record("s", batch)
        assert 30_000 / (time.process_time() - started) > 5_000
