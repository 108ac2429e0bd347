"""What the agents say of one cluster, followed as it comes in, without being one of them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from backup.failover.situation import Heard, Policy, Published, Report, Situation, Wish
from backup.failover.timeline import Glance
from secops.coordination.etcd import Etcd
from secops.coordination.lease_times import Clock, boot_clock
from secops.coordination.mirror import Mirror
from secops.inventory.inventory import Inventory
from secops.model.cluster import Cluster
from secops.model.text import Text
from secops.service.agent.documents import (
    Explained,
    Keys,
    Unreadable,
    explained_of,
    published_of,
    report_of,
    wish_of,
)
from secops.service.settings import Settings
from secops.support.clock import now
from secops.support.errors import BadInput, Incomplete

Document = TypeVar("Document")


class Standing(Protocol):
    """What is needed of a home to follow its clusters."""

    @property
    def settings(self) -> Settings: ...

    @property
    def inventory(self) -> Inventory: ...

    @property
    def etcd_prefix(self) -> str: ...

    @property
    def etcd_context(self) -> ssl.SSLContext | None: ...


_FIRST_SECONDS = 6.0
"""For etcd to answer at all."""
LISTEN_SECONDS = 0.8
"""For so long agents are listened to before it is said who is silent: they report five times a second."""
_KEPT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class View:
    """Everything that is written about a cluster, as it stands."""

    cluster: Cluster
    leader: str
    """Centre that leads; empty: none."""
    seated: tuple[str, ...]
    """Centres whose daemon is there."""
    published: Published | None
    explained: Explained | None
    reports: Mapping[str, Heard]
    """By centre; those of the silent too, with their age."""
    wishes: tuple[Wish, ...]

    def fresh(self, centre: str) -> Report | None:
        """The report of a centre, unless it is too old to say anything."""
        heard = self.reports.get(centre)
        return heard.report if heard and heard.age_seconds <= Policy().report_stale_seconds else None

    def fresh_of(self, member: str) -> Report | None:
        """The report of the centre in which a member stands."""
        found = self.cluster.member(member)
        return self.fresh(found.centre) if found else None

    @property
    def because(self) -> Text:
        """Why, in the leader's words."""
        if not self.leader:
            return Text("没有主控:没有守护进程当选,或 etcd 没有多数", "nobody leads: no daemon is elected")
        return (
            self.explained.because if self.explained else Text("主控尚未作出判断", "the leader has not said anything")
        )


class Watching:
    """One cluster, followed. Read it from the event loop that it runs in."""

    def __init__(self, etcd: Etcd, keys: Keys, cluster: Cluster, clock: Clock = boot_clock) -> None:
        self.etcd = etcd
        self.keys = keys
        self.cluster = cluster
        self._clock = clock
        self._own = Mirror(etcd, f"{keys.prefix}clusters/{cluster.id}/", clock)
        self._leader = Mirror(etcd, keys.leader, clock)
        self._agents = Mirror(etcd, keys.agent(""), clock)
        self._sent: dict[str, dict[int, float]] = {}
        """Of each centre, when which sequence of its reports came in here."""

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in (self._own.run(), self._leader.run(), self._agents.run(), self._noting()):
                tasks.create_task(part)

    async def ready(self) -> None:
        """Until it is known who speaks and who is silent. Raises Incomplete when etcd does not answer."""
        try:
            async with asyncio.timeout(_FIRST_SECONDS):
                for mirror in (self._own, self._leader, self._agents):
                    while not mirror.version:
                        await mirror.beyond(0, _FIRST_SECONDS)
        except TimeoutError:
            where = ", ".join(self.etcd.endpoints)
            raise Incomplete(
                Text(f"etcd 没有以多数应答({where})", f"etcd does not answer by a majority ({where})")
            ) from None
        await asyncio.sleep(LISTEN_SECONDS)

    async def changed(self, seen: int, timeout_seconds: float) -> int:
        """Wait until something has come in since; gives what to pass the next time."""
        await self._own.beyond(seen, timeout_seconds)
        return self._own.version

    @property
    def view(self) -> View:
        """As it stands. Raises Incomplete for what is written by a newer version of this program."""
        return View(
            self.cluster,
            self._leading(),
            tuple(one.key.removeprefix(self.keys.agent("")) for one in self._agents.below(self.keys.agent(""))),
            self._read(self.keys.published(self.cluster.id), published_of),
            self._read(self.keys.explained(self.cluster.id), explained_of),
            self._reports(),
            self._wishes(),
        )

    @property
    def situation(self) -> Situation:
        """What the leader knows, as nearly as can be told from here: it counts ages by its own clock."""
        view = self.view
        heard = view.reports.get(view.leader)
        leading = Policy().self_stop_seconds if heard and heard.age_seconds <= Policy().report_stale_seconds else 0.0
        return Situation(
            self.cluster,
            view.leader,
            leading,
            view.published,
            view.reports,
            view.wishes,
            now().timestamp(),
        )

    @property
    def glance(self) -> Glance:
        """For the timeline."""
        view = self.view
        reports = {centre: report for centre in self.cluster.voters if (report := view.fresh(centre))}
        wishes = tuple(wish.id for wish in view.wishes)
        return Glance(now().timestamp(), view.leader, view.published, reports, view.because, wishes)

    def _leading(self) -> str:
        one = self._leader.get(self.keys.leader)
        return one.value.decode(errors="replace") if one else ""

    def _read(self, key: str, reading: Callable[[bytes], Document]) -> Document | None:
        one = self._own.get(key)
        try:
            return reading(one.value) if one else None
        except Unreadable as error:
            raise Incomplete(Text(f"看不懂 {key}:{error}", f"{key} is not understood: {error}")) from None

    def _reports(self) -> dict[str, Heard]:
        found = {}
        for centre in self.cluster.voters:
            key = self.keys.report(self.cluster.id, centre)
            one = self._own.get(key)
            if one is not None:
                with suppress(Unreadable):
                    report = report_of(one.value)
                    found[centre] = Heard(report, self._own.age_seconds(key), self._echo_seconds(report))
        return found

    def _echo_seconds(self, report: Report) -> float:
        """Since the newest report of the leader that this one has heard came in here."""
        leader = self._leading()
        if report.centre == leader:
            return 0.0
        sent = self._sent.get(leader, {}).get(report.heard.get(leader, -1))
        return self._clock() - sent if sent is not None else float("inf")

    def _wishes(self) -> tuple[Wish, ...]:
        found = []
        for one in self._own.below(self.keys.wishes(self.cluster.id)):
            with suppress(Unreadable):
                found.append(wish_of(one.value))
        return tuple(found)

    async def _noting(self) -> None:
        seen = 0
        while True:
            seen = await self.changed(seen, 1.0)
            moment = self._clock()
            for centre in self.cluster.voters:
                one = self._own.get(self.keys.report(self.cluster.id, centre))
                if one is None:
                    continue
                with suppress(Unreadable):
                    sent = self._sent.setdefault(centre, {})
                    sent.setdefault(report_of(one.value).sequence, moment)
                    for old in [number for number, at in sent.items() if moment - at > _KEPT_SECONDS]:
                        del sent[old]


@asynccontextmanager
async def watching(home: Standing, cluster: Cluster) -> AsyncIterator[Watching]:
    """Followed, and known who speaks. Raises BadInput without an etcd in the settings, Incomplete when it does not answer."""
    endpoints = list(home.settings.coordination.endpoints.values())
    if not endpoints:
        raise BadInput(
            Text(
                "设置中没有 coordination.endpoints:不知道向哪个 etcd 询问",
                "the settings have no coordination.endpoints: it is not known which etcd to ask",
            )
        )
    async with Etcd(endpoints, context=home.etcd_context) as etcd:
        followed = Watching(etcd, Keys(home.etcd_prefix), cluster)
        task = asyncio.create_task(followed.run())
        try:
            await followed.ready()
            yield followed
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def cluster_of(home: Standing, system: str, cluster: str = "") -> Cluster:
    """The cluster that is meant by a system, or one of its clusters by name. Raises BadInput."""
    found = home.inventory.clusters_of(system)
    chosen = [one for one in found if cluster in ("", one.id)]
    if len(chosen) == 1:
        return chosen[0]
    listed = ", ".join(one.id for one in found)
    if not found:
        raise BadInput(Text(f"系统 {system} 没有集群", f"the system {system} has no cluster"))
    if not chosen:
        raise BadInput(
            Text(f"系统 {system} 没有集群 {cluster};有 {listed}", f"{system} has no cluster {cluster}, but {listed}")
        )
    raise BadInput(
        Text(f"系统 {system} 有多个集群,请用 --cluster 指定:{listed}", f"{system} has several, say --cluster: {listed}")
    )
