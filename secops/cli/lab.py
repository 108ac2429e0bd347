"""`secops lab`: a city of three centres on this machine, to try disasters in."""

import sys
from typing import Annotated

import typer

from secops.cli.lab_faults import faults
from secops.cli.options import AsJson
from secops.cli.tables import console, facts, fill, print_json, table
from secops.lab import down as ending
from secops.lab import up as building
from secops.lab.places import CENTRES, CLIENT, ENTRY_PORT, ROLES, Lab, address, entry_dsn
from secops.lab.status import SERVERS, Status, status
from secops.lab.status import facts as lab_facts
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

Name = Annotated[str, typer.Option("--name", help=say(zh="实验场名称。", en="The lab's name."))]


@verb.command(
    help=say(
        zh="搭建:PostgreSQL、etcd、HAProxy、sshd 各三套,以及广域网路由器。",
        en="Build it: PostgreSQL, etcd, HAProxy and sshd in each centre, and the WAN between them.",
    )
)
def up(name: Name = "jindun", as_json: AsJson = False) -> None:
    """Returns when everything serves; it stands until `down`."""
    lab = Lab(name)
    building.up(lab)
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
