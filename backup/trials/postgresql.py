"""A restored PostgreSQL is started on a socket of its own: no network, no archive, none of the libraries that act by
themselves, and a configuration that is ours alone."""

import shlex
from dataclasses import replace
from typing import cast

from backup.canaries.postgresql import PostgresqlCanaryOptions
from backup.canary import canary_options
from backup.postgresql import Login, find_programs
from backup.trial import Looked, Trial, TrialFailed, TrialOptions, trial_options
from secops.model.city import Asset, Product
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require, under
from secops.model.text import Text

_PACKAGE = "postgresql"
_PORT = 5432
_SOCKET = f".s.PGSQL.{_PORT}"
_LONGEST_SOCKET_BYTES = 107
_START_SECONDS = 6 * 3600.0
_SHORT_SECONDS = 60.0
_LOOK_SECONDS = 6 * 3600.0
_CORRUPT = 2
"""How pg_amcheck ends when it found damage."""
_LOGINS = "local all all trust\n"
_DATA_AT_FAULT = (
    "PANIC:",
    "invalid ",
    "could not locate",
    "is not a database cluster",
    "recovery ended before configured recovery target was reached",
    "requested recovery stop point is before consistent recovery point",
)
_USER = (
    'if [ "$(id -u)" = 0 ]; then for user in "$1" postgres nobody; do id -u "$user" >/dev/null 2>&1 && break; done; '
)
_USER += 'echo "$user"; fi'
_PREPARE = """\
set -eu
folder=$1 user=$2
umask 077
mkdir -p -- "$folder.trial"
cat >"$folder.trial/pg_hba.conf"
: >"$folder.trial/pg_ident.conf"
: >"$folder.trial/postgresql.conf"
chmod 0700 -- "$folder" "$folder.trial"
[ -z "$user" ] || chown -R -- "$user" "$folder" "$folder.trial"
[ -z "$user" ] || [ ! -e "$folder.log" ] || chown -R -- "$user" "$folder.log"
"""
_STOP = """\
pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) || exit 0
runs() { [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(readlink -f "$1")" ]; }
for signal in INT QUIT KILL; do
    runs "$1" || exit 0
    kill -s "$signal" "$pid"
    for _ in $(seq 150); do
        runs "$1" || exit 0
        sleep 0.1
    done
done
echo "the server $pid does not end" >&2
exit 1
"""

_WAIT = """
until "$1/pg_isready" -q -h "$2.trial" -p "$3"; do
    kill -0 "$(head -n 1 -- "$2/postmaster.pid")" || exit 1
    sleep 0.05
done
"""


class PostgresqlTrialOptions(TrialOptions):
    """What is asked, and how the restored server is started."""

    account: str = "postgres"
    """A superuser of the restored server; no password is asked for."""
    database: str = "postgres"
    """Where the questions are asked."""
    programs: str = ""
    """Directory of the programs of the server's version; looked for when not given."""
    run_as: str = ""
    """The user that the server runs as when commands are root's; `postgres`, else `nobody`, when not given."""
    libraries: str = ""
    """`shared_preload_libraries` that the data cannot be read without; none are loaded otherwise."""


class PostgresqlTrial(Trial):
    """Recovery runs to its end, as `make_ready` told it; then the business is asked, and pg_amcheck reads all tables
    and indices. Owners of the folder become the user that the server runs as."""

    name = "postgresql"
    describes = Text("启动恢复出的 PostgreSQL 并检查", "starts a restored PostgreSQL and looks through it")
    product = Product.POSTGRESQL
    needs = ("sh", "runuser")
    options = PostgresqlTrialOptions

    def start(self, source: Asset, host: str, folder: str) -> Procedure[float]:
        told = _options(source)
        _refuse_long_path(folder)
        programs = yield from _programs(source, host, folder)
        found = yield Step("choose the user to run as", Command(host, ("sh", "-c", _USER, "user", told.run_as)))
        user = require(found, "无法确定运行用户", "cannot tell whom to run as").output.strip()
        prepared = yield Step(
            "make the configuration",
            Command(host, ("sh", "-c", _PREPARE, "prepare", folder, user), stdin=_LOGINS),
            changes=True,
            timeout_seconds=_START_SECONDS,
        )
        require(prepared, f"无法准备 {folder}", f"{folder} cannot be prepared")
        begin = ("runuser", "-u", user, "--") if user else ()
        chosen = shlex.join(word for pair in _settings(folder, told) for word in ("-c", pair))
        how = ("-D", folder, "-l", f"{folder}.trial/log", "-w", "-t", str(int(_START_SECONDS)), "-o", chosen, "start")
        started = yield Step(
            "start the server",
            Command(host, ("env", "-C", "/", *begin, f"{programs}/pg_ctl", *how)),
            changes=True,
            check=Command(host, (f"{programs}/pg_isready", "-q", "-h", f"{folder}.trial", "-p", str(_PORT))),
            timeout_seconds=_START_SECONDS,
        )
        if not started.ok:
            yield from _explain(host, folder, started.reason)
        # pg_ctl is content when the copy is consistent; there may be much log to go on through.
        recovered = yield Step(
            "wait until recovery has ended",
            Command(host, ("sh", "-c", _WAIT, "wait", programs, folder, str(_PORT))),
            timeout_seconds=_START_SECONDS,
        )
        if not recovered.ok:
            yield from _explain(host, folder, recovered.reason)
        return started.seconds + recovered.seconds

    def ask(self, source: Asset, host: str, folder: str, name: str, question: str) -> Procedure[str]:
        programs = yield from under(name, _programs(source, host, folder))
        login = _login(source, folder)
        argv = (f"{programs}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-w", "-c", question)
        answer = yield Step(
            name, Command(host, (*argv, "-d", login.connection(source))), assume="-", timeout_seconds=_SHORT_SECONDS
        )
        if not answer.ok:
            detail = (answer.error_output.strip() or answer.reason)[:300]
            raise TrialFailed(f"恢复出的数据库不能回答:{detail}", f"the restored database does not answer: {detail}")
        return answer.output

    def ask_canaries(self, source: Asset, host: str, folder: str, question: str) -> Procedure[str]:
        where = canary_options(PostgresqlCanaryOptions, source).database
        there = replace(source, tried_with={**source.tried_with, "database": where})
        return (yield from super().ask_canaries(there, host, folder, question))

    def inspect(self, source: Asset, host: str, folder: str) -> Procedure[Looked]:
        programs = yield from under("inspect", _programs(source, host, folder))
        there = yield Step("look for pg_amcheck", Command(host, ("test", "-x", f"{programs}/pg_amcheck")))
        if not there.ok:
            return Looked(unchecked=(_NO_AMCHECK,))
        login = _login(source, folder)
        argv = (f"{programs}/pg_amcheck", "--all", "--install-missing", "-w", "-h", login.socket, "-p", str(login.port))
        read = yield Step(
            "read all tables and indices",
            Command(host, (*argv, "-U", login.account)),
            assume="-",
            timeout_seconds=_LOOK_SECONDS,
        )
        said = (read.output + read.error_output).strip()
        if read.exit_code == _CORRUPT:
            raise TrialFailed(f"pg_amcheck 发现损坏:{said[:300]}", f"pg_amcheck found damage: {said[:300]}")
        if not read.ok:
            return Looked(
                unchecked=(Text(f"pg_amcheck 未能运行:{said[-200:]}", f"pg_amcheck did not run: {said[-200:]}"),)
            )
        return Looked((Text("pg_amcheck 检查了全部表与索引", "pg_amcheck read all tables and indices"),))

    def stop(self, source: Asset, host: str, folder: str) -> Procedure[None]:
        stopped = yield Step(
            "stop the server",
            Command(host, ("sh", "-c", _STOP, "stop", folder)),
            changes=True,
            timeout_seconds=_SHORT_SECONDS,
        )
        require(stopped, f"无法停止 {folder} 中的服务", f"the server in {folder} cannot be stopped")
        removed = yield Step(
            "remove what the trial made",
            Command(host, ("rm", "-rf", "--one-file-system", "--", f"{folder}.trial")),
            changes=True,
        )
        require(removed, f"无法清除 {folder}.trial", f"{folder}.trial cannot be removed")


trial = PostgresqlTrial()


def _options(source: Asset) -> PostgresqlTrialOptions:
    return cast(PostgresqlTrialOptions, trial_options(PostgresqlTrialOptions, source))


def _login(source: Asset, folder: str) -> Login:
    told = _options(source)
    return Login(account=told.account, database=told.database, socket=f"{folder}.trial", port=_PORT, tls="disable")


def _settings(folder: str, told: PostgresqlTrialOptions) -> list[str]:
    """What no file of the copy can change, being on the command line."""
    own = f"{folder}.trial"
    settings = {
        "config_file": f"{own}/postgresql.conf",
        "hba_file": f"{own}/pg_hba.conf",
        "ident_file": f"{own}/pg_ident.conf",
        "external_pid_file": "",
        "listen_addresses": "",
        "unix_socket_directories": own,
        "port": str(_PORT),
        "ssl": "off",
        "archive_mode": "off",
        "primary_conninfo": "",
        "primary_slot_name": "",
        "synchronous_standby_names": "",
        "shared_preload_libraries": told.libraries,
        "local_preload_libraries": "",
        "session_preload_libraries": "",
        "archive_cleanup_command": "",
        "recovery_end_command": "",
        # Nobody is let in before recovery has ended, and its end does not depend on the settings of the source.
        "hot_standby": "off",
        "autovacuum": "off",
        "max_prepared_transactions": "100",
        "shared_buffers": "64MB",
        "huge_pages": "off",
        "logging_collector": "off",
        "log_destination": "stderr",
        "lc_messages": "C",
    }
    return [f"{name}={value}" for name, value in settings.items()]


def _programs(source: Asset, host: str, folder: str) -> Procedure[str]:
    version = yield Step("read the server's version", Command(host, ("cat", "--", f"{folder}/PG_VERSION")), assume="-")
    if not version.ok:
        raise TrialFailed(f"{folder} 不是 PostgreSQL 数据目录", f"{folder} is no data directory of PostgreSQL")
    wanted = version.output.strip().removeprefix("-")
    return (yield from find_programs(host, _options(source).programs, "pg_ctl", _PACKAGE, wanted))


def _refuse_long_path(folder: str) -> None:
    socket = f"{folder}.trial/{_SOCKET}"
    if len(socket.encode()) > _LONGEST_SOCKET_BYTES:
        raise ProcedureFailed(
            f"路径 {socket} 过长,套接字最多 {_LONGEST_SOCKET_BYTES} 字节;请换更短的恢复目录",
            f"{socket} is too long for a socket ({_LONGEST_SOCKET_BYTES} bytes); restore into a shorter directory",
        )


def _explain(host: str, folder: str, reason: str) -> Procedure[None]:
    """Fail with what the server wrote last; whether the data are at fault is told by what it says."""
    told = yield Step("read what the server wrote", Command(host, ("tail", "-n", "12", "--", f"{folder}.trial/log")))
    complaints = [line for line in told.output.splitlines() if "FATAL:" in line or "PANIC:" in line] or [reason]
    why = complaints[0].strip()[:300]
    failed = TrialFailed if any(sign in told.output for sign in _DATA_AT_FAULT) else ProcedureFailed
    raise failed(f"恢复出的 PostgreSQL 不能启动:{why}", f"the restored PostgreSQL does not start: {why}")


_NO_AMCHECK = Text("没有 pg_amcheck(PostgreSQL 14 起)", "there is no pg_amcheck (PostgreSQL 14 and later have it)")
