"""`secops lab`: a city of three centres on this machine, to try disasters in."""

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from backup.failover.canary.ledger import Outage, Truth, longest_outage
from secops.cli.lab_faults import faults
from secops.cli.options import AsJson
from secops.cli.tables import console, facts, fill, print_json, table
from secops.lab import down as ending
from secops.lab import up as building
from secops.lab.clients import Clients, truth
from secops.lab.places import CENTRES, CLIENT, ENTRY_PORT, PLACES, ROLES, Lab, address, entry_dsn
from secops.lab.status import SERVERS, Status, status
from secops.lab.status import facts as lab_facts
from secops.model.text import Text
from secops.support.clock import now
from secops.support.errors import BadInput
from secops.support.language import say

verb = typer.Typer(
    name="lab",
    help=say(
        zh="实验场:在本机以网络命名空间搭建三个中心与客户端(需要 root),可制造各种灾难。",
        en="The lab: three centres and clients as network namespaces on this machine (needs root), to try disasters in.",
    ),
    no_args_is_help=True,
)
verb.add_typer(faults)

Service = Annotated[
    bool,
    typer.Option(
        "--service/--no-service",
        help=say(
            zh="各中心运行 secops serve,守护数据库。", en="Run secops serve in each centre, to guard the database."
        ),
    ),
]
Seconds = Annotated[float, typer.Option("--seconds", min=1, help=say(zh="写多久。", en="For how long."))]
Name = Annotated[str, typer.Option("--name", help=say(zh="实验场名称。", en="The lab's name."))]


@verb.command(
    help=say(
        zh="搭建:PostgreSQL、etcd、HAProxy、sshd 各三套,以及广域网路由器。",
        en="Build it: PostgreSQL, etcd, HAProxy and sshd in each centre, and the WAN between them.",
    )
)
def up(name: Name = "jindun", service: Service = True, as_json: AsJson = False) -> None:
    """Returns when everything serves and the database is under protection; it stands until `down`."""
    lab = Lab(name)
    building.up(lab, daemons=service)
    _show(lab, status(lab), as_json)


@verb.command(
    name="status",
    help=say(
        zh="现状,或残留。退出码:0 完整;1 有缺;3 不存在。",
        en="How it stands, or what is left. Exit code: 0 whole, 1 something is missing, 3 there is none.",
    ),
)
def show_status(name: Name = "jindun", as_json: AsJson = False) -> None:
    """Changes nothing."""
    lab = Lab(name)
    seen = status(lab)
    _show(lab, seen, as_json)
    sys.exit(0 if seen.whole else 1 if seen.left else 3)


@verb.command(
    help=say(
        zh="拆除全部:进程、挂载、命名空间、目录;搭建中途被杀死的也能清除。",
        en="Remove all of it: processes, mounts, namespaces, folder; also what a killed `up` left.",
    )
)
def down(name: Name = "jindun") -> None:
    """May be repeated."""
    ending.down(Lab(name))


@verb.command(
    help=say(
        zh="各处客户端经入口写入并记账,期间可另行制造灾难;最后给出中断时长与丢失的已确认写入数。"
        "退出码 1:有丢失、复活或双主确认。",
        en="Clients in every place write through the entries and keep a ledger, while you make disasters elsewhere; then the "
        "outage and the number of acknowledged writes lost. Exit code 1: something was lost, rose, or was acknowledged twice.",
    )
)
def clients(name: Name = "jindun", seconds: Seconds = 30, as_json: AsJson = False) -> None:
    """The ledgers stay in the lab's folder until `down`."""
    lab = Lab(name)
    folder = lab.at(CLIENT) / f"ledger-{now():%H%M%S}"
    if not lab.at(CLIENT).exists():
        raise BadInput(Text(f"没有实验场 {name};先 secops lab up", f"there is no lab {name}; secops lab up first"))
    folder.mkdir()
    with Clients(lab, folder) as writing:
        time.sleep(seconds)
    found = truth(lab, writing.entries)
    outages = {place: longest_outage(writing.of(place)) for place in PLACES}
    print_json({**asdict(found), "outages": outages}) if as_json else _tell_truth(found, outages)
    sys.exit(0 if found.sound else 1)


def _tell_truth(found: Truth, outages: Mapping[str, Outage | None]) -> None:
    rows: list[tuple[str, object]] = [
        (say(zh="已确认", en="acknowledged"), found.acknowledged),
        (say(zh="丢失的已确认写入", en="acknowledged writes lost"), len(found.lost)),
        (say(zh="被拒却存在", en="refused and yet there"), len(found.risen)),
        (say(zh="旧主库的确认", en="acknowledged by an old primary"), len(found.doubled)),
        (say(zh="结果未知", en="answer unknown"), found.unknown),
    ]
    for place, outage in outages.items():
        told = f"{outage.seconds:.2f} s" if outage else "–"
        rows.append((say(zh=f"{place} 的最长中断", en=f"longest outage at {place}"), told))
    console().print(facts("", rows))


def _show(lab: Lab, seen: Status, as_json: bool) -> None:
    if as_json:
        print_json(lab_facts(lab, seen))
    elif not seen.left:
        console().print(say(zh=f"没有实验场 {lab.name}。", en=f"There is no lab {lab.name}."))
    else:
        _tables(lab, seen)


def _tables(lab: Lab, seen: Status) -> None:
    made = table(say(zh="中心", en="centres"), "", say(zh="角色", en="role"), say(zh="命名空间", en="namespace"))
    for column in (say(zh="地址", en="address"), *SERVERS):
        made.add_column(column)
    rows = (
        (
            centre,
            ROLES[centre],
            lab.namespace(centre),
            address(centre),
            *(_server(seen, centre, one) for one in SERVERS),
        )
        for centre in CENTRES
    )
    console().print(fill(made, rows))
    made = table(say(zh="线路", en="lines"), "", say(zh="时延", en="delay"), say(zh="丢包", en="loss"), "")
    lines = (
        (
            f"{line.source} → {line.target}",
            f"{line.delay_ms:g}+{line.jitter_ms:g} ms",
            f"{line.loss_percent:g} %",
            say(zh="中断", en="cut") if line.cut else "",
        )
        for line in seen.lines
    )
    console().print(fill(made, lines))
    console().print(facts("", _places(lab)))


def _places(lab: Lab) -> list[tuple[str, object]]:
    entry = f"{address(CENTRES[0])}:{ENTRY_PORT} …"
    return [
        (say(zh="入口", en="entry"), entry),
        (say(zh="连接串", en="DSN"), entry_dsn()),
        (say(zh="在客户端中运行", en="run at the clients'"), f"ip netns exec {lab.namespace(CLIENT)} …"),
        (say(zh="目录", en="folder"), lab.folder),
    ]


def _server(seen: Status, centre: str, name: str) -> str:
    one = seen.servers[centre].get(name)
    if one is None:
        return "–"
    return say(zh=f"{one.pid} 冻结", en=f"{one.pid} frozen") if one.frozen else str(one.pid)
