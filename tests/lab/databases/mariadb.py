"""A real MariaDB on a socket, with a binary log."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from secops.model.city import Product
from tests.lab.database import DatabaseLab, RunningDatabase
from tests.lab.serving import folder_for_server, give_to_server, run_as_server, serving

ACCOUNT, PASSWORD = "copier", "only for tests"
_GRANTED = "RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR, REPLICATION SLAVE"
_SMALL = ("--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--performance-schema=OFF")
_KEPT = "(text VARCHAR(100) PRIMARY KEY, written DOUBLE DEFAULT UNIX_TIMESTAMP(NOW(6)))"


@dataclass
class MariadbServer(RunningDatabase):
    """A running server; ACCOUNT with PASSWORD may back it up."""

    socket: Path
    data: Path
    secrets = (PASSWORD,)

    def ask(self, statements: str) -> str:
        """What the client prints for statements of root."""
        asked = subprocess.run([*self._client, "-e", statements], capture_output=True, text=True, timeout=60)
        assert asked.returncode == 0, asked.stderr
        return asked.stdout.strip()

    def answers(self) -> bool:
        """Whether it takes questions."""
        return subprocess.run([*self._client, "-e", "SELECT 1"], capture_output=True, timeout=60).returncode == 0

    @property
    def _client(self) -> list[str]:
        who = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root"]
        return [*who, "--skip-column-names", "--batch", "--default-character-set=utf8mb4"]

    def write(self, note: str) -> None:
        self.ask(f"INSERT INTO suite.note (text) VALUES ('{note}')")

    def notes(self) -> set[str]:
        return set(self.ask("SELECT text FROM suite.note").splitlines())

    def notes_in(self, folder: Path) -> set[str]:
        with over_data(folder) as copy:
            return copy.notes()

    def options(self, engine: str) -> Mapping[str, str]:
        return {"socket": str(self.socket), "account": ACCOUNT, "password": "${file:login}"}

    def canary_options(self) -> Mapping[str, str]:
        return {"socket": str(self.socket), "account": "root"}

    def tried_with(self) -> Mapping[str, str]:
        return {
            "question": "SELECT text FROM suite.note WHERE text = 'wanted'",
            "answer": "wanted",
            "canary": "SELECT MAX(written) FROM suite.note",
            "canary_within_seconds": "60",
        }


@contextmanager
def over_data(data: Path) -> Iterator[MariadbServer]:
    """Keep a server running over a copy of restored data, for anybody who may enter its folder."""
    with folder_for_server("mariadb-copy") as folder:
        server = MariadbServer(folder / "socket", folder / "data")
        subprocess.run(["cp", "-a", f"{data}/.", f"{folder}/data"], check=True)
        give_to_server(folder / "data")
        argv = ("mariadbd", f"--defaults-file={folder}/data/backup-my.cnf", f"--datadir={server.data}")
        here = (f"--socket={server.socket}", "--skip-networking", "--skip-grant-tables", "--performance-schema=OFF")
        with serving((*argv, *here), folder, server.answers):
            yield server


@contextmanager
def running_mariadb(*, keeps_log: bool = True) -> Iterator[MariadbServer]:
    """Keep a new server running."""
    with folder_for_server("mariadb") as folder:
        server = MariadbServer(folder / "socket", folder / "data")
        own = ("--no-defaults", f"--datadir={server.data}")
        run_as_server("mariadb-install-db", *own, "--auth-root-authentication-method=normal", "--skip-test-db", *_SMALL)
        log = ("--log-bin=binlog", "--server-id=1") if keeps_log else ()
        here = (f"--socket={server.socket}", "--skip-networking", "--character-set-server=utf8mb4")
        with serving(("mariadbd", *own, *here, *log, *_SMALL), folder, server.answers):
            server.ask(f"CREATE USER {ACCOUNT}@localhost IDENTIFIED BY '{PASSWORD}'")
            server.ask(f"GRANT {_GRANTED} ON *.* TO {ACCOUNT}@localhost")
            server.ask(f"CREATE DATABASE suite; CREATE TABLE suite.note {_KEPT}")
            yield server


class _Lab(DatabaseLab):
    @contextmanager
    def running(self) -> Iterator[RunningDatabase]:
        with running_mariadb() as server:
            yield server


lab = _Lab("mariadb", Product.MARIADB, ("mariadbd", "mariadb", "mariadb-install-db"))
