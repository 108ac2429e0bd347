"""Two real PostgreSQL on loopback, the second a synchronous standby of the first, as members of a cluster."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from secops.model.cluster import Member
from tests.lab.databases.postgresql import PROGRAMS
from tests.lab.lasting_ports import lasting_ports
from tests.lab.serving import folder_for_server, give_to_server, run_as_server

_SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
shared_buffers = 16MB
wal_log_hints = on
wal_keep_size = 64MB
max_wal_size = 64MB
autovacuum = off
wal_retrieve_retry_interval = 200ms
wal_receiver_status_interval = 1s
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Members `a` in centre `c1`, the primary at first, and `b` in `c2`."""

    members: tuple[Member, ...]

    def ask(self, name: str, statement: str, *, seconds: float = 10) -> str:
        """What psql prints; raises CalledProcessError or TimeoutExpired."""
        return ask_port(self._member(name).port, statement, seconds=seconds)

    def pid(self, name: str) -> int:
        """Of the server's main process."""
        return int((Path(self._member(name).data_directory) / "postmaster.pid").read_text().split()[0])

    def kill(self, name: str) -> None:
        """The main process at once; its children end when they see it."""
        os.kill(self.pid(name), signal.SIGKILL)

    def _member(self, name: str) -> Member:
        return next(member for member in self.members if member.name == name)


def ask_port(port: int, statement: str, *, seconds: float = 10) -> str:
    """Of whatever listens there."""
    where = f"host=127.0.0.1 port={port} user=postgres dbname=postgres connect_timeout=2"
    asked = subprocess.run(
        [f"{PROGRAMS}/psql", "-X", "-A", "-t", "-q", where, "-v", "ON_ERROR_STOP=1", "-c", statement],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=True,
    )
    return asked.stdout.strip()


@contextmanager
def running_pair() -> Iterator[Pair]:
    """Keep them running, with a table `ledger(key text)`."""
    with folder_for_server("pair") as folder:
        ports = lasting_ports(2)
        members = tuple(
            Member(name, centre, "local", "127.0.0.1", port, str(folder / name))
            for name, centre, port in zip("ab", ("c1", "c2"), ports, strict=True)
        )
        pair = Pair(members)
        try:
            _prepare(folder, ports)
            for name in "ab":
                start(folder / name)
            pair.ask("a", "CREATE TABLE ledger (key text)")
            yield pair
        finally:
            _end_all_below(folder)


def _end_all_below(folder: Path) -> None:
    """Every server in the folder, also one that a daemon which was killed had just begun to start."""
    quiet = 0
    while quiet < 5:
        left = [int(link.parent.name) for link in Path("/proc").glob("[0-9]*/cwd") if _lies_below(link, folder)]
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        quiet = 0 if left else quiet + 1
        time.sleep(0.1)


def _lies_below(link: Path, folder: Path) -> bool:
    with suppress(OSError):
        return str(link.readlink()).startswith(str(folder))
    return False


def start(data: Path) -> None:
    """As it is."""
    log = data.with_suffix(".log")
    run_as_server(f"{PROGRAMS}/pg_ctl", "start", "-D", str(data), "-w", "-t", "60", "-l", str(log))


def _prepare(folder: Path, ports: list[int]) -> None:
    """A copy of a fresh, idle database is a base backup of it."""
    first, second = folder / "a", folder / "b"
    run_as_server(
        f"{PROGRAMS}/initdb", "-D", str(first), "-U", "postgres", "-A", "trust", "--no-sync", "--wal-segsize=1"
    )
    shutil.copytree(first, second)
    for data, port in zip((first, second), ports, strict=True):
        with (data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS.format(port=port))
    upstream = f"host=127.0.0.1 port={ports[0]} user=postgres application_name=b"
    with (second / "postgresql.auto.conf").open("a") as file:
        file.write(f"primary_conninfo = '{upstream}'\n")
    (second / "standby.signal").touch()
    second.chmod(0o700)
    give_to_server(second)
