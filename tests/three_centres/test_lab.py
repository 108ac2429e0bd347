"""The lab stands, can be hurt and healed, and leaves nothing behind, whoever ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from secops.lab import faults, wan
from secops.lab.down import down, what_is_left
from secops.lab.inside import inside_namespace
from secops.lab.places import CENTRES, CLIENT, DATABASE, ENTRY_PORT, Lab, address, local_dsn
from secops.lab.status import running, status
from secops.lab.up import up
from secops.support.errors import BadInput
from secops.support.postgresql_wire import Lost, Wire
from tests.lab.three_centres import new_lab, skip_where_no_lab_can_stand, standing_lab

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("three-centres")]
_PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def standing() -> Iterator[Lab]:
    with standing_lab("a") as lab:
        yield lab


@pytest.fixture
def lab(standing: Lab) -> Iterator[Lab]:
    yield standing
    faults.heal(standing)
    until(lambda: _synchronous(standing) == ["c2"])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _synchronous(lab: Lab) -> list[str | None]:
    asked = "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'"
    with Wire.connect(local_dsn(lab, "c1"), 20) as wire:
        return [row[0] for row in wire.ask(asked, 20).rows]


def _write(place: str, key: str, timeout_seconds: float) -> str:
    """Through that centre's entry, from inside the caller's namespace."""
    dsn = f"host={address(place)} port={ENTRY_PORT} user=postgres dbname={DATABASE}"
    with Wire.connect(dsn, timeout_seconds) as wire:
        return wire.ask(f"INSERT INTO ledger VALUES ('{key}')", timeout_seconds).tag


def test_clients_write_through_the_entry_of_each_centre(lab: Lab) -> None:
    with inside_namespace(lab.namespace(CLIENT)):
        assert [_write(place, f"through {place}", 20) for place in CENTRES] == ["INSERT 0 1"] * 3
    for place in CENTRES:
        until(lambda place=place: _count(lab, place) == 3)


def _count(lab: Lab, place: str) -> int:
    with Wire.connect(local_dsn(lab, place, DATABASE), 20) as wire:
        return int(wire.ask("SELECT count(*) FROM ledger WHERE key LIKE 'through %'", 20).rows[0][0] or 0)


def test_the_way_to_the_remote_centre_is_long_and_the_one_in_the_city_is_short(lab: Lab) -> None:
    def connecting(place: str) -> float:
        with inside_namespace(lab.namespace("c1")):
            began = time.monotonic()
            Wire.connect(f"host={address(place)} user=postgres dbname=postgres", 20).close()
            return time.monotonic() - began

    far, near = (min(connecting(place) for _ in range(5)) for place in ("c3", "c2"))
    assert far > 0.06  # a handshake and a greeting: two round trips of 30 ms at least
    assert near < far


def test_a_commit_waits_for_the_local_dr_centre_and_for_the_way_back(lab: Lab) -> None:
    faults.cut(lab, "c2", "c1", one_way=True)
    with pytest.raises(Lost), inside_namespace(lab.namespace(CLIENT)):
        _write("c1", "never acknowledged", 1.0)
    wan.heal(lab.router_socket)
    until(lambda: _synchronous(lab) == ["c2"])
    with inside_namespace(lab.namespace(CLIENT)):
        assert _write("c1", "acknowledged", 20)


def test_all_packets_lost_is_as_good_as_a_cut(lab: Lab) -> None:
    faults.slow(lab, CLIENT, "c3", loss_percent=100)
    with pytest.raises(Lost), inside_namespace(lab.namespace(CLIENT)):
        _write("c3", "lost", 0.5)


def test_a_frozen_database_says_nothing_and_goes_on_after_the_thaw(lab: Lab) -> None:
    faults.freeze(lab, "c1", "postgresql")
    assert status(lab).servers["c1"]["postgresql"].frozen
    with pytest.raises(Lost), inside_namespace(lab.namespace(CLIENT)):
        _write("c1", "frozen", 0.5)
    faults.thaw(lab, "c1", "postgresql")
    with inside_namespace(lab.namespace(CLIENT)):
        assert _write("c1", "thawed", 20)


def test_a_full_disk_is_full_until_it_is_freed(lab: Lab) -> None:
    faults.disk_full(lab, "c3")
    with pytest.raises(OSError, match="No space"):
        (lab.disk("c3") / "more").write_bytes(bytes(1 << 20))
    (lab.disk("c3") / "more").unlink()
    faults.disk_free(lab, "c3")
    (lab.disk("c3") / "more").write_bytes(bytes(1 << 20))
    (lab.disk("c3") / "more").unlink()


def test_a_killed_server_is_missing_and_can_be_started_again(lab: Lab) -> None:
    faults.kill(lab, "c3", "etcd")
    assert "etcd" not in running(lab, "c3")
    assert not status(lab).whole
    faults.start_server(lab, "c3", "etcd")
    assert status(lab).whole
    with pytest.raises(BadInput):
        faults.start_server(lab, "c3", "etcd")


def test_power_off_ends_everything_in_a_centre_and_power_on_brings_it_back(lab: Lab) -> None:
    faults.power_off(lab, "c3")
    assert running(lab, "c3") == {}
    faults.power_on(lab, "c3")
    faults.start_server(lab, "c3", "postgresql")
    until(lambda: status(lab).whole)


def test_a_second_lab_of_that_name_is_refused_and_the_first_stays(lab: Lab) -> None:
    with pytest.raises(BadInput):
        up(lab, daemons=False)
    assert status(lab).whole


def test_the_command_tells_programs_all_they_need(lab: Lab) -> None:
    argv = [sys.executable, "-m", "secops", "lab", "status", "--name", lab.name, "--json"]
    told = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert told["whole"]
    assert set(told["pids"]["c1"]) >= {"postgresql", "etcd", "haproxy", "sshd"}
    assert all(name in told["entry_dsn"] for name in map(address, CENTRES))


@pytest.mark.parametrize("after_seconds", [0.3, 1.5])
def test_what_a_killed_up_left_is_seen_and_removed(after_seconds: float) -> None:
    skip_where_no_lab_can_stand()
    lab = new_lab("b")
    argv = [sys.executable, "-c", f"from secops.lab import up, places; up.up(places.Lab({lab.name!r}), daemons=False)"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: bool(what_is_left(lab)))
        time.sleep(after_seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert what_is_left(lab)
    finally:
        down(lab)
    assert not what_is_left(lab)
    down(lab)
