"""Have another member of a cluster serve, in order."""

from collections.abc import Mapping
from typing import Any

from playbooks.action import Action, Context, Milestone, Touches
from playbooks.clusters import MemberOptions, member_of
from playbooks.ledgers import cluster_state, enter_wish
from secops.model.step import Procedure
from secops.model.text import Text

_PATIENCE_SECONDS = 60.0


class FailoverSwitchOptions(MemberOptions):
    """Options of `failover.switch`."""

    reason: str = ""
    """Why; it stands in the record of the cluster."""


class FailoverSwitch(Action[FailoverSwitchOptions]):
    """See `describes`."""

    name = "failover.switch"
    title = Text("计划内切换数据库", "Switch the database over")
    describes = Text(
        "请集群的守护进程按计划切换:主库有序停止并交出全部日志,另一成员随即服务;不丢写入。守护进程拒绝时失败并说明缘由,"
        "集群保持原样。已由该成员服务时什么也不做。",
        "Asks the daemons of the cluster for a planned switchover: the primary stops in order and hands over all of its log, "
        "then the other member serves; no write is lost. When they refuse it fails with their reason, and the cluster is as "
        "it was. Does nothing when that member serves already.",
    )
    touches = Touches.CHANGES
    options = FailoverSwitchOptions
    gives = frozenset({"before", "epoch"})
    milestone = Milestone.T4

    def plan(self, options: FailoverSwitchOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """A word to the leader. The id is the run's: said twice it is one word."""
        cluster, member = member_of(context.inventory, options)
        state = yield from cluster_state(cluster.id)
        if state["primary"] != member.name:
            wish = {
                "id": f"{context.run}-{member.name}",
                "kind": "switchover",
                "target": member.name,
                "by": [f"playbook:{context.run}"],
                "typed": "",
                "reason": options.reason,
            }
            yield from enter_wish(cluster.id, wish, _PATIENCE_SECONDS)
        return {"before": state["primary"], "epoch": state["epoch"]}


action = FailoverSwitch()
