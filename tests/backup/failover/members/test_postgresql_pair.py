"""What can only be known from a running pair: that commits wait, what an act left under way, what breaks the promise."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from backup.failover.members.postgresql import PostgresqlHands
from backup.failover.situation import Act, ActKind, MemberStatus, Policy
from secops.model.cluster import Cluster
from secops.support.postgresql_wire import Wire
from tests.backup.performing import Performing
from tests.lab.databases.postgresql import PROGRAMS
from tests.lab.postgresql_pair import Pair, running_pair

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PROGRAMS, reason="PostgreSQL is not installed")]
_PATIENCE_SECONDS = 60.0


@dataclass
class Acting:
    """Acts on member `a` as one process does, with a memory of its own."""

    pair: Pair
    performing: Performing
    hands: PostgresqlHands

    def __post_init__(self) -> None:
        self.cluster = Cluster("orders", "s1", self.pair.members, "a", ("a", "b"), (), ())

    def status(self) -> MemberStatus:
        return self.performing.run(self.hands.status(self.cluster, self.pair.members[0], Policy()))

    def set_names(self, *names: str) -> None:
        act = Act(ActKind.SET_NAMES, names=names)
        self.performing.run(self.hands.perform(self.cluster, self.pair.members[0], act))

    def conninfo(self, application: str) -> str:
        return f"host=127.0.0.1 port={self.pair.members[0].port} user=postgres application_name={application}"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as running:
        yield running


@pytest.fixture
def acting(pair: Pair, tmp_path: Path) -> Iterator[Acting]:
    with Performing(tmp_path) as performing:
        running = Acting(pair, performing, PostgresqlHands())
        running.set_names("b")
        yield running
        running.set_names("b")


@contextmanager
def _committing(acting: Acting) -> Iterator[None]:
    """A client that commits on and on."""
    stop = threading.Event()

    def commit() -> None:
        with Wire.connect(acting.conninfo("client"), 20) as wire:
            while not stop.is_set():
                wire.ask("SELECT pg_logical_emit_message(true, 't', 'x')", 60)

    thread = threading.Thread(target=commit)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _until_names(acting: Acting, names: tuple[str, ...]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while acting.status().names != names:
        assert time.monotonic() < deadline


def test_names_that_clients_wait_for_need_no_checkpoint(acting: Acting) -> None:
    acting.set_names()
    with _committing(acting):
        acting.set_names("b")
        assert "make a checkpoint" not in acting.performing.changed
        assert acting.status().names == ("b",)


def test_names_that_nobody_was_seen_to_wait_for_are_not_believed(acting: Acting) -> None:
    """As after an act that was interrupted half-way, or another agent's."""
    fresh = Acting(acting.pair, acting.performing, PostgresqlHands())
    status = fresh.status()
    assert (status.names, status.names_kept) == ((), ("b",))
    with _committing(fresh):
        _until_names(fresh, ("b",))
    assert fresh.status().names == ("b",)


def test_names_are_proven_again_after_a_change_behind_the_back(acting: Acting) -> None:
    assert acting.status().names == ("b",)
    acting.pair.ask("a", "ALTER SYSTEM SET synchronous_standby_names = 'b, c'")
    acting.pair.ask("a", "SELECT pg_reload_conf()")
    _until_names(acting, ())
    assert acting.status().names_kept == ("b", "c")


def test_what_an_earlier_act_left_is_ended_before_the_next(acting: Acting) -> None:
    left = subprocess.Popen(
        [f"{PROGRAMS}/psql", "-X", "-c", "SELECT pg_sleep(600)", acting.conninfo("jindun-act") + " dbname=postgres"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600%' AND state = 'active'"
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while acting.pair.ask("a", running).strip() != "1":
            assert time.monotonic() < deadline
        acting.set_names("b")
        assert acting.pair.ask("a", running).strip() == "0"
        assert left.wait(timeout=_PATIENCE_SECONDS) != 0
    finally:
        left.kill()
        left.wait()


def test_settings_that_acknowledge_what_may_vanish_are_told(acting: Acting) -> None:
    assert acting.status().unsafe == ()
    acting.pair.ask("a", "CREATE ROLE app")
    acting.pair.ask("a", "ALTER ROLE app SET synchronous_commit = remote_write")
    acting.pair.ask("a", "ALTER SYSTEM SET full_page_writes = off")
    acting.pair.ask("a", "SELECT pg_reload_conf()")
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while set(acting.status().unsafe) != {"full_page_writes=off", "synchronous_commit=remote_write role app"}:
            assert time.monotonic() < deadline, acting.status()
    finally:
        acting.pair.ask("a", "DROP ROLE app")
        acting.pair.ask("a", "ALTER SYSTEM RESET full_page_writes")
        acting.pair.ask("a", "SELECT pg_reload_conf()")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while acting.status().unsafe:
        assert time.monotonic() < deadline


def test_a_stranger_under_the_name_of_a_standby_is_told(acting: Acting, tmp_path: Path) -> None:
    conninfo = acting.conninfo("b")
    stranger = subprocess.Popen([f"{PROGRAMS}/pg_receivewal", "-D", str(tmp_path), "-d", conninfo])
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while acting.status().unsafe != ("b confirms 2 times",):
            assert time.monotonic() < deadline
    finally:
        stranger.kill()
        stranger.wait()
