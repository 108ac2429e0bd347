"""`secops failover hold`: nobody fails over by itself for a while."""

import asyncio

import typer

from backup.failover.situation import WishKind
from secops.cli.failover_asking import asker, wish_for
from secops.cli.failover_views import By, ClusterId, Reason, SystemId
from secops.cli.options import AsJson
from secops.cli.tables import console, plain, print_json
from secops.service.failover.asking import place
from secops.service.failover.watching import cluster_of, watching
from secops.service.home import open_home
from secops.support.language import say

words = typer.Typer()


@words.command(
    help=say(
        zh="暂停自动切换(如维护期间),直到 resume;人所请求的切换不受影响。",
        en="No failover by itself, until `resume`: for maintenance. What people ask for is still done.",
    )
)
def hold(
    system: SystemId, by: By = None, reason: Reason = "", cluster: ClusterId = "", as_json: AsJson = False
) -> None:
    """It stands in etcd for every leader to come."""

    async def holding() -> None:
        with open_home() as home:
            async with watching(home, cluster_of(home, system, cluster)) as followed:
                await place(followed, wish)

    wish = wish_for(WishKind.HOLD, "", asker(by), reason)
    asyncio.run(holding())
    if as_json:
        print_json({"held": wish.id, "by": wish.by})
        return
    sentence = say(
        zh=f"已暂停自动切换({', '.join(wish.by)});secops failover resume {system} 恢复",
        en=f"held by {', '.join(wish.by)}: nothing fails over by itself until secops failover resume {system}",
    )
    console().print(plain(sentence), soft_wrap=True)
