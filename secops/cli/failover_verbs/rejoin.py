"""`secops failover rejoin`: after a disaster, let go what only an old member holds."""

from typing import Annotated

import typer

from backup.failover.situation import WishKind
from secops.cli.failover_asking import ask_for
from secops.cli.failover_views import By, ClusterId, Patience, Reason, SystemId
from secops.cli.options import AsJson
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
    ask_for(WishKind.REJOIN, system, cluster, member, by, reason, wait, as_json=as_json)
