"""`secops serve`: everything a centre's daemon is made of, put together; ends in order when it is told to."""

import asyncio
import fcntl
import os
import re
import signal
import ssl
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import backup.failover.entries
import backup.failover.members
from backup.failover.hands import EntryHands, MemberHands
from backup.failover.situation import Policy
from secops.coordination.etcd import Etcd
from secops.coordination.lease_times import LeaseTimes
from secops.coordination.mirror import Mirror
from secops.coordination.session import Session
from secops.execution.journal import Journal
from secops.execution.runner import Runner
from secops.model.cluster import Cluster
from secops.model.text import Text
from secops.service.agent.acting import PLAYBOOK
from secops.service.agent.agent import Agent, Hands, Means
from secops.service.agent.documents import Keys
from secops.service.agent.leading import Leading, Store
from secops.service.agent.pulse import Pulse
from secops.service.agent.remembering import Remembering
from secops.service.agent.run_copies import RunCopies
from secops.service.agent.seat import Seat
from secops.service.agent.telling import Told, sentences
from secops.support.errors import BadInput, Incomplete
from secops.support.lazy import import_all
from secops.support.plugins import plugins_in

Part: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
_THREADS_PER_CLUSTER = 12
_TELL_SECONDS = 0.1
_PRUNED_EVERY_SECONDS = 600.0
_ACTS_KEPT = 2000


def _ignore(_told: Told) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a daemon stands and what it is told."""

    centre: str
    clusters: tuple[Cluster, ...]
    endpoints: Mapping[str, str]
    """Of etcd's members, by centre."""
    prefix: str
    """Of the city's keys; ends with a slash."""
    state: Path
    """Folder of its memory and journal."""
    runner: Runner
    times: LeaseTimes
    policy: Policy
    context: ssl.SSLContext | None = None
    pulse: tuple[str, int] | None = None
    """Where entries ask whether we live; None: nowhere."""


class Daemon:
    """One centre's. `run` it in an event loop of its own."""

    def __init__(self, stand: Stand) -> None:
        """Raises BadInput for a stand that cannot be taken, Incomplete for a memory that cannot be read."""
        _refuse_misplaced(stand)
        self.stand = stand
        self._policy = replace(
            stand.policy,
            self_stop_seconds=stand.times.self_stop_seconds,
            lease_seconds=float(stand.times.lives_seconds),
        )
        self.memories = {
            cluster.id: Remembering(stand.state / "failover" / f"{cluster.id}.json") for cluster in stand.clusters
        }
        self.agents: dict[str, Agent] = {}
        self.leading: Leading | None = None
        self.seat: Seat | None = None
        self.session: Session | None = None
        self.acts = {True: 0, False: 0}
        """How many acts succeeded, and failed."""

    async def run(self, ended: asyncio.Event | None = None, on_told: Callable[[Told], None] = _ignore) -> None:
        """Go on until SIGTERM, SIGINT or `ended`; then finish what is being done, and give everything back."""
        import_all()
        self._on_told = on_told
        ended = ended or _on_signals()
        with _alone(self.stand.state), _journal(self.stand.state) as journal, _threads(self.stand) as threads:
            async with Etcd(_own_first(self.stand), context=self.stand.context) as etcd:
                parts = self._wire(etcd, journal, threads)
                assert self.session
                try:
                    await _until(ended, parts)
                finally:
                    await asyncio.gather(*(agent.settle() for agent in self.agents.values()))
                    await self.session.end()

    def _wire(self, etcd: Etcd, journal: Journal, threads: ThreadPoolExecutor) -> list[Part]:
        """Everything that goes on side by side."""
        stand = self.stand
        keys, session = Keys(stand.prefix), Session(etcd, stand.times)
        mirror = Mirror(etcd, stand.prefix)
        seat = Seat(etcd, session, mirror, keys.agent(stand.centre))
        copies = RunCopies(etcd, keys, journal)

        def on_run(run: str, succeeded: bool) -> None:
            self.acts[succeeded] += 1
            copies.wanted(run)

        means = Means(
            etcd, session, mirror, keys, stand.runner, journal, threads, lambda: seat.taken, lambda: seat.contested, on_run,
        )  # fmt: skip
        self.agents = {
            cluster.id: Agent(
                cluster, stand.centre, _hands(cluster, stand.centre), self.memories[cluster.id], means, self._policy
            )
            for cluster in stand.clusters
        }
        store = Store(etcd, session, mirror, keys, stand.endpoints)
        self.session, self.seat = session, seat
        self.leading = Leading(stand.centre, self.agents, store, self._policy, seated=lambda: seat.taken)
        agents = [agent.run for agent in self.agents.values()]
        shared = [session.run, mirror.run, seat.run, copies.run, self.leading.run, etcd.warm]
        pulses = [Pulse(*stand.pulse, self._guards).run] if stand.pulse else []
        return [*shared, *pulses, self._tell, lambda: _prune(journal), *agents]

    def _guards(self, cluster: str) -> bool | None:
        """Whether what holds for a cluster has been read; None for one that is not ours."""
        agent = self.agents.get(cluster)
        return agent.published is not None if agent else None

    async def _tell(self) -> None:
        """Say what has changed. What counts seconds is not said again and again."""
        assert self.leading and self.seat
        said: dict[tuple[str, str], str] = {}
        while True:
            for told in sentences(self.stand.centre, self.agents, self.leading, seated=self.seat.taken):
                bare = re.sub(r"[0-9.]+ s\b", "", told.text.en)
                if bare and said.get((told.cluster, told.who)) != bare:
                    said[told.cluster, told.who] = bare
                    self._on_told(told)
            await asyncio.sleep(_TELL_SECONDS)


async def _prune(journal: Journal) -> None:
    """An act that fails is tried again and again: the newest of them tell enough."""
    while True:
        with suppress(Incomplete):
            await asyncio.to_thread(journal.prune, PLAYBOOK, _ACTS_KEPT)
        await asyncio.sleep(_PRUNED_EVERY_SECONDS)


async def _until(ended: asyncio.Event, parts: list[Part]) -> None:
    """Run the parts until told to end; what one of them raises ends all, and is our bug."""
    tasks = [asyncio.create_task(part()) for part in parts]
    stop = asyncio.create_task(ended.wait())
    try:
        waiting: set[asyncio.Task[Any]] = {stop, *tasks}
        while stop in waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stop}:
                task.result()
    finally:
        for task in (stop, *tasks):
            task.cancel()
        await asyncio.gather(stop, *tasks, return_exceptions=True)


def _on_signals() -> asyncio.Event:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    return ended


def _own_first(stand: Stand) -> list[str]:
    """The member of the own centre is asked first, then the others in their order."""
    return [stand.endpoints[centre] for centre in sorted(stand.endpoints, key=lambda centre: centre != stand.centre)]


def _hands(cluster: Cluster, centre: str) -> Hands:
    members = plugins_in(backup.failover.members, MemberHands)
    entries = plugins_in(backup.failover.entries, EntryHands)
    found = next((one for one in members.values() if one.product is cluster.product), None)
    if found is None:
        raise BadInput(
            Text(
                f"还不能守护 {cluster.product}(集群 {cluster.id})",
                f"{cluster.product} cannot be guarded yet ({cluster.id})",
            )
        )
    entry = cluster.entry_in(centre)
    driver = next((one for one in entries.values() if entry and one.driver is entry.driver), None)
    if entry and driver is None:
        raise BadInput(
            Text(
                f"集群 {cluster.id}:还没有入口驱动 {entry.driver}",
                f"cluster {cluster.id}: there is no driver {entry.driver} yet",
            )
        )
    return Hands(found, driver)


def _refuse_misplaced(stand: Stand) -> None:
    if not stand.endpoints:
        raise BadInput(
            Text(
                "设置中没有 coordination.endpoints:守护进程需要三个中心的 etcd",
                "the settings have no coordination.endpoints: the daemon needs the etcd of three centres",
            )
        )
    if not stand.clusters:
        raise BadInput(Text("清单中没有集群(clusters)可守护", "the inventory has no clusters to guard"))
    voters = {centre for cluster in stand.clusters for centre in cluster.voters}
    if stand.centre not in voters:
        listed = ", ".join(sorted(voters))
        raise BadInput(
            Text(f"{stand.centre} 不在表决中心之列:{listed}", f"{stand.centre} is none of the voting centres: {listed}")
        )


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """The memory in this folder is ours alone; the kernel frees it with the process."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(state / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
            return
        raise Incomplete(Text(f"已有守护进程使用 {state}", f"another daemon works in {state} already"))
    finally:
        os.close(descriptor)


@contextmanager
def _journal(state: Path) -> Iterator[Journal]:
    journal = Journal(state / "failover" / "journal.sqlite")
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def _threads(stand: Stand) -> Iterator[ThreadPoolExecutor]:
    threads = ThreadPoolExecutor(_THREADS_PER_CLUSTER * len(stand.clusters), thread_name_prefix="agent")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)
