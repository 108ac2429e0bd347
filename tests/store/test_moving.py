"""A whole store moved into another one, with the proof that all arrived."""

import random
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from secops.model.acceptance import Acceptance
from secops.model.finding import Deadline, Severity, State
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.store.edits import Merge, Move, SetDeadline
from secops.store.finding_store import FindingStore
from secops.store.moving import Item, Part, absent, move, summed
from secops.store.query import Query
from secops.store.refusals import Conflict
from secops.store.sqlite_store import SqliteStore
from tests.contracts.evaluations import at, evaluation, id_of, weakness

_WHY = Text("因为", "because")


def fill(store: FindingStore, seed: int = 1) -> None:
    """Something of every part, hostile names among them."""
    chance = random.Random(seed)
    for scan in range(1, 6):
        seen = [weakness(f"/{chance.randrange(9)}", chance.choice(list(Severity))) for _ in range(4)]
        store.record(
            f"s{scan}",
            [
                evaluation(*seen, minutes=scan, observation=f"seen {scan}".encode()),
                evaluation(weakness("/\ud800\x00'"), minutes=scan, asset="资产\x1e", observation=b"same"),
                evaluation(minutes=scan, asset="z", outcome=Outcome.UNREACHABLE),
            ],
        )
    ids = [finding.id for finding in store.find(Query()).findings if finding.state.open]
    for id in ids[:3]:
        store.edit(Move(id, _WHY, to=State.IN_PROGRESS), actor="li")
    store.edit(Merge(ids[0], _WHY, part=ids[1]), actor="wang")
    for body in (b"one", b"two"):
        store.approve_baseline("page", "page-tamper", body, "li")
    store.keep_acceptance(
        Acceptance("r1", "severity:low", Severity.LOW, "旧系统", "隔离", "li", at(0), at(999)),
        actor="li",
        action="request",
    )


@pytest.fixture
def source(tmp_path: Path) -> SqliteStore:
    store = SqliteStore(tmp_path / "source.db")
    fill(store)
    return store


def test_everything_arrives(source: SqliteStore, tmp_path: Path) -> None:
    with source, SqliteStore(tmp_path / "target.db") as target:
        moved = move(source, target)
        assert [one.part for one in moved] == list(Part)
        assert all(one.arrived and one.written == one.source.number > 0 for one in moved)
        assert target.find(Query()) == source.find(Query())
        for finding in source.find(Query()).findings:
            assert target.history(finding.id) == source.history(finding.id)
        assert target.coverage() == source.coverage()
        assert target.audit() == source.audit()
        assert target.acceptances() == source.acceptances()
        assert target.baseline_history("page", "page-tamper") == source.baseline_history("page", "page-tamper")
        assert target.latest_observation("site", "http-headers") == b"seen 5"


def test_life_goes_on_in_the_target(source: SqliteStore, tmp_path: Path) -> None:
    with source, SqliteStore(tmp_path / "target.db") as target:
        move(source, target)
        again = [evaluation(minutes=50), evaluation(weakness("/new"), minutes=50, asset="b")]
        assert target.record("s1", again[:1]) == source.record("s1", again[:1])
        assert target.record("s9", again) == source.record("s9", again)
        assert [summed(target.dump(part)) for part in Part] == [summed(source.dump(part)) for part in Part]


def test_moving_again_writes_nothing(source: SqliteStore, tmp_path: Path) -> None:
    with source, SqliteStore(tmp_path / "target.db") as target:
        move(source, target)
        assert [one.written for one in move(source, target)] == [0] * len(Part)


def test_what_was_broken_off_is_finished(source: SqliteStore, tmp_path: Path) -> None:
    class Broken(Exception):
        pass

    def stop(part: Part, number: int) -> None:
        if (part, number) == (Part.EVENTS, 3):
            raise Broken

    with source, SqliteStore(tmp_path / "target.db") as target:
        with pytest.raises(Broken):
            move(source, target, stop)
        assert all(one.arrived for one in move(source, target))


def test_a_target_that_holds_something_else_is_refused(source: SqliteStore, tmp_path: Path) -> None:
    with source, SqliteStore(tmp_path / "target.db") as target:
        target.record("other", [evaluation(weakness("/1", wording="other"), minutes=500)])
        with pytest.raises(Conflict):
            move(source, target)


def test_more_in_the_target_is_told(source: SqliteStore, tmp_path: Path) -> None:
    with source, SqliteStore(tmp_path / "target.db") as target:
        target.record("other", [evaluation(weakness("/else"), asset="else")])
        moved = {one.part: one for one in move(source, target)}
        assert not moved[Part.FINDINGS].arrived
        assert moved[Part.BASELINES].arrived


def test_a_changed_byte_is_noticed(source: SqliteStore, tmp_path: Path) -> None:
    with source, SqliteStore(tmp_path / "target.db") as target:
        move(source, target)
        connection = sqlite3.connect(tmp_path / "target.db")
        with connection:
            connection.execute("UPDATE events SET actor = 'nobody' WHERE number = 2")
        connection.close()
        assert summed(source.dump(Part.EVENTS)) != summed(target.dump(Part.EVENTS))


def test_deadlines_travel(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "a.db") as source, SqliteStore(tmp_path / "b.db") as target:
        source.record("s", [evaluation(weakness())])
        found = source.get(id_of())
        from_policy = SetDeadline(found.id, _WHY, deadline=deadline(found.first_seen))
        source.edit(from_policy, actor="policy")
        assert all(one.arrived for one in move(source, target))
        assert target.get(id_of()).deadline == from_policy.deadline


def deadline(start: datetime) -> Deadline:
    return Deadline(start, start + timedelta(days=5), start + timedelta(days=2))


def test_absent_walks_both_in_order() -> None:
    def items(keys: str) -> list[Item]:
        return [Item(key, b"x") for key in keys]

    assert [item.key for item in absent(Part.AUDIT, items("abdez"), items("bcdy"))] == list("aez")
    with pytest.raises(Conflict):
        list(absent(Part.AUDIT, items("a"), [replace(items("a")[0], document=b"y")]))
