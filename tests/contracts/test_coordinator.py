"""What every coordinator keeps, on files of one machine and on a real etcd of three members."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import pytest

from secops.coordination.coordinator import Coordinator, Held
from secops.coordination.etcd import Etcd
from secops.coordination.etcd_coordinator import EtcdCoordinator, LeaseLost
from secops.coordination.etcd_wire import Compare, Field, Put
from secops.coordination.lease_times import LeaseTimes
from secops.coordination.single_node import SingleNodeCoordinator
from tests.lab.etcd_trio import ETCD, EtcdTrio, running_trio

pytestmark = pytest.mark.slow
TIMES = LeaseTimes(lives_seconds=3, renewed_every_seconds=0.5, self_stop_seconds=2.0)
_PATIENCE_SECONDS = 40.0
# Opens coordinators of one place; more than one stands for as many services.
Opens = Callable[[], AbstractContextManager[Coordinator]]


@pytest.fixture(scope="module")
def trio() -> Iterator[EtcdTrio]:
    if not ETCD:
        pytest.skip("etcd is not installed")
    with running_trio() as running:
        yield running


@pytest.fixture(params=["single-node", "etcd"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ...]:
    if request.param == "single-node":
        return ("single-node", str(tmp_path))
    endpoints = request.getfixturevalue("trio").endpoints
    return ("etcd", f"/test/{uuid.uuid4().hex[:8]}/", *endpoints)


def opened(place: tuple[str, ...]) -> AbstractContextManager[Coordinator]:
    if place[0] == "single-node":
        return nullcontext(SingleNodeCoordinator(Path(place[1])))
    return EtcdCoordinator(Etcd(place[2:]), place[1], centre="c9", times=TIMES)


def test_two_never_hold_one_name(place: tuple[str, ...]) -> None:
    with opened(place) as first, opened(place) as second:
        with first.acquire("运行/1") as lease:
            assert lease.name == "运行/1" and lease.token > 0
            for other in (first, second):
                with pytest.raises(Held), other.acquire("运行/1"):
                    raise AssertionError
            with second.acquire("another"):
                pass
        with second.acquire("运行/1") as later:
            assert later.token > lease.token


def test_who_finds_it_held_is_told_by_whom(place: tuple[str, ...]) -> None:
    with opened(place) as first, first.acquire("run"), pytest.raises(Held) as told, first.acquire("run"):
        raise AssertionError
    assert str(os.getpid()) in str(told.value)


def test_it_is_free_after_an_error(place: tuple[str, ...]) -> None:
    with opened(place) as coordinator:
        with suppress(ZeroDivisionError), coordinator.acquire("run"):
            raise ZeroDivisionError
        with coordinator.acquire("run"):
            pass


def test_threads_count_to_the_sum(place: tuple[str, ...]) -> None:
    """Eight threads of two services add to a plain number under the lease; tokens only grow."""
    total, tokens = [0], []

    def add(coordinator: Coordinator) -> None:
        done = 0
        while done < 5:
            with suppress(Held), coordinator.acquire("sum") as lease:
                before = total[0]
                time.sleep(0.001)
                total[0] = before + 1
                tokens.append(lease.token)
                done += 1

    with opened(place) as first, opened(place) as second:
        threads = [threading.Thread(target=add, args=(one,)) for one in (first, second) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert total == [40]
    assert tokens == sorted(set(tokens))


def test_a_killed_holder_is_followed(place: tuple[str, ...]) -> None:
    argv = [sys.executable, "-c", "import sys; from tests.contracts.test_coordinator import hold; hold(sys.argv[1:])"]
    holder = subprocess.Popen([*argv, *place], stdout=subprocess.PIPE)
    assert holder.stdout
    token = int(holder.stdout.readline())
    try:
        with opened(place) as coordinator:
            with pytest.raises(Held), coordinator.acquire("run"):
                raise AssertionError
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while time.monotonic() < deadline:
                with suppress(Held), coordinator.acquire("run") as lease:
                    assert lease.token > token
                    return
                time.sleep(0.1)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    raise AssertionError("the lease was never free")


def hold(place: list[str]) -> None:
    """What the process that is killed does."""
    with opened(tuple(place)) as coordinator, coordinator.acquire("run") as lease:
        print(lease.token, flush=True)
        signal.pause()


def test_what_is_written_under_a_lost_lease_is_refused(trio: EtcdTrio) -> None:
    prefix = f"/test/{uuid.uuid4().hex[:8]}/"
    with EtcdCoordinator(Etcd(trio.endpoints), prefix, times=TIMES) as first, first.acquire("run") as lease:
        absent = Compare(f"{prefix}k", Field.CREATED, 0)
        assert first.transact(lease, [absent], [Put(f"{prefix}k", b"1")]).succeeded
        assert not first.transact(lease, [absent], [Put(f"{prefix}k", b"2")]).succeeded
        assert first.holds(lease)
        first._do(first._etcd.delete(f"{prefix}leases/", prefix=True))
        with pytest.raises(LeaseLost):
            first.transact(lease, [], [Put(f"{prefix}k", b"3")])
        first._do(first._etcd.revoke(first._session.lease))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while first.holds(lease):
            assert time.monotonic() < deadline
            time.sleep(0.05)
