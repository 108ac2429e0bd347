"""PostgreSQL by Barman: full copies over a replication connection, and all WAL, streamed through a slot.

Barman runs on the source's host and the vault is a directory there, as for pgBackRest: one that is mounted, or a local
one that another vault fetches from. It encrypts nothing, so the vault must stand on an encrypted disk. Its settings
are told anew with each command and hold no secret; the password lies in a file that only its user may read.

Barman's own WAL carries no hash: those of all segments are noted when they arrive, and compared whenever a copy is
read. It streams while we copy or bring the log; a city whose administrator lets `barman receive-wal` run all the time
with the same settings loses less, and is not disturbed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from backup.engine import Copied, CopyBroken, Engine, Keys, options_of, refuse_name
from backup.listing import take_manifest
from backup.manifest import Entry, Kind, Manifest
from backup.postgresql import (
    MARK,
    Login,
    Segment,
    ask,
    find_programs,
    first_missing,
    make_empty,
    refuse_earlier,
    tell_recovery,
)
from backup.programs import probe, refuse_missing
from secops.model.city import Asset, AssetKind, Product, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Command, Procedure, ProcedureFailed, Result, Step, require
from secops.model.text import Text

_PACKAGE = "barman"
_LEAST = (3, 0)
_SHORT_SECONDS = 180.0
_LONG_SECONDS = 24 * 3600.0
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DONE = "DONE"
_TABLESPACES = "SELECT spcname, pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''"
_NO_REPOSITORY = 3
"""How the look ends where none is."""
_UNDER = (
    'umask 077; mkdir -p "${1%/*}" && { cat; echo "barman_user = $(id -un)"; } >"$1.$$" && mv -f "$1.$$" "$1" && shift'
)
"""Writes the settings: Barman reads them from a file alone, and insists on the name of its user."""
_KEEP = 'umask 077; mkdir -p "${1%/*}" && { printf "*:*:*:*:"; sed "s/[\\\\\\\\:]/\\\\\\\\&/g"; } >"$1.new" && mv -f "$1.new" "$1"'
_STREAM = """
conf=$1 server=$2; shift 2
barman -q -c "$conf" receive-wal "$server" >"$conf.log" 2>&1 &
receiver=$!
trap 'kill $(cat /proc/$receiver/task/$receiver/children 2>/dev/null) $receiver 2>/dev/null; wait' EXIT
barman -q -c "$conf" switch-wal --archive --archive-timeout 120 "$server" || { cat "$conf.log" >&2; exit 1; }
"""
"""A receiver of our own unless one is running, for as long as the rest takes. Barman's own `--stop` sends it a signal
that shells have their background ignore, and left alone its child would stream on."""
_DESCRIBE = """
[ -d "$1/base" ] || exit 3
for name in "$1"/base/*/archive; do
  [ -e "$name" ] || continue
  place=${name%/archive}; echo "archive=$(cat "$name")"; echo "id=${place##*/}"
  grep -E '^(status|begin_time|begin_wal|end_wal|size)=' "$place/backup.info"; echo
done"""
_COPY = (
    _STREAM
    + 'barman -q -c "$conf" backup --immediate-checkpoint --wait --wait-timeout 3600 "$server" >&2 || exit'
    + _DESCRIBE
)
_COPIED = (
    '(cd "$1/base" && for name in $(grep -lFx -e "$2" */archive); do grep -qx status=DONE "${name%/*}/backup.info" '
    "&& exit 0; done; exit 1) || exit 1" + _DESCRIBE
)
_NOTE = """
cd "$1/wals" && touch ../segments && cut -c67- ../segments | LC_ALL=C sort >../segments.known &&
find . -mindepth 2 -type f -printf '%P\\n' | LC_ALL=C sort | LC_ALL=C comm -13 ../segments.known - |
xargs -r -d '\\n' sha256sum -- >>../segments; rm -f ../segments.known"""
_HASHES = 'cut -c1-64,85- "$1/segments"'
_COMPARE = (
    'cd "$1/wals" && awk -v from="$2" \'{ sub(/.*\\//, "", $2); if (substr($2, 9) >= substr(from, 9)) print }\' '
    '../segments | while read -r hash name; do echo "$hash  $(printf %.16s "$name")/$name"; done '
    "| sha256sum -c --quiet"
)
_TIDY = """
cd "$1" && rm -f recovery.signal .barman-recover.info && mv -f "backup_manifest.$2" backup_manifest || exit
for file in *.origin; do [ ! -e "$file" ] || mv -f -- "$file" "${file%.origin}" || exit; done"""
"""Recovery by an archive is asked for by `make_ready` alone, and what is restored is what was copied."""
_BRING = """
wals=$1 into=$2; shift 2
for name; do cp -- "$wals/$(printf %.16s "$name")/$name" "$into/$name" && chmod 600 "$into/$name" || exit; done"""


class BarmanOptions(Login):
    """How the server is logged in to, from its own host. The account needs REPLICATION, the roles
    pg_read_all_settings, pg_read_all_stats and pg_checkpoint, and to execute pg_backup_start, pg_backup_stop,
    pg_switch_wal and pg_create_restore_point."""


class Barman(Engine):
    """Copies a whole PostgreSQL server (15 or later); those with tablespaces of their own are left to pgBackRest."""

    name = "barman"
    describes = Text("用 Barman 备份 PostgreSQL 与 WAL", "copies PostgreSQL and its WAL with Barman")
    kinds = frozenset({AssetKind.DATABASE})
    lists = True
    products = frozenset({Product.POSTGRESQL})
    needs = ("barman", "rsync", "sh", "find", "mkdir")
    options = BarmanOptions
    encrypts = False
    point_in_time = True
    one_vault = True

    def prepare(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        """The slot keeps WAL from now on; without a copy after it the server's disk fills."""
        yield from _open(source, vault, keys)

    def backup(self, source: Asset, vault: Vault, keys: Keys, archive: str, taken: datetime) -> Procedure[Copied]:
        """What Barman began and did not finish is deleted first, since nobody would take it up."""
        refuse_name(archive)
        programs = yield from _open(source, vault, keys)
        held = yield from _held(source, vault, "look what the vault holds", unfinished=True)
        seconds = 0.0
        if not any(copy.archive == archive and copy.whole for copy in held):
            for broken in (copy for copy in held if not copy.whole):
                yield from _delete(source, vault, keys, broken)
            made = yield from self._copy(source, vault, keys, programs, archive)
            seconds, held = made.seconds, _copies_in(made.output)
        noted = yield Step(
            "note the hashes of the log",
            Command(source.host, ("bash", "-c", f"set -o pipefail; {_NOTE}", "note", _repository(source, vault))),
            changes=True,
            timeout_seconds=_LONG_SECONDS,
        )
        require(noted, f"无法记下 {source.id} 的日志", f"the log of {source.id} cannot be noted")
        copy = _named([copy for copy in held if copy.whole], archive)
        manifest = yield from _manifest(source, vault, copy)
        return Copied(archive, taken, copy.size_bytes, seconds, manifest=manifest)

    def _copy(self, source: Asset, vault: Vault, keys: Keys, programs: str, archive: str) -> Procedure[Result]:
        chosen = options_of(BarmanOptions, source)
        # Barman waits for WAL to arrive, and a server that is idle has none.
        yield from ask("mark the moment", chosen, source, programs, MARK, assume="0|0/0\n", changes=True)
        repository = _repository(source, vault)
        copying = _streaming(source, vault, keys, programs, _COPY, repository)
        made = yield Step(
            "copy the server",
            replace(copying, env={"JINDUN_ARCHIVE": archive}),
            changes=True,
            check=Command(source.host, ("sh", "-c", _COPIED, "copied", repository, archive)),
            assume=_sample(archive),
            timeout_seconds=_LONG_SECONDS,
        )
        _must(made, source, f"备份 {source.id} 失败", f"copying {source.id} failed")
        return made

    def points(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[tuple[str, ...]]:
        held = yield from _held(source, vault, "list the copies")
        return tuple(copy.archive for copy in held)

    def read_check(self, source: Asset, vault: Vault, keys: Keys, archive: str) -> Procedure[None]:
        """Barman has PostgreSQL compare all files with its manifest; then the log from the copy on with our hashes."""
        copy = _named((yield from _held(source, vault, "list the copies")), archive)
        programs = yield from find_programs(
            source.host, options_of(BarmanOptions, source).programs, "pg_verifybackup", "postgresql"
        )
        read = yield Step(
            "read the copy back",
            _command(source, vault, keys, "verify-backup", source.id, copy.id, programs=programs),
            assume="-",
            timeout_seconds=_LONG_SECONDS,
        )
        _must(read, source, f"备份 {archive} 读不回来", f"the copy {archive} cannot be read back", damaged=True)
        compared = yield Step(
            "compare the log with its hashes",
            Command(source.host, ("sh", "-c", _COMPARE, "compare", _repository(source, vault), copy.begins)),
            assume="-",
            timeout_seconds=_LONG_SECONDS,
        )
        _must(compared, source, f"备份 {archive} 的日志读不回来", f"the log of {archive} cannot be read", damaged=True)

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
        here = replace(source, host=host)
        yield from make_empty(host, into)
        copy = _named((yield from _held(here, vault, "list the copies", point.archive)), point.archive)
        restored = yield Step(
            "restore the copy",
            _command(here, vault, keys, "recover", "--get-wal", source.id, copy.id, into),
            changes=True,
            timeout_seconds=_LONG_SECONDS,
        )
        _must(restored, here, f"恢复 {point.archive} 失败", f"restoring {point.archive} failed")
        tidied = yield Step(
            "let it start without an archive",
            Command(host, ("sh", "-c", _TIDY, "tidy", into, copy.id)),
            changes=True,
            check=Command(host, ("test", "-e", f"{into}/backup_manifest")),
        )
        require(tidied, f"{into} 无法就绪", f"{into} cannot be made ready")
        log = yield from _log(here, vault, "list the log")
        own = [segment for segment, _ in log if copy.begins[8:] <= segment[8:] <= copy.ends[8:]]
        yield from _bring(here, vault, "bring the log of the copy", own, f"{into}/pg_wal")
        if until is not None:
            yield from _bring_until(here, vault, copy, log, into, until)

    def make_ready(self, source: Asset, host: str, into: str, until: datetime | None = None) -> Procedure[None]:
        """A copy is ready as it is; with `until` recovery is told where to end, and opens the database there."""
        if until is not None:
            yield from tell_recovery(host, into, until)

    def bring_log(self, source: Asset, vault: Vault, keys: Keys, taken: datetime) -> Procedure[datetime | None]:
        if not (yield from _held(source, vault, "look what the vault holds")):
            raise ProcedureFailed(
                f"{source.id} 还没有副本,请先备份一次", f"there is no copy of {source.id} yet; copy it first"
            )
        chosen = options_of(BarmanOptions, source)
        programs = yield from _programs(source)
        marked = yield from ask("mark the moment", chosen, source, programs, MARK, assume="0|0/0\n")
        brought = yield Step(
            "bring the log",
            _streaming(source, vault, keys, programs, _STREAM),
            changes=True,
            timeout_seconds=_LONG_SECONDS,
        )
        _must(brought, source, f"无法取得 {source.id} 的 WAL", f"the WAL of {source.id} cannot be fetched")
        noted = yield Step(
            "note the hashes of the log",
            Command(source.host, ("bash", "-c", f"set -o pipefail; {_NOTE}", "note", _repository(source, vault))),
            changes=True,
            timeout_seconds=_LONG_SECONDS,
        )
        require(noted, f"无法记下 {source.id} 的日志", f"the log of {source.id} cannot be noted")
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=float(marked[0][0]))

    def at_rest(self, directory: str) -> tuple[str, ...]:
        """Nothing need be held: what is new gets its name when it is whole, copies are made and fetched one at a time, and
        the lists of copies name nothing before it is there."""
        return ()

    def expire(self, source: Asset, vault: Vault, keys: Keys, host: str, archives: Sequence[str]) -> Procedure[None]:
        """With a copy Barman deletes the log that no copy before it needs."""
        here = replace(source, host=host)
        for copy in (yield from _held(here, vault, "list the copies")):
            if copy.archive in archives:
                yield from _delete(here, vault, keys, copy)


barman = Barman()


@dataclass(frozen=True, slots=True)
class _Copy:
    """One copy as its folder tells of it."""

    archive: str
    id: str
    whole: bool
    begun: str
    begins: str
    """The segment of WAL that it begins in."""
    ends: str
    size_bytes: int


def _repository(source: Asset, vault: Vault) -> str:
    if source.host != (vault.host or source.host) or (vault.location.startswith("ssh://") and not vault.host):
        raise ProcedureFailed(
            f"barman 的备份库 {vault.id} 须是 {source.host} 上的目录;异地备份库可再从它拉取",
            f"vault {vault.id} must be a directory on {source.host} for barman; another vault may fetch from it",
        )
    if not _SAFE_NAME.fullmatch(source.id):
        raise ProcedureFailed(f"资产标识 {source.id!r} 不能作为目录名", f"{source.id!r} cannot name a directory")
    return f"{vault.directory.rstrip('/')}/{source.id}"


def _slot(source: Asset) -> str:
    return f"barman_{re.sub(r'[^a-z0-9_]', '_', source.id.lower())}"[:63]


def _password_file(source: Asset, keys: Keys) -> str:
    return f"{keys.state_directory}/barman/{source.id}.pass"


def _settings(source: Asset, vault: Vault, keys: Keys, programs: str) -> str:
    """What Barman is told; `barman_user` is added on the host."""
    chosen, repository = options_of(BarmanOptions, source), _repository(source, vault)
    passfile = f" passfile='{_password_file(source, keys)}'" if chosen.password else ""
    own = {
        "description": source.id,
        "conninfo": chosen.connection(source) + passfile,
        "streaming_conninfo": chosen.connection(source) + passfile,
        "backup_method": "postgres",
        "archiver": "off",
        "streaming_archiver": "on",
        "slot_name": _slot(source),
        "path_prefix": programs,
        "backup_directory": repository,
        # What is not whole yet is no part of the vault.
        "streaming_wals_directory": f"{keys.state_directory}/barman/{source.id}.streaming",
        "minimum_redundancy": "0",
        "pre_backup_script": 'test -z "$JINDUN_ARCHIVE" || echo "$JINDUN_ARCHIVE" >"$BARMAN_BACKUP_DIR/archive"',
    }
    shared = {
        "barman_home": repository,
        "barman_lock_directory": f"{keys.state_directory}/barman",
        "log_level": "WARNING",
    }
    sections = ((source.id, own), ("barman", shared))
    return "".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in told.items() if value) for name, told in sections
    )


def _open(source: Asset, vault: Vault, keys: Keys) -> Procedure[str]:
    """Make the repository and the slot where they are not there; the directory of PostgreSQL's programs."""
    yield from probe(source.host, "barman", "--version", package=_PACKAGE, least=_LEAST)
    programs = yield from _programs(source)
    chosen = options_of(BarmanOptions, source)
    if chosen.password:
        path = _password_file(source, keys)
        writing = Command(source.host, ("sh", "-c", _KEEP, "write", path), stdin=chosen.password)
        written = yield Step("write the file of the password", writing, changes=True)
        require(written, f"无法写入 {path}", f"cannot write {path}")
    repository = _repository(source, vault)
    folders = yield Step(
        "make the repository",
        Command(source.host, ("mkdir", "-p", "-m", "0700", "--", f"{repository}/base", f"{repository}/wals")),
        changes=True,
    )
    require(folders, f"无法在备份库 {vault.id} 建立存储", f"cannot prepare vault {vault.id}")
    yield from _refuse_tablespaces(source, programs)
    # One that Barman makes would keep nothing before it is first read.
    slot = _slot(source)
    row = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{slot}'"  # noqa: S608 - a plain word
    making = f"SELECT pg_create_physical_replication_slot('{slot}', true) WHERE NOT EXISTS ({row})"
    yield from ask("make the slot", chosen, source, programs, making, changes=True)
    return programs


def _refuse_tablespaces(source: Asset, programs: str) -> Procedure[None]:
    """A restore would put them where the server's own lie."""
    chosen = options_of(BarmanOptions, source)
    told = yield from ask("ask for tablespaces", chosen, source, programs, _TABLESPACES, assume="\n")
    if found := ", ".join(f"{row[0]} ({row[1]})" for row in told):
        raise ProcedureFailed(
            f"{source.id} 有自建表空间 {found},barman 的恢复会写入原处;请改用 pgbackrest",
            f"{source.id} has tablespaces of its own, {found}, which barman would restore in place; let pgbackrest copy it",
        )


def _command(source: Asset, vault: Vault, keys: Keys, verb: str, *argv: str, programs: str = "") -> Command:
    path = f"{keys.state_directory}/barman/{source.id}.conf"
    words = ("barman", "-q", "-c", path, verb, *argv)
    settings = _settings(source, vault, keys, programs)
    return Command(source.host, ("sh", "-c", f'{_UNDER} && exec "$@"', "under", path, *words), stdin=settings)


def _streaming(source: Asset, vault: Vault, keys: Keys, programs: str, script: str, *argv: str) -> Command:
    path = f"{keys.state_directory}/barman/{source.id}.conf"
    argv = ("sh", "-c", f'{_UNDER} && exec sh -c "$0" stream "$@"', script, path, path, source.id, *argv)
    return Command(source.host, argv, stdin=_settings(source, vault, keys, programs))


def _programs(source: Asset) -> Procedure[str]:
    told = options_of(BarmanOptions, source).programs
    return (yield from find_programs(source.host, told, "pg_basebackup", "postgresql-client"))


def _held(
    source: Asset, vault: Vault, name: str, assumed: str = "", *, unfinished: bool = False
) -> Procedure[list[_Copy]]:
    """The copies in the vault that bear a name of ours, oldest first.

    In a rehearsal that has assumed a copy, `assumed` is there when the vault cannot be asked.
    """
    told = yield Step(
        name,
        Command(source.host, ("sh", "-c", _DESCRIBE, "describe", _repository(source, vault))),
        assume=_sample(assumed) if assumed else "\n",
        timeout_seconds=_SHORT_SECONDS,
    )
    if told.exit_code == _NO_REPOSITORY:
        raise ProcedureFailed(
            f"备份库 {vault.id} 中没有 {source.id} 的存储", f"vault {vault.id} has no repository of {source.id}"
        )
    require(told, f"无法列出备份库 {vault.id}", f"cannot list vault {vault.id}")
    return [copy for copy in _copies_in(told.output) if copy.whole or unfinished]


def _sample(archive: str) -> str:
    return f"archive={archive}\nid=20260101T000000\nstatus={_DONE}\n"


def _copies_in(told: str) -> list[_Copy]:
    return sorted((_copy_in(block) for block in told.split("\n\n") if block.strip()), key=lambda copy: copy.id)


def _copy_in(block: str) -> _Copy:
    told = dict(line.split("=", 1) for line in block.strip().splitlines())
    size = told.get("size", "0")
    return _Copy(
        told["archive"],
        told["id"],
        told.get("status") == _DONE,
        told.get("begin_time", ""),
        told.get("begin_wal", ""),
        told.get("end_wal", ""),
        int(size) if size.isdigit() else 0,
    )


def _named(held: Sequence[_Copy], archive: str) -> _Copy:
    for copy in held:
        if copy.archive == archive:
            return copy
    raise CopyBroken(f"备份 {archive} 不在备份库中", f"the copy {archive} does not exist in the vault")


def _delete(source: Asset, vault: Vault, keys: Keys, copy: _Copy) -> Procedure[None]:
    deleted = yield Step(
        f"take out {copy.id}",
        _command(source, vault, keys, "delete", source.id, copy.id),
        changes=True,
        check=Command(source.host, ("test", "!", "-e", f"{_repository(source, vault)}/base/{copy.id}")),
        timeout_seconds=_LONG_SECONDS,
    )
    _must(deleted, source, f"无法清理 {vault.id}", f"cannot take copies out of {vault.id}")


def _manifest(source: Asset, vault: Vault, copy: _Copy) -> Procedure[Manifest]:
    """Of what a restore gives: the files of the copy and the segments that it needs."""
    repository = _repository(source, vault)
    data = f"{repository}/base/{copy.id}/data"
    files = yield from take_manifest(source.host, data, "list what the copy holds", assume=Manifest(()))
    told = yield Step(
        "read the hashes of its log",
        Command(source.host, ("sh", "-c", _HASHES, "hashes", repository)),
        assume="\n",
        timeout_seconds=_SHORT_SECONDS,
    )
    require(told, f"读不出 {source.id} 的日志", f"the log of {source.id} cannot be read")
    hashes = {line[64:].strip(): line[:64] for line in told.output.splitlines() if line}
    log = yield from _log(source, vault, "measure its log")
    segments = [
        Entry(f"pg_wal/{name}", Kind.FILE, 0o600, size, hashes.get(name, ""))
        for name, (size, _) in log
        if copy.begins[8:] <= name[8:] <= copy.ends[8:]
    ]
    # Barman's repository has owners and times of its own.
    return Manifest.of((*(replace(entry, about=None) for entry in files.entries), *segments))


_Log = list[tuple[str, tuple[int, float]]]
"""Name of a segment, its bytes, and when it was written."""


def _log(source: Asset, vault: Vault, name: str) -> Procedure[_Log]:
    argv = ("find", f"{_repository(source, vault)}/wals", "-mindepth", "2", "-type", "f", "-printf", "%f %s %T@\\n")
    listed = yield Step(name, Command(source.host, argv), assume="\n", timeout_seconds=_SHORT_SECONDS)
    require(listed, "读不出日志的目录", "the log cannot be listed")
    rows = (line.split(" ") for line in listed.output.splitlines() if line)
    return sorted((name, (int(size), float(written))) for name, size, written in rows if Segment.of(name))


def _bring(source: Asset, vault: Vault, name: str, segments: Sequence[str], into: str) -> Procedure[None]:
    wals = f"{_repository(source, vault)}/wals"
    brought = yield Step(
        name,
        Command(source.host, ("sh", "-c", _BRING, "bring", wals, into, *segments)),
        changes=True,
        timeout_seconds=_LONG_SECONDS,
    )
    require(brought, "无法取得日志", "the log cannot be fetched")


def _bring_until(source: Asset, vault: Vault, copy: _Copy, log: _Log, into: str, until: datetime) -> Procedure[None]:
    """WAL from the copy's begin into `.log` beside the directory, unbroken, and as far as `until`."""
    wanted = [(name, told) for name, told in log if name[8:] >= copy.begins[8:]]
    newest = max((written for _, (_, written) in wanted), default=0.0)
    if newest < until.timestamp():
        reached = f"{datetime.fromtimestamp(newest, UTC):%F %T}Z" if newest else "-"
        raise ProcedureFailed(
            f"备份库中的日志未达 {until:%F %T}Z,最新为 {reached}",
            f"the log in the vault does not reach {until:%F %T}Z, the newest is of {reached}",
        )
    start = Segment.of(copy.begins) or Segment((0, 0))
    if missing := first_missing(start, [(name, size) for name, (size, _) in wanted]):
        raise CopyBroken(f"日志缺少 {missing}", f"the log lacks {missing}")
    made = yield Step(
        "make the log's folder",
        Command(source.host, ("mkdir", "-p", "-m", "0700", "--", f"{into}.log")),
        changes=True,
    )
    require(made, f"无法建立目录 {into}.log", f"cannot make the directory {into}.log")
    yield from _bring(source, vault, "bring the log", [name for name, _ in wanted], f"{into}.log")


def _must(result: Result, source: Asset, zh: str, en: str, *, damaged: bool = False) -> None:
    """Nothing for success; else ProcedureFailed with the first errors, CopyBroken for what only damage brings about."""
    if result.ok:
        return
    refuse_missing(result, source.host, "barman", _PACKAGE)
    lines = [line.strip() for line in (result.error_output + "\n" + result.output).splitlines()]
    errors = [line for line in lines if "ERROR" in line or "error" in line or "FAILED" in line]
    detail = "; ".join(errors[:2])[:500] or result.reason
    if damaged and result.exit_code == 1:
        raise CopyBroken(f"{zh},备份已损坏:{detail}", f"{en}, the copy is damaged: {detail}")
    raise ProcedureFailed(f"{zh}:{detail}", f"{en}: {detail}")
