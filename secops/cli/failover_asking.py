"""What the words that ask for something share: the wish is placed, followed, and what becomes of it is told."""

import asyncio
import getpass
import sys

from backup.failover.situation import Wish, WishKind
from secops.cli.tables import console, plain, print_json
from secops.model.cluster import Cluster
from secops.model.text import Text
from secops.service.failover.asking import Done, ask, new_id
from secops.service.failover.watching import cluster_of, watching
from secops.service.home import Home, open_home
from secops.support.clock import local, now
from secops.support.errors import BadInput
from secops.support.language import say, tell


def asker(by: list[str] | None) -> tuple[str, ...]:
    """Who was named, else who is logged in."""
    return tuple(by) if by else (getpass.getuser(),)


def wish_for(kind: WishKind, target: str, by: tuple[str, ...], reason: str, typed: str = "") -> Wish:
    """A wish of a new id."""
    return Wish(new_id(kind), kind, target, by, typed, reason)


def ask_for(
    kind: WishKind,
    system: str,
    cluster: str,
    target: str | None,
    by: list[str] | None,
    reason: str,
    wait: float,
    *,
    as_json: bool,
) -> None:
    """Ask the leader of a system's cluster in somebody's name, and follow what becomes of it. Without a target it is
    the cluster's home."""
    with open_home() as home:
        chosen = cluster_of(home, system, cluster)
        to = chosen.home if target is None else target
        refuse_stranger(chosen, to)
        wish = wish_for(kind, to, asker(by), reason)
        follow(home, chosen, wish, wait, as_json=as_json)


def refuse_stranger(cluster: Cluster, name: str) -> None:
    """Raises BadInput for a name that is no member's."""
    if cluster.member(name) is None:
        listed = ", ".join(member.name for member in cluster.members)
        raise BadInput(
            Text(f"集群 {cluster.id} 没有成员 {name};有 {listed}", f"{cluster.id} has no member {name}, but {listed}")
        )


def follow(home: Home, cluster: Cluster, wish: Wish, patience_seconds: float, *, as_json: bool) -> None:
    """Ask, and show what the leader says until it is done. What `ask` raises passes through."""

    def told(text: Text) -> None:
        line = f"{local(now())}  {tell(text)}"
        console(stderr=True).print(plain(line), soft_wrap=True)

    async def asking() -> Done:
        async with watching(home, cluster) as followed:
            return await ask(followed, wish, patience_seconds, told)

    done = asyncio.run(asking())
    if as_json:
        print_json(done)
        return
    sentence = say(
        zh=f"完成:{done.primary} 服务中,任期 {done.epoch},用时 {done.seconds:.1f} 秒",
        en=f"done: {done.primary} serves in epoch {done.epoch}, after {done.seconds:.1f} s",
    )
    console().print(plain(sentence, "bold"), soft_wrap=True)
    sys.stdout.flush()
