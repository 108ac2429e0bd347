"""`secops serve`: the daemon of one centre, which guards the clusters of the inventory."""

import asyncio
from dataclasses import replace
from typing import Annotated

import orjson
import typer

from backup.failover.situation import Policy
from secops.cli.options import AsJson, Listen, listen_address
from secops.service.agent.daemon import Daemon, Stand
from secops.service.agent.measuring import values
from secops.service.agent.telling import Told
from secops.service.home import Home, open_home
from secops.service.metrics import ValuesCollector, serve_families
from secops.support.clock import local, now, to_text
from secops.support.language import say, tell

verb = typer.Typer()


@verb.command(
    name="serve",
    help=say(
        zh="运行本中心的守护进程:探测、上报、选主、决策并执行切换,直到 SIGTERM。每个中心一个;"
        "设置 coordination 给出三个中心的 etcd,清单 clusters 给出要守护的集群。",
        en="Run the daemon of this centre until SIGTERM: it looks, reports, leads when elected, decides and switches over. "
        "One in each centre; `coordination` in the settings names the etcd of the three, `clusters` in the inventory what "
        "is guarded.",
    ),
)
def serve(
    centre: Annotated[
        str, typer.Option(metavar="ID", help=say(zh="本机所在中心。", en="The centre that this machine is in."))
    ],
    listen: Listen = "127.0.0.1:9469",
    pulse: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS:PORT",
            help=say(
                zh="在此应答 GET /pulse/CLUSTER,供 HAProxy 检查:守护进程冻结或退出时入口自行关闭。默认不监听。",
                en="Answer GET /pulse/CLUSTER here, for HAProxy's checks: the entry closes by itself when the daemon is frozen "
                "or gone. Not answered unless given.",
            ),
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    address, port = listen_address(listen)
    with open_home() as home:
        daemon = Daemon(replace(stand_of(home, centre), pulse=listen_address(pulse) if pulse else None))
        bound, stop = serve_families(ValuesCollector(lambda: values(daemon)), address, port)
        say_serving(f"http://{listen.rpartition(':')[0]}:{bound}/metrics", as_json=as_json)
        try:
            asyncio.run(daemon.run(on_told=print_told_as_json if as_json else print_told))
        finally:
            stop()


def stand_of(home: Home, centre: str) -> Stand:
    """Where the daemon of a centre stands, by the settings and the inventory."""
    return Stand(
        centre,
        home.inventory.city.clusters,
        home.settings.coordination.endpoints,
        home.etcd_prefix,
        home.state,
        home.runners,
        home.lease_times,
        Policy(),
        home.etcd_context,
    )


def say_serving(metrics: str, *, as_json: bool) -> None:
    """The first line: where the metrics are."""
    if as_json:
        typer.echo(orjson.dumps({"metrics": metrics}).decode())
    else:
        typer.echo(metrics)


def print_told(told: Told) -> None:
    """One line for a person."""
    typer.echo(f"{local(now())}  {told.cluster or '-'}  {told.who}  {tell(told.text)}")


def print_told_as_json(told: Told) -> None:
    """One line for a program."""
    text = {"zh": told.text.zh, "en": told.text.en}
    line = {"at": to_text(now()), "cluster": told.cluster, "who": told.who, "text": text}
    typer.echo(orjson.dumps(line).decode())
