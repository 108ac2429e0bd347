"""`secops failover declare`: a disaster, by two people."""

import sys
from typing import Annotated

import typer

from backup.failover import safety
from backup.failover.situation import Wish, WishKind
from secops.cli.failover_asking import follow, refuse_stranger, wish_for
from secops.cli.failover_views import ClusterId, Patience, Reason, SystemId, To
from secops.cli.options import AsJson
from secops.model.cluster import Cluster
from secops.model.text import Text
from secops.service.failover.watching import cluster_of
from secops.service.home import open_home
from secops.support.errors import BadInput
from secops.support.language import say

words = typer.Typer()

Approvers = Annotated[
    list[str],
    typer.Option(
        "--by", metavar="NAME", help=say(zh="批准人;须两人,写两次。", en="Who approves; two people, given twice.")
    ),
]
Typed = Annotated[
    str,
    typer.Option(
        "--confirm",
        metavar="CLUSTER",
        help=say(
            zh="键入集群的 id 以确认;缺省在终端询问。",
            en="The cluster's id, typed to confirm; else asked at the terminal.",
        ),
    ),
]


@words.command(
    help=say(
        zh="宣告灾难:生产与同城俱失时,由另一成员服务,可能丢失最近的写入。须两人具名并键入集群 id;任期跳增一百万,"
        "使旧中心归来后仍被隔离。剩余中心的 etcd 须先以 --force-new-cluster 恢复。退出码:1 未执行,3 无人主导或未完成。",
        en="Declare a disaster: production and local DR are lost, another member serves, the newest writes may be missing. "
        "Two people are named and the cluster's id is typed; the epoch jumps by a million, so that the old centres stay "
        "fenced when they return. The etcd that is left must have been started with --force-new-cluster before. Exit code: "
        "1 not done, 3 nobody leads, or not finished.",
    )
)
def declare(
    system: SystemId,
    to: To,
    by: Approvers,
    reason: Reason,
    confirm: Typed = "",
    wait: Patience = 60,
    cluster: ClusterId = "",
    as_json: AsJson = False,
) -> None:
    with open_home() as home:
        chosen = cluster_of(home, system, cluster)
        refuse_stranger(chosen, to)
        typed = confirm or _type(to)
        wish = wish_for(WishKind.DISASTER, to, tuple(by), reason, typed)
        _refuse_unsound(chosen, wish)
        follow(home, chosen, wish, wait, as_json=as_json)


def _type(to: str) -> str:
    if not sys.stdin.isatty():
        raise BadInput(Text("请以 --confirm 键入集群 id", "type the cluster's id with --confirm"))
    asked = say(
        zh=f"{to} 将服务,可能丢失写入。键入集群 id 以确认",
        en=f"{to} will serve and writes may be lost. Type the cluster's id to confirm",
    )
    return str(typer.prompt(asked))


def _refuse_unsound(cluster: Cluster, wish: Wish) -> None:
    if not safety.declared_by_two(cluster, wish):
        raise BadInput(
            Text(
                f"须有两个不同的人(--by 两次),并键入集群 id {cluster.id}",
                f"it takes two different people (--by twice), and {cluster.id} typed",
            )
        )
