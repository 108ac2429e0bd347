"""`secops failover resume`: failovers happen by themselves again."""

import asyncio

import typer

from backup.failover.situation import Wish, WishKind
from secops.cli.failover_views import ClusterId, SystemId
from secops.cli.options import AsJson
from secops.cli.tables import console, plain, print_json
from secops.service.failover.asking import take_back
from secops.service.failover.watching import cluster_of, watching
from secops.service.home import open_home
from secops.support.language import say

words = typer.Typer()


@words.command(help=say(zh="恢复自动切换;未曾暂停也无妨。", en="End every hold; where there is none, nothing is done."))
def resume(system: SystemId, cluster: ClusterId = "", as_json: AsJson = False) -> None:
    async def resuming() -> list[Wish]:
        with open_home() as home:
            async with watching(home, cluster_of(home, system, cluster)) as followed:
                holds = [wish for wish in followed.view.wishes if wish.kind is WishKind.HOLD]
                for wish in holds:
                    await take_back(followed, wish.id)
                return holds

    ended = asyncio.run(resuming())
    if as_json:
        print_json({"ended": ended})
        return
    who = "; ".join(f"{wish.id} ({', '.join(wish.by)}) {wish.reason}".rstrip() for wish in ended)
    nothing = say(zh="本来就没有暂停", en="there was no hold")
    console().print(plain(say(zh=f"已恢复:{who}", en=f"ended: {who}") if ended else nothing), soft_wrap=True)
