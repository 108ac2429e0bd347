"""A real PostgreSQL on a socket and on loopback, with small segments of WAL."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backup.engine import Keys
from secops.model.city import Product, Vault
from tests.lab.database import DatabaseLab, RunningDatabase
from tests.lab.serving import folder_for_server, run_as_server, server_identity, serving
from tests.lab.sshd import free_port

PROGRAMS = next((str(path.parent) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))), "/usr/bin")
ACCOUNT, PASSWORD = "copier", "only for 'tests' \\ here"
_USER = "nobody"
_QUIET = {"fsync": "off", "shared_buffers": "16MB", "max_wal_size": "64MB", "autovacuum": "off"}
_LOGINS = f"""
local   all,replication {ACCOUNT}       scram-sha-256
local   all,replication postgres        trust
host    all,replication {ACCOUNT}       127.0.0.1/32    scram-sha-256
"""


@dataclass
class PostgresqlServer(RunningDatabase):
    """ACCOUNT with PASSWORD may copy it, over loopback or the socket; `postgres` may do all on the socket."""

    folder: Path
    port: int
    user: str = "postgres"
    address = "127.0.0.1"
    secrets = (PASSWORD,)

    def __post_init__(self) -> None:
        self.path = str(self.data)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def ask(self, statement: str) -> str:
        """What psql prints for a statement of the superuser."""
        argv = [f"{PROGRAMS}/psql", "-X", "-A", "-t", "-q", "-h", str(self.folder), "-p", str(self.port)]
        asked = subprocess.run(
            [*argv, "-U", self.user, "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", statement],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert asked.returncode == 0, asked.stderr
        return asked.stdout.strip()

    def archive_by(self, command: str) -> None:
        """Have the server run that command for each segment of WAL."""
        quoted = command.replace("'", "''")
        self.ask(f"ALTER SYSTEM SET archive_command = '{quoted}'")
        self.ask("SELECT pg_reload_conf()")
        while self.ask("SHOW archive_command") != command:
            time.sleep(0.02)

    def attach(self, engine: str, vault: Vault, keys: Keys, asset: str) -> None:
        if engine == "pgbackrest":
            settings = f"{keys.state_directory}/pgbackrest/{asset}.conf"
            self.archive_by(f"pgbackrest --config={settings} --stanza={asset} archive-push %p")
        if engine == "barman":
            roles = "pg_read_all_settings, pg_read_all_stats, pg_checkpoint"
            functions = "pg_backup_start(text, boolean), pg_backup_stop(boolean), pg_switch_wal()"
            self.ask(f"GRANT {roles} TO {ACCOUNT}")
            self.ask(f"GRANT EXECUTE ON FUNCTION {functions}, pg_create_restore_point(text) TO {ACCOUNT}")

    def answers(self) -> bool:
        """Whether it takes questions."""
        argv = [f"{PROGRAMS}/pg_isready", "-q", "-h", str(self.folder), "-p", str(self.port)]
        return subprocess.run(argv, timeout=30).returncode == 0

    def write(self, note: str) -> None:
        self.ask(f"INSERT INTO note VALUES ('{note}')")

    def notes(self) -> set[str]:
        return set(self.ask("SELECT text FROM note").splitlines())

    def notes_in(self, folder: Path) -> set[str]:
        with _serving_copy(folder) as copy:
            return copy.notes()

    def options(self, engine: str) -> Mapping[str, str]:
        login = {"port": str(self.port), "programs": PROGRAMS}
        if engine == "pgbackrest":
            run_as = {"run_as": _USER} if os.getuid() == 0 else {}
            return {"port": str(self.port), "socket": str(self.folder), "full_every_days": "0", **run_as}
        return {**login, "account": ACCOUNT, "password": "${file:login}"}

    def canary_options(self) -> Mapping[str, str]:
        return {"socket": str(self.folder), "port": str(self.port), "account": self.user}

    def tried_with(self) -> Mapping[str, str]:
        return {
            "question": "SELECT text FROM note WHERE text = 'wanted'",
            "answer": "wanted",
            "canary": "SELECT extract(epoch FROM max(written)) FROM note",
            "canary_within_seconds": "60",
            "run_as": _USER,
        }


@contextmanager
def running_postgresql() -> Iterator[PostgresqlServer]:
    """Keep a new server running."""
    with folder_for_server("postgresql") as folder:
        server = PostgresqlServer(folder, free_port())
        small = ("--no-sync", "--wal-segsize=1", "--encoding=UTF8", "--locale=C", "-A", "trust", "-U", "postgres")
        run_as_server(f"{PROGRAMS}/initdb", "-D", str(server.data), *small)
        (server.data / "pg_hba.conf").write_text(_LOGINS)
        settings = {"archive_mode": "on", "max_replication_slots": "200", **_QUIET}
        with _serving(server, "127.0.0.1", settings):
            quoted = PASSWORD.replace("'", "''")
            server.ask(f"CREATE ROLE {ACCOUNT} LOGIN REPLICATION PASSWORD '{quoted}'")
            server.archive_by("true")
            server.ask("CREATE TABLE note (text text PRIMARY KEY, written timestamptz DEFAULT clock_timestamp())")
            yield server


@contextmanager
def _serving_copy(data: Path) -> Iterator[PostgresqlServer]:
    """Keep a server running on what was restored, on a socket alone."""
    with folder_for_server("postgresql-copy") as folder:
        if os.getuid() == 0:
            beside = [path for path in (Path(f"{data}.log"),) if path.exists()]
            for path in (data, *data.rglob("*"), *beside, *(file for log in beside for file in log.rglob("*"))):
                os.lchown(path, *(server_identity()[name] for name in ("user", "group")))
        (folder / "data").symlink_to(data)
        server = PostgresqlServer(folder, free_port())
        with _serving(server, "", {"archive_mode": "off", "hot_standby": "off", **_QUIET}):
            yield server


@contextmanager
def _serving(server: PostgresqlServer, address: str, settings: Mapping[str, str]) -> Iterator[None]:
    own = {"listen_addresses": address, "port": str(server.port), "unix_socket_directories": str(server.folder)}
    chosen = (word for name, value in {**own, **settings}.items() for word in ("-c", f"{name}={value}"))
    argv = (f"{PROGRAMS}/postgres", "-D", str(server.data), *chosen)
    with serving(argv, server.folder, server.answers) as process:
        try:
            yield
        finally:
            # At once, but it takes its shared memory along.
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=20)


class _Lab(DatabaseLab):
    @contextmanager
    def running(self) -> Iterator[RunningDatabase]:
        with running_postgresql() as server:
            yield server


lab = _Lab("postgresql", Product.POSTGRESQL, (f"{PROGRAMS}/postgres", f"{PROGRAMS}/psql"))
