"""A real etcd of one member on loopback."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.lab.serving import folder_for_server, serving
from tests.lab.sshd import free_port


@dataclass(frozen=True, slots=True)
class EtcdServer:
    """A running member."""

    endpoint: str

    def ask(self, *words: str) -> str:
        """What etcdctl prints for one command."""
        asked = subprocess.run(
            ["etcdctl", "--endpoints", self.endpoint, *words], capture_output=True, text=True, timeout=30
        )
        return asked.stdout.strip()


@contextmanager
def running_etcd() -> Iterator[EtcdServer]:
    """Keep an empty cluster of one running."""
    with folder_for_server("etcd") as folder:
        server = EtcdServer(f"http://127.0.0.1:{free_port()}")
        peer = f"http://127.0.0.1:{free_port()}"
        settings = {
            "data-dir": str(folder / "data"),
            "listen-client-urls": server.endpoint,
            "advertise-client-urls": server.endpoint,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
        }
        argv = ["etcd", *(f"--{name}={value}" for name, value in settings.items())]
        with serving(argv, folder, lambda: "true" in server.ask("endpoint", "health", "-w", "json")):
            yield server
