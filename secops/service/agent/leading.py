"""The leader's part: put together what is known, have it decided, publish what was decided under the leader's guard."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from backup.failover.decide import decide
from backup.failover.situation import Heard, Plan, Policy, Published, Report, Situation, Verdict, Wish
from secops.coordination.compaction import Compaction
from secops.coordination.etcd import Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import Delete, Put, Refusal
from secops.coordination.leadership import Leadership, NotLeader
from secops.coordination.mirror import Mirror
from secops.coordination.raft_leader import keep_leader_away
from secops.coordination.session import Session
from secops.model.cluster import Cluster
from secops.model.decision import Decision
from secops.service.agent.agent import Agent
from secops.service.agent.documents import Explained, Keys, Unreadable, published_of, report_of, to_json, wish_of

_LOOK_SECONDS = 0.1
_LEAST_SECONDS = 0.01
_AWAY_EVERY_SECONDS = 5.0
_FRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Store:
    """What the leader reads from and writes to."""

    etcd: Etcd
    session: Session
    mirror: Mirror
    keys: Keys
    endpoints: Mapping[str, str]
    """Of etcd's members, by centre."""


class Leading:
    """Decides for every cluster while we lead. Begins with `run`, which goes on until it is cancelled."""

    def __init__(
        self,
        centre: str,
        agents: Mapping[str, Agent],
        store: Store,
        policy: Policy,
        *,
        seated: Callable[[], bool],
    ) -> None:
        """`seated`: whether we are the one daemon of the centre; others do not stand."""
        self._centre = centre
        self._agents = agents
        self._store = store
        self._policy = policy
        self._told: dict[str, tuple[str, str]] = {}
        self.decisions: dict[str, Decision[Verdict]] = {}
        """The newest of each cluster, by its id."""
        self.leadership = Leadership(
            store.etcd,
            store.session,
            store.mirror,
            store.keys.leader,
            centre,
            preferred=self._preferred,
            makes_room=self._makes_room,
            stands=seated,
        )
        self._compaction = Compaction(store.etcd, store.mirror, lambda: self.leadership.leads)

    @property
    def alarms(self) -> frozenset[str]:
        """What etcd raises: with `NOSPACE` nothing can be written any more."""
        return self._compaction.alarms

    async def run(self) -> None:
        """Stand for election; decide while elected."""
        async with asyncio.TaskGroup() as tasks:
            for part in (self.leadership.run(), self._deciding(), self._keeping_away(), self._compaction.run()):
                tasks.create_task(part)

    def situation(self, cluster: Cluster) -> Situation:
        """What is known now."""
        published = self._published(cluster.id)
        return Situation(
            cluster,
            self._centre,
            self._store.session.good_for_seconds if self.leadership.leads else 0.0,
            published[0] if published else None,
            self._heard(cluster),
            self._wishes(cluster),
            time.time(),
            self._policy,
            self._agents[cluster.id].highest,
        )

    async def _deciding(self) -> None:
        while True:
            seen = self._store.mirror.version
            if self.leadership.leads:
                for agent in self._agents.values():
                    with suppress(NotLeader, EtcdUnreachable, Refusal, Unreadable):
                        await self._decide(agent.cluster)
            await asyncio.sleep(_LEAST_SECONDS)
            await self._store.mirror.beyond(seen, _LOOK_SECONDS)

    async def _decide(self, cluster: Cluster) -> None:
        stands = self._published(cluster.id)
        decision = decide(self.situation(cluster))
        self.decisions[cluster.id] = decision
        if wanted := decision.action.publish:
            key, before = self._store.keys.published(cluster.id), stands[1] if stands else 0
            await self.leadership.replace(key, to_json(wanted), before)
            await self._seen(key, before)
        await self._explain(cluster.id, decision)
        await self._clear_answered(cluster.id, stands[0] if stands else None)

    async def _seen(self, key: str, before: int) -> None:
        """The next decision is made on what was just published, not on what stood before."""
        deadline = asyncio.get_running_loop().time() + 1.0
        while asyncio.get_running_loop().time() < deadline:
            version, one = self._store.mirror.version, self._store.mirror.get(key)
            if one and one.mod_revision > before:
                return
            await self._store.mirror.beyond(version, 0.2)

    async def _explain(self, cluster: str, decision: Decision[Verdict]) -> None:
        """Why, where everybody can read it; not again for what counts on in seconds."""
        because, plan = decision.because, decision.action.plan
        if self._told.get(cluster, ("", ""))[0] == plan and plan in (Plan.STEADY, Plan.UNPROTECTED, Plan.NOT_LEADING):
            return
        if self._told.get(cluster) == (plan, because.en):
            return
        explained = Explained(plan, because, self._centre, time.time())
        await self.leadership.write([], [Put(self._store.keys.explained(cluster), to_json(explained))])
        self._told[cluster] = (plan, because.en)

    async def _clear_answered(self, cluster: str, published: Published | None) -> None:
        if published is None:
            return
        prefix = self._store.keys.wishes(cluster)
        for one in list(self._store.mirror.below(prefix)):
            if one.key.removeprefix(prefix) in published.answered:
                await self.leadership.write([], [Delete(one.key)])

    async def _keeping_away(self) -> None:
        """etcd's own leader is kept out of the primary's centre."""
        while True:
            await asyncio.sleep(_AWAY_EVERY_SECONDS)
            busiest = self._primaries()
            if self.leadership.leads and len(busiest) == 1 and (endpoint := self._store.endpoints.get(*busiest)):
                with suppress(EtcdUnreachable, Refusal):
                    await keep_leader_away(self._store.etcd, endpoint)

    def _published(self, cluster: str) -> tuple[Published, int] | None:
        """What holds, and the revision to write in the place of. Raises Unreadable: nothing is written over what is not
        understood."""
        one = self._store.mirror.get(self._store.keys.published(cluster))
        return (published_of(one.value), one.mod_revision) if one else None

    def _heard(self, cluster: Cluster) -> dict[str, Heard]:
        found = {}
        for centre in cluster.voters:
            key = self._store.keys.report(cluster.id, centre)
            one = self._store.mirror.get(key)
            if one is None:
                continue
            with suppress(Unreadable):
                report = report_of(one.value)
                age, echo = self._store.mirror.age_seconds(key), self._echo_seconds(cluster.id, centre, report)
                found[centre] = Heard(report, age, echo)
        return found

    def _echo_seconds(self, cluster: str, centre: str, report: Report) -> float:
        return 0.0 if centre == self._centre else self._agents[cluster].echo_seconds(report)

    def _wishes(self, cluster: Cluster) -> tuple[Wish, ...]:
        prefix = self._store.keys.wishes(cluster.id)
        found = []
        for one in self._store.mirror.below(prefix):
            with suppress(Unreadable):
                wish = wish_of(one.value)
                if wish.id == one.key.removeprefix(prefix):
                    found.append(wish)
        return tuple(found)

    def _primaries(self) -> frozenset[str]:
        """The centres in which a primary stands."""
        centres = set()
        for agent in self._agents.values():
            with suppress(Unreadable):
                published = self._published(agent.cluster.id)
                member = agent.cluster.member(published[0].primary) if published else None
                if member:
                    centres.add(member.centre)
        return frozenset(centres)

    def _preferred(self) -> bool:
        """Losing a primary's centre should not cost the leader too."""
        return self._centre not in self._primaries()

    def _makes_room(self) -> bool:
        """When nothing is under way, somebody whose centre has no primary and who is heard of takes over."""
        primaries = self._primaries()
        calm = all(decision.action.plan in _CALM for decision in self.decisions.values())
        return (
            self._centre in primaries and calm and any(self._is_fresh(centre) for centre in self._voters() - primaries)
        )

    def _voters(self) -> set[str]:
        return {centre for agent in self._agents.values() for centre in agent.cluster.voters}

    def _is_fresh(self, centre: str) -> bool:
        keys = (self._store.keys.report(agent.cluster.id, centre) for agent in self._agents.values())
        return any(self._store.mirror.age_seconds(key) < _FRESH_SECONDS for key in keys)


_CALM = (Plan.STEADY, Plan.UNPROTECTED, Plan.HELD)
