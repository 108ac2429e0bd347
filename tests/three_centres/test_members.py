"""A real trio of PostgreSQL, acted upon as agents do: what it says, how it looks, how it changes hands and loses nothing."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from backup.failover.canary.client import Client, Manner
from backup.failover.canary.ledger import Entered, LedgerFile, Told, judge, read_ledger
from backup.failover.situation import ActKind, MemberState, Seen
from secops.lab import faults
from secops.lab.inside import inside_namespace
from secops.lab.places import CENTRES, CLIENT, DATABASE, POSTGRESQL_PORT, Lab, address, local_dsn
from secops.model.step import ProcedureFailed
from secops.support.postgresql_wire import Wire
from tests.lab.three_centres import standing_lab
from tests.three_centres.hands import Hand, hands_in

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("three-centres")]
_PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with standing_lab("m") as standing:
        yield standing


@pytest.fixture(scope="module")
def hands(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Hand]:
    return hands_in(lab, tmp_path_factory.mktemp("hands"))


@pytest.fixture(autouse=True)
def in_peace(lab: Lab, hands: Mapping[str, Hand]) -> Iterator[None]:
    """c1 serves, c2 confirms, c3 follows: before each test, whatever the one before left."""
    faults.heal(lab)
    for hand in hands.values():
        hand.do(ActKind.START)
    primaries = [name for name, hand in hands.items() if hand.status().state is MemberState.PRIMARY]
    if primaries != ["c1"]:
        _hand_over(hands, primaries[-1], "c1")
    hands["c1"].do(ActKind.SET_NAMES, names=("c2",))
    until(lambda: _standbys(hands["c1"]) == {"c2": True, "c3": False})
    yield
    faults.heal(lab)


def _hand_over(hands: Mapping[str, Hand], old: str, new: str) -> None:
    hands[old].do(ActKind.STOP, clean=True)
    _take_over(hands, new)


def _take_over(hands: Mapping[str, Hand], new: str) -> None:
    hands[new].do(ActKind.STOP_RECEIVER)
    hands[new].do(ActKind.PROMOTE)
    for name, hand in hands.items():
        if name != new:
            hand.do(ActKind.REJOIN, member=new)


def _standbys(hand: Hand) -> dict[str, bool]:
    return {standby.name: standby.synchronous for standby in hand.status().standbys}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _present(lab: Lab, centre: str) -> set[str]:
    with Wire.connect(local_dsn(lab, centre, DATABASE), 20) as wire:
        return {row[0] or "" for row in wire.ask("SELECT key FROM ledger", 60).rows}


class Writing:
    """A client that writes past the entries, straight to whoever serves, into a ledger."""

    def __init__(self, lab: Lab, file: Path) -> None:
        self._lab = lab
        self._file = file
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._entries: list[Entered] = []

    def _run(self) -> None:
        doors = [f"host={address(each)} port={POSTGRESQL_PORT} user=postgres dbname={DATABASE}" for each in CENTRES[:2]]
        with LedgerFile(self._file) as ledger, inside_namespace(self._lab.namespace(CLIENT)):

            def enter(entry: Entered) -> None:
                self._entries.append(entry)
                ledger.enter(entry)

            Client(self._file.stem, doors, enter, Manner(1.0, 1.0, 0.01)).run(self._stop)

    def acknowledged(self, timeline: int) -> int:
        return sum(entry.told is Told.OK and entry.timeline == timeline for entry in list(self._entries))

    def __enter__(self) -> "Writing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_in_peace_each_says_what_it_is(hands: Mapping[str, Hand]) -> None:
    primary, second, third = (hands[centre].status() for centre in CENTRES)
    assert (primary.state, primary.names, primary.names_kept) == (MemberState.PRIMARY, ("c2",), ("c2",))
    assert primary.unprotected_seconds == 0
    assert (second.state, second.follows, second.receiving) == (MemberState.STANDBY, "c1", True)
    assert (third.state, third.follows, third.receiving) == (MemberState.STANDBY, "c1", True)
    assert second.timeline == primary.timeline
    assert second.flushed <= hands["c1"].status().flushed


def test_in_peace_all_look_good_from_everywhere(hands: Mapping[str, Hand]) -> None:
    assert {hand.look(name) for hand in hands.values() for name in CENTRES} == {Seen.GOOD}


def test_a_planned_handover_loses_nothing(lab: Lab, hands: Mapping[str, Hand], tmp_path: Path) -> None:
    timeline = hands["c1"].status().timeline
    with Writing(lab, tmp_path / "planned.jsonl") as writing:
        until(lambda: writing.acknowledged(timeline) > 20)
        hands["c1"].do(ActKind.STOP, clean=True)
        old, new = hands["c1"].status(), hands["c2"].status()
        assert (old.state, old.clean) == (MemberState.STOPPED, True)
        assert new.flushed >= old.flushed > 0
        _take_over(hands, "c2")
        until(lambda: writing.acknowledged(timeline + 1) > 20)
    truth = judge(read_ledger(tmp_path / "planned.jsonl"), _present(lab, "c2"))
    assert truth.sound
    until(lambda: _standbys(hands["c2"]) == {"c1": False, "c3": False})
    assert hands["c1"].status().follows == "c2"


def test_a_killed_primary_loses_nothing_and_comes_back_as_a_standby(
    lab: Lab, hands: Mapping[str, Hand], tmp_path: Path
) -> None:
    timeline = hands["c1"].status().timeline
    with Writing(lab, tmp_path / "killed.jsonl") as writing:
        until(lambda: writing.acknowledged(timeline) > 20)
        faults.kill(lab, "c1", "postgresql")
        assert hands["c1"].status().state is MemberState.STOPPED
        assert hands["c3"].look("c1") is Seen.REFUSED
        _take_over(hands, "c2")
        until(lambda: writing.acknowledged(timeline + 1) > 20)
    assert judge(read_ledger(tmp_path / "killed.jsonl"), _present(lab, "c2")).sound


def test_a_stopped_receiver_fences_the_old_primary(lab: Lab, hands: Mapping[str, Hand]) -> None:
    hands["c2"].do(ActKind.STOP_RECEIVER)
    status = hands["c2"].status()
    assert (status.receiving, status.follows) == (False, "")
    assert hands["c3"].look("c1") is Seen.NOT_COMMITTING
    assert hands["c3"].look("c1") is Seen.NOT_COMMITTING
    until(lambda: hands["c1"].status().unprotected_seconds > 0.3)
    hands["c1"].do(ActKind.SET_NAMES)
    until(lambda: hands["c3"].look("c1") is Seen.GOOD)
    assert hands["c1"].status().unprotected_seconds == 0
    hands["c2"].do(ActKind.FOLLOW, member="c1")
    until(lambda: hands["c2"].status().receiving)


def test_a_frozen_member_hangs_and_can_be_stopped_all_the_same(lab: Lab, hands: Mapping[str, Hand]) -> None:
    faults.freeze(lab, "c1", "postgresql")
    assert hands["c1"].status().state is MemberState.HUNG
    assert hands["c2"].look("c1") is Seen.NOT_COMMITTING
    hands["c1"].do(ActKind.STOP)
    assert hands["c1"].status().state is MemberState.STOPPED
    hands["c1"].do(ActKind.START)
    until(lambda: hands["c1"].status().state is MemberState.PRIMARY)


def test_a_full_disk_is_no_room(lab: Lab, hands: Mapping[str, Hand]) -> None:
    assert hands["c3"].status().room
    faults.disk_full(lab, "c3")
    until(lambda: not hands["c3"].status().room or hands["c3"].status().state is MemberState.STOPPED)
    faults.disk_free(lab, "c3")
    hands["c3"].do(ActKind.START)
    until(lambda: hands["c3"].status().room)


def test_a_primary_on_a_full_disk_does_not_commit_though_its_log_has_room(lab: Lab, hands: Mapping[str, Hand]) -> None:
    faults.disk_full(lab, "c1")
    until(lambda: hands["c3"].look("c1") is not Seen.GOOD)
    faults.disk_free(lab, "c1")
    hands["c1"].do(ActKind.START)
    until(lambda: hands["c3"].look("c1") is Seen.GOOD)


def test_a_primary_that_was_lost_to_a_full_disk_comes_back_once_there_is_room(
    lab: Lab, hands: Mapping[str, Hand]
) -> None:
    faults.disk_full(lab, "c1")
    hands["c1"].do(ActKind.STOP)
    hands["c2"].do(ActKind.STOP_RECEIVER)
    hands["c2"].do(ActKind.PROMOTE)
    with pytest.raises(ProcedureFailed):
        hands["c1"].do(ActKind.REJOIN, member="c2")
    faults.disk_free(lab, "c1")
    hands["c1"].do(ActKind.REJOIN, member="c2")
    until(lambda: hands["c1"].status().receiving)


def test_a_standby_that_crashed_is_a_standby_still(lab: Lab, hands: Mapping[str, Hand]) -> None:
    """Ending its recovery would give it a log of its own on the primary's timeline; nothing is copied either."""
    hands["c1"].do(ActKind.SET_NAMES)
    data = Path(_asked(lab, "c2", "SHOW data_directory"))
    before = data.stat().st_ino
    hands["c2"].do(ActKind.STOP)
    _asked(lab, "c1", "CREATE TABLE crashed AS SELECT n FROM generate_series(1, 1000) AS n")
    hands["c2"].do(ActKind.REJOIN, member="c1")
    _asked(lab, "c1", "INSERT INTO crashed SELECT n FROM generate_series(1, 1000) AS n")
    until(lambda: _asked(lab, "c2", "SELECT count(*) FROM crashed") == "2000")
    _asked(lab, "c1", "DROP TABLE crashed")
    assert data.stat().st_ino == before


def _asked(lab: Lab, centre: str, statement: str) -> str:
    with Wire.connect(local_dsn(lab, centre, DATABASE), 20) as wire:
        rows = wire.ask(statement, 60).rows
    return (rows[0][0] or "") if rows else ""


def test_one_that_is_cut_off_is_silent(lab: Lab, hands: Mapping[str, Hand]) -> None:
    faults.isolate(lab, "c2")
    until(lambda: hands["c3"].look("c2") is Seen.SILENT)


def test_canaries_that_hang_do_not_pile_up(lab: Lab, hands: Mapping[str, Hand]) -> None:
    hands["c2"].do(ActKind.STOP_RECEIVER)
    for _ in range(6):
        assert hands["c3"].look("c1") is Seen.NOT_COMMITTING
    with Wire.connect(local_dsn(lab, "c1"), 20) as wire:
        asked = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'jindun-look' AND wait_event = 'SyncRep'"
        )
        assert wire.ask(asked, 20).rows == [("1",)]
    hands["c2"].do(ActKind.FOLLOW, member="c1")


def test_an_agent_that_starts_ends_what_its_predecessor_left(lab: Lab, hands: Mapping[str, Hand]) -> None:
    with inside_namespace(lab.namespace("c1")):
        left = Wire.connect(f"host={address('c1')} user=postgres dbname=postgres application_name=jindun-act", 20)
    hands["c1"].tidy()
    until(lambda: not left.alive())
    left.close()
