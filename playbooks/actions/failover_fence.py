"""Put up the hard fences of a member that another has taken over from, and confirm them."""

from collections.abc import Mapping
from typing import Any

from backup.failover.fence import confirm
from playbooks.action import Action, Context, Milestone, Touches
from playbooks.clusters import MemberOptions, member_of
from secops.model.step import Procedure
from secops.model.text import Text


class FailoverFence(Action[MemberOptions]):
    """See `describes`."""

    name = "failover.fence"
    title = Text("硬隔离旧主库", "Put up hard fences")
    describes = Text(
        "按清单逐一执行成员的硬隔离(防火墙、杀进程、断电)并逐一确认;配置了隔离却一项也未能确认时失败,没有配置时如实说明。",
        "Puts up each hard fence that the inventory gives the member (firewall, processes, power) and confirms it by a "
        "look of its own. Fails when it has some and none is confirmed; says so when it has none.",
    )
    touches = Touches.FENCES
    options = MemberOptions
    gives = frozenset({"fences", "confirmed"})
    milestone = Milestone.T3

    def plan(self, options: MemberOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Every fence, then its look."""
        cluster, member = member_of(context.inventory, options)
        fenced = yield from confirm(cluster, member)
        told = [
            {"kind": one.kind.value, "confirmed": one.confirmed, "zh": one.because.zh, "en": one.because.en}
            for one in fenced
        ]
        return {"fences": told, "confirmed": sum(one.confirmed for one in fenced)}


action = FailoverFence()
