"""`secops failover switchover`: a planned change of primary."""

from typing import Annotated

import typer

from backup.failover.situation import WishKind
from secops.cli.failover_asking import asker, follow, wish_for
from secops.cli.failover_views import By, ClusterId, Patience, Reason, SystemId
from secops.cli.options import AsJson
from secops.model.cluster import Cluster
from secops.model.text import Text
from secops.service.failover.watching import cluster_of
from secops.service.home import open_home
from secops.support.errors import BadInput
from secops.support.language import say

words = typer.Typer()

To = Annotated[
    str, typer.Option("--to", metavar="MEMBER", help=say(zh="由哪个成员服务。", en="The member that is to serve."))
]


@words.command(
    help=say(
        zh="计划内切换:主库有序停止、交出全部日志,再由另一成员服务;不丢写入。退出码:1 未执行(说明缘由),3 无人主导或未完成。",
        en="Planned switchover: the primary stops in order and hands over all of its log, then the other serves; nothing is "
        "lost. Exit code: 1 not done, and why; 3 nobody leads, or not finished.",
    )
)
def switchover(
    system: SystemId,
    to: To,
    by: By = None,
    reason: Reason = "",
    wait: Patience = 30,
    cluster: ClusterId = "",
    as_json: AsJson = False,
) -> None:
    with open_home() as home:
        chosen = cluster_of(home, system, cluster)
        refuse_stranger(chosen, to)
        follow(home, chosen, wish_for(WishKind.SWITCHOVER, to, asker(by), reason), wait, as_json=as_json)


def refuse_stranger(cluster: Cluster, name: str) -> None:
    """Raises BadInput for a name that is no member's."""
    if cluster.member(name) is None:
        listed = ", ".join(member.name for member in cluster.members)
        raise BadInput(
            Text(f"集群 {cluster.id} 没有成员 {name};有 {listed}", f"{cluster.id} has no member {name}, but {listed}")
        )
