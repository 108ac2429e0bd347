"""`secops failover status`: how a cluster stands."""

import asyncio
import sys

import typer

from backup.failover.situation import WishKind
from secops.cli.failover_members import lag_bytes, members_table
from secops.cli.failover_views import ClusterId, SystemId, state
from secops.cli.options import AsJson
from secops.cli.tables import console, facts, plain, print_json
from secops.service.failover.watching import View, cluster_of, watching
from secops.service.home import open_home
from secops.support.language import say, tell

words = typer.Typer()


@words.command(
    help=say(
        zh="集群的现状:谁服务、谁可无损接管、各中心所见、入口与请求。退出码:0 受保护;1 无人可无损接管;3 无人主导或 etcd 不应答。",
        en="How a cluster stands: who serves, who can take over without loss, what each centre sees, entries, who leads, what "
        "is asked for. Exit code: 0 protected, 1 nobody can take over without loss, 3 nobody leads or etcd is silent.",
    )
)
def status(system: SystemId, cluster: ClusterId = "", as_json: AsJson = False) -> None:
    """Changes nothing."""

    async def look() -> View:
        with open_home() as home:
            async with watching(home, cluster_of(home, system, cluster)) as followed:
                return followed.view

    view = asyncio.run(look())
    if as_json:
        print_json(_document(view))
    else:
        _show(view)
    sys.exit(3 if not view.leader else 0 if view.published and view.published.promotable else 1)


def _document(view: View) -> dict[str, object]:
    silent = [centre for centre in view.cluster.voters if view.fresh(centre) is None]
    return {
        "cluster": view.cluster.id,
        "leader": view.leader,
        "daemons": view.seated,
        "silent": silent,
        "published": view.published,
        "because": view.because,
        "lag_bytes": {member.name: lag_bytes(view, member.name) for member in view.cluster.members},
        "reports": {centre: heard.report for centre, heard in view.reports.items() if centre not in silent},
        "wishes": view.wishes,
    }


def _show(view: View) -> None:
    console().print(plain(tell(view.because), "bold"), soft_wrap=True)
    console().print(state(view.published))
    console().print(members_table(view))
    rows: list[tuple[str, object]] = [
        (say(zh="主控", en="leader"), view.leader or say(zh="无", en="nobody")),
        (say(zh="守护进程", en="daemons"), ", ".join(view.seated) or say(zh="无", en="none")),
    ]
    for wish in view.wishes:
        word = say(zh="暂停", en="hold") if wish.kind is WishKind.HOLD else say(zh="请求", en="asked for")
        rows.append((word, f"{wish.kind} {wish.target} {', '.join(wish.by)} {wish.reason}".strip()))
    console().print(facts("", rows))
