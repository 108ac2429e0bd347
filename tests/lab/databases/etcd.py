"""A real etcd of one member on loopback."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from secops.model.city import Product
from tests.lab.database import DatabaseLab, RunningDatabase
from tests.lab.serving import folder_for_server, give_to_server, serving
from tests.lab.sshd import free_port

_NOTES = "/notes/"


@dataclass
class EtcdServer(RunningDatabase):
    """A running member."""

    endpoint: str

    def ask(self, *words: str) -> str:
        """What etcdctl prints for one command."""
        argv = ["etcdctl", "--endpoints", self.endpoint, *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30).stdout.strip()

    def write(self, note: str) -> None:
        self.ask("put", f"{_NOTES}{note}", note)
        self.ask("put", "/canary", f"{time.time():.3f}")

    def notes(self) -> set[str]:
        return set(self.ask("get", "--prefix", _NOTES, "--print-value-only").splitlines())

    def notes_in(self, folder: Path) -> set[str]:
        with folder_for_server("etcd-copy") as place:
            shutil.copytree(folder / "data", place / "data")
            give_to_server(place / "data")
            with _serving(place) as copy:
                return copy.notes()

    def options(self, engine: str) -> Mapping[str, str]:
        return {"endpoint": self.endpoint}

    def canary_options(self) -> Mapping[str, str]:
        return {"endpoint": self.endpoint}

    def away_options(self) -> Mapping[str, str]:
        return {"endpoint": "http://127.0.0.1:9"}

    def tried_with(self) -> Mapping[str, str]:
        return {
            "question": f"{_NOTES}wanted",
            "answer": "wanted",
            "canary": "/canary",
            "canary_within_seconds": "60",
        }


@contextmanager
def running_etcd() -> Iterator[EtcdServer]:
    """Keep an empty cluster of one running."""
    with folder_for_server("etcd") as folder, _serving(folder) as server:
        yield server


@contextmanager
def _serving(folder: Path) -> Iterator[EtcdServer]:
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


class _Lab(DatabaseLab):
    @contextmanager
    def running(self) -> Iterator[RunningDatabase]:
        with running_etcd() as server:
            yield server


lab = _Lab("etcd", Product.ETCD, ("etcd", "etcdctl"))
