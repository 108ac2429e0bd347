"""A real etcd of three members on loopback, each of which can be killed, frozen, thawed and started again."""

import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.lasting_ports import lasting_ports
from tests.lab.serving import folder_for_server, server_identity

ETCD = shutil.which("etcd")
needs_etcd = pytest.mark.skipif(not ETCD, reason="etcd is not installed")
_PATIENCE_SECONDS = 60.0


@dataclass
class EtcdTrio:
    """The three, numbered from 0."""

    folder: Path
    clients: list[int]
    peers: list[int]
    processes: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def endpoints(self) -> list[str]:
        """As clients dial them."""
        return [f"http://127.0.0.1:{port}" for port in self.clients]

    def start(self, member: int) -> None:
        """Start one, with the data that it had; does not wait."""
        client, peer = self.endpoints[member], f"http://127.0.0.1:{self.peers[member]}"
        cluster = ",".join(f"m{number}=http://127.0.0.1:{port}" for number, port in enumerate(self.peers))
        settings = {
            "name": f"m{member}",
            "data-dir": str(self.folder / f"m{member}"),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": cluster,
            "initial-cluster-token": self.folder.name,
            "heartbeat-interval": "100",
            "election-timeout": "1000",
            "log-level": "error",
        }
        argv = ["setpriv", "--pdeathsig", "KILL", "etcd", *(f"--{name}={value}" for name, value in settings.items())]
        with (self.folder / f"m{member}.log").open("ab") as log:
            self.processes[member] = subprocess.Popen(
                argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **server_identity()
            )

    def kill(self, member: int) -> None:
        """End one at once."""
        process = self.processes.pop(member)
        process.kill()
        process.wait()

    def freeze(self, member: int) -> None:
        """It keeps its connections and says nothing more."""
        self.processes[member].send_signal(signal.SIGSTOP)

    def thaw(self, member: int) -> None:
        """It goes on where it was."""
        self.processes[member].send_signal(signal.SIGCONT)

    def wait(self, *members: int) -> None:
        """Until these serve with a majority behind them."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for member in members or range(3):
            while not self._healthy(member):
                assert time.monotonic() < deadline, self._said()
                time.sleep(0.05)

    def heal(self) -> None:
        """All three serve again, whatever was done to them."""
        self.revive()
        self.wait()

    def revive(self) -> None:
        """Start or thaw those that do not run. In the main thread: they end with the thread that started them."""
        for member in range(3):
            if member in self.processes and self.processes[member].poll() is None:
                self.thaw(member)
            else:
                self.start(member)

    def _healthy(self, member: int) -> bool:
        # Reads by the majority's word, so that it waits for a leader.
        url = f"{self.endpoints[member]}/v3/kv/range"
        with suppress(OSError), urllib.request.urlopen(url, data=b'{"key": "AA=="}', timeout=1) as answer:
            return bool(answer.status == 200)
        return False

    def _said(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.log"))


@contextmanager
def running_trio() -> Iterator[EtcdTrio]:
    """Keep an empty cluster of three running."""
    with folder_for_server("etcd-trio") as folder:
        ports = lasting_ports(6)
        trio = EtcdTrio(folder, ports[:3], ports[3:])
        try:
            for member in range(3):
                trio.start(member)
            trio.wait()
            yield trio
        finally:
            for member in list(trio.processes):
                trio.kill(member)
