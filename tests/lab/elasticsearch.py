"""A real Elasticsearch on free loopback ports, one node or a cluster, for the user who runs the tests (root or not)."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch, TransportError

from tests.lab.certificates import issue
from tests.lab.sshd import free_port

VERSION = "8.19.3"
DISTRIBUTION = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jindun" / f"elasticsearch-{VERSION}"
MISSING = f"Elasticsearch {VERSION} or Java is not here; `scripts/setup dev` fetches them"
USER, PASSWORD = "jindun", "only-for-tests"
_NAME = "jindun-elasticsearch-"
_NOBODY = 65534
_PATIENCE_SECONDS = 240
_ROOM_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Node:
    """One running node."""

    url: str
    pid: int
    """Leads a group of processes that is all of the node."""
    output: Path

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server or cluster."""

    nodes: tuple[Node, ...]
    authority: Path | None = None
    """Certificate to trust, when it speaks TLS; then it wants USER and PASSWORD."""

    @property
    def url(self) -> str:
        """Of the first node."""
        return self.nodes[0].url

    @property
    def urls(self) -> tuple[str, ...]:
        """Of all nodes."""
        return tuple(node.url for node in self.nodes)


def available() -> bool:
    """Whether a server can be started here."""
    return (DISTRIBUTION / "bin" / "elasticsearch").is_file() and shutil.which("java") is not None


@contextmanager
def running_elasticsearch(*, secured: bool = False, measured: bool = False) -> Iterator[Server]:
    """Keep a server running in a folder of its own; secured, it speaks TLS and asks for a login.

    `measured`: it makes itself as fast as it can, which pays when it is to work for minutes.
    """
    with _running(1, secured, heap_megabytes=512, measured=measured) as server:
        yield server


@contextmanager
def running_cluster(nodes: int) -> Iterator[Server]:
    """Keep several nodes running that are one cluster, until each has joined; no TLS, no login."""
    with _running(nodes, secured=False, heap_megabytes=400) as server:
        yield server


class Restartable:
    """A server that can be killed and started again over the same data."""

    def __init__(self, place: "_Place", heap_megabytes: int) -> None:
        self.url = f"http://127.0.0.1:{place.port}"
        self._place = place
        self._heap_megabytes = heap_megabytes
        self._running: tuple[Node, subprocess.Popen[bytes]] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        process = _start(self._place, self._heap_megabytes)
        node = Node(self.url, process.pid, self._place.folder / "output")
        self._running = node, process
        _wait_until_ready(Server((node,)))

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._running:
            _stop(*self._running)
            self._running = None


@contextmanager
def restartable_elasticsearch() -> Iterator[Restartable]:
    """A server of one's own, running."""
    assert available(), MISSING
    with ExitStack() as stack:
        place = _place(stack, 0)
        _install(place, [place], secured=False)
        server = Restartable(place, heap_megabytes=512)
        stack.callback(server.kill)
        server.start()
        yield server


@cache
def shared_elasticsearch(*, secured: bool = False) -> Server:
    """One server for all tests of this process. Skips the test when there is none to start."""
    if not available():
        pytest.skip(MISSING)
    running = ExitStack()
    atexit.register(running.close)
    return running.enter_context(running_elasticsearch(secured=secured))


def connect(server: Server) -> Elasticsearch:
    """A client as an administrator would have it."""
    if server.authority is None:
        return Elasticsearch(list(server.urls))
    return Elasticsearch(server.url, ca_certs=str(server.authority), basic_auth=(USER, PASSWORD))


@dataclass(frozen=True, slots=True)
class _Place:
    """The folders and ports of one node."""

    name: str
    folder: Path
    data: Path
    port: int
    transport_port: int

    @property
    def home(self) -> Path:
        return self.folder / "home"


@contextmanager
def _running(count: int, secured: bool, heap_megabytes: int, measured: bool = False) -> Iterator[Server]:
    assert available(), MISSING
    _sweep()
    with ExitStack() as stack:
        places = [_place(stack, number) for number in range(count)]
        authority = None
        for place in places:
            authority = _install(place, places, secured)
        nodes = []
        for place in places:
            process = _start(place, heap_megabytes, measured)
            node = Node(f"http{'s' * secured}://127.0.0.1:{place.port}", process.pid, place.folder / "output")
            nodes.append(node)
            stack.callback(_stop, node, process)
        server = Server(tuple(nodes), authority)
        _wait_until_ready(server)
        yield server


def _place(stack: ExitStack, number: int) -> _Place:
    # Not below pytest's folder, which only its owner may enter: root's server runs as nobody.
    folders = [Path(tempfile.mkdtemp(prefix=f"{_NAME}{os.getpid()}-", dir=where)) for where in (None, _fast_place())]
    for folder in folders:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return _Place(f"node-{number}", folders[0], folders[1], free_port(), free_port())


def _fast_place() -> Path | None:
    """Memory for its data, where there is enough: most of the time of many small indices is waiting for a disk."""
    memory = Path("/dev/shm")
    enough = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= _ROOM_BYTES
    return memory if enough else None


def _sweep() -> None:
    """Remove what tests left that were killed: folders are named after the process that made them."""
    for where in (Path(tempfile.gettempdir()), Path("/dev/shm")):
        for folder in where.glob(f"{_NAME}*"):
            maker = folder.name.removeprefix(_NAME).partition("-")[0]
            if maker.isdecimal() and not Path("/proc", maker).exists():
                shutil.rmtree(folder, ignore_errors=True)


def _install(place: _Place, all_places: list[_Place], secured: bool) -> Path | None:
    """The distribution, its files linked where the file system allows it, and its settings; the authority to trust."""
    shutil.copytree(DISTRIBUTION, place.home, copy_function=_link, ignore=shutil.ignore_patterns("config", "logs"))
    shutil.copytree(DISTRIBUTION / "config", place.home / "config")
    for name in ("logs", "snapshots", "tmp"):
        (place.folder / name).mkdir()
    settings = _settings(place, all_places) | {"xpack.security.enabled": str(secured).lower()}
    authority = None
    if secured:
        issued = issue(place.home / "config" / "tls", "127.0.0.1")
        settings |= {
            "xpack.security.http.ssl.enabled": "true",
            "xpack.security.http.ssl.key": "tls/key.pem",
            "xpack.security.http.ssl.certificate": "tls/certificate.pem",
        }
        authority = Path(shutil.copy(issued.certificate_file, place.folder / "authority.pem"))
        command = [str(place.home / "bin" / "elasticsearch-users"), "useradd", USER, "-p", PASSWORD, "-r", "superuser"]
        subprocess.run(command, env=_environment(place, 64), check=True, capture_output=True, timeout=60)
    text = "".join(f"{name}: {value}\n" for name, value in settings.items())
    (place.home / "config" / "elasticsearch.yml").write_text(text)
    _give_away(place)
    return authority


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _settings(place: _Place, all_places: list[_Place]) -> dict[str, object]:
    names = ", ".join(each.name for each in all_places)
    seeds = ", ".join(f'"127.0.0.1:{each.transport_port}"' for each in all_places)
    together = {"discovery.seed_hosts": f"[{seeds}]", "cluster.initial_master_nodes": f"[{names}]"}
    return {
        "cluster.name": all_places[0].folder.name,
        "node.name": place.name,
        "network.host": "127.0.0.1",
        "http.port": place.port,
        "transport.port": place.transport_port,
        "path.data": place.data,
        "path.logs": place.folder / "logs",
        # Tests have vaults of their own below the usual place for what is temporary.
        "path.repo": f"[{place.folder / 'snapshots'}, {tempfile.gettempdir()}]",
        "cluster.max_shards_per_node": 5000,
        # The disk of a developer is fuller than that of a server.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        # A look at the disk may lift the blocks of full ones, also those that a test has set: see `block_as_full`.
        "cluster.info.update.interval": "10s",
        **({"discovery.type": "single-node"} if len(all_places) == 1 else together),
    }


def _environment(place: _Place, heap_megabytes: int, measured: bool = False) -> dict[str, str]:
    java = Path(str(shutil.which("java"))).resolve().parents[1]
    kept = {"PATH": os.environ["PATH"], "HOME": str(place.folder), "ES_TMPDIR": str(place.folder / "tmp")}
    options = f"-Xms{heap_megabytes}m -Xmx{heap_megabytes}m"
    if not measured:
        # Of a server that lives for a minute or two half of the work is the second compiler's, in vain.
        options += " -XX:TieredStopAtLevel=1"
    return kept | {"ES_JAVA_HOME": str(java), "ES_JAVA_OPTS": options, "LC_ALL": "C.UTF-8"}


def _give_away(place: _Place) -> None:
    """Elasticsearch refuses to run as root; hand nobody what is this server's own, never what is linked."""
    if os.getuid() != 0:
        return
    config = place.home / "config"
    own = [place.folder, place.data, *(place.folder / name for name in ("logs", "snapshots", "tmp"))]
    for path in (*own, place.home, config, *config.rglob("*")):
        os.chown(path, _NOBODY, _NOBODY)


def _start(place: _Place, heap_megabytes: int, measured: bool = False) -> "subprocess.Popen[bytes]":
    identity: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    with (place.folder / "output").open("wb") as output:
        return subprocess.Popen(
            # Ends with us also when we are killed: its starter takes the server proper along.
            ["setpriv", "--pdeathsig", "TERM", str(place.home / "bin" / "elasticsearch")],
            cwd=place.folder,
            env=_environment(place, heap_megabytes, measured),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Its starter starts the server proper; as a group both end together.
            start_new_session=True,
            **identity,
        )


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with connect(server) as client:
        while time.monotonic() < deadline and all(Path("/proc", str(node.pid)).exists() for node in server.nodes):
            with suppress(TransportError):
                health = client.options(request_timeout=5).cluster.health()
                if health["status"] in ("green", "yellow") and health["number_of_nodes"] == len(server.nodes):
                    return
            time.sleep(0.2)
    told = "\n".join(node.output.read_text(errors="replace")[-4000:] for node in server.nodes)
    raise AssertionError(f"Elasticsearch did not start:\n{told}")


def _stop(node: Node, process: "subprocess.Popen[bytes]") -> None:
    node.kill()
    process.wait()


def block_as_full(administrator: Elasticsearch, pattern: str) -> None:
    """Block indices as a server with a full disk does; for good, also while the server still looks at its disk."""
    block = {"index.blocks.read_only_allow_delete": True}
    administrator.indices.put_settings(index=pattern, settings=block)
    quiet_until = time.monotonic() + _LOOK_SECONDS
    while time.monotonic() < quiet_until:
        time.sleep(0.2)
        told = administrator.indices.get_settings(index=pattern)
        if not all("blocks" in one["settings"]["index"] for one in told.values()):
            administrator.indices.put_settings(index=pattern, settings=block)
            quiet_until = time.monotonic() + _LOOK_SECONDS


_LOOK_SECONDS = 11.0
"""A little more than passes between two looks."""
