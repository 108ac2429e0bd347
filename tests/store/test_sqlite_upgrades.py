"""Files that earlier versions wrote: opened, brought up to date, nothing lost. `version_N.sql` makes one."""

import sqlite3
import threading
from pathlib import Path

import pytest

from secops.model.finding import Severity, State
from secops.store.event import Recorded
from secops.store.query_text import parse
from secops.store.sqlite_store import SqliteStore
from secops.store.sqlite_tables import VERSION
from secops.store.sqlite_upgrades import UPGRADES
from tests.contracts.evaluations import at, evaluation, id_of, weakness

HERE = Path(__file__).parent


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file of version 1."""
    path = tmp_path / "findings.db"
    connection = sqlite3.connect(path)
    connection.executescript((HERE / "version_1.sql").read_text(encoding="utf-8"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return path


def schema_of(path: Path) -> set[tuple[str, ...]]:
    """What the file is made of, spaces apart."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    assert version == VERSION
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    return {(kind, name, " ".join(sql.split())) for kind, name, sql in rows}


def test_every_earlier_version_has_its_upgrade() -> None:
    assert sorted(UPGRADES) == list(range(1, VERSION))


def test_an_upgraded_file_is_made_like_a_new_one(old: Path, tmp_path: Path) -> None:
    SqliteStore(old).close()
    SqliteStore(tmp_path / "new.db").close()
    assert schema_of(old) == schema_of(tmp_path / "new.db")


def test_nothing_is_lost(old: Path) -> None:
    with SqliteStore(old) as store:
        triaged, worst, gone = store.get(id_of()), store.get(id_of("/b")), store.get(id_of("/gone"))
        assert (triaged.state, triaged.revision, triaged.times_seen) == (State.TRIAGED, 2, 2)
        assert (worst.weakness.severity, worst.first_seen, worst.last_seen) == (Severity.HIGH, at(0), at(5))
        assert (gone.state, gone.state_since, gone.last_evaluated) == (State.RESOLVED, at(5), at(5))
        assert [event.change for event in store.history(worst.id)] == ["seen", "severity: critical → high"]
        assert store.history(triaged.id)[-1].reason.zh == "看过了"
        assert store.baseline("page", "page-tamper") == (b"body", "wang")
        assert store.latest_observation("site", "http-headers") == b"two"
        assert len(store.coverage()) == 3


@pytest.mark.parametrize(
    ("text", "number"),
    [("弱口令", 1), ("口令", 1), ("system:智慧医疗", 1), ("state:triaged", 1), ("clause:8.1.4*", 4), ("", 4)],
)
def test_what_was_written_before_can_be_asked_for(old: Path, text: str, number: int) -> None:
    with SqliteStore(old) as store:
        assert len(store.find(parse(text)).findings) == number


def test_life_goes_on(old: Path) -> None:
    with SqliteStore(old, clock=lambda: at(30)) as store:
        again = evaluation(weakness("/gone"), minutes=20)
        assert store.record("s3", [again]) == Recorded(reopened=(id_of("/gone"),), resolved=(id_of(), id_of("/b")))
        store.transition(id_of("/gone"), State.TRIAGED, revision=3, actor="li", reason="x")
        assert [event.revision for event in store.history(id_of("/gone"))] == [1, 2, 3, 4]


def test_several_may_open_it_at_once(old: Path) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def look() -> None:
        try:
            start.wait()
            with SqliteStore(old) as store:
                assert store.count(parse("")) == {(): 4}
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_an_upgrade_that_breaks_leaves_the_file_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(connection: sqlite3.Connection) -> None:
        UPGRADES_BEFORE[1](connection)
        raise RuntimeError("the power failed")

    UPGRADES_BEFORE = dict(UPGRADES)
    monkeypatch.setitem(UPGRADES, 1, breaks)
    with pytest.raises(RuntimeError):
        SqliteStore(old)
    monkeypatch.undo()
    connection = sqlite3.connect(old)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT count(*) FROM findings WHERE document <> ''").fetchone() == (4,)
    connection.close()
    with SqliteStore(old) as store:
        assert store.count(parse("")) == {(): 4}
