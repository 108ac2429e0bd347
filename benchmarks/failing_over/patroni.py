"""Patroni beside it, in the same lab: the same programs, lines and disks, its own care for the databases and the entries.

Synchronous mode, etcd of the three centres, HAProxy that asks its REST interface who is the primary, as its documentation
has it. The remote centre follows and never confirms, as with us.
"""

import http.client
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.failing_over.rig import HOME, OTHER, Rig, comes_true
from secops.lab import etcd, faults, namespaces
from secops.lab.inside import inside_namespace
from secops.lab.places import (
    ACCOUNT,
    CENTRES,
    DATABASE,
    ENTRY_PORT,
    ETCD_PORT,
    NETWORK,
    POSTGRESQL_PORT,
    Lab,
    address,
    local_dsn,
)
from secops.lab.postgresql import programs
from secops.lab.servers import Server, as_user, program, servers_user, start
from secops.lab.status import running
from secops.lab.up import up
from secops.model.text import Text
from secops.support.errors import Incomplete
from secops.support.postgresql_wire import Wire

_REST_PORT = 8008
_START_SECONDS = 120.0
_REST_SECONDS = 5.0
_SWITCHOVER_SECONDS = 90.0
_INSTALL_SECONDS = 300.0
_LEDGER = "CREATE TABLE ledger (key text PRIMARY KEY, written timestamptz DEFAULT clock_timestamp())"
_SMALL = {"shared_buffers": "16MB", "max_wal_size": "128MB", "min_wal_size": "32MB", "wal_keep_size": "64MB"}
"""The lab's disks are small."""
_IMPATIENT = {
    "wal_sender_timeout": "5s",
    "wal_receiver_timeout": "5s",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "200ms",
    "tcp_keepalives_idle": 1,
    "tcp_keepalives_interval": 1,
    "tcp_keepalives_count": 2,
    "tcp_user_timeout": 2000,
}
"""What our own databases have."""
_ENTRY = """\
global
    stats socket {socket} mode 600 level admin
    maxconn 400
    nbthread 1
    hard-stop-after 1s
defaults
    mode tcp
    retries 2
    timeout client 30m
    timeout server 30m
    timeout connect {connect}
    timeout check {check}
listen entry
    bind {address}:{port}
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server inter {inter} fall {fall} rise {rise} on-marked-down shutdown-sessions
{servers}
"""


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is set up."""

    name: str
    timing: Mapping[str, int]
    parameters: Mapping[str, str | int]
    entry: Mapping[str, str]


DEFAULTS = Manner(
    "Patroni, defaults",
    {"ttl": 30, "loop_wait": 10, "retry_timeout": 10},
    {},
    {"connect": "4s", "check": "5s", "inter": "3s", "fall": "3", "rise": "2"},
)
FASTEST = Manner(
    "Patroni, fastest",
    {"ttl": 20, "loop_wait": 1, "retry_timeout": 3},
    _IMPATIENT,
    {"connect": "800ms", "check": "1s", "inter": "500ms", "fall": "2", "rise": "1"},
)
"""The least that it accepts; PostgreSQL as impatient as ours, and entries that ask six times as often."""


class Patroni(Rig):
    """`python` is one that the servers' user may run and that has Patroni."""

    def __init__(self, lab: Lab, python: Path, manner: Manner) -> None:
        super().__init__(lab)
        self.name = manner.name
        self._python = python
        self._manner = manner

    def up(self) -> None:
        up(self.lab, daemons=False)
        for centre in CENTRES:
            faults.kill(self.lab, centre, "postgresql")
            faults.kill(self.lab, centre, "haproxy")
            shutil.rmtree(self.lab.data(centre))
            self._configure(centre)
        self._start(HOME, "primary")
        for statement, database in ((f"CREATE DATABASE {DATABASE}", "postgres"), (_LEDGER, DATABASE)):
            with Wire.connect(local_dsn(self.lab, HOME, database), _REST_SECONDS) as wire:
                wire.ask(statement, _REST_SECONDS)
        for centre in CENTRES[1:]:
            self._start(centre, "replica")
        for centre in CENTRES:
            start(self.lab, self._entry(centre))
        if not comes_true(self.settled, _START_SECONDS):
            raise self._failed(OTHER)

    def settled(self) -> bool:
        try:
            members = json.loads(self._rest(HOME, "GET", "/cluster")[1])["members"]
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            return False
        roles = {one["name"]: one["role"] for one in members if one["state"] in ("running", "streaming")}
        wanted = {HOME: "leader", OTHER: "sync_standby", CENTRES[2]: "replica"}
        return roles == wanted and self.protected(HOME)

    def switch_over(self, source: str, target: str) -> None:
        asked = {"leader": source, "candidate": target}
        try:
            status, said = self._rest(source, "POST", "/switchover", asked, _SWITCHOVER_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            status, said = 0, str(error)
        if status != 200:
            raise Incomplete(Text(f"Patroni 未切换:{said}", f"Patroni does not switch over: {said}"))

    def start_again(self) -> None:
        for centre in CENTRES:
            there = running(self.lab, centre)
            if "etcd" not in there:
                start(self.lab, etcd.server(self.lab, centre))
            if "haproxy" not in there:
                self.lab.entry_socket(centre).unlink(missing_ok=True)
                start(self.lab, self._entry(centre))
            if not self._runs(centre):
                start(self.lab, self._keeper(centre))

    def _runs(self, centre: str) -> bool:
        config = str(self._config(centre))
        return any(config in process.argv for process in namespaces.processes(self.lab.namespace(centre)))

    def _start(self, centre: str, role: str) -> None:
        start(self.lab, self._keeper(centre))
        if not comes_true(lambda: self._is(centre, role), _START_SECONDS):
            raise self._failed(centre)

    def _is(self, centre: str, role: str) -> bool:
        try:
            return self._rest(centre, "GET", f"/{role}")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _failed(self, centre: str) -> Incomplete:
        said = self.lab.log(centre, "patroni").read_text(errors="replace")[-600:]
        return Incomplete(Text(f"{self.name} 未能启动:{said}", f"{self.name} did not start in {centre}: {said}"))

    def _keeper(self, centre: str) -> Server:
        argv = (str(self._python), "-m", "patroni", str(self._config(centre)))
        return Server("patroni", centre, argv, lambda: self._runs(centre), servers_user())

    def _config(self, centre: str) -> Path:
        return self.lab.at(centre) / "patroni.yaml"

    def _configure(self, centre: str) -> None:
        # JSON is YAML.
        self._config(centre).write_text(json.dumps(self._settings(centre), indent=1))

    def _settings(self, centre: str) -> dict[str, Any]:
        rest, own = f"{address(centre)}:{_REST_PORT}", f"{address(centre)}:{POSTGRESQL_PORT}"
        logins = [f"{kind} {{}} all {where}trust" for kind, where in (("local", ""), ("host", f"{NETWORK} "))]
        return {
            "scope": "records",
            "name": centre,
            "restapi": {"listen": rest, "connect_address": rest},
            "etcd3": {"hosts": [f"{address(each)}:{ETCD_PORT}" for each in CENTRES]},
            "bootstrap": {"dcs": self._dynamic(), "initdb": [{"encoding": "UTF8"}, {"locale": "C"}]},
            "postgresql": {
                "listen": own,
                "connect_address": own,
                "data_dir": str(self.lab.data(centre)),
                "bin_dir": programs(),
                "basebackup": [{"checkpoint": "fast"}],
                "pgpass": str(self.lab.socket_folder(centre) / "pgpass"),
                "authentication": {role: {"username": ACCOUNT} for role in ("superuser", "replication", "rewind")},
                "parameters": {"unix_socket_directories": str(self.lab.socket_folder(centre))},
                "pg_hba": [line.format(what) for line in logins for what in ("all", "replication")],
            },
            "tags": {"nosync": centre not in (HOME, OTHER)},
        }

    def _dynamic(self) -> dict[str, Any]:
        parameters = {**_SMALL, **self._manner.parameters}
        cared = {"use_pg_rewind": True, "use_slots": True, "parameters": parameters}
        return {
            **self._manner.timing,
            "synchronous_mode": True,
            "maximum_lag_on_failover": 1048576,
            "postgresql": cared,
        }

    def _entry(self, centre: str) -> Server:
        config = self.lab.at(centre) / "haproxy.cfg"
        lines = (
            f"    server {each} {address(each)}:{POSTGRESQL_PORT} maxconn 100 check port {_REST_PORT}"
            for each in CENTRES
        )
        where = {"socket": self.lab.entry_socket(centre), "address": address(centre), "port": ENTRY_PORT}
        config.write_text(_ENTRY.format(**where, **self._manner.entry, servers="\n".join(lines)))
        argv = (program("haproxy", "haproxy"), "-db", "-f", str(config))
        return Server("haproxy", centre, argv, self.lab.entry_socket(centre).exists)

    def _rest(
        self, centre: str, method: str, path: str, body: object = None, seconds: float = _REST_SECONDS
    ) -> tuple[int, str]:
        with inside_namespace(self.lab.namespace(centre)):
            connection = http.client.HTTPConnection(address(centre), _REST_PORT, timeout=seconds)
            try:
                connection.request(method, path, json.dumps(body) if body else None)
                answer = connection.getresponse()
                return answer.status, answer.read().decode(errors="replace")
            finally:
                connection.close()


def installed(folder: Path) -> Path:
    """A Python of its own with Patroni, which the servers' user may run. Raises Incomplete with the reason."""
    python, user = folder / "bin" / "python", as_user(servers_user())
    for base in ("/usr/bin/python3", sys.executable):
        try:
            # In a folder of its own that others may enter: databases do not run as root.
            subprocess.run((*user, base, "-c", ""), check=True, capture_output=True, timeout=60)
            if not python.exists():
                namespaces.run(base, "-m", "venv", str(folder), timeout_seconds=_INSTALL_SECONDS)
            packages = ("patroni[etcd3]>=4,<5", "psycopg[binary]>=3")
            namespaces.run(str(python), "-m", "pip", "install", "--quiet", *packages, timeout_seconds=_INSTALL_SECONDS)
            namespaces.run(*user, str(python), "-c", "import patroni.dcs.etcd3, psycopg")
        except (OSError, subprocess.SubprocessError, Incomplete) as error:
            reason = str(error)
            continue
        return python
    raise Incomplete(Text(f"无法安装 Patroni:{reason}", f"Patroni cannot be installed: {reason}"))
