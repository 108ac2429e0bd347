"""What every driver of entries keeps to, each with what it really moves: HAProxy, addresses in namespaces, a server of names."""

import base64
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from backup.failover.entries import dns, haproxy, virtual_address
from secops.execution.executor import Boundary
from secops.model.cluster import Cluster, ClusterEntry, EntryDriver, Member
from secops.model.step import Command, Procedure, ProcedureFailed, Step, each_step
from tests.backup.performing import Performing, Returned
from tests.lab.haproxy import HAPROXY, running_haproxy
from tests.lab.sshd import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_PORT = 5499
_GREETING = """
import socketserver, sys
class Greets(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(sys.argv[1].encode())
        self.request.recv(1)
socketserver.ThreadingTCPServer.allow_reuse_address = True
server = socketserver.ThreadingTCPServer((sys.argv[2], int(sys.argv[3])), Greets)
print("listening", flush=True)
server.serve_forever()
"""
_STAYING = """
import socket, sys
try:
    client = socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)
    client.settimeout(20)
    print(client.recv(9).decode(), flush=True)
    if sys.argv[3] == "stay":
        client.recv(1)
except TimeoutError:
    sys.exit(1)
except OSError:
    pass
"""


@dataclass
class Rig:
    """Two members, each of which says its name to whoever connects, the entries of their centres, and a client."""

    cluster: Cluster
    folder: Path
    namespaces: bool = False
    """Whether each centre and the client have a network namespace of their own."""
    cuts: bool = True
    """Whether moving the entry ends sessions."""

    def __post_init__(self) -> None:
        self.performing = Performing(self.folder)
        driver = self.cluster.entries[0].driver
        self.hands = next(one.hands for one in (haproxy, virtual_address, dns) if one.hands.driver is driver)

    def plans(self, to: str) -> list[partial[Procedure[None]]]:
        """What the agents of the centres do, each with its own entry; where it leads away comes first."""
        member = self.cluster.member(to)
        entries = sorted(self.cluster.entries, key=lambda one: bool(member and one.centre == member.centre))
        return [partial(self._move, entry, member) for entry in entries]

    def lead(self, to: str) -> None:
        """`to` is empty for nowhere."""
        for plan in self.plans(to):
            self.performing.run(plan())

    def leads_to(self) -> str:
        asked = (self._of(one, self.hands.leads_to(self.cluster, one)) for one in self.cluster.entries)
        return ",".join(filter(None, map(self.performing.run, asked)))

    def client(self, manner: str) -> "subprocess.Popen[str]":
        address, port = self._where()
        argv = (*self._inside("client"), sys.executable, "-c", _STAYING, address, str(port), manner)
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def reached(self) -> str:
        """Who greets a client that connects now."""
        return self.client("go").communicate(timeout=30)[0].strip()

    def _where(self) -> tuple[str, int]:
        entry = self.cluster.entries[0]
        if entry.driver is not EntryDriver.DNS:
            return entry.address, entry.port
        address, _, port = entry.server.partition(":")
        argv = ("dig", "+short", f"@{address}", "-p", port, entry.address)
        return subprocess.run(
            argv, capture_output=True, text=True, check=True
        ).stdout.strip() or "127.0.0.99", entry.port

    def _move(self, entry: ClusterEntry, member: Member | None) -> Procedure[None]:
        if member and (entry.driver is not EntryDriver.VIRTUAL_ADDRESS or entry.centre == member.centre):
            return self._of(entry, self.hands.lead(self.cluster, entry, member))
        return self._of(entry, self.hands.close(self.cluster, entry))

    def _of(self, entry: ClusterEntry, procedure: Procedure[Returned]) -> Procedure[Returned]:
        def inside(step: Step) -> Step:
            if not isinstance(step.effect, Command):
                return step
            return replace(step, effect=replace(step.effect, argv=(*self._inside(entry.centre), *step.effect.argv)))

        return each_step(procedure, inside)

    def _inside(self, place: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", f"jdentry-{place}") if self.namespaces else ()


@contextmanager
def greeter(name: str, address: str, port: int, *inside: str) -> Iterator[None]:
    argv = (*inside, sys.executable, "-c", _GREETING, name, address, str(port))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == "listening\n"
            yield
        finally:
            process.kill()


def cluster_of(addresses: dict[str, str], port: int, *entries: ClusterEntry) -> Cluster:
    members = tuple(Member(name, f"centre-{name}", "local", address, port) for name, address in addresses.items())
    return Cluster("orders", "s", members, "a", ("a", "b"), (), entries)


@contextmanager
def with_haproxy(folder: Path) -> Iterator[Rig]:
    if not HAPROXY:
        pytest.skip("haproxy is not installed")
    with ExitStack() as stack:
        ports = {name: free_port() for name in "ab"}
        for name, port in ports.items():
            stack.enter_context(greeter(name, "127.0.0.1", port))
        lines = {name: f"127.0.0.1:{port} disabled" for name, port in ports.items()}
        running = stack.enter_context(running_haproxy(folder / "haproxy", lines, mode="tcp"))
        port = int(running.url.rsplit(":", 1)[1].strip("/"))
        entry = ClusterEntry("centre-a", "127.0.0.1", port, socket=running.socket, backend="web")
        yield Rig(cluster_of({"a": "127.0.0.1", "b": "127.0.0.1"}, 1, entry), folder)


@contextmanager
def with_addresses(folder: Path) -> Iterator[Rig]:
    """A bridge, two machines that take turns with 10.77.0.100, and a client that remembers who had it."""
    if os.geteuid() or not shutil.which("arping"):
        pytest.skip("wants root and arping: addresses are taken in network namespaces")
    hosts = {"centre-a": "10.77.0.1", "centre-b": "10.77.0.2", "client": "10.77.0.3"}
    with ExitStack() as stack:
        run = partial(subprocess.run, check=True)
        for place in ("bridge", *hosts):
            run(("ip", "netns", "add", f"jdentry-{place}"))
            stack.callback(run, ("ip", "netns", "delete", f"jdentry-{place}"))
        run(("ip", "-n", "jdentry-bridge", "link", "add", "switch", "up", "type", "bridge"))
        for number, (place, address) in enumerate(hosts.items()):
            inside = ("ip", "-n", f"jdentry-{place}")
            ends = ("type", "veth", "peer", "name", f"p{number}", "netns", "jdentry-bridge")
            run((*inside, "link", "add", "net", *ends))
            run((*inside, "address", "add", f"{address}/24", "dev", "net"))
            run((*inside, "link", "set", "net", "up"))
            run(("ip", "-n", "jdentry-bridge", "link", "set", f"p{number}", "up", "master", "switch"))
        for name in "ab":
            inside = ("ip", "netns", "exec", f"jdentry-centre-{name}")
            stack.enter_context(greeter(name, "0.0.0.0", _PORT, *inside))
        entries = (
            ClusterEntry(f"centre-{name}", "10.77.0.100", _PORT, EntryDriver.VIRTUAL_ADDRESS, device="net")
            for name in "ab"
        )
        yield Rig(cluster_of({"a": "10.77.0.1", "b": "10.77.0.2"}, _PORT, *entries), folder, namespaces=True)


_NAMED = """
key "jindun" {{ algorithm hmac-sha256; secret "{secret}"; }};
options {{
    directory "{folder}"; pid-file none; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; session-keyfile none;
}};
controls {{ }};
zone "city.example" {{ type primary; file "zone"; update-policy {{ grant jindun name db.city.example A AAAA; }}; }};
"""
_ZONE = "$TTL 5\n@ SOA ns.city.example. root.city.example. 1 60 60 60 5\n@ NS ns\nns A 127.0.0.1\n"


@contextmanager
def with_names(folder: Path) -> Iterator[Rig]:
    named = shutil.which("named", path="/usr/sbin:/sbin:/usr/local/sbin")
    if not named or not shutil.which("nsupdate"):
        pytest.skip("named and nsupdate are not installed")
    place = folder / "names"
    place.mkdir()
    port, member_port = free_port(), free_port()
    secret = base64.b64encode(os.urandom(32)).decode()
    (place / "named.conf").write_text(_NAMED.format(secret=secret, folder=place, port=port))
    (place / "key").write_text(f'key "jindun" {{ algorithm hmac-sha256; secret "{secret}"; }};\n')
    (place / "zone").write_text(_ZONE)
    with ExitStack() as stack:
        log = stack.enter_context((place / "log").open("w"))
        argv = (named, "-g", "-n", "1", "-c", str(place / "named.conf"))
        process = stack.enter_context(subprocess.Popen(argv, stdout=log, stderr=log))
        stack.callback(process.kill)
        wait_for_names(port, place / "log")
        for name, address in (("a", "127.0.0.2"), ("b", "127.0.0.3")):
            stack.enter_context(greeter(name, address, member_port))
        entry = ClusterEntry(
            "centre-a", "db.city.example", member_port, EntryDriver.DNS,
            zone="city.example", server=f"127.0.0.1:{port}", key=str(place / "key"),
        )  # fmt: skip
        yield Rig(cluster_of({"a": "127.0.0.2", "b": "127.0.0.3"}, member_port, entry), folder, cuts=False)


def wait_for_names(port: int, log: Path) -> None:
    for _ in range(150):
        argv = ("dig", "+short", "+time=1", "+tries=1", "@127.0.0.1", "-p", str(port), "ns.city.example")
        if subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip() == "127.0.0.1":
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture(params=[with_haproxy, with_addresses, with_names], ids=["haproxy", "virtual_address", "dns"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with request.param(tmp_path) as made:
        yield made


def test_clients_are_led_to_one_member_to_another_and_nowhere(rig: Rig) -> None:
    assert rig.leads_to() == ""
    assert rig.reached() == ""
    rig.lead("a")
    assert (rig.leads_to(), rig.reached()) == ("a", "a")
    staying = rig.client("stay")
    assert staying.stdout and staying.stdout.readline() == "a\n"
    rig.lead("b")
    assert (rig.leads_to(), rig.reached()) == ("b", "b")
    if rig.cuts:
        assert staying.wait(30) == 0, "the old session was not ended"
    staying.kill()
    rig.lead("b")
    assert (rig.leads_to(), rig.reached()) == ("b", "b"), "leading there again changes nothing"
    rig.lead("")
    assert (rig.leads_to(), rig.reached()) == ("", "")


@pytest.mark.parametrize("boundary", [Boundary.AFTER_INTENT, Boundary.AFTER_EFFECT])
def test_killed_at_every_step_it_is_gone_on_with(rig: Rig, boundary: Boundary) -> None:
    for to in ("a", "b", ""):
        for plan in rig.plans(to):
            rig.performing.interrupt_everywhere(plan, boundary)
        assert (rig.leads_to(), rig.reached()) == (to, to)


def test_a_rehearsal_moves_nothing(rig: Rig) -> None:
    rig.lead("a")
    for plan in rig.plans("b"):
        rig.performing.rehearse(plan())
    assert (rig.leads_to(), rig.reached()) == ("a", "a")


def test_what_cannot_be_moved_says_so(rig: Rig, tmp_path: Path) -> None:
    (entry, *others) = rig.cluster.entries
    broken = replace(entry, socket=str(tmp_path / "none"), device="none", key=str(tmp_path / "none"))
    rig.cluster = replace(rig.cluster, entries=(broken, *others))
    with pytest.raises(ProcedureFailed):
        rig.lead("a")
