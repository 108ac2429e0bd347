"""Look who serves in a cluster, and whether another member could take over without loss."""

from collections.abc import Mapping
from typing import Any

from playbooks.action import Action, Context, Touches
from playbooks.clusters import ClusterOptions
from playbooks.ledgers import cluster_state
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text

_LOOKS = 40
"""Each takes about a second: agents are listened to before it is said who is silent."""


class FailoverLookOptions(ClusterOptions):
    """Options of `failover.look`."""

    protected: bool = False
    """Wait until somebody could take over without loss, and fail when that does not come about."""


class FailoverLook(Action[FailoverLookOptions]):
    """See `describes`."""

    name = "failover.look"
    title = Text("查看集群", "Look at the cluster")
    describes = Text(
        "查看集群由谁服务、处于第几任、谁可无损接管。没有守护进程主导时失败。",
        "Tells who serves in the cluster, in which epoch, and who could take over without loss. Fails when no daemon leads.",
    )
    touches = Touches.READS
    options = FailoverLookOptions
    gives = frozenset({"primary", "epoch", "promotable", "protected"})

    def plan(self, options: FailoverLookOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Look until it is as it shall be."""
        cluster = context.inventory.cluster(options.cluster)
        for look in range(1, _LOOKS + 1):
            state = yield from cluster_state(cluster.id, f", look {look}")
            if state["leader"] and (state["promotable"] or not options.protected):
                told = {name: state[name] for name in ("primary", "epoch", "promotable")}
                return {**told, "protected": bool(state["promotable"])}
        raise ProcedureFailed(state["because"]["zh"], state["because"]["en"])


action = FailoverLook()
