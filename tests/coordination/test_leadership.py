"""Who leads, through deaths, freezes, lost majorities and preferences; candidates are processes of their own."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from secops.coordination.etcd import Etcd, EtcdUnreachable, Patience
from secops.coordination.leadership import Leadership, NotLeader
from secops.coordination.lease_times import LeaseTimes
from secops.coordination.mirror import Mirror
from secops.coordination.session import Session
from secops.support.errors import BadInput
from tests.coordination.candidate import TIMES
from tests.lab.etcd_trio import EtcdTrio

pytestmark = pytest.mark.slow
_PATIENCE_SECONDS = 40.0


class Candidate:
    """One running process and what it has told so far."""

    def __init__(self, trio: EtcdTrio, prefix: str, name: str, log: Path, *options: str) -> None:
        self.log = log
        argv = [sys.executable, "-m", "tests.coordination.candidate", ",".join(trio.endpoints), prefix, name, *options]
        with log.open("wb") as sink:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], stdout=sink)

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().split("\n")[:-1]
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def wait(self, event: str, beyond: int = 0) -> dict[str, Any]:
        """The last line of the event once there are more than `beyond`."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(self.told(event)) <= beyond:
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            time.sleep(0.02)
        return self.told(event)[-1]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def candidate(trio: EtcdTrio, prefix: str, tmp_path: Path) -> Iterator[Callable[..., Candidate]]:
    started: list[Candidate] = []

    def start(name: str, *options: str) -> Candidate:
        started.append(Candidate(trio, prefix, name, tmp_path / f"{name}.log", *options))
        started[-1].wait("ready")
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_a_killed_leader_is_followed_under_a_higher_token(candidate: Callable[..., Candidate]) -> None:
    first = candidate("c2")
    token = first.wait("wrote")["token"]
    second, third = candidate("c3"), candidate("c3-twin")
    first.end()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (second.told("wrote") or third.told("wrote")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    followed = [one.told("wrote") for one in (second, third)]
    # One of the two daemons of a centre leads, the other waits.
    assert sorted(map(bool, followed)) == [False, True]
    assert min(line["token"] for lines in followed for line in lines) > token


@pytest.mark.parametrize("options", [(), ("blind",)], ids=["by-its-clock", "by-the-guard"])
def test_a_leader_that_thaws_after_its_lease_writes_nothing_more(
    candidate: Callable[..., Candidate], options: tuple[str, ...]
) -> None:
    first = candidate("c2", *options) if not options else candidate_blind(candidate)
    first.wait("wrote")
    second = candidate("c3")
    first.process.send_signal(signal.SIGSTOP)
    second.wait("wrote")
    refused = len(first.told("refused"))
    first.process.send_signal(signal.SIGCONT)
    first.wait("refused", refused)
    follower = second.wait("wrote", len(second.told("wrote")) + 5)
    overtaken = min(line["revision"] for line in second.told("wrote"))
    # Every write of the first is before every write of the second.
    assert max(line["revision"] for line in first.told("wrote") if line["token"] < follower["token"]) < overtaken
    assert {line["token"] for line in first.told("wrote")} == {first.told("wrote")[0]["token"]}


def candidate_blind(candidate: Callable[..., Candidate]) -> Candidate:
    return candidate("c2", "blind")
