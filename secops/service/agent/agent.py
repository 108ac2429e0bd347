"""The agent of one centre for one cluster: looks at its own member and all others, says what it sees, does what holds.

Everything is decided by `obey` and `lead`, which are pure; here is only what they look at and what comes of them.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor as Threads
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from backup.failover import safety
from backup.failover.hands import EntryHands, MemberHands
from backup.failover.lead import lead
from backup.failover.obey import obey
from backup.failover.situation import (
    Act,
    ActKind,
    MemberState,
    MemberStatus,
    Policy,
    Post,
    Published,
    Report,
    Seen,
    Sight,
    Version,
)
from secops.coordination.etcd import Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import Put, Refusal
from secops.coordination.lease_times import Clock, boot_clock
from secops.coordination.mirror import Mirror
from secops.coordination.session import Session
from secops.execution.journal import Journal
from secops.execution.runner import Runner
from secops.model.cluster import Cluster, Member
from secops.model.decision import Decision
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text
from secops.service.agent.acting import FENCES, Doer
from secops.service.agent.documents import Keys, Unreadable, published_of, report_of, to_json
from secops.service.agent.probing import EVERY_SECONDS, Sights, ask
from secops.service.agent.remembering import Remembering
from secops.support.errors import Incomplete

Answer = TypeVar("Answer")
REPORT_SECONDS = 0.2
_LATE_SECONDS = 1.5
_SENT_KEPT = 200
_BY_STATEMENT = (ActKind.SET_NAMES, ActKind.FOLLOW)
"""Acts that a statement which was left under way could still undo."""
_TIDIED_EVERY_SECONDS = 1.0
_UNCONFIRMED_AT_MOST = 50
_UNKNOWN = "?"
"""Where an entry leads that does not answer."""


@dataclass(frozen=True, slots=True)
class Means:
    """What an agent works with."""

    etcd: Etcd
    session: Session
    mirror: Mirror
    keys: Keys
    runner: Runner
    journal: Journal
    threads: Threads
    seated: Callable[[], bool]
    """Whether we are the one daemon of the centre."""
    contested: Callable[[], bool]
    """Whether another daemon is known to be the one of the centre."""
    on_run: Callable[[str, bool], None]
    clock: Clock = boot_clock


@dataclass(frozen=True, slots=True)
class Hands:
    """What acts on the centre's own things."""

    members: MemberHands
    entry: EntryHands | None


class Agent:
    """Begins with `run`, which goes on until it is cancelled."""

    def __init__(
        self, cluster: Cluster, centre: str, hands: Hands, remembering: Remembering, means: Means, policy: Policy
    ) -> None:
        self.cluster = cluster
        self._centre = centre
        self._own = cluster.member_in(centre)
        self._entry = cluster.entry_in(centre)
        self._hands = hands
        self._remembering = remembering
        self._means = means
        self._policy = policy
        self._clock = means.clock
        self._wake = asyncio.Event()
        self._sights = Sights(self._look, means.threads, self._wake.set, means.clock)
        self._status: tuple[float, MemberStatus] | None = None
        self._leads_to = ""
        self._published: Published | None = None
        self._epoch_read_at = self._clock()
        self._down_since: float | None = None
        self._heard_at = self._clock()
        self._taken: deque[tuple[int, float]] = deque(maxlen=_UNCONFIRMED_AT_MOST)
        """Reports that the store took and that were not read back yet: its revision, and when they were sent."""
        self._tidy_by: float | None = 0.0
        """When to tidy up after an act that may have been cut off; None: nothing was left."""
        self._was_seated = False
        self._serving_since: float | None = None
        self._sequence = 0
        self._sent: deque[tuple[int, float]] = deque(maxlen=_SENT_KEPT)
        self._waiting: Report | None = None
        self._to_send = asyncio.Event()
        self._member_doer = self._doer(self._plan_member)
        self._entry_doer = self._doer(self._plan_entry)
        self.decided = {"member": Text("", ""), "entry": Text("", "")}
        """The newest sentences: why what is done is done."""

    @property
    def heard_seconds(self) -> float:
        """Since the store last took a report that was read back here, counted from when it was sent: by then everything
        has been read that was published before it."""
        while self._taken and self._taken[0][0] <= self._means.mirror.revision:
            self._heard_at = self._taken.popleft()[1]
        return self._clock() - self._heard_at

    @property
    def highest(self) -> Version:
        """The newest publication that was ever read here."""
        return self._remembering.memory.highest

    @property
    def published(self) -> Published | None:
        """The newest publication that was taken up."""
        return self._published

    def sights(self) -> dict[str, Sight]:
        """How every member looks from here."""
        return self._sights.now()

    def echo_seconds(self, report: Report) -> float:
        """Since the newest of our reports was sent that this one has heard; infinite when that is not known."""
        heard = report.heard.get(self._centre, 0)
        sent = next((at for sequence, at in self._sent if sequence == heard), None)
        return self._clock() - sent if sent is not None else float("inf")

    def others(self) -> dict[str, Report]:
        """The newest report of every other centre that can be read."""
        found = {}
        for centre in self.cluster.voters:
            one = self._means.mirror.get(self._means.keys.report(self.cluster.id, centre))
            if one and centre != self._centre:
                with suppress(Unreadable):
                    found[centre] = report_of(one.value)
        return found

    async def run(self) -> None:
        """Tidy up after a predecessor, look, report and obey."""
        async with asyncio.TaskGroup() as tasks:
            for member in self.cluster.members:
                tasks.create_task(self._sights.watch(member.name))
            for part in (self._look_at_own(), self._look_at_entry(), self._notice(), self._send(), self._turns()):
                tasks.create_task(part)

    async def settle(self) -> None:
        """Wait until no act is under way."""
        await self._member_doer.settle()
        await self._entry_doer.settle()

    async def turn(self) -> None:
        """Read what holds, decide, report, begin what is to be done."""
        await self._read_published()
        status = self._own_status()
        report = Report(
            self._centre,
            heard={centre: other.sequence for centre, other in self.others().items()},
            member=status,
            sights=self._sights.now(),
            entry_leads_to=self._leads_to,
            renounced=self._remembering.memory.renounced,
            highest=self._remembering.memory.highest,
            primary_epoch=self._remembering.memory.primary_epoch,
        )
        post = self._post(report)
        deed, move = obey(post), lead(post)
        self.decided = {"member": deed.because, "entry": move.because}
        # What was not noted for good, and what a lost statement may still change, is not vouched for.
        settled = deed.action.kind is ActKind.NOTHING and self._is_fresh()
        vouched = settled and self._is_tidy() and self._remembering.is_kept
        self._waiting = replace(report, obeyed=deed.action.version if vouched else Version(), stuck=deed.action.stuck)
        self._to_send.set()
        if self._is_tidy() or deed.action.kind not in _BY_STATEMENT:
            self._begin(self._member_doer, deed, fresh=self._is_fresh())
        self._begin(self._entry_doer, move, fresh=True)

    def _begin(self, doer: Doer, decision: Decision[Act], *, fresh: bool) -> None:
        kind = decision.action.kind
        if kind is not ActKind.NOTHING and fresh and (self._means.seated() or self._may_close(kind)):
            doer.begin(decision)

    def _may_close(self, kind: ActKind) -> bool:
        """Without a seat, when the store has not been heard for long and nobody else is known to have it: an entry that
        was left open may lead to one who serves no more."""
        unheard = self.heard_seconds > self._policy.self_stop_seconds
        return kind is ActKind.CLOSE_ENTRY and unheard and not self._means.contested()

    def _is_tidy(self) -> bool:
        return self._own is None or self._tidy_by is None

    def _post(self, report: Report) -> Post:
        moment = self._clock()
        return Post(
            self.cluster,
            report,
            self._published,
            heard_seconds=self.heard_seconds,
            published_seconds=moment - self._epoch_read_at,
            down_seconds=moment - self._down_since if self._down_since is not None else 0.0,
            others=self.others(),
            memory=self._remembering.memory,
            policy=self._policy,
        )

    async def _read_published(self) -> None:
        """Take up what holds, once it is noted for good; what is older than that, or garbled, is not taken up."""
        one = self._means.mirror.get(self._means.keys.published(self.cluster.id))
        if one is None:
            return
        with suppress(Unreadable, Incomplete):
            published = published_of(one.value)
            if self._published and published.version == self._published.version:
                return
            await self._in_thread(lambda: self._remembering.admit(published))
            if self._published is None or self._published.version.epoch != published.version.epoch:
                self._epoch_read_at = self._clock()
            self._published = published

    def _own_status(self) -> MemberStatus | None:
        """What was last seen of the own member; one that has not been answered for long hangs."""
        if self._own is None:
            return None
        if self._status is None or self._clock() - self._status[0] > _LATE_SECONDS:
            return MemberStatus(MemberState.HUNG)
        return self._status[1]

    def _is_fresh(self) -> bool:
        """Whether the status was asked for after the last act, and none is under way."""
        if self._own is None:
            return True
        return not self._member_doer.busy and bool(self._status and self._status[0] >= self._member_doer.ended_at)

    async def _look_at_own(self) -> None:
        while True:
            began = self._clock()
            if self._own:
                await self._tidy_up(began)
                self._note_status(began, await self._in_thread(self._ask_status))
            await asyncio.sleep(max(0.01, EVERY_SECONDS - (self._clock() - began)))

    async def _tidy_up(self, moment: float) -> None:
        """When we begin, take the seat, or an act has failed: end what may still be under way, until that is certain."""
        seated = self._means.seated()
        if seated and not self._was_seated:
            self._tidy_by = 0.0
        self._was_seated = seated
        if self._tidy_by is None or moment < self._tidy_by or self._member_doer.busy:
            return
        ended = self._member_doer.ended_at
        if not await self._in_thread(self._tidy):
            self._tidy_by = self._clock() + _TIDIED_EVERY_SECONDS
        elif not self._member_doer.busy and self._member_doer.ended_at == ended:
            self._tidy_by = None
            self._wake.set()

    async def _look_at_entry(self) -> None:
        """Not behind the member, which may be slow to say what it does."""
        while self._entry and self._hands.entry:
            leads_to = await self._in_thread(self._ask_entry)
            if leads_to != self._leads_to:
                self._leads_to = leads_to
                self._wake.set()
            await asyncio.sleep(EVERY_SECONDS)

    def _note_status(self, asked_at: float, status: MemberStatus) -> None:
        before = self._status[1] if self._status else None
        waited_for = self._status is not None and self._status[0] < self._member_doer.ended_at <= asked_at
        self._status = (asked_at, status)
        down = status.state is MemberState.STOPPED or (status.state is MemberState.STANDBY and not status.receiving)
        self._note_serving(asked_at, status)
        if not down:
            self._down_since = None
        elif self._down_since is None:
            self._down_since = asked_at
        if waited_for or before is None or _notable(before) != _notable(status):
            self._wake.set()

    def _note_serving(self, moment: float, status: MemberStatus) -> None:
        """A primary that has served for long is given as many restarts as at first."""
        if status.state is not MemberState.PRIMARY:
            self._serving_since = None
        elif self._serving_since is None:
            self._serving_since = moment
        elif moment - self._serving_since >= self._policy.restarts_forgotten_seconds:
            with suppress(Incomplete):
                self._remembering.forgive()

    async def _notice(self) -> None:
        """Wake up at once when something else is published."""
        key = self._means.keys.published(self.cluster.id)
        while True:
            seen = self._means.mirror.version
            one = self._means.mirror.get(key)
            await self._means.mirror.beyond(seen, 1.0)
            if self._means.mirror.get(key) != one:
                self._wake.set()

    async def _turns(self) -> None:
        while True:
            self._wake.clear()
            await self.turn()
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_SECONDS):
                    await self._wake.wait()

    async def _send(self) -> None:
        """One report at a time; the newest, when one is late."""
        key = self._means.keys.report(self.cluster.id, self._centre)
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            if self._waiting is None or not self._means.session.lease or not self._means.seated():
                continue
            self._sequence += 1
            report, sent_at = replace(self._waiting, sequence=self._sequence), self._clock()
            self._sent.append((self._sequence, sent_at))
            with suppress(EtcdUnreachable, Refusal):
                revision = await self._means.etcd.put(Put(key, to_json(report), self._means.session.lease))
                self._taken.append((revision, sent_at))

    def _doer(self, plan: Callable[[Act], Procedure[None]]) -> Doer:
        means = self._means
        return Doer(
            self.cluster,
            plan,
            self._still_wanted,
            self._remembering,
            means.journal,
            means.runner,
            means.threads,
            self._done,
            means.clock,
        )

    def _done(self, run: str, succeeded: bool) -> None:
        if not succeeded:
            self._tidy_by = 0.0
        self._wake.set()
        self._means.on_run(run, succeeded)

    def _still_wanted(self, act: Act) -> bool:
        """From a thread: nothing newer was read, and what is no fence is done by who still hears the store."""
        newest = self._remembering.memory.highest
        current = act.version >= newest or self._goes_on(act)
        return current and (act.kind in FENCES or self._heard_lately())

    def _heard_lately(self) -> bool:
        return self._clock() - self._heard_at <= self._policy.self_stop_seconds

    def _goes_on(self, act: Act) -> bool:
        """A rejoin may take hours: a newer publication of the same epoch is no reason to begin it again."""
        published = self._published
        if act.kind is not ActKind.REJOIN or self._own is None or published is None:
            return False
        newest = published.version == self._remembering.memory.highest
        same = published.version.epoch == act.version.epoch and published.primary == act.member
        return newest and same and safety.may_be_overwritten(published, self._own.name)

    def _plan_member(self, act: Act) -> Procedure[None]:
        assert self._own
        return self._hands.members.perform(self.cluster, self._own, act)

    def _plan_entry(self, act: Act) -> Procedure[None]:
        assert self._entry and self._hands.entry
        if act.kind is ActKind.CLOSE_ENTRY:
            return self._hands.entry.close(self.cluster, self._entry)
        return self._hands.entry.lead(self.cluster, self._entry, self._member(act.member))

    def _member(self, name: str) -> Member:
        member = self.cluster.member(name)
        if member is None:
            raise ProcedureFailed(f"清单中没有成员 {name}", f"the inventory has no member {name}")
        return member

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._means.threads, work)

    def _look(self, name: str) -> Seen:
        return ask(self._hands.members.look(self.cluster, self._member(name)), self._means.runner)

    def _ask_status(self) -> MemberStatus:
        assert self._own
        return ask(self._hands.members.status(self.cluster, self._own, self._policy), self._means.runner)

    def _ask_entry(self) -> str:
        assert self._entry and self._hands.entry
        try:
            return ask(self._hands.entry.leads_to(self.cluster, self._entry), self._means.runner)
        except ProcedureFailed:
            return _UNKNOWN

    def _tidy(self) -> bool:
        """Whether nothing is left under way."""
        assert self._own
        try:
            ask(self._hands.members.tidy(self.cluster, self._own), self._means.runner, may_change=True)
        except ProcedureFailed:
            return False
        return True


def _notable(status: MemberStatus) -> MemberStatus:
    """What is told at once when it changes; positions grow all the time."""
    standbys = tuple(replace(one, flushed=0) for one in status.standbys)
    return replace(status, flushed=0, standbys=standbys, unprotected_seconds=float(status.unprotected_seconds > 0.5))
