"""PostgreSQL with nothing but its own programs: pg_basebackup, pg_verifybackup, and pg_receivewal for the log.

A replication slot makes the server keep all WAL until it was fetched. What was fetched since the newest copy lies on
the source's host, and each state of it goes into a repository of its own beside that of the copies; so one copy and one
state are all that going on to a moment takes. How much may be lost is how often `bring_log` runs, and what it takes:
a procedure cannot hold a stream open. A city that may lose less has a standby, or lets pgBackRest copy.

While nothing is fetched the server's disk fills: let `max_slot_wal_keep_size` end that; the next copy then begins the
log anew.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from backup.engine import Copied, CopyBroken, Keys, options_of
from backup.engines.borg import borg
from backup.postgresql import (
    MARK,
    Login,
    Segment,
    ask,
    find_programs,
    first_missing,
    refuse_earlier,
    start_of,
    tell_recovery,
)
from backup.staging import Staged, log_of
from secops.model.city import Asset, AssetKind, Product, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Command, Moved, Procedure, ProcedureFailed, Step, require, under
from secops.model.text import Text

_PACKAGE = "postgresql-client"
_SHORT_SECONDS = 180.0
_LONG_SECONDS = 24 * 3600.0
_ODD = re.compile(r"[^a-z0-9_]")
_PROGRESS = re.compile(r"(\d+)/(\d+) kB \(\d+%\), .*")
_LABEL, _NEW_LABEL = "label", "label.new"
_SAMPLE_LABEL = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n"
_SAMPLE_FILES = "000000010000000000000002 16777216\n"
_SAMPLE_SERVER = "150000|0|f\n"
_SERVER = """
    SELECT current_setting('server_version_num'),
        (SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')), pg_is_in_recovery()
"""
_REACH = "SELECT pg_current_wal_flush_lsn() - 1"
"""pg_receivewal ends when it is past the place that it is given."""


class PostgresqlOptions(Login):
    """How the server is logged in to. The account needs REPLICATION, and nothing else."""

    log: bool = True
    """Whether WAL is fetched too; not from a standby."""


class Postgresql(Staged):
    """Copies a whole PostgreSQL server (13 or later; the log from 15) through a replication connection.

    A restore to a moment ends recovery there and opens the database, since it goes to an isolated place first: who
    wants another moment restores again. Servers with tablespaces of their own are left to pgBackRest.
    """

    name = "postgresql"
    describes = Text(
        "用 pg_basebackup 与 pg_receivewal 备份 PostgreSQL", "copies PostgreSQL with its own programs, and its log"
    )
    kinds = frozenset({AssetKind.DATABASE})
    products = frozenset({Product.POSTGRESQL})
    needs = ("borg", "env", "find", "mkdir", "sh")
    chosen = True
    options = PostgresqlOptions
    point_in_time = True

    def stage(self, source: Asset, keys: Keys, folder: str, taken: datetime) -> Procedure[None]:
        chosen = options_of(PostgresqlOptions, source)
        programs = yield from _programs_for(source, chosen)
        if chosen.log:
            yield from _open_log(source, chosen, programs, keys)
        how = (
            "-F",
            "plain",
            "-X",
            "stream",
            "--checkpoint=fast",
            "--manifest-checksums=SHA256",
            "--label=jindun",
            "-P",
        )
        argv = (f"{programs}/pg_basebackup", "-D", folder, *how, "-d", chosen.connection(source))
        made = yield Step(
            "copy the server",
            chosen.command(source.host, *argv),
            changes=True,
            measure=progress_of,
            check=Command(source.host, ("test", "-e", f"{folder}/backup_manifest")),
            conclusive="authentication failed|no pg_hba.conf entry|must be superuser or replication role",
            timeout_seconds=_LONG_SECONDS,
        )
        require(made, f"备份 PostgreSQL {source.id} 失败", f"copying PostgreSQL {source.id} failed")
        verified = yield Step(
            "verify what was copied",
            Command(source.host, (f"{programs}/pg_verifybackup", *(yield from _as_far(source, programs)), folder)),
            assume="-",
            timeout_seconds=_LONG_SECONDS,
        )
        require(
            verified, f"PostgreSQL {source.id} 的副本不完好", f"what was copied of PostgreSQL {source.id} is not whole"
        )
        if chosen.log:
            noted = yield Step(
                "note where the copy begins in the log",
                Command(source.host, ("cp", "--", f"{folder}/backup_label", f"{_log(source, keys)}/{_NEW_LABEL}")),
                changes=True,
            )
            require(noted, "无法记下副本的日志起点", "cannot note where the copy begins in the log")

    def backup(self, source: Asset, vault: Vault, keys: Keys, archive: str, taken: datetime) -> Procedure[Copied]:
        """Brings the log too, from the last copy on; then what is older than this copy need not lie on the host."""
        copied = yield from super().backup(source, vault, keys, archive, taken)
        if not options_of(PostgresqlOptions, source).log:
            return copied
        log = _log(source, keys)
        moved = yield Step(
            "let the log begin at this copy",
            Command(source.host, ("mv", "-f", "--", f"{log}/{_NEW_LABEL}", f"{log}/{_LABEL}")),
            changes=True,
            check=Command(source.host, ("test", "!", "-e", f"{log}/{_NEW_LABEL}")),
        )
        require(moved, f"无法更新 {log}", f"cannot bring {log} up to date")
        yield from under("log", self.bring_log(source, vault, keys, taken))
        yield from _drop_older(source.host, log)
        return copied

    def bring_log(self, source: Asset, vault: Vault, keys: Keys, taken: datetime) -> Procedure[datetime | None]:
        """Until when it reaches is by the server's clock; what was committed before is in the vault."""
        chosen = options_of(PostgresqlOptions, source)
        if not chosen.log:
            return None
        programs = yield from _programs_for(source, chosen)
        log = _log(source, keys)
        start = yield from _start_in(source.host, f"{log}/{_LABEL}", "read where the newest copy begins")
        if start is None:
            raise ProcedureFailed(
                f"{source.id} 还没有带日志的副本,请先备份一次",
                f"no copy of {source.id} has begun a log yet; copy it first",
            )
        marked = yield from ask("mark the moment", chosen, source, programs, MARK, _REACH, assume="0|0/0\n0/0\n")
        reach = datetime.fromtimestamp(0, UTC) + timedelta(seconds=float(marked[0][0]))
        yield from _receive(source, chosen, programs, log, marked[1][0])
        yield from _refuse_gap(source.host, log, start, "look that the log is unbroken")
        kept = replace(log_of(source), path=log)
        yield from borg.backup(kept, vault, keys, _state_name(kept, reach), taken)
        return reach

    def beside(self, source: Asset) -> Asset | None:
        return log_of(source) if options_of(PostgresqlOptions, source).log else None

    def check_repository(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        yield from borg.check_repository(source, vault, keys)
        if options_of(PostgresqlOptions, source).log:
            yield from under("log", borg.check_repository(log_of(source), vault, keys))

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
        refuse_earlier(point, until)
        yield from borg.restore(source, point, vault, keys, host, into)
        if until is None:
            return
        log = replace(log_of(source), host=host)
        states = yield from under("log", borg.points(log, vault, keys))
        state = next((name for name in states if name >= _state_name(log, until)), None)
        if state is None:
            newest = states[-1] if states else "-"
            raise ProcedureFailed(
                f"备份库中的日志未达 {until:%F %T}Z,最新为 {newest}",
                f"the log in the vault does not reach {until:%F %T}Z, the newest is {newest}",
            )
        yield from under("log", borg.restore(log, replace(point, archive=state), vault, keys, host, f"{into}.log"))
        start = yield from _start_in(host, f"{into}/backup_label", "read where the copy begins")
        if start is None:
            raise CopyBroken(f"{into} 中没有 backup_label", f"the copy in {into} has no backup_label")
        yield from _refuse_gap(host, f"{into}.log", start, "look that the restored log is unbroken")

    def make_ready(self, source: Asset, host: str, into: str, until: datetime | None = None) -> Procedure[None]:
        """A copy is ready as it is; with `until` recovery is told where to end."""
        if until is not None:
            yield from tell_recovery(host, into, until)

    def expire(self, source: Asset, vault: Vault, keys: Keys, host: str, archives: Sequence[str]) -> Procedure[None]:
        """With the copies go the states of the log that end before every copy that is left begins."""
        yield from borg.expire(source, vault, keys, host, archives)
        here = replace(source, host=host)
        left = yield from under("left", borg.points(here, vault, keys))
        if not left or not options_of(PostgresqlOptions, source).log:
            return
        log = log_of(here)
        oldest = f"{log.id}{left[0].removeprefix(source.id)}"
        states = yield from under("log", borg.points(log, vault, keys))
        if old := [name for name in states if name < oldest][:-1]:
            yield from under("log", borg.expire(log, vault, keys, host, old))


postgresql = Postgresql()


def progress_of(line: str) -> Moved | None:
    """What a line of `pg_basebackup --progress` says; None for other lines."""
    if found := _PROGRESS.fullmatch(line.strip()):
        return Moved(int(found[1]) * 1024, int(found[2]) * 1024)
    return None


def _log(source: Asset, keys: Keys) -> str:
    """Where WAL lies on the source's host."""
    return f"{keys.state_directory}/wal/{source.id}"


def _state_name(log: Asset, reach: datetime) -> str:
    return f"{log.id}-{reach.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"


def _slot(source: Asset) -> str:
    return f"jindun_{_ODD.sub('_', source.id.lower())}"[:63]


def _slot_row(slot: str, column: str) -> str:
    return f"SELECT {column} FROM pg_replication_slots WHERE slot_name = '{slot}'"  # noqa: S608 - a plain word


def _programs_for(source: Asset, chosen: PostgresqlOptions) -> Procedure[str]:
    """The programs of the server's own version, where they are installed. Refuses servers that are not copied whole."""
    newest = yield from find_programs(source.host, chosen.programs, "pg_basebackup", _PACKAGE)
    told = yield from ask("ask the server what it is", chosen, source, newest, _SERVER, assume=_SAMPLE_SERVER)
    version, tablespaces, standby = told[0]
    if int(tablespaces):
        raise ProcedureFailed(
            f"{source.id} 有自建表空间,请改用 pgbackrest",
            f"{source.id} has tablespaces of its own; let pgbackrest copy it",
        )
    if chosen.log and standby == "t":
        raise ProcedureFailed(
            f"{source.id} 是备库,日志须取自主库;请设 log: no", f"{source.id} is a standby and gives no log; set log: no"
        )
    major = str(int(version) // 10_000)
    return f"{newest[: -len('/bin')].rpartition('/')[0]}/{major}/bin" if _is_versioned(newest, major) else newest


def _is_versioned(newest: str, major: str) -> bool:
    return newest.startswith("/usr/lib/postgresql/") and newest != f"/usr/lib/postgresql/{major}/bin"


def _as_far(source: Asset, programs: str) -> Procedure[tuple[str, ...]]:
    """Only the server's package has what reads WAL."""
    reads = yield Step(
        "look for what reads WAL",
        Command(source.host, ("test", "-x", f"{programs}/pg_waldump"), good_exit_codes=(0, 1)),
    )
    return ("--no-parse-wal",) if reads.exit_code else ()


def _open_log(source: Asset, chosen: PostgresqlOptions, programs: str, keys: Keys) -> Procedure[None]:
    """Make the slot and the folder. A slot that was lost takes the old log with it: both begin anew."""
    slot, log = _slot(source), _log(source, keys)
    found = yield from ask(
        "ask for the slot",
        chosen,
        source,
        programs,
        _slot_row(slot, "coalesce(wal_status, 'lost')"),
        assume="reserved\n",
    )
    if found != [["reserved"]] and found != [["extended"]]:
        if found:
            dropping = f"SELECT pg_drop_replication_slot('{slot}')"
            yield from ask("drop the lost slot", chosen, source, programs, dropping, changes=True)
        cleared = yield Step(
            "clear the log of the lost slot",
            Command(source.host, ("rm", "-rf", "--one-file-system", "--", log)),
            changes=True,
        )
        require(cleared, f"无法清除 {log}", f"cannot clear {log}")
        # pg_receivewal would make one that keeps nothing before it is first read.
        making = f"SELECT pg_create_physical_replication_slot('{slot}', true) WHERE NOT EXISTS ({_slot_row(slot, '1')})"
        yield from ask("make the slot", chosen, source, programs, making, changes=True)
    folder = yield Step(
        "make the folder of the log", Command(source.host, ("mkdir", "-p", "-m", "0700", "--", log)), changes=True
    )
    require(folder, f"无法建立 {log}", f"cannot make {log}")


def _receive(source: Asset, chosen: PostgresqlOptions, programs: str, log: str, end: str) -> Procedure[None]:
    argv = (f"{programs}/pg_receivewal", "-D", log, f"--slot={_slot(source)}", f"--endpos={end}", "--no-loop")
    received = yield Step(
        "fetch the log",
        chosen.command(source.host, *argv, "-d", chosen.connection(source)),
        changes=True,
        conclusive="authentication failed|has already been removed|does not exist",
        timeout_seconds=_LONG_SECONDS,
    )
    require(received, f"无法取得 {source.id} 的 WAL", f"the WAL of {source.id} cannot be fetched")


def _start_in(host: str, label: str, name: str) -> Procedure[Segment | None]:
    told = yield Step(name, Command(host, ("cat", "--", label), good_exit_codes=(0, 1)), assume=_SAMPLE_LABEL)
    require(told, f"无法读取 {label}", f"cannot read {label}")
    return start_of(told.output)


def _files(host: str, log: str, name: str) -> Procedure[list[tuple[str, int]]]:
    argv = ("find", log, "-type", "f", "-printf", "%f %s\\n")
    listed = yield Step(name, Command(host, argv), assume=_SAMPLE_FILES)
    require(listed, f"无法查看 {log}", f"cannot look into {log}")
    return [(file, int(size)) for file, _, size in (line.rpartition(" ") for line in listed.output.splitlines())]


def _refuse_gap(host: str, log: str, start: Segment, name: str) -> Procedure[None]:
    files = yield from _files(host, log, name)
    if missing := first_missing(start, files):
        raise CopyBroken(
            f"日志缺少 {missing},不能从副本继续;请重新备份",
            f"the log lacks {missing} and does not go on from the copy; take a new copy",
        )


def _drop_older(host: str, log: str) -> Procedure[None]:
    """Drop from the host what is older than the newest copy; the vault has it."""
    start = yield from _start_in(host, f"{log}/{_LABEL}", "read where this copy begins")
    files = yield from _files(host, log, "list the log")
    found = ((name, Segment.of(name)) for name, _ in files)
    old = [f"{log}/{name}" for name, segment in found if start and segment and segment.place < start.place]
    if old:
        dropped = yield Step("drop what is older than this copy", Command(host, ("rm", "-f", "--", *old)), changes=True)
        require(dropped, f"无法清理 {log}", f"cannot tidy {log}")
