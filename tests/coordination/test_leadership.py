"""Who leads, through deaths, freezes, lost majorities and preferences; candidates are processes of their own."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from secops.coordination.etcd import Etcd, EtcdUnreachable, Patience
from secops.coordination.etcd_wire import Put
from secops.coordination.leadership import Leadership, NotLeader
from secops.coordination.lease_times import LeaseTimes
from secops.coordination.mirror import Mirror
from secops.coordination.session import Session
from secops.support.errors import BadInput
from tests.coordination.candidate import TIMES
from tests.lab.cutting_proxy import cutting
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
    first = candidate("c2", *options)
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


class Stood:
    """A candidate in this process."""

    def __init__(self, etcd: Etcd, prefix: str, name: str, **choices: Any) -> None:
        self.session, self.mirror = Session(etcd, TIMES), Mirror(etcd, prefix)
        self.leadership = Leadership(etcd, self.session, self.mirror, f"{prefix}leader", name, **choices)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for part in (self.session.run(), self.mirror.run(), self.leadership.run()):
                tasks.create_task(part)


@asynccontextmanager
async def standing(
    trio: EtcdTrio, prefix: str, name: str, endpoints: Sequence[str] = (), **choices: Any
) -> AsyncIterator[Stood]:
    async with Etcd(endpoints or trio.endpoints, patience=Patience(request_seconds=1.0)) as etcd:
        stood = Stood(etcd, prefix, name, **choices)
        running = asyncio.create_task(stood.run())
        try:
            yield stood
        finally:
            running.cancel()
            await stood.session.end()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


def test_without_a_majority_the_leader_stops_before_its_lease_ends(trio: EtcdTrio, prefix: str) -> None:
    async def main() -> None:
        async with standing(trio, prefix, "c2") as first, standing(trio, prefix, "c3") as second:
            await until(lambda: first.leadership.leads or second.leadership.leads)
            leader, other = (first, second) if first.leadership.leads else (second, first)
            assert await leader.leadership.replace(f"{prefix}state", b"1", 0)
            trio.kill(0)
            trio.kill(1)
            lost = time.monotonic()
            await until(lambda: not leader.leadership.leads)
            assert time.monotonic() - lost < TIMES.lives_seconds
            with pytest.raises(NotLeader):
                await leader.leadership.replace(f"{prefix}state", b"2", 0)
            await asyncio.sleep(1.5)
            assert not other.leadership.leads
            trio.revive()
            await asyncio.to_thread(trio.wait)
            await until(lambda: first.leadership.leads or second.leadership.leads)
            assert not (first.leadership.leads and second.leadership.leads)
            again = first if first.leadership.leads else second
            await until(lambda: again.mirror.get(f"{prefix}state") is not None)
            stands = again.mirror.get(f"{prefix}state")
            assert stands and stands.value == b"1"
            assert await again.leadership.replace(f"{prefix}state", b"2", stands.mod_revision)
            # What was seen once is not overwritten by who has not seen the newest.
            assert not await again.leadership.replace(f"{prefix}state", b"3", stands.mod_revision)

    asyncio.run(main())


def test_what_was_given_up_when_nobody_answered_is_given_up_again(trio: EtcdTrio, prefix: str) -> None:
    async def main() -> None:
        async with (
            cutting(trio.clients[0]) as proxy,
            standing(trio, prefix, "c2", endpoints=[proxy.endpoint]) as first,
        ):
            await until(lambda: first.leadership.leads)
            proxy.refusing = True
            proxy.cut()
            await first.leadership.resign()
            proxy.refusing = False
            # The session outlives it: nobody but its owner can take the key away.
            async with standing(trio, prefix, "c3") as second:
                await until(lambda: first.leadership.leads or second.leadership.leads)

    asyncio.run(main())


def test_who_should_rather_not_lead_waits_and_makes_room(trio: EtcdTrio, prefix: str) -> None:
    async def main() -> None:
        primary = {"at": "c1"}
        async with AsyncExitStack() as stack:
            stood: dict[str, Stood] = {}
            for name in ("c1", "c2"):
                stood[name] = await stack.enter_async_context(
                    standing(
                        trio,
                        prefix,
                        name,
                        preferred=lambda name=name: primary["at"] != name,
                        makes_room=lambda name=name: primary["at"] == name,
                    )
                )
            await until(lambda: stood["c2"].leadership.leads)
            assert not stood["c1"].leadership.leads
            token = stood["c2"].leadership.token
            primary["at"] = "c2"
            await until(lambda: stood["c1"].leadership.leads)
            assert stood["c1"].leadership.token > token
            assert not stood["c2"].leadership.leads
            assert stood["c1"].leadership.leader == "c1"

    asyncio.run(main())


def test_the_guard_refuses_who_was_removed(trio: EtcdTrio, prefix: str) -> None:
    async def main() -> None:
        async with standing(trio, prefix, "c2") as stood, Etcd(trio.endpoints) as hand:
            await until(lambda: stood.leadership.leads)
            token = stood.leadership.token
            await hand.delete(f"{prefix}leader")
            with pytest.raises(NotLeader):
                # Before the watch has told it.
                await stood.leadership.replace(f"{prefix}state", b"1", 0)
            assert (await hand.range(f"{prefix}state")).found == ()
            await until(lambda: stood.leadership.leads)
            assert stood.leadership.token > token

    asyncio.run(main())


def test_a_lost_session_is_begun_anew(trio: EtcdTrio, prefix: str) -> None:
    async def main() -> None:
        async with standing(trio, prefix, "c2") as stood, Etcd(trio.endpoints) as hand:
            await until(lambda: stood.leadership.leads)
            lease = stood.session.lease
            await hand.revoke(lease)
            await until(lambda: stood.session.lease not in (0, lease) and stood.leadership.leads)
            assert stood.session.good_for_seconds <= TIMES.self_stop_seconds

    asyncio.run(main())


def test_a_mirror_reads_again_what_it_missed_for_good(trio: EtcdTrio, prefix: str) -> None:
    """Its watch starts at a revision that is compacted meanwhile."""

    async def main() -> None:
        async with Etcd(trio.endpoints) as hand, Etcd(trio.endpoints) as etcd:
            await hand.put(Put(f"{prefix}a", b"1"))
            mirror = Mirror(etcd, prefix)
            mirror._replace(await etcd.range(prefix, prefix=True))
            await hand.delete(f"{prefix}a")
            await hand.compact(await hand.put(Put(f"{prefix}b", b"2")))
            running = asyncio.create_task(mirror.run())
            await until(lambda: mirror.get(f"{prefix}b") is not None)
            assert mirror.get(f"{prefix}a") is None
            running.cancel()

    asyncio.run(main())


def test_times_that_do_not_grow_are_refused() -> None:
    with pytest.raises(BadInput):
        LeaseTimes(lives_seconds=3, self_stop_seconds=3.0)


def test_nobody_leads_without_etcd(prefix: str) -> None:
    async def main() -> None:
        async with Etcd(["http://127.0.0.1:9"], patience=Patience(request_seconds=0.2)) as etcd:
            stood = Stood(etcd, prefix, "c2")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(stood.run(), 1.0)
            assert not stood.leadership.leads and not stood.leadership.leader
            with pytest.raises(EtcdUnreachable):
                await etcd.range(prefix)

    asyncio.run(main())
