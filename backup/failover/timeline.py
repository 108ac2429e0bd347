"""What happens to a cluster, told moment by moment from what the agents report. Pure: it is given each glance and its time.

The times are those at which centres saw it. What clients felt, their own ledger alone can tell.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from backup.failover.situation import MemberState, OrderKind, Policy, Published, Report, Seen
from backup.failover.suspicion import SEEN, is_serving, patience
from secops.model.cluster import Cluster
from secops.model.text import Text

STEPS: Mapping[str, Text] = {
    "T0": Text("服务中断", "service stops"),
    "T1": Text("多数中心察觉", "a majority of centres suspects"),
    "T2": Text("作出决定", "decided"),
    "T3": Text("旧主库已被隔离", "the old primary is fenced"),
    "T4": Text("新主库已提升", "the new primary is promoted"),
    "T5": Text("经入口恢复服务", "service is back through an entry"),
    "T6": Text("保护恢复", "protection is back"),
}
ORDERS: Mapping[OrderKind, Text] = {
    OrderKind.ADOPT: Text("纳入保护", "put under protection"),
    OrderKind.FAILOVER: Text("切换", "failover"),
    OrderKind.SWITCHOVER: Text("计划内切换", "planned switchover"),
    OrderKind.RETURN: Text("退回", "return"),
    OrderKind.DISASTER: Text("灾难宣告", "declared disaster"),
}
_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Glance:
    """Everything at one moment."""

    at: float
    """Unix seconds, by the clock of who looks."""
    leader: str
    published: Published | None
    reports: Mapping[str, Report]
    """By centre; only those that still say something."""
    because: Text
    wishes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that has changed."""

    at: float
    """Unix seconds."""
    kind: str
    """`leader`, `decision`, `published`, `member`, `sight`, `entry`, `wish`, or a step: `T0` … `T6`."""
    who: str
    """Centre or member that it is of; empty: the cluster."""
    text: Text


@dataclass(slots=True)
class Timeline:
    """Remembers the last glance, and the steps of the outage that is under way or was the last."""

    cluster: Cluster
    steps: dict[str, float] = field(default_factory=dict)
    """Unix seconds of each step that was reached."""
    epoch: int = 0
    _told: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def outage_began(self) -> float | None:
        """Unix seconds, while nobody can write."""
        return self.steps["T0"] if "T0" in self.steps and "T5" not in self.steps else None

    def look(self, glance: Glance) -> tuple[Moment, ...]:
        """What has changed since the last glance; at the first one, how everything stands."""
        return (*self._changes(glance), *self._stepping(glance))

    def _changes(self, glance: Glance) -> Iterator[Moment]:
        for kind, who, word, text in _facts(self.cluster, glance):
            if self._told.get((kind, who)) != word:
                self._told[kind, who] = word
                yield Moment(glance.at, kind, who, text)

    def _stepping(self, glance: Glance) -> Iterator[Moment]:
        published = glance.published
        if published is None or not glance.reports:
            return
        serves, first = is_served(self.cluster, glance, published), not self.epoch
        moved = not first and published.version.epoch > self.epoch
        self.epoch = published.version.epoch
        if self.outage_began is None and (not serves or moved):
            self.steps = {}
            yield from self._reach("T0", _stopped_at(self.cluster, glance, published), "")
        if "T0" in self.steps and "T6" not in self.steps:
            yield from self._going_on(glance, published, serves=serves, moved=moved)

    def _going_on(self, glance: Glance, published: Published, *, serves: bool, moved: bool) -> Iterator[Moment]:
        report = _report_of(self.cluster, glance, published.primary)
        status = report.member if report else None
        if "T2" not in self.steps and _suspects(self.cluster, glance, published.primary):
            yield from self._reach("T1", glance.at, "")
        if moved and "T5" not in self.steps:
            yield from self._reach("T2", glance.at, published.primary)
        if "T2" in self.steps and status and "T5" not in self.steps:
            if status.state is MemberState.PRIMARY or (not status.receiving and not status.follows):
                yield from self._reach("T3", glance.at, published.primary)
            if status.state is MemberState.PRIMARY:
                yield from self._reach("T4", glance.at, published.primary)
        if serves:
            yield from self._reach("T5", glance.at, published.primary)
        if "T5" in self.steps and published.promotable:
            yield from self._reach("T6", glance.at, ", ".join(published.promotable))

    def _reach(self, step: str, at: float, who: str) -> Iterator[Moment]:
        if step in self.steps:
            return
        self.steps[step] = at
        after = at - self.steps["T0"]
        text = STEPS[step]
        later = f" +{after:.2f} s" if step != "T0" else ""
        yield Moment(at, step, who, Text(f"{text.zh}{later}", f"{text.en}{later}"))


def is_served(cluster: Cluster, glance: Glance, published: Published) -> bool:
    """Some entry leads to the primary, commits go through to it from that centre, and it has taken up its epoch, as far as
    its own agent is heard of: a standby looks fine, too."""
    own = _report_of(cluster, glance, published.primary)
    if own is not None and not is_serving(published, own):
        return False
    sights = (
        report.sights.get(published.primary)
        for report in glance.reports.values()
        if report.entry_leads_to == published.primary
    )
    return any(sight is not None and sight.seen is Seen.GOOD for sight in sights)


def _stopped_at(cluster: Cluster, glance: Glance, published: Published) -> float:
    """When the first of the centres that look in vain began to do so."""
    names = {published.primary, published.order.before} & {member.name for member in cluster.members}
    failing = [
        sight.seconds
        for report in glance.reports.values()
        for name, sight in report.sights.items()
        if name in names and sight.seen is not Seen.GOOD and sight.seconds < 60
    ]
    return glance.at - max(failing, default=0.0)


def _suspects(cluster: Cluster, glance: Glance, name: str) -> bool:
    sights = (report.sights.get(name) for report in glance.reports.values())
    found = [one for one in sights if one and one.seen is not Seen.GOOD and one.seconds >= patience(_POLICY, one.seen)]
    return len(found) >= cluster.quorum


def _report_of(cluster: Cluster, glance: Glance, name: str) -> Report | None:
    member = cluster.member(name)
    return glance.reports.get(member.centre) if member else None


def _facts(cluster: Cluster, glance: Glance) -> Iterator[tuple[str, str, str, Text]]:
    """What can change: kind, whose it is, a word that changes with it, and how it is told."""
    who = glance.leader
    yield "leader", "", who, Text(f"主控:{who or '无'}", f"{who or 'nobody'} leads")
    if glance.published:
        yield _published(glance.published)
    for centre in cluster.voters:
        yield from _of_centre(cluster, centre, glance.reports.get(centre))
    yield "decision", "", _without_numbers(glance.because.en), glance.because
    for wish in glance.wishes:
        yield "wish", wish, wish, Text(f"请求 {wish}", f"asked: {wish}")


def _published(published: Published) -> tuple[str, str, str, Text]:
    version, order = published.version, ORDERS[published.order.kind]
    can, waits = ", ".join(published.promotable), ", ".join(published.names)
    word = f"{version.epoch}/{version.number}"
    zh = f"任期 {word}({order.zh}):主库 {published.primary};提交等待 {waits or '无'};可接管 {can or '无'}"
    en = (
        f"epoch {word} ({order.en}): {published.primary} is primary; commits wait for {waits or 'nobody'}; "
        f"{can or 'nobody'} can take over"
    )
    return "published", "", word, Text(zh, en)


def _of_centre(cluster: Cluster, centre: str, report: Report | None) -> Iterator[tuple[str, str, str, Text]]:
    if report is None:
        yield "agent", centre, "", Text(f"{centre} 的守护进程没有消息", f"nothing is heard of the daemon of {centre}")
        return
    yield "agent", centre, "there", Text(f"{centre} 的守护进程在报告", f"the daemon of {centre} reports")
    member = cluster.member_in(centre)
    if member and report.member:
        state = report.member.state
        follows = f"{state}/{report.member.follows}" if state is MemberState.STANDBY else str(state)
        yield "member", member.name, follows, Text(f"{member.name} {state}", f"{member.name} is {state}")
    if cluster.entry_in(centre):
        to = report.entry_leads_to
        yield (
            "entry",
            centre,
            to,
            Text(
                f"{centre} 的入口{'通向 ' + to if to else '关闭'}",
                f"the entry of {centre} {'leads to ' + to if to else 'is closed'}",
            ),
        )
    for name, sight in report.sights.items():
        word = SEEN[sight.seen]
        yield (
            "sight",
            f"{centre}/{name}",
            sight.seen,
            Text(f"从 {centre} 看 {name}:{word.zh}", f"{name} from {centre}: {word.en}"),
        )


def _without_numbers(text: str) -> str:
    return "".join(character for character in text if not character.isdigit())
