"""Take the hard fences of a member away, before it rejoins."""

from collections.abc import Mapping
from typing import Any

from backup.failover.fence import lift_all
from playbooks.action import Action, Context, Touches
from playbooks.clusters import MemberOptions, member_of
from secops.model.step import Procedure
from secops.model.text import Text


class FailoverLiftFence(Action[MemberOptions]):
    """See `describes`."""

    name = "failover.lift_fence"
    title = Text("解除硬隔离", "Lift hard fences")
    describes = Text(
        "解除成员的硬隔离,供其重新加入;被断电的机器由人开机。",
        "Takes the hard fences of a member away so that it can rejoin. A machine without power is switched on by people.",
    )
    touches = Touches.CHANGES
    options = MemberOptions

    def plan(self, options: MemberOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Every fence, the last one first."""
        cluster, member = member_of(context.inventory, options)
        yield from lift_all(cluster, member)
        return {}


action = FailoverLiftFence()
