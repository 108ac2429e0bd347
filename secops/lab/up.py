"""Builds a lab. Whatever interrupts it, `down` finds all there is by the lab's name alone."""

import os
import sys
import time
from pathlib import Path

from backup.failover.situation import Wish, WishKind
from secops.lab import etcd, haproxy, namespaces, postgresql, service, sshd, wan
from secops.lab.down import down
from secops.lab.places import CENTRES, CLUSTER, NETWORK, PLACES, Lab, address
from secops.lab.servers import START_SECONDS, Server, give, program, servers_user, start, wait
from secops.model.text import Text
from secops.support.errors import BadInput, Incomplete

_ROUTER = Path(__file__).with_name("router.py")
_DISK_MIB = 384


def up(lab: Lab, *, daemons: bool = True) -> None:
    """Three centres with databases, votes, entries and sshd, and a place for clients; returns when all of it serves.

    With `daemons`, Jindun's own service runs in each centre and guards the database.

    Raises BadInput when it stands, Incomplete when this machine cannot; then nothing is left.
    """
    refuse_machine()
    try:
        lab.folder.mkdir(mode=0o755, parents=True)
    except FileExistsError:
        raise BadInput(
            Text(
                f"实验场 {lab.name} 已存在;先 secops lab down",
                f"the lab {lab.name} is there already; secops lab down first",
            )
        ) from None
    try:
        _build(lab)
        if daemons:
            _guard(lab)
    except BaseException:
        down(lab)
        raise


def refuse_machine() -> None:
    """Raises Incomplete with the reason when no lab can stand here."""
    if os.geteuid() != 0:
        raise Incomplete(Text("网络命名空间需要 root", "network namespaces need root"))
    if not Path("/dev/net/tun").exists():
        raise Incomplete(Text("没有 /dev/net/tun,无法建立广域网", "without /dev/net/tun there is no WAN"))
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
        namespaces.run("unshare", "--net", "--mount", "true")
    except (OSError, Incomplete) as error:
        raise Incomplete(
            Text(f"此处不允许命名空间或 TUN 设备:{error}", f"namespaces or TUN devices are not allowed here: {error}")
        ) from None
    needed = {"ip": "iproute2", "nsenter": "util-linux", "setpriv": "util-linux", "etcd": "etcd-server"}
    for name, package in {**needed, "haproxy": "haproxy", "sshd": "openssh-server"}.items():
        program(name, package)
    postgresql.programs()


def servers(lab: Lab, place: str) -> tuple[Server, ...]:
    """What runs in a centre."""
    return (
        etcd.server(lab, place),
        postgresql.server(lab, place),
        haproxy.server(lab, place),
        sshd.server(lab, place),
    )


def start_router(lab: Lab) -> None:
    """The WAN, with the usual delays; addresses and routes go with its devices."""
    pairs = [f"{place}={namespaces.handle(lab.namespace(place))}" for place in PLACES]
    argv = (sys.executable, "-I", "-S", str(_ROUTER), str(lab.router_socket), *pairs)
    router = Server("router", "wan", argv, lab.router_socket.exists)
    start(lab, router)
    wait(lab, router)
    for place in PLACES:
        name = lab.namespace(place)
        namespaces.run("ip", "-n", name, "addr", "add", f"{address(place)}/32", "dev", "wan0")
        namespaces.run("ip", "-n", name, "link", "set", "wan0", "up", "mtu", "9000")
        namespaces.run("ip", "-n", name, "route", "add", NETWORK, "dev", "wan0")
    wan.heal(lab.router_socket)


def _build(lab: Lab) -> None:
    for name in lab.namespaces:
        namespaces.add(name)
    for place in (*PLACES, "wan"):
        _furnish(lab, place)
    start_router(lab)
    votes = [etcd.server(lab, place) for place in CENTRES]
    for vote in votes:
        start(lab, vote)
    postgresql.prepare(lab)
    sshd.prepare(lab)
    rest = [server for place in CENTRES for server in servers(lab, place)[1:]]
    for server in rest:
        start(lab, server)
    wait(lab, *votes, *rest)
    postgresql.settle(lab)


def _guard(lab: Lab) -> None:
    service.prepare(lab)
    for place in CENTRES:
        start(lab, service.server(lab, place))
    wait(lab, *(service.server(lab, place) for place in CENTRES))
    etcd.wish(lab, CLUSTER, Wish("lab", WishKind.ADOPT, CENTRES[0], by=("lab",), reason="the lab begins"))
    _until_protected(lab)


def _until_protected(lab: Lab) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ((published := etcd.published(lab, CLUSTER)) and published.promotable):
        if time.monotonic() > deadline:
            raise Incomplete(
                Text(
                    f"集群未能纳入保护;见 {lab.log(CENTRES[0], 'service')}",
                    f"the cluster did not come under protection; see {lab.log(CENTRES[0], 'service')}",
                )
            )
        time.sleep(0.05)


def _furnish(lab: Lab, place: str) -> None:
    user = servers_user()
    lab.at(place).mkdir()
    if place not in CENTRES:
        return
    for folder in (lab.disk(place), lab.socket_folder(place), lab.at(place) / "etcd"):
        folder.mkdir()
    namespaces.run("mount", "-t", "tmpfs", "-o", f"size={_DISK_MIB}m,mode=0755", "jindun-lab", str(lab.disk(place)))
    for folder in (lab.disk(place), lab.socket_folder(place), lab.at(place) / "etcd"):
        folder.chmod(0o750)
        give(folder, user)
