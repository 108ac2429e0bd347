"""`secops failover watch`: a cluster, live."""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Annotated

import orjson
import typer
from rich.console import Group, RenderableType
from rich.live import Live

from backup.failover.timeline import Moment, Timeline
from secops.cli.failover_clock import clock, steps_table, to_the_hundredth
from secops.cli.failover_members import members_table
from secops.cli.failover_views import ClusterId, SystemId
from secops.cli.options import AsJson
from secops.cli.tables import console, plain
from secops.model.cluster import Cluster
from secops.service.failover.watching import View, cluster_of, watching
from secops.service.home import Home, open_home
from secops.support.clock import from_unix, to_text
from secops.support.language import say, tell

words = typer.Typer()

_TICK_SECONDS = 0.2
_SHOWN = 12
For = Annotated[
    float,
    typer.Option(
        "--for", metavar="SECONDS", help=say(zh="看多久;缺省直到 Ctrl-C。", en="For how long; by default until Ctrl-C.")
    ),
]
Show = Callable[[View, Timeline, tuple[Moment, ...]], None]


@words.command(
    help=say(
        zh="实时查看:成员、入口、主控与缘由,T0–T6 各步的时刻,中断期间按系统等级的 RTO 倒计时。--json 每行一个事件,供控制台与程序使用。",
        en="Live: members, entries, who leads and why, the moments T0 to T6, and while nobody can write, the countdown to the "
        "RTO of the system's tier. With --json an event a line, for the console and for programs.",
    )
)
def watch(system: SystemId, seconds: For = 0, cluster: ClusterId = "", as_json: AsJson = False) -> None:
    """Looks at what the daemons publish and changes nothing. The times are the centres', not those of clients."""
    with open_home() as home:
        chosen, target = cluster_of(home, system, cluster), rto_seconds(home, system)
        if as_json or not sys.stdout.isatty():
            show = _json(chosen, target) if as_json else _lines
            asyncio.run(_follow(home, chosen, seconds, show))
            return
        shown: deque[Moment] = deque(maxlen=_SHOWN)
        with Live(console=console(), auto_refresh=False, screen=False) as live:

            def draw(view: View, timeline: Timeline, moments: tuple[Moment, ...]) -> None:
                shown.extend(moments)
                live.update(_screen(view, timeline, shown, target), refresh=True)

            asyncio.run(_follow(home, chosen, seconds, draw))


def rto_seconds(home: Home, system: str) -> float | None:
    """Of the system's tier, on the way of an outage; None when it has none."""
    tier = home.inventory.tier(home.inventory.system(system))
    if tier is None:
        return None
    policy = home.policies[tier]
    return float((policy.from_replica or policy.from_copy).rto)


async def _follow(home: Home, cluster: Cluster, seconds: float, show: Show) -> None:
    deadline = time.monotonic() + seconds if seconds else float("inf")
    async with watching(home, cluster) as followed:
        timeline, seen = Timeline(cluster), 0
        while time.monotonic() < deadline:
            glance = followed.glance
            show(followed.view, timeline, timeline.look(glance))
            seen = await followed.changed(seen, _TICK_SECONDS)


def _lines(_view: View, _timeline: Timeline, moments: tuple[Moment, ...]) -> None:
    for moment in moments:
        typer.echo(f"{to_the_hundredth(moment.at)}  {moment.kind:<9}  {tell(moment.text)}")
    sys.stdout.flush()


def _json(cluster: Cluster, target: float | None) -> Show:
    def show(_view: View, timeline: Timeline, moments: tuple[Moment, ...]) -> None:
        for moment in moments:
            line: dict[str, object] = {
                "at": to_text(from_unix(moment.at)),
                "cluster": cluster.id,
                "kind": moment.kind,
                "who": moment.who,
                "text": {"zh": moment.text.zh, "en": moment.text.en},
                "epoch": timeline.epoch,
            }
            if timeline.steps:
                line["steps"] = {step: to_text(from_unix(at)) for step, at in timeline.steps.items()}
                line["rto_seconds"] = target
            typer.echo(orjson.dumps(line).decode())
        sys.stdout.flush()

    return show


def _screen(view: View, timeline: Timeline, shown: deque[Moment], target: float | None) -> RenderableType:
    lines = [plain(f"{to_the_hundredth(one.at)}  {tell(one.text)}") for one in shown]
    parts: list[RenderableType] = [clock(view, timeline, target), members_table(view)]
    if timeline.steps:
        parts.append(steps_table(timeline))
    leader = say(zh=f"主控 {view.leader or '无'}", en=f"leader: {view.leader or 'nobody'}")
    return Group(*parts, plain(leader, "cyan"), *lines)
