"""Three centres on loopback: an etcd in each, PostgreSQL in two, an entry in the first, a daemon in each as a process."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from secops.model.cluster import Cluster, ClusterEntry
from tests.lab.etcd_trio import EtcdTrio, running_trio
from tests.lab.haproxy import running_haproxy
from tests.lab.postgresql_pair import Pair, ask_port, running_pair

PATIENCE_SECONDS = 60.0
CENTRES = ("c1", "c2", "c3")
PREFIX = "/jindun/test/"


@dataclass
class Process:
    """A daemon that runs, and what it has said."""

    centre: str
    log: Path
    process: "subprocess.Popen[bytes]"

    def said(self, who: str) -> list[str]:
        lines = self.log.read_text().split("\n")[:-1]
        return [line["text"] for line in map(json.loads, lines) if line["who"] == who]

    @property
    def leads(self) -> bool:
        said = self.said("daemon")
        return bool(said) and said[-1] == f"{self.centre} leads"

    def end(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.process.send_signal(signal.SIGCONT)
        self.process.wait(timeout=PATIENCE_SECONDS)


@dataclass
class Standing:
    """Everything that runs."""

    folder: Path
    trio: EtcdTrio
    pair: Pair
    cluster: Cluster
    entry_port: int
    daemons: dict[str, Process] = field(default_factory=dict)

    def start(self, centre: str, name: str = "") -> Process:
        """Start the daemon of a centre; `name` tells a second one apart, with a memory of its own."""
        name = name or centre
        stand = self.folder / f"{name}.json"
        told = {
            "centre": centre,
            "cluster": self.cluster,
            "endpoints": dict(zip(CENTRES, self.trio.endpoints, strict=True)),
            "prefix": PREFIX,
            "state": str(self.folder / name),
        }
        stand.write_bytes(orjson.dumps(told))
        argv = [sys.executable, "-m", "tests.service.agent.daemon_process", str(stand)]
        log = self.folder / f"{name}.log"
        with log.open("ab") as sink, (self.folder / f"{name}.errors").open("ab") as errors:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], stdout=sink, stderr=errors)
        self.daemons[name] = Process(centre, log, process)
        return self.daemons[name]

    def end(self) -> None:
        """In order, so that no act goes on without its daemon."""
        for daemon in self.daemons.values():
            if daemon.process.poll() is None:
                daemon.end(signal.SIGTERM)

    def key(self, name: str) -> Any:
        """The document under a key, None when there is none."""
        body = json.dumps({"key": b64encode((PREFIX + name).encode()).decode()}).encode()
        with urllib.request.urlopen(f"{self.trio.endpoints[2]}/v3/kv/range", data=body, timeout=5) as answer:
            found = json.load(answer).get("kvs", [])
        return orjson.loads(b64decode(found[0]["value"])) if found else None

    def published(self) -> dict[str, Any]:
        found: dict[str, Any] = self.key("clusters/orders/state") or {}
        return found

    def wish(self, kind: str, target: str) -> None:
        """Ask for something, as a person would."""
        name = f"{kind}-{time.monotonic_ns()}"
        wish = {"id": name, "kind": kind, "target": target, "by": ["li"], "reason": "a trial"}
        key = b64encode(f"{PREFIX}clusters/orders/wishes/{name}".encode()).decode()
        body = json.dumps({"key": key, "value": b64encode(orjson.dumps(wish)).decode()}).encode()
        urllib.request.urlopen(f"{self.trio.endpoints[2]}/v3/kv/put", data=body, timeout=5).close()

    def protected(self, primary: str, epoch: int = 0) -> bool:
        """Whether it serves, and the other can take over without loss."""
        other = "b" if primary == "a" else "a"
        published = self.published()
        return (
            published.get("primary") == primary
            and published["promotable"] == [other]
            and published["version"]["epoch"] >= epoch
        )

    def write(self, key: str, seconds: float = 3) -> bool:
        """Whether a client's write through the entry is acknowledged."""
        with suppress(subprocess.SubprocessError):
            ask_port(self.entry_port, f"INSERT INTO ledger VALUES ('{key}')", seconds=seconds)
            return True
        return False

    def ledger(self) -> set[str]:
        return set(ask_port(self.entry_port, "SELECT key FROM ledger").splitlines())

    def wait(self, condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> float:
        """How long it took until the condition held."""
        began = time.monotonic()
        while True:
            with suppress(OSError, subprocess.SubprocessError):
                if condition():
                    return time.monotonic() - began
            assert time.monotonic() - began < seconds, self.told()
            time.sleep(0.03)

    def told(self) -> str:
        """What was said last, for who reads why a test failed."""
        parts = [f"{self.key('clusters/orders/state')} {self.key('clusters/orders/explained')}"]
        for name, daemon in self.daemons.items():
            errors = (self.folder / f"{name}.errors").read_text()[-1500:]
            parts.append(f"--- {name}\n{daemon.log.read_text()[-2500:]}\n{errors}")
        return "\n".join(parts)


@contextmanager
def standing(folder: Path) -> Iterator[Standing]:
    """All but the daemons, which tests start."""
    with ExitStack() as stack:
        trio, pair = stack.enter_context(running_trio()), stack.enter_context(running_pair())
        lines = {
            member.name: f"127.0.0.1:{member.port}{'' if member.name == 'a' else ' disabled'}"
            for member in pair.members
        }
        haproxy = stack.enter_context(running_haproxy(folder / "haproxy", lines, mode="tcp"))
        port = int(haproxy.url.rsplit(":", 1)[1].strip("/"))
        entry = ClusterEntry("c1", "127.0.0.1", port, socket=haproxy.socket, backend="web")
        cluster = Cluster("orders", "s1", pair.members, "a", ("a", "b"), CENTRES, (entry,))
        running = Standing(folder, trio, pair, cluster, port)
        try:
            yield running
        finally:
            running.end()
