"""`secops failover rejoin`: after a disaster, let go what only an old member holds."""

from typing import Annotated

import typer

from backup.failover.situation import WishKind
from secops.cli.failover_asking import asker, follow, wish_for
from secops.cli.failover_verbs.switchover import refuse_stranger
from secops.cli.failover_views import By, ClusterId, Patience, Reason, SystemId
from secops.cli.options import AsJson
from secops.service.failover.watching import cluster_of
from secops.service.home import open_home
from secops.support.language import say

words = typer.Typer()

MemberName = Annotated[str, typer.Option("--member", metavar="MEMBER", help=say(zh="哪个成员。", en="Which member."))]


@words.command(
    help=say(
        zh="灾难宣告之后:许可丢弃某成员独有的写入,使其重新跟随。先确认那些写入已不需要。",
        en="After a declared disaster: a member's own writes may be thrown away, and it follows again. Look at them first.",
    )
)
def rejoin(
    system: SystemId,
    member: MemberName,
    by: By = None,
    reason: Reason = "",
    wait: Patience = 30,
    cluster: ClusterId = "",
    as_json: AsJson = False,
) -> None:
    with open_home() as home:
        chosen = cluster_of(home, system, cluster)
        refuse_stranger(chosen, member)
        follow(home, chosen, wish_for(WishKind.REJOIN, member, asker(by), reason), wait, as_json=as_json)
