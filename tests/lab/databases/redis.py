"""A real Redis on a socket."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.serving import folder_for_server, serving


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A running server."""

    socket: Path
    password: str

    def ask(self, *words: str) -> str:
        """What redis-cli prints for one command."""
        login = {"REDISCLI_AUTH": self.password} if self.password else {}
        asked = subprocess.run(
            ["redis-cli", "-s", str(self.socket), *words], env=login, capture_output=True, text=True, timeout=30
        )
        return asked.stdout.strip()


@contextmanager
def running_redis(password: str = "") -> Iterator[RedisServer]:
    """Keep an empty server running; it asks for the password when there is one."""
    with folder_for_server("redis") as folder:
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
