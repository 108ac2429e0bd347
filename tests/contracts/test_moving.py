"""A whole store moved into another one of any kind, with the proof that all arrived."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from secops.model.acceptance import Acceptance
from secops.model.finding import Deadline, Severity, State
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.store.edits import Merge, Move, SetDeadline
from secops.store.event import Recorded
from secops.store.finding_store import FindingStore
from secops.store.moving import Item, Moved, Part, Sum, move, summed, wanting
from secops.store.query import Query
from secops.store.refusals import Conflict
from secops.store.sqlite_store import SqliteStore
from tests.contracts.evaluations import at, evaluation, weakness
from tests.contracts.store_maker import makers

_WHY = Text("因为", "because")
_SLOW = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("elasticsearch")]
PAIRS = [
    pytest.param((here, there), marks=_SLOW if "elasticsearch" in (here, there) else [])
    for here in makers()
    for there in makers()
    if "sqlite" in (here, there)
]


def ignored(part: Part, number: int) -> None:
    """Nobody watches."""


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
    due = Deadline(at(0), at(9000), at(5000))
    store.edit(SetDeadline(ids[0], _WHY, deadline=due), actor="policy")
    store.keep_acceptance(
        Acceptance("r1", "severity:low", Severity.LOW, "旧系统", "隔离", "li", at(0), at(999)),
        actor="li",
        action="request",
    )


def everything_of(store: FindingStore) -> dict[Part, Sum]:
    return {part: summed(store.dump(part)) for part in Part}


@pytest.fixture(params=PAIRS, ids="-to-".join)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[FindingStore, FindingStore]]:
    """A store that holds something of everything, and an empty one."""
    here, there = (makers()[name] for name in request.param)
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    with here.open(tmp_path / "source", clock) as source, there.open(tmp_path / "target", clock) as target:
        fill(source)
        yield source, target


def clock() -> datetime:
    return at(700)


def moved(source: FindingStore, target: FindingStore, on_moved: Callable[[Part, int], None] = ignored) -> list[Moved]:
    return move(source, target, on_moved)


def test_everything_arrives_and_life_goes_on(pair: tuple[FindingStore, FindingStore]) -> None:
    source, target = pair
    parts = moved(source, target)
    assert [one.part for one in parts] == list(Part)
    assert [one for one in parts if not one.arrived or one.written != one.source.number] == []
    assert all(one.source.number for one in parts)
    assert target.find(Query()) == source.find(Query())
    for finding in source.find(Query()).findings:
        assert target.history(finding.id) == source.history(finding.id)
    assert target.coverage() == source.coverage()
    assert target.coverage("s2") == source.coverage("s2")
    assert target.observations("s2") == source.observations("s2")
    assert target.audit() == source.audit()
    assert target.acceptances() == source.acceptances()
    assert target.baseline("page", "page-tamper") == source.baseline("page", "page-tamper")
    assert target.baseline_history("page", "page-tamper") == source.baseline_history("page", "page-tamper")
    assert target.latest_observation("site", "http-headers") == b"seen 5"
    assert [one.written for one in moved(source, target)] == [0] * len(Part)
    again = [evaluation(minutes=800), evaluation(weakness("/new"), minutes=800, asset="b")]
    assert target.record("s1", again[:1]) == source.record("s1", again[:1]) == Recorded()
    assert target.record("s9", again) == source.record("s9", again)
    for store in (source, target):
        store.approve_baseline("page", "page-tamper", b"three", "wang")
        some = next(one for one in store.find(Query()).findings if one.state is State.NEW)
        store.edit(Move(some.id, _WHY, to=State.TRIAGED), actor="li")
    assert target.baseline("page", "page-tamper") == (b"three", "wang")
    assert everything_of(target) == everything_of(source)


def test_what_was_broken_off_is_finished(pair: tuple[FindingStore, FindingStore]) -> None:
    class Broken(Exception):
        pass

    def stop(part: Part, number: int) -> None:
        if (part, number) == (Part.EVENTS, 3):
            raise Broken

    source, target = pair
    with pytest.raises(Broken):
        moved(source, target, stop)
    assert all(one.arrived for one in moved(source, target))


def test_what_the_source_did_meanwhile_is_brought_by_the_next_moving(pair: tuple[FindingStore, FindingStore]) -> None:
    source, target = pair
    moved(source, target)
    source.record("meanwhile", [evaluation(weakness("/1"), weakness("/meanwhile"), minutes=600, observation=b"later")])
    some = next(one for one in source.find(Query()).findings if one.state is State.NEW and not one.part_of)
    source.edit(Move(some.id, _WHY, to=State.TRIAGED), actor="li")
    assert [one for one in moved(source, target) if not one.arrived] == []
    assert target.history(some.id) == source.history(some.id)
    assert target.latest_observation("site", "http-headers") == b"later"


def test_a_target_that_holds_something_else_is_refused(pair: tuple[FindingStore, FindingStore]) -> None:
    source, target = pair
    target.record("other", [evaluation(weakness("/1", wording="other"), minutes=500)])
    with pytest.raises(Conflict):
        moved(source, target)


def test_more_in_the_target_is_told(pair: tuple[FindingStore, FindingStore]) -> None:
    source, target = pair
    target.record("other", [evaluation(weakness("/else"), asset="else")])
    parts = {one.part: one for one in moved(source, target)}
    assert not parts[Part.FINDINGS].arrived
    assert parts[Part.BASELINES].arrived


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "source.db") as source, SqliteStore(tmp_path / "target.db") as target:
        fill(source)
        move(source, target)
        connection = sqlite3.connect(tmp_path / "target.db")
        with connection:
            connection.execute("UPDATE events SET actor = 'nobody' WHERE number = 2")
        connection.close()
        assert summed(source.dump(Part.EVENTS)) != summed(target.dump(Part.EVENTS))


def test_wanting_walks_both_in_order() -> None:
    def items(keys: str) -> list[Item]:
        return [Item(key, b"x") for key in keys]

    assert [item.key for item in wanting(Part.AUDIT, items("abdez"), items("bcdy"))] == list("aez")
    with pytest.raises(Conflict):
        list(wanting(Part.AUDIT, items("a"), [replace(items("a")[0], document=b"y")]))
