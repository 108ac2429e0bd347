"""A real Redis on a socket."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from secops.model.city import Product
from tests.lab.database import DatabaseLab, RunningDatabase
from tests.lab.serving import folder_for_server, give_to_server, serving

PASSWORD = "only for tests"


@dataclass
class RedisServer(RunningDatabase):
    """A running server that asks for PASSWORD, unless it serves a copy."""

    socket: Path
    password: str = PASSWORD
    secrets = (PASSWORD,)

    def ask(self, *words: str) -> str:
        """What redis-cli prints for one command."""
        login = {"REDISCLI_AUTH": self.password} if self.password else {}
        argv = ["redis-cli", "-s", str(self.socket), *words]
        return subprocess.run(argv, env=login, capture_output=True, text=True, timeout=30).stdout.strip()

    def write(self, note: str) -> None:
        self.ask("SADD", "notes", note)
        self.ask("SET", "canary", f"{time.time():.3f}")

    def notes(self) -> set[str]:
        return set(self.ask("SMEMBERS", "notes").splitlines())

    def notes_in(self, folder: Path) -> set[str]:
        with folder_for_server("redis-copy") as place:
            (place / "dump.rdb").write_bytes((folder / "dump.rdb").read_bytes())
            give_to_server(place)
            with _serving(place, "") as copy:
                return copy.notes()

    def options(self, engine: str) -> Mapping[str, str]:
        return {"socket": str(self.socket), "password": "${file:login}"}

    def canary_options(self) -> Mapping[str, str]:
        return self.options("redis")  # type: ignore[return-value]

    def tried_with(self) -> Mapping[str, str]:
        return {
            "question": "SMEMBERS notes",
            "answer": "wanted",
            "canary": "GET canary",
            "canary_within_seconds": "60",
        }


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """Keep an empty server running."""
    with folder_for_server("redis") as folder, _serving(folder, PASSWORD) as server:
        yield server


@contextmanager
def _serving(folder: Path, password: str) -> Iterator[RedisServer]:
    server = RedisServer(folder / "socket", password)
    settings = {
        "port": "0",
        "unixsocket": str(server.socket),
        "dir": str(folder),
        "save": "",
        "repl-diskless-sync-delay": "0",
    }
    if password:
        (folder / "passwords").write_text(f'requirepass "{password}"\n')
        settings |= {"include": str(folder / "passwords")}
    argv = ["redis-server", *(word for name, value in settings.items() for word in (f"--{name}", value))]
    with serving(argv, folder, lambda: server.ask("PING") == "PONG"):
        yield server


class _Lab(DatabaseLab):
    @contextmanager
    def running(self) -> Iterator[RunningDatabase]:
        with running_redis() as server:
            yield server


lab = _Lab("redis", Product.REDIS, ("redis-server", "redis-cli"))
