"""`secops failover failback`: serve from home again."""

import typer

from backup.failover.situation import WishKind
from secops.cli.failover_asking import ask_for
from secops.cli.failover_views import By, ClusterId, Patience, Reason, SystemId
from secops.cli.options import AsJson
from secops.support.language import say

words = typer.Typer()


@words.command(
    help=say(
        zh="切回:由集群的主成员(home)重新服务,为计划内切换。退出码同 switchover。",
        en="Serve from the cluster's `home` again, by a planned switchover. Exit codes as of switchover.",
    )
)
def failback(
    system: SystemId,
    by: By = None,
    reason: Reason = "",
    wait: Patience = 60,
    cluster: ClusterId = "",
    as_json: AsJson = False,
) -> None:
    ask_for(WishKind.SWITCHOVER, system, cluster, None, by, reason, wait, as_json=as_json)
