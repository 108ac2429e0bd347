"""`secops failover adopt`: take over a primary with standbys."""

import re
import sys
from dataclasses import replace
from typing import Annotated

import typer

from backup.failover.adoption import Weight
from backup.failover.situation import WishKind
from secops.cli.failover_asking import asker, follow, wish_for
from secops.cli.failover_views import By, Patience, Reason, SystemId
from secops.cli.options import AsJson
from secops.cli.tables import console, fill, plain, print_json, table
from secops.model.cluster import Cluster, ClusterEntry, Member
from secops.model.text import Text
from secops.service.failover.adopting import Adoption, change, cluster_from, entry_of, examine, write_entry
from secops.service.home import Home, open_home
from secops.support.errors import BadInput, Incomplete
from secops.support.language import say, tell

words = typer.Typer()

_MEMBER = re.compile(r"([a-z][a-z0-9_]*)=([\w.-]+)@([\w.-]+|\[[0-9a-fA-F:]+\])(?::(\d+))?")
Members = Annotated[
    list[str] | None,
    typer.Option(
        "--member",
        metavar="NAME=CENTRE@ADDRESS[:PORT]",
        help=say(
            zh="一个现有的 PostgreSQL;每个成员写一次。清单中已有集群时不需要。",
            en="A PostgreSQL that is there; once for each. Not needed when the inventory has the cluster.",
        ),
    ),
]
Id = Annotated[
    str,
    typer.Option("--id", help=say(zh="新集群的 id;缺省为系统 id。", en="The cluster's id; by default the system's.")),
]
Database = Annotated[str, typer.Option(help=say(zh="试提交所用的数据库。", en="The database that canaries commit in."))]
Account = Annotated[str, typer.Option(help=say(zh="超级用户账号。", en="A superuser."))]
Passfile = Annotated[
    str, typer.Option(help=say(zh="各机相同的 libpq 口令文件。", en="libpq's file of passwords, the same on all."))
]
EntryPort = Annotated[
    int, typer.Option("--entry-port", help=say(zh="各中心 HAProxy 的端口。", en="HAProxy's port in each centre."))
]
Socket = Annotated[str, typer.Option("--socket", help=say(zh="HAProxy 的管理套接字。", en="HAProxy's runtime socket."))]
OnlyPlan = Annotated[
    bool,
    typer.Option("--plan", help=say(zh="只说明,不作任何更改。", en="Only say what would be changed; change nothing.")),
]


@words.command(
    help=say(
        zh="接管现有的 PostgreSQL 主库与备库:逐项查看,说明会更改什么,只作所说的更改(均不需重启,业务不停),写入清单,"
        "最后纳入保护。退出码:1 有须由人先行处理之处,3 有成员不应答,或守护进程尚未运行。",
        en="Take over a PostgreSQL with its standbys: everything is looked at, what would be changed is said, nothing else is "
        "changed (no restart, commits go on), the cluster is written into the inventory and put under protection. Exit code: "
        "1 a person must mend something first, 3 a member does not answer, or the daemons do not run yet.",
    )
)
def adopt(
    system: SystemId,
    member: Members = None,
    id: Id = "",
    database: Database = "postgres",
    account: Account = "postgres",
    passfile: Passfile = "",
    entry_port: EntryPort = 6432,
    socket: Socket = "/run/haproxy/jindun.sock",
    plan: OnlyPlan = False,
    by: By = None,
    reason: Reason = "",
    wait: Patience = 60,
    as_json: AsJson = False,
) -> None:
    with open_home() as home:
        listed = home.inventory.clusters_of(system)
        wanted = id or system
        known = next((one for one in listed if not id or one.id == id), None)
        if known is None:
            members = [_member(word) for word in member or ()]
            _refuse_too_few(members)
            entries = [
                ClusterEntry(one.centre, one.address, entry_port, socket=socket, backend=wanted) for one in members
            ]
            drawn = cluster_from(home, system, wanted, members, entries)
            asked = _with(drawn, database, account, passfile)
        adoption = examine(home, known or asked)
        if as_json:
            print_json(adoption)
        else:
            _show(adoption, shows_entry=known is None)
        if any(remark.weight is Weight.IN_THE_WAY for remark in adoption.remarks):
            sys.exit(1)
        if plan:
            return
        change(home, adoption, lambda done: _tell(f"{done.member}: {tell(done.text)}"))
        if known is None:
            _write(home, adoption.cluster)
        wish = wish_for(WishKind.ADOPT, adoption.primary, asker(by), reason)
        follow(home, adoption.cluster, wish, wait, as_json=as_json)


def _write(home: Home, cluster: Cluster) -> None:
    path = write_entry(home, cluster)
    raise Incomplete(
        Text(
            f"已写入 {path};请复制到各中心,启动 secops serve,再次运行 secops failover adopt {cluster.system}",
            f"written into {path}: copy it to every centre, start secops serve there, then run "
            f"secops failover adopt {cluster.system} again",
        )
    )


def _with(cluster: Cluster, database: str, account: str, passfile: str) -> Cluster:
    return replace(cluster, database=database, account=account, passfile=passfile)


def _member(word: str) -> Member:
    found = _MEMBER.fullmatch(word)
    if not found:
        raise BadInput(
            Text(
                f"“{word}”不是成员,例:c1=production@10.1.0.10:5432",
                f"“{word}” is no member like c1=production@10.1.0.10:5432",
            )
        )
    name, centre, address, port = found.groups()
    return Member(name, centre, "local", address.strip("[]"), int(port or 5432))


def _refuse_too_few(members: list[Member]) -> None:
    if len(members) < 2:
        raise BadInput(
            Text(
                "清单中没有该系统的集群;请用 --member 写出主库与备库",
                "the inventory has no cluster of that system: name its primary and standbys with --member",
            )
        )


def _show(adoption: Adoption, *, shows_entry: bool) -> None:
    head = say(zh=f"主库 {adoption.primary}", en=f"{adoption.primary} is the primary")
    console().print(plain(head, "bold"))
    made = table("", say(zh="成员", en="member"), "", say(zh="内容", en="what"))
    weights = {
        Weight.IN_THE_WAY: say(zh="须先处理", en="mend first"),
        Weight.NOTE: say(zh="须知", en="to know"),
    }
    rows = [(remark.member, weights[remark.weight], tell(remark.text)) for remark in adoption.remarks]
    rows += [(one.member, say(zh="将更改", en="changed"), tell(one.text)) for one in adoption.changes]
    console().print(fill(made, rows) if rows else plain(say(zh="不需要任何更改", en="nothing needs to be changed")))
    if shows_entry:
        console().print(plain("clusters:\n" + entry_of(adoption.cluster)), soft_wrap=True)


def _tell(sentence: str) -> None:
    console(stderr=True).print(plain(sentence), soft_wrap=True)
