"""`secops failover switchover`: a planned change of primary."""

import typer

from backup.failover.situation import WishKind
from secops.cli.failover_asking import ask_for
from secops.cli.failover_views import By, ClusterId, Patience, Reason, SystemId, To
from secops.cli.options import AsJson
from secops.support.language import say

words = typer.Typer()


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
    ask_for(WishKind.SWITCHOVER, system, cluster, to, by, reason, wait, as_json=as_json)
