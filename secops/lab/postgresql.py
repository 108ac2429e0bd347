"""PostgreSQL of the three centres: c1 writes, c2 confirms each commit, c3 follows."""

import shutil
from pathlib import Path

from secops.lab import namespaces
from secops.lab.places import ACCOUNT, CENTRES, DATABASE, POSTGRESQL_PORT, Lab, address, local_dsn
from secops.lab.servers import Server, as_user, program, servers_user
from secops.support.postgresql_wire import Lost, Refused, Wire

_PACKAGE = "postgresql-15"
_PATIENCE_SECONDS = 20.0
_SETTINGS = """\
listen_addresses = '{address}'
port = {port}
unix_socket_directories = '{socket}'
cluster_name = '{place}'
shared_buffers = 16MB
max_connections = 100
wal_level = replica
wal_log_hints = on          # pg_rewind asks for it
wal_keep_size = 64MB
max_wal_size = 128MB
min_wal_size = 32MB
hot_standby = on
hot_standby_feedback = on
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
tcp_keepalives_idle = 1
tcp_keepalives_interval = 1
tcp_keepalives_count = 2
tcp_user_timeout = 2000
log_line_prefix = '%m [%p] '
"""
_LOGINS = """\
local all,replication all trust
host all,replication all 10.87.0.0/16 trust
"""
_TABLE = "CREATE TABLE IF NOT EXISTS ledger (key text PRIMARY KEY, written timestamptz DEFAULT clock_timestamp())"


def programs() -> str:
    """The folder of the newest PostgreSQL. Raises Incomplete when there is none."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parent.parent.name))
    folder = str(places[-1].parent) if places else ""
    return str(Path(program("postgres", _PACKAGE, folder=folder)).parent)


def prepare(lab: Lab) -> None:
    """One fresh database in three copies, which is what three base backups of an idle server are."""
    user, bin_folder = servers_user(), programs()
    first, *others = CENTRES
    made = (f"{bin_folder}/initdb", "-D", str(lab.data(first)), "-U", ACCOUNT, "-A", "trust", "--no-sync")
    namespaces.run(*as_user(user), *made, "--encoding=UTF8", "--locale=C", "--wal-segsize=4")
    for place in others:
        namespaces.run(*as_user(user), "cp", "-a", "--", str(lab.data(first)), str(lab.data(place)))
    for place in CENTRES:
        _configure(lab, place, following=None if place == first else first)


def server(lab: Lab, place: str) -> Server:
    """The server of a centre on the data directory that is there."""
    chosen = (f"config_file={_config(lab, place)}", f"hba_file={lab.at(place) / 'pg_hba.conf'}")
    argv = (f"{programs()}/postgres", "-D", str(lab.data(place)), *(word for one in chosen for word in ("-c", one)))
    return Server("postgresql", place, argv, lambda: answers(lab, place), servers_user())


def answers(lab: Lab, place: str) -> bool:
    """Whether it takes questions."""
    try:
        with Wire.connect(local_dsn(lab, place), 1.0) as wire:
            return wire.ask("SELECT 1", 1.0).rows == [("1",)]
    except (Lost, Refused):
        return False


def settle(lab: Lab) -> None:
    """On the running primary: the business's database, and commits that wait for the local DR centre."""
    first, second, _ = CENTRES
    with Wire.connect(local_dsn(lab, first), _PATIENCE_SECONDS) as wire:
        wire.ask(f"CREATE DATABASE {DATABASE}", _PATIENCE_SECONDS)
        wire.ask(f"ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (\"{second}\")'", _PATIENCE_SECONDS)
        wire.ask("SELECT pg_reload_conf()", _PATIENCE_SECONDS)
    with Wire.connect(local_dsn(lab, first, DATABASE), _PATIENCE_SECONDS) as wire:
        wire.ask(_TABLE, _PATIENCE_SECONDS)


def _config(lab: Lab, place: str) -> Path:
    return lab.at(place) / "postgresql.conf"


def _configure(lab: Lab, place: str, following: str | None) -> None:
    folder = lab.data(place)
    own = _SETTINGS.format(address=address(place), port=POSTGRESQL_PORT, socket=lab.socket_folder(place), place=place)
    # Outside of the data directory, as Debian does: a rewind would bring the other's.
    _config(lab, place).write_text(own)
    (lab.at(place) / "pg_hba.conf").write_text(_LOGINS)
    if following:
        upstream = f"host={address(following)} port={POSTGRESQL_PORT} user={ACCOUNT} application_name={place}"
        upstream += " connect_timeout=2 keepalives_idle=1 keepalives_interval=1 keepalives_count=2"
        automatic = folder / "postgresql.auto.conf"
        automatic.write_text(automatic.read_text() + f"primary_conninfo = '{upstream}'\n")
        (folder / "standby.signal").touch()
        shutil.chown(folder / "standby.signal", servers_user())
