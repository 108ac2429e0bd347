"""MariaDB by mariadb-backup, and by its binary log to any second after a copy.

The log is mirrored on the source's host by mariadb-binlog as a replica would read it, and the mirror is kept by borg in
a repository of its own beside that of the copies, so that each state of it holds all that the server still has.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from backup.engine import CopyBroken, EngineOptions, Keys, archive_name, options_of
from backup.engines.borg import borg
from backup.programs import probe, refuse_missing, with_secret
from backup.staging import Staged, log_of
from secops.model.city import Asset, AssetKind, Product, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require, under
from secops.model.text import Text

_SHORT_SECONDS = 180.0
_LONG_SECONDS = 24 * 3600.0
_NO_LOG = "not using binary logging"
_DENIED = "Access denied"
_ENDED = re.compile(r"^end_time = (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)$", re.MULTILINE)
_SAMPLE_INFO = "end_time = 2026-01-01 00:00:00\n"
_PREPARED = "log-applied|full-prepared"
_NUMBERED = re.compile(r"(.+)\.(\d{6,})")
_AFRESH = 'find "$0" -mindepth 1 -delete && exec "$@"'
"""It refuses a directory that holds something, as a try that was cut off leaves it."""
_APPLY = """\
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin
into=$1 stop=$2 position=$3
shift 3
log=$into.log
if [ -e "$log/applying" ]; then
    echo "an earlier try was cut off while it applied the log; restore into another directory" >&2
    exit 3
fi
# The paths of sockets are short: all that talk stand in the directory.
cd -- "$into"
umask 077
rm -f applying.socket "$log/statements"
mkfifo "$log/statements"
touch "$log/applying"
mariadbd --defaults-file="$into/backup-my.cnf" --datadir="$into" --socket=applying.socket --user="$(id -un)" \
    --skip-networking --skip-grant-tables --skip-slave-start --skip-log-bin --event-scheduler=OFF \
    --max-allowed-packet=1G --log-error="$log/server.log" </dev/null >/dev/null 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" || true' EXIT
trap 'exit 143' HUP INT TERM
client() { mariadb --no-defaults --socket=applying.socket --user=root --max-allowed-packet=1G "$@"; }
until client -e 'SELECT 1' >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || { tail -n 5 "$log/server.log" >&2; exit 4; }
    sleep 0.1
done
{
    # Grants of the log are refused until the tables of grants are read; this connection stays what it is.
    echo 'FLUSH PRIVILEGES;'
    TZ=UTC exec mariadb-binlog --no-defaults --verify-binlog-checksum \
        --start-position="$position" --stop-datetime="$stop" "$@"
} >"$log/statements" &
reader=$!
client --binary-mode <"$log/statements"
wait "$reader"
kill "$server"
wait "$server"
trap - EXIT
rm -f "$log/statements"
mv "$log/applying" "$log/applied"
"""


class MariadbOptions(EngineOptions):
    """How the server is logged in to; all may be left out where the user of the commands may do so by socket."""

    account: str = ""
    """Needs RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR, and REPLICATION SLAVE for the log."""
    password: str = ""
    """Secret reference."""
    socket: str = ""
    """Path; in place of address and port."""
    port: int = 3306


class Mariadb(Staged):
    """Copies a MariaDB server from its own host, by a user who may read its data directory.

    A restore to a moment goes to the second: nothing of that second or after it is in the data. It needs a log that
    reaches there, and a moment after the copy's end.
    """

    name = "mariadb"
    describes = Text(
        "用 mariadb-backup 与二进制日志备份 MariaDB", "copies MariaDB with mariadb-backup and its binary log"
    )
    kinds = frozenset({AssetKind.DATABASE})
    products = frozenset({Product.MARIADB})
    needs = ("mariadb-backup", "mariadb", "mariadb-binlog", "mariadbd", "borg", "env", "find", "mkdir")
    chosen = True
    options = MariadbOptions
    point_in_time = True

    def stage(self, source: Asset, keys: Keys, folder: str, taken: datetime) -> Procedure[None]:
        chosen = options_of(MariadbOptions, source)
        yield from probe(source.host, "mariadb-backup", "--version", package="mariadb-backup", least=(10, 5))
        program = ("mariadb-backup", "--backup", f"--target-dir={folder}", *login_words(source, chosen))
        argv = ("sh", "-c", _AFRESH, folder, "env", "TZ=UTC", *program)
        made = yield Step(
            "back the server up",
            with_secret(source.host, "MYSQL_PWD", chosen.password, *argv),
            changes=True,
            conclusive=_DENIED,
            timeout_seconds=_LONG_SECONDS,
        )
        require(made, f"备份 MariaDB {source.id} 失败", f"backing up MariaDB {source.id} failed")

    def beside(self, source: Asset) -> Asset | None:
        return log_of(source)

    def bring_log(self, source: Asset, vault: Vault, keys: Keys, taken: datetime) -> Procedure[datetime | None]:
        """All that was committed by `taken` is in the vault afterwards."""
        chosen = options_of(MariadbOptions, source)
        yield from probe(source.host, "mariadb-binlog", "--version", package="mariadb-client", least=(3, 0))
        mirror = f"{keys.state_directory}/binlog/{source.id}"
        made = yield Step(
            "make the mirror's folder", Command(source.host, ("mkdir", "-p", "-m", "0700", "--", mirror)), changes=True
        )
        require(made, f"无法建立 {mirror}", f"cannot make {mirror}")
        logs = yield from _logs_of_server(source, chosen)
        first = yield from _tidy(source.host, mirror, logs)
        from_server = ("--read-from-remote-server", "--raw", "--to-last-log", f"--result-file={mirror}/", first)
        argv = ("mariadb-binlog", *login_words(source, chosen), *from_server)
        read = yield Step(
            "read the log",
            with_secret(source.host, "MYSQL_PWD", chosen.password, *argv),
            changes=True,
            conclusive=_DENIED,
            timeout_seconds=_LONG_SECONDS,
        )
        require(read, f"无法读取 {source.id} 的二进制日志", f"the binary log of {source.id} cannot be read")
        log = replace(log_of(source), path=mirror)
        yield from borg.backup(log, vault, keys, archive_name(log, taken), taken)
        return taken

    def restore(
        self,
        source: Asset,
        point: RestorePoint,
        vault: Vault,
        keys: Keys,
        host: str,
        into: str,
        until: datetime | None = None,
    ) -> Procedure[None]:
        yield from borg.restore(source, point, vault, keys, host, into)
        if until is None:
            return
        yield from _refuse_too_early(host, into, until)
        log = replace(log_of(source), host=host)
        kept = yield from under("log", borg.points(log, vault, keys))
        state = next((name for name in kept if name >= archive_name(log, until)), None)
        if state is None:
            reached = kept[-1] if kept else "-"
            raise ProcedureFailed(
                f"备份库中的日志未达 {until:%F %T}Z,最新为 {reached}",
                f"the log in the vault does not reach {until:%F %T}Z, the newest is {reached}",
            )
        at_state = replace(point, archive=state)
        yield from under("log", borg.restore(log, at_state, vault, keys, host, f"{into}.log"))

    def make_ready(self, source: Asset, host: str, into: str, until: datetime | None = None) -> Procedure[None]:
        """Prepares the copy; with `until` a server without network applies the log to it."""
        prepared = yield Step(
            "prepare the data directory",
            Command(host, ("mariadb-backup", "--prepare", f"--target-dir={into}")),
            changes=True,
            check=Command(host, ("grep", "-Eq", _PREPARED, f"{into}/xtrabackup_checkpoints")),
            timeout_seconds=_LONG_SECONDS,
        )
        refuse_missing(prepared, host, "mariadb-backup", "mariadb-backup")
        require(prepared, f"{into} 无法就绪", f"the data directory {into} cannot be prepared")
        if until is not None:
            yield from _apply_log(host, into, until)

    def expire(self, source: Asset, vault: Vault, keys: Keys, host: str, archives: Sequence[str]) -> Procedure[None]:
        """With the copies go the states of the log that are older than every copy that is left."""
        yield from borg.expire(source, vault, keys, host, archives)
        here = replace(source, host=host)
        left = yield from under("left", borg.points(here, vault, keys))
        if not left:
            return
        log = log_of(here)
        # A source whose log was never brought has none.
        yield from under("log", borg.prepare(log, vault, keys))
        oldest = f"{log.id}{left[0].removeprefix(source.id)}"
        kept = yield from under("log", borg.points(log, vault, keys))
        if old := [name for name in kept if name < oldest]:
            yield from under("log", borg.expire(log, vault, keys, host, old))


mariadb = Mariadb()


def login_words(source: Asset, chosen: MariadbOptions) -> tuple[str, ...]:
    """What tells any client of MariaDB where the server is, and as whom."""
    address = source.address or "127.0.0.1"
    over_tcp = ("--protocol=tcp", f"--host={address}", f"--port={chosen.port}") if chosen.account else ()
    where = (f"--socket={chosen.socket}",) if chosen.socket else over_tcp
    return (*where, f"--user={chosen.account}") if chosen.account else where


def _logs_of_server(source: Asset, chosen: MariadbOptions) -> Procedure[list[str]]:
    """The files of the log that the server has, oldest first."""
    argv = ("mariadb", *login_words(source, chosen), "--batch", "--skip-column-names", "-e", "SHOW BINARY LOGS")
    listed = yield Step(
        "list the server's log",
        with_secret(source.host, "MYSQL_PWD", chosen.password, *argv),
        conclusive=f"{_NO_LOG}|{_DENIED}",
        timeout_seconds=_SHORT_SECONDS,
    )
    if _NO_LOG in listed.error_output:
        raise ProcedureFailed(
            f"{source.id} 未开启二进制日志,请在其配置中设置 log_bin",
            f"{source.id} keeps no binary log; set log_bin in its configuration",
        )
    refuse_missing(listed, source.host, "mariadb", "mariadb-client-core")
    require(listed, f"无法列出 {source.id} 的二进制日志", f"the binary logs of {source.id} cannot be listed")
    return [line.split("\t")[0] for line in listed.output.splitlines() if line]


def _tidy(host: str, mirror: str, logs: list[str]) -> Procedure[str]:
    """Drop from the mirror what the server has dropped; the file that reading goes on from, which may have grown."""
    seen = yield Step(
        "look into the mirror", Command(host, ("find", mirror, "-type", "f", "-printf", "%f\\n")), assume="\n"
    )
    require(seen, f"无法查看 {mirror}", f"cannot look into {mirror}")
    have = sorted(line for line in seen.output.splitlines() if line)
    if gone := [f"{mirror}/{name}" for name in have if name not in logs]:
        dropped = yield Step("drop what the server dropped", Command(host, ("rm", "-f", "--", *gone)), changes=True)
        require(dropped, f"无法清理 {mirror}", f"cannot tidy {mirror}")
    return max((name for name in have if name in logs), default=logs[0])


def _refuse_too_early(host: str, into: str, until: datetime) -> Procedure[None]:
    told = yield Step(
        "read when the copy ended", Command(host, ("cat", f"{into}/xtrabackup_info")), assume=_SAMPLE_INFO
    )
    ended = _ENDED.search(told.output)
    if not told.ok or ended is None:
        raise CopyBroken(f"{into} 中没有副本的说明", f"the copy in {into} does not say when it ended")
    end = datetime.fromisoformat(ended[1]).replace(tzinfo=UTC)
    if until < end:
        raise ProcedureFailed(
            f"副本到 {end:%F %T}Z 才完成,不能恢复到更早的 {until:%F %T}Z",
            f"the copy ended at {end:%F %T}Z and cannot be brought to {until:%F %T}Z before that",
        )


def _apply_log(host: str, into: str, until: datetime) -> Procedure[None]:
    told = yield Step(
        "read where the copy ends in the log",
        Command(host, ("cat", f"{into}/xtrabackup_binlog_info")),
        assume="log.000001\t4\n",
    )
    if not told.ok or not told.output.strip():
        raise ProcedureFailed(
            "副本没有日志位置:备份时服务器未开启二进制日志",
            "the copy has no place in the log: the server kept none when it was made",
        )
    first, position, *_ = told.output.split()
    listed = yield Step(
        "list the log", Command(host, ("find", f"{into}.log", "-type", "f", "-printf", "%f\\n")), assume=f"{first}\n"
    )
    require(listed, f"无法查看 {into}.log", f"cannot look into {into}.log")
    files = [f"{into}.log/{name}" for name in _unbroken(first, listed.output.splitlines())]
    stop = until.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    applied = yield Step(
        "apply the log",
        Command(host, ("sh", "-c", _APPLY, "apply", into, stop, position, *files)),
        changes=True,
        check=Command(host, ("test", "-e", f"{into}.log/applied")),
        conclusive="earlier try was cut off",
        timeout_seconds=_LONG_SECONDS,
    )
    require(applied, f"日志无法应用到 {into}", f"the log cannot be applied to {into}")


def _unbroken(first: str, names: Sequence[str]) -> list[str]:
    """The files of the log from `first` on, in order; CopyBroken when one is missing."""
    start = _NUMBERED.fullmatch(first)
    if start is None:
        raise CopyBroken(f"日志文件名 {first!r} 无法识别", f"{first!r} is no name of a file of the log")
    found = (_NUMBERED.fullmatch(name) for name in names)
    numbers = sorted(int(each[2]) for each in found if each and each[1] == start[1] and int(each[2]) >= int(start[2]))
    if missing := set(range(int(start[2]), max(numbers, default=int(start[2])) + 1)) - set(numbers):
        name = f"{start[1]}.{min(missing):06}"
        raise CopyBroken(f"日志缺少 {name}", f"the log lacks {name}")
    return [f"{start[1]}.{number:06}" for number in numbers]
