"""Everything together: one step at a time, each checked. Which step comes next is for `schedule` to choose."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from backup.failover import safety
from backup.failover.decide import decide
from backup.failover.lead import lead
from backup.failover.obey import accept, obey
from backup.failover.situation import (
    Act,
    ActKind,
    Heard,
    Memory,
    Order,
    OrderKind,
    Plan,
    Policy,
    Post,
    Published,
    Report,
    Seen,
    Sight,
    Situation,
    Version,
    Wish,
)
from secops.model.cluster import Cluster, ClusterEntry
from secops.model.cluster import Member as Listed
from tests.simulation.agents import UNHEARD, Agent
from tests.simulation.members import INDEX, NAMES, PRIMARY, Replication
from tests.simulation.store import LEASE_MS, Refused, Store

CLUSTER = Cluster(
    id="sim",
    system="sim",
    members=tuple(Listed(f"m{n}", f"c{n}", "local", f"192.0.2.{n}") for n in (1, 2, 3)),
    home="m1",
    synchronous=("m1", "m2"),
    voters=("c1", "c2", "c3"),
    entries=tuple(ClusterEntry(f"c{n}", f"192.0.2.1{n}", 5000, socket="/run/e", backend="db") for n in (1, 2, 3)),
)
POLICY = Policy(protect_within=50, settle_seconds=1.0, protect_after_seconds=0.5)
CENTRES = ("c1", "c2", "c3")
_STALE_MS = 5 * 1000
_QUIET_MS = 2500
_START = Published(Version(1, 3), "m1", ("m2",), ("m2",), 3, 1, Order(OrderKind.ADOPT))
_ALONE = replace(_START, names=(), promotable=())
_PENDING = replace(_START, promotable=())
_BEFORE = Version(1, 2)


class World:
    """Three members, three agents, a store, clients, and the checker."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.replication = Replication()
        self.members = self.replication.members
        self.store = Store(_START)
        self.agents = [Agent(index, Memory(_START.version, 1 if index == 0 else 0)) for index in range(3)]
        self.now = 10_000
        self.well_since = 0
        """Since when the published primary has committed and been reached by a majority; -1: it does not."""
        self.acked: list[tuple[int, int]] = []
        """What clients were told: id and position of each write."""
        self.writes = 0
        self.newest = 1
        """The highest epoch that a member was made primary in."""
        self.serving = 0
        """That member."""
        self.made: set[int] = set()
        self.plans: dict[Plan, int] = {}
        self.wishes: tuple[Wish, ...] = ()
        self.ends_predecessors = True
        self.pace = 1.0 if random.random() < 0.7 else 0.1
        """How often the log is shipped when it could be."""
        self.trace: list[str] | None = None
        self.reach = [True] * 3
        self._begin()

    def _begin(self) -> None:
        """Three writes old and read by all; protected, or on the way there, or running alone with a standby behind."""
        dice = self.random.random()
        published = _START if dice < 0.45 else _ALONE if dice < 0.8 else _PENDING
        names = ("m2",) if dice < 0.45 or dice > 0.9 else ()
        self.store.published, self.store.history = published, [published]
        primary = self.members[0]
        primary.role, primary.names, primary.kept, primary.epoch = PRIMARY, names, names, 1
        for member in self.members:
            member.log = [1, 2, 3]
            if member is not primary:
                member.follows, member.contact = 0, self.now
        if published is _ALONE:
            self.members[1].log = [1, 2]
            if dice < 0.55:  # the permit is being carried out
                primary.names = primary.kept = ("m2",)
                self.members[1].log = [1, 2, 3]
                self.agents[0].act = Act(ActKind.SET_NAMES, published.version)
                self.agents[0].due = self.now + 6000
        elif dice > 0.9:  # an older one was carried out by half
            primary.kept = ()
        primary.confirmed = [0, len(self.members[1].log), 3]
        primary.since = 3
        self.writes, self.acked = 3, [(1, 1), (2, 2), (3, 3)]
        self.replication.now = primary.progress = self.now
        for agent in self.agents:
            agent.published = agent.read_last = published
            agent.obeyed, agent.entry = _BEFORE, "m1"
            agent.memory = Memory(published.version, agent.memory.primary_epoch)
            agent.heard = agent.took_up = self.now
        for agent in self.agents:
            self.sense(agent)

    # -- time and lines -----------------------------------------------------------------------------------------

    def advance(self, milliseconds: int) -> None:
        """The clock."""
        self.now += milliseconds
        self.replication.now = self.now

    def lines_changed(self) -> None:
        """After every change of lines and store nodes."""
        self.reach = self.store.reaches(self.replication.line)
        self.disturbed()

    def disturbed(self) -> None:
        """Something was broken or mended."""
        if not self._is_well():
            self.well_since = -1
        elif self.well_since < 0:
            self.well_since = self.now

    def _is_well(self) -> bool:
        """Whether there is nothing to fail over for: a majority of the centres can commit on the primary."""
        index = INDEX[self.store.published.primary]
        reached = sum(self.replication.joined(index, other) for other in range(3) if other != index)
        return self.members[index].serves and self._commits(index) and reached >= 1

    # -- clients ------------------------------------------------------------------------------------------------

    def write(self, centre: int) -> None:
        """A client of a centre writes through its entry."""
        entry = self.agents[centre].entry
        if not entry:
            return
        member = self.members[INDEX[entry]]
        if member.serves and self.replication.joined(centre, member.index):
            self.writes += 1
            member.log.append(self.writes)
            member.waiting.append((self.writes, len(member.log), not member.names, centre))

    def acknowledge(self, member_index: int) -> None:
        """Commits that may end are told to their clients."""
        member = self.members[member_index]
        if member.frozen or not member.waiting:
            return
        still = []
        for write, position, free, centre in member.waiting:
            if self.agents[centre].entry != NAMES[member_index]:
                continue  # its session was cut when the entry was moved or closed
            if self.replication.may_acknowledge(member, position, free):
                if self.replication.joined(centre, member_index):
                    self._acked(write, position)
            else:
                still.append((write, position, free, centre))
        member.waiting = still

    def cancel(self, member_index: int) -> None:
        """The client gives up waiting: committed where it is, acknowledged to nobody."""
        self.members[member_index].waiting.clear()

    # -- the checker --------------------------------------------------------------------------------------------

    def _acked(self, write: int, position: int) -> None:
        log = self.members[self.serving].log
        if len(log) < position or log[position - 1] != write:
            raise Refused(f"write {write} was acknowledged beside the primary of epoch {self.newest}")
        self.acked.append((write, position))
        self._check_trusted(((write, position),))

    def _check_trusted(self, acked: Iterable[tuple[int, int]]) -> None:
        """Who is published as promotable has every acknowledged write, as long as the publication stands."""
        published = self.store.published
        if self.store.forced >= 0 or self.store.outdated or published.primary != NAMES[self.serving]:
            return
        for name in published.promotable:
            trusted = self.members[INDEX[name]]
            for write, position in () if trusted.robbed else acked:
                if len(trusted.log) < position or trusted.log[position - 1] != write:
                    raise Refused(f"write {write} was acknowledged without {name}, which is published as promotable")

    def _made_primary(self, index: int, epoch: int, *, forked: bool) -> None:
        member = self.members[index]
        if epoch < self.newest or (epoch == self.newest and (index != self.serving or forked)):
            raise Refused(f"{member.index} was made primary in epoch {epoch}, {self.serving} in {self.newest} already")
        if forked and epoch in self.made:
            raise Refused(f"promoted twice in epoch {epoch}")
        self.made.add(epoch)
        order = self.store.published.order
        if order.kind is OrderKind.DISASTER and self.store.published.version.epoch == epoch:
            self.acked = [
                (write, at) for write, at in self.acked if len(member.log) >= at and member.log[at - 1] == write
            ]
        self.newest, self.serving, member.epoch = epoch, index, epoch
        self.check_log()

    def check_log(self) -> None:
        """Whether whoever serves has every write that a client was told of."""
        log = self.members[self.serving].log
        for write, position in self.acked:
            if len(log) < position or log[position - 1] != write:
                raise Refused(f"write {write} is lost in epoch {self.newest}")

    def _check_publication(self, new: Published, plan: Plan, decided_at: int, well_since: int) -> None:
        if plan is Plan.FAIL_OVER and 0 <= well_since < decided_at - _QUIET_MS:
            raise Refused("failed over from a primary that was well")
        if plan is Plan.DECLARE and len({name for wish in self.wishes for name in wish.by}) < 2:
            raise Refused("a disaster was declared by one person")

    def _check_leaders(self, agent: Agent) -> None:
        for other in self.agents:
            if other is not agent and other.alive and other.revision and self._may_lead(other):
                raise Refused("two lead at a time")

    # -- agents -------------------------------------------------------------------------------------------------

    def tick(self, agent: Agent) -> None:
        """One turn of an agent: end an act, look around, act, lead its entry, decide."""
        if not agent.alive or agent.frozen:
            return
        if agent.act is not None and self.now >= agent.due:
            self._land(agent, agent.act)
            agent.act = None
        self._cast(agent)
        post = self.sense(agent)
        if agent.act is None and post.report.member is not None:
            self._obey(agent, post)
        self._lead(agent, post)
        if agent.revision and agent.casting is None:
            self._decide(agent)

    def sense(self, agent: Agent) -> Post:
        """Look at the members, read the store, and report."""
        now, index = self.now, agent.index
        status = self.replication.status(self.members[index])
        down = not self.members[index].running or (status.state == "standby" and not status.receiving)
        agent.down = (agent.down if agent.down >= 0 else now) if down else -1
        sights = self._sights(agent)
        if self.reach[index]:
            self._read(agent)
        report = Report(
            agent.centre,
            agent.sequence,
            agent.read,
            agent.obeyed,
            status,
            sights,
            agent.entry,
            agent.memory.renounced,
            agent.memory.highest,
            agent.memory.primary_epoch,
        )
        published = agent.published
        return Post(
            CLUSTER,
            report,
            published,
            agent.seconds(now, agent.heard),
            agent.seconds(now, agent.took_up),
            agent.seconds(now, agent.down) if agent.down >= 0 else 0.0,
            {centre: held[0] for centre, held in agent.reports.items() if centre != agent.centre},
            agent.memory,
            POLICY,
        )

    def _sights(self, agent: Agent) -> dict[str, Sight]:
        sights, now, line, here = {}, self.now, self.replication.line, agent.index
        for index, member in enumerate(self.members):
            if not (line[here][index] and line[index][here]):
                seen = Seen.SILENT
            elif not member.running:
                seen = Seen.REFUSED
            elif member.frozen or (member.role == PRIMARY and not self._commits(index)):
                seen = Seen.NOT_COMMITTING
            else:
                seen = Seen.GOOD
            if seen is not agent.seen[index]:
                agent.seen[index], agent.seen_since[index] = seen, now
            sights[NAMES[index]] = Sight(seen, (now - agent.seen_since[index]) * agent.rate / 1000)
        return sights

    def _commits(self, index: int) -> bool:
        member = self.members[index]
        if member.full or not member.names:
            return not member.full
        named = self.members[INDEX[member.names[0]]]
        return not named.full and self.replication.connected(member, named)

    def _read(self, agent: Agent) -> None:
        store, now = self.store, self.now
        published = store.published
        if len(store.history) > 1 and self.random.random() < 0.03:
            # A node that lags: what was written through the majority is not seen there, and does not count as heard.
            published = self.random.choice(store.history)
        if published is store.published:
            agent.heard = now
        agent.read_last = published
        if published is not agent.published and accept(agent.memory, published):
            if agent.published is None or agent.published.version.epoch != published.version.epoch:
                agent.took_up = now
            if published.version.epoch > agent.memory.highest.epoch:
                agent.memory = replace(agent.memory, highest=published.version, restarts=0)
            else:
                agent.memory = replace(agent.memory, highest=published.version)
            agent.published = published
        heard, news = agent.reports, False
        for centre, written in store.reports.items():
            held = heard.get(centre)
            if (held is None or held[0] is not written[0]) and now - written[1] < _STALE_MS:
                heard[centre], news = (written[0], now), True
        if news:
            agent.read = {centre: held[0].sequence for centre, held in heard.items()}
        agent.sequence += 1
        agent.sent[agent.sequence] = now
        self._campaign(agent)

    def _campaign(self, agent: Agent) -> None:
        agent.revision = self.store.campaign(agent.index, self.now)
        if agent.revision:
            agent.leads_until = self.now

    def _may_lead(self, agent: Agent) -> bool:
        left = POLICY.self_stop_seconds - agent.seconds(self.now, agent.leads_until)
        return safety.may_lead(left)

    def _obey(self, agent: Agent, post: Post) -> None:
        deed = obey(post)
        act = deed.action
        if act.kind is ActKind.NOTHING:
            if act.version > agent.obeyed:
                agent.obeyed = act.version
            if act.version == agent.obeyed or act.stuck:
                post = replace(post, report=replace(post.report, obeyed=agent.obeyed, stuck=act.stuck))
            self._report(agent, post.report)
            return
        self._report(agent, post.report)
        if self.trace is not None:
            self.trace.append(f"{self.now} {agent.centre} {act.kind} {act.version} {act.names}: {deed.because.en}")
        self._intend(agent, act)
        agent.act, agent.due = act, self.now + self.random.choice((5, 50, 300, 1500, 5000))

    def _report(self, agent: Agent, report: Report) -> None:
        if self.reach[agent.index]:
            self.store.reports[agent.centre] = (report, self.now)
            agent.reports[agent.centre] = (report, self.now)

    def _intend(self, agent: Agent, act: Act) -> None:
        """What is written down before the act."""
        if act.kind in (ActKind.PROMOTE, ActKind.RESUME):
            agent.remember(primary_epoch=act.version.epoch)
        elif act.kind is ActKind.START and self.members[agent.index].role == PRIMARY:
            agent.remember(restarts=agent.memory.restarts + 1)

    def _land(self, agent: Agent, act: Act, *, whole: bool = True) -> None:
        """The act takes effect on the member."""
        member = self.members[agent.index]
        if act.kind is ActKind.RENOUNCE:
            agent.remember(renounced=act.version.epoch)
        elif act.kind is ActKind.RESUME:
            if member.role == PRIMARY:
                member.start()
                self._made_primary(member.index, act.version.epoch, forked=False)
        elif act.kind is ActKind.PROMOTE:
            if member.running and not member.frozen and not member.full and member.role != PRIMARY:
                self.replication.make_primary(member, forked=True)
                self._made_primary(member.index, act.version.epoch, forked=True)
        else:
            if act.kind is ActKind.REJOIN and NAMES[member.index] in self.store.published.promotable:
                raise Refused("what was counted on was overwritten")
            self.replication.perform(member, act, whole and self.random.random() < 0.9)
        self.disturbed()

    def _lead(self, agent: Agent, post: Post) -> None:
        act = lead(post).action
        if act.kind is ActKind.LEAD_ENTRY:
            agent.entry = act.member
        elif act.kind is ActKind.CLOSE_ENTRY:
            agent.entry = ""

    # -- the leader ---------------------------------------------------------------------------------------------

    def situation(self, agent: Agent) -> Situation:
        """What the agent of a centre knows as a leader."""
        heard = {}
        for centre, (report, received) in agent.reports.items():
            echo = agent.sent.get(report.heard.get(agent.centre, 0), UNHEARD)
            mine = centre == agent.centre
            heard[centre] = Heard(
                report, agent.seconds(self.now, received), 0.0 if mine else agent.seconds(self.now, echo)
            )
        return Situation(
            CLUSTER,
            agent.centre,
            POLICY.self_stop_seconds - agent.seconds(self.now, agent.leads_until),
            agent.read_last,
            heard,
            self.wishes,
            self.now / 1000,
            POLICY,
            agent.memory.highest,
        )

    def _decide(self, agent: Agent) -> None:
        situation = self.situation(agent)
        if situation.published is None or agent.read_last is None:
            return
        decision = decide(situation)
        plan, new = decision.action.plan, decision.action.publish
        self.plans[plan] = self.plans.get(plan, 0) + 1
        if plan is not Plan.NOT_LEADING:
            self._check_leaders(agent)
        if new is not None:
            self.disturbed()
            self._check_publication(new, plan, self.now, self.well_since)
            agent.casting = (agent.revision, agent.read_last, new)
            if self.trace is not None:
                self.trace.append(f"{self.now} {agent.centre} {plan} -> {new.version}: {decision.because.en}")

    def _cast(self, agent: Agent) -> None:
        """The publication decided on reaches the store, or not."""
        if agent.casting is None or not self.reach[agent.index]:
            return
        revision, decided_on, new = agent.casting
        agent.casting = None
        if self.store.replace(agent.index, revision, decided_on, new, self.now):
            self._check_trusted(self.acked)
        self.disturbed()

    # -- deaths -------------------------------------------------------------------------------------------------

    def crash(self, agent: Agent) -> None:
        """An agent dies between, or in the midst of, its acts."""
        if agent.act is not None:
            dice = self.random.random()
            if dice < 0.3:
                self._land(agent, agent.act, whole=False)
            elif dice < 0.6:
                agent.orphans.append(agent.act)
        agent.forget()
        agent.alive = False

    def revive(self, agent: Agent) -> None:
        """A new one begins by ending what the one before left, or by waiting until it has come about."""
        agent.alive = True
        if self.ends_predecessors:
            agent.orphans.clear()

    def haunt(self, agent: Agent) -> None:
        """What a dead agent left takes effect."""
        if agent.orphans:
            self._land(agent, agent.orphans.pop())


__all__ = ["CENTRES", "LEASE_MS", "World"]
