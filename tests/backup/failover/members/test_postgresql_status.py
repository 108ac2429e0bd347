"""What PostgreSQL's answers mean; that it gives such answers is tried in the lab."""

import pytest

from backup.failover.members.postgresql_status import (
    Memory,
    has_room,
    look_of_failure,
    look_of_row,
    names_in,
    position,
    running,
    state_of_failure,
    stopped,
)
from backup.failover.situation import MemberState, Seen, Standby
from secops.model.cluster import Cluster, Member
from secops.model.step import Result, Trouble
from secops.support.postgresql_wire import CONNECTED

CLUSTER = Cluster(
    "c", "s", (Member("c1", "c1", "local", "10.0.0.1"), Member("c2", "c2", "local", "10.0.0.2", 5433)), "c1", (), (), ()
)
PRIMARY = """\
self|f|{moment}|{flushed}|3||FIRST 1 ("c2")|FIRST 1 ("c2")|host=10.0.0.2 port=5433|1 c2
standby|f|0|{confirmed}|0|sync|c2|10.0.0.2||
standby|f|0|900|0|async|c3|10.0.0.3||"""


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("", ()),
        ("c2", ("c2",)),
        ('"c2"', ("c2",)),
        ("c2, c3", ("c2", "c3")),
        ('FIRST 1 ("c2")', ("c2",)),
        ('first 2 (c2, "c 3")', ("c2", "c 3")),
        ('ANY 1 ("a""b",c)', ('a"b', "c")),
        ("2 (c2,c3)", ("c2", "c3")),
        ("*", ("*",)),
    ],
)
def test_names_are_read_however_they_are_counted(setting: str, names: tuple[str, ...]) -> None:
    assert names_in(setting) == names


def test_positions_are_bytes() -> None:
    assert position("0/0") == 0
    assert position("16/B374D848") == (0x16 << 32) + 0xB374D848


def test_a_primary_tells_of_its_names_and_of_who_streams() -> None:
    told = running(CLUSTER, PRIMARY.format(moment=100.0, flushed=1000, confirmed=1000), Memory(proven="1 c2"))
    assert (told.state, told.timeline, told.flushed, told.names_since) == (MemberState.PRIMARY, 3, 1000, 1000)
    assert told.names == told.names_kept == ("c2",)
    assert told.standbys == (Standby("c2", True, 1000), Standby("c3", False, 900))
    assert told.follows == ""


def test_a_standby_tells_whom_it_follows_and_whether_anything_comes() -> None:
    told = running(CLUSTER, "self|t|100.0|500|2|streaming|||host=10.0.0.2 port=5433 user=x|1 ", Memory())
    assert (told.state, told.follows, told.receiving, told.flushed) == (MemberState.STANDBY, "c2", True, 500)
    told = running(CLUSTER, "self|t|100.0|500|2||||host=10.0.0.2 port=5432|1 ", Memory())
    assert (told.follows, told.receiving) == ("", False)
    assert running(CLUSTER, "self|t|100.0|||||| |1 ", Memory()).flushed == 0


def test_a_primary_is_unprotected_from_when_nobody_confirms_what_waits() -> None:
    memory = Memory()

    def seconds(moment: float, flushed: int, confirmed: int) -> float:
        told = running(CLUSTER, PRIMARY.format(moment=moment, flushed=flushed, confirmed=confirmed), memory)
        return told.unprotected_seconds

    assert seconds(100.0, 1000, 1000) == 0
    assert seconds(100.2, 1100, 1000) == pytest.approx(0.2)
    assert seconds(100.4, 1100, 1000) == pytest.approx(0.4)
    assert seconds(100.6, 1200, 1050) == 0  # behind, and coming
    assert seconds(100.8, 1200, 1050) == pytest.approx(0.2)
    assert seconds(101.0, 1200, 1200) == 0
    assert seconds(110.0, 1300, 1200) == 0  # nobody looked for long: nothing is known of the time between


def test_a_primary_whose_standby_is_gone_is_unprotected_though_nothing_waits() -> None:
    memory, alone = Memory(), 'self|f|{}|1000|3||FIRST 1 ("c2")|||1 c2'
    running(CLUSTER, PRIMARY.format(moment=100.0, flushed=1000, confirmed=1000), memory)
    assert running(CLUSTER, alone.format(100.5), memory).unprotected_seconds == pytest.approx(0.5)
    assert running(CLUSTER, "self|f|101|1000|3|||||1 ", memory).unprotected_seconds == 0  # it is to wait for nobody


def test_a_stopped_member_tells_what_its_control_file_says() -> None:
    text = """\
Database cluster state:               {state}
Latest checkpoint location:           0/{checkpoint:X}
Latest checkpoint's TimeLineID:       2
Minimum recovery ending location:     0/{recovered:X}
Min recovery ending loc's timeline:   3
"""
    clean = stopped(text.format(state="shut down", checkpoint=0x3000028, recovered=0))
    assert (clean.state, clean.clean, clean.timeline, clean.flushed) == (MemberState.STOPPED, True, 3, 0x3000028 + 120)
    over_a_page = stopped(text.format(state="shut down", checkpoint=0x3002000 - 64, recovered=0))
    assert over_a_page.flushed == 0x3002000 + 120 - 64 + 24
    crashed = stopped(text.format(state="in production", checkpoint=0x3000028, recovered=0))
    assert (crashed.clean, crashed.flushed) == (False, 0x3000028)
    standby = stopped(text.format(state="shut down in recovery", checkpoint=0x3000028, recovered=0x4000000))
    assert (standby.clean, standby.flushed) == (False, 0x4000000)
    assert stopped("running: T\n").state is MemberState.HUNG
    assert stopped("running: S\n").state is MemberState.STARTING


@pytest.mark.parametrize(
    ("trouble", "said", "state", "seen"),
    [
        (Trouble.UNREACHABLE, "connection refused", MemberState.STOPPED, Seen.REFUSED),
        (Trouble.UNREACHABLE, "FATAL:  the database system is starting up", MemberState.STARTING, Seen.REFUSED),
        (Trouble.UNREACHABLE, "No route to host", MemberState.STOPPED, Seen.SILENT),
        (Trouble.UNREACHABLE, "FATAL:  sorry, too many clients already", MemberState.HUNG, Seen.NOT_COMMITTING),
        (Trouble.UNREACHABLE, "FATAL:  no pg_hba.conf entry for host", MemberState.HUNG, Seen.NOT_COMMITTING),
        (Trouble.TIMEOUT, "no answer", MemberState.HUNG, None),
        (Trouble.TIMEOUT, f"no answer; {CONNECTED}", MemberState.HUNG, Seen.NOT_COMMITTING),
        (Trouble.FAILED, "PANIC: No space left on device", MemberState.HUNG, Seen.NOT_COMMITTING),
    ],
)
def test_what_it_means_that_there_is_no_answer(
    trouble: Trouble, said: str, state: MemberState, seen: Seen | None
) -> None:
    told = Result(ok=False, error_output=said, trouble=trouble)
    assert state_of_failure(told) is state
    assert look_of_failure(told) is seen


def test_room_is_what_every_file_system_has() -> None:
    assert has_room(f"Avail\n{1 << 30}\n{1 << 30}\n")
    assert not has_room(f"Avail\n{1 << 30}\n0\n")


def test_a_canary_that_an_older_one_waits_before_does_not_commit() -> None:
    assert look_of_row("hangs") is Seen.NOT_COMMITTING
    assert {look_of_row("standby"), look_of_row("0/15D2A40")} == {Seen.GOOD}


def test_a_primary_that_may_acknowledge_too_early_says_so() -> None:
    row = PRIMARY.format(moment=100.0, flushed=1000, confirmed=1000)
    assert running(CLUSTER, row, Memory()).unsafe == ()
    told = running(CLUSTER, f"{row}\nunsafe|f|0|0|0|synchronous_commit=local role app||||", Memory())
    assert told.unsafe == ("synchronous_commit=local role app",)


def test_a_stranger_under_the_name_of_a_standby_is_noticed() -> None:
    row = PRIMARY.format(moment=100.0, flushed=1000, confirmed=1000).replace("|10.0.0.2|", "|10.0.0.9|")
    assert running(CLUSTER, row, Memory()).unsafe == ("c2 confirms from 10.0.0.9",)
