"""What a daemon tells Prometheus of itself and of the clusters that it guards."""

from collections.abc import Iterator

from backup.failover.situation import Seen
from dashboards.catalogue import Kind, Metric, Unit
from secops.model.text import Text
from secops.service.agent.agent import Agent
from secops.service.agent.daemon import Daemon
from secops.service.measuring import Series

LEADS = Metric("jindun_agent_leads", Text("本中心的守护进程是否为主控", "Whether the daemon of this centre leads"))
SEATED = Metric(
    "jindun_agent_seated",
    Text("是否为本中心唯一行事的守护进程", "Whether this is the one daemon of its centre that acts"),
)
HEARD = Metric(
    "jindun_agent_heard_seconds",
    Text("距协调存储以多数接受上一份报告的秒数", "Since the coordination store last took a report by quorum"),
    ("cluster",),
    Unit.SECONDS,
)
EPOCH = Metric("jindun_failover_epoch", Text("集群的任期", "The epoch of a cluster"), ("cluster", "primary"))
ALARMS = Metric(
    "jindun_coordination_alarms",
    Text("etcd 报告的告警数(NOSPACE:配额用尽,不能再写)", "Alarms that etcd raises (NOSPACE: its quota is used up)"),
)
PROMOTABLE = Metric(
    "jindun_failover_promotable",
    Text("可无损接管的成员数", "Members that can take over without loss"),
    ("cluster",),
)
SEEN = Metric(
    "jindun_failover_member_seconds",
    Text("从本中心看成员处于当前状况的秒数", "For how long a member has looked so from this centre"),
    ("cluster", "member", "seen"),
    Unit.SECONDS,
)
ACTS = Metric(
    "jindun_agent_acts_total",
    Text("守护进程完成与失败的动作数", "Acts of the daemon that succeeded and failed"),
    ("result",),
    kind=Kind.COUNTER,
)


def values(daemon: Daemon) -> Iterator[tuple[Metric, Series]]:
    """Everything, at this moment; asked from another thread than the daemon's."""
    leads = daemon.leading is not None and daemon.leading.leadership.leads
    yield LEADS, [((), float(leads))]
    yield SEATED, [((), float(daemon.seat is not None and daemon.seat.taken))]
    yield ALARMS, [((), float(len(daemon.leading.alarms)) if daemon.leading else 0.0)]
    agents = list(daemon.agents.values())
    yield HEARD, [((agent.cluster.id,), agent.heard_seconds) for agent in agents]
    published = [(agent.cluster.id, agent.published) for agent in agents]
    yield EPOCH, [((name, one.primary), float(one.version.epoch)) for name, one in published if one]
    yield PROMOTABLE, [((name,), float(len(one.promotable))) for name, one in published if one]
    yield SEEN, [series for agent in agents for series in _seen(agent)]
    yield ACTS, [(("succeeded",), float(daemon.acts[True])), (("failed",), float(daemon.acts[False]))]


def _seen(agent: Agent) -> Iterator[tuple[tuple[str, ...], float]]:
    for name, sight in agent.sights().items():
        yield (agent.cluster.id, name, Seen(sight.seen).value), sight.seconds
