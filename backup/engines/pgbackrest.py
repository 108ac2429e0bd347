"""PostgreSQL by pgBackRest: full and incremental copies and all WAL, encrypted (AES-256) in a repository in the vault.

pgBackRest reads the server's files, so it runs on the source's host, and the vault is a directory there: one that is
mounted, or a local one that another vault fetches from. The server itself brings each segment of WAL into the vault,
for which its administrator sets, once, with the path of the file that `prepare` writes:

    archive_mode = on
    archive_command = 'pgbackrest --config=STATE/pgbackrest/ASSET.conf --stanza=ASSET archive-push %p'

Every copy begins with `pgbackrest check`, which sees whether that works. The WAL that a copy needs is kept with it too,
so that it starts without the archive.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backup.engine import Copied, CopyBroken, Engine, Keys, options_of
from backup.manifest import Entry, Kind, Manifest, path_text
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
from backup.programs import probe, refuse_missing, with_secret
from secops.model.city import Asset, AssetKind, Product, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Command, Procedure, ProcedureFailed, Result, Step, require
from secops.model.text import Text

_PACKAGE = "pgbackrest"
_LEAST = (2, 41)
"""The first that keeps notes with a copy."""
_SHORT_SECONDS = 180.0
_LONG_SECONDS = 24 * 3600.0
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SECRET = "PGBACKREST_REPO1_CIPHER_PASS"  # noqa: S105 - the name of it
_NO_STANZA, _NO_COPIES, _UNREADABLE = 1, 2, 99
_EMPTY = '[{"backup": [], "status": {"code": 2}}]'
_WRITE = 'umask 077; mkdir -p "${1%/*}" && cat >"$1.new" && mv -f "$1.new" "$1"'
# What a copy is said to hold, without the key of its files.
_HOLDS = (
    'set -o pipefail 2>/dev/null; pgbackrest --no-config repo-get "$1" | sed -En '
    """'/^\\[target:/,$ { s/"(checksum|rck|reference)":"[^"]*",?//g; s/"(repo-size|timestamp)":[0-9]+,?//g; p }'"""
)
_FETCH = 'into=$1; shift; for name; do pgbackrest --no-config archive-get "$name" "$into/$name" || exit; done'
_COPY = 'pgbackrest --no-config backup "$@" >&2 && exec pgbackrest --no-config info --output=json'
_COPIED = (
    'told=$(pgbackrest --no-config info --output=json); case $told in *"$1"*) printf %s "$told";; *) exit 1;; esac'
)
_NAMED_SEGMENT = re.compile(r"[0-9A-F]{16}/([0-9A-F]{24})-[0-9a-f]{40}")
_LISTED = re.compile(r"pg_data/(.+)=(\{.*\})")
_MODE = re.compile(r'^mode="([0-7]+)"$', re.MULTILINE)


class PgbackrestOptions(Login):
    """How the server is logged in to on its own host; the asset's path is its data directory."""

    run_as: str = ""
    """The server's own user, when the commands are root's: it and pgBackRest share the repository."""
    full_every_days: float = 7.0
    """How old the newest full copy may be that another builds upon."""

    def as_server(self, command: Command) -> Command:
        """The command as the server's user."""
        return replace(command, argv=("runuser", "-u", self.run_as, "--", *command.argv)) if self.run_as else command

    def command(self, host: str, *argv: str) -> Command:
        return self.as_server(super().command(host, *argv))


class Pgbackrest(Engine):
    """Copies a whole PostgreSQL server, tablespaces too, which are restored into `into`.tablespaces.

    The manifest has no hashes: pgBackRest compares each file with its own while it restores.
    """

    name = "pgbackrest"
    describes = Text("用 pgBackRest 备份 PostgreSQL 与 WAL", "copies PostgreSQL and its WAL with pgBackRest")
    kinds = frozenset({AssetKind.DATABASE})
    lists = True
    products = frozenset({Product.POSTGRESQL})
    needs = ("pgbackrest", "sh", "find", "mkdir")
    options = PgbackrestOptions
    point_in_time = True
    one_vault = True

    def prepare(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        yield from probe(source.host, "pgbackrest", "version", package=_PACKAGE, least=_LEAST)
        yield from _write_settings(source, vault, keys)
        made = yield Step(
            "make the repository",
            _command(source, vault, keys, "stanza-create"),
            changes=True,
            timeout_seconds=_SHORT_SECONDS,
        )
        _must(made, source, f"无法在备份库 {vault.id} 建立存储", f"cannot prepare vault {vault.id}")

    def backup(self, source: Asset, vault: Vault, keys: Keys, archive: str, taken: datetime) -> Procedure[Copied]:
        if not _SAFE_NAME.fullmatch(archive):
            raise ProcedureFailed(f"备份名 {archive!r} 不可用", f"{archive!r} cannot be the name of a copy")
        yield from self.prepare(source, vault, keys)
        held = yield from _held(source, vault, keys, "look what the vault holds")
        seconds = 0.0
        if not any(copy.archive == archive for copy in held):
            yield from _check(source, vault, keys)
            oldest = taken - timedelta(days=options_of(PgbackrestOptions, source).full_every_days)
            fresh = any(copy.is_full and copy.begun > oldest for copy in held)
            how = ("--start-fast", "--archive-copy", "--no-expire-auto", f"--annotation=archive={archive}")
            made = yield Step(
                "copy the server",
                _under(
                    source, vault, keys, False, "sh", "-c", _COPY, "copy", f"--type={'incr' if fresh else 'full'}", *how
                ),
                changes=True,
                check=_under(source, vault, keys, False, "sh", "-c", _COPIED, "copied", f'"archive":"{archive}"'),
                assume=_sample(archive),
                timeout_seconds=_LONG_SECONDS,
            )
            _must(made, source, f"备份 {source.id} 失败", f"copying {source.id} failed")
            seconds = made.seconds
            held = _copies(made.output, source, vault)
        copy = _named(held, archive)
        manifest = yield from _manifest(source, vault, keys, copy)
        return Copied(archive, taken, copy.added_bytes, seconds, manifest=manifest)

    def points(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[tuple[str, ...]]:
        held = yield from _held(source, vault, keys, "list the copies")
        return tuple(copy.archive for copy in held)

    def read_check(self, source: Asset, vault: Vault, keys: Keys, archive: str) -> Procedure[None]:
        """pgBackRest reads all copies and all WAL back, and compares their hashes."""
        copy = _named((yield from _held(source, vault, keys, "list the copies")), archive)
        read = yield Step(
            "read the copy back",
            _command(source, vault, keys, "verify", "--output=text", "--verbose"),
            assume="status: ok\n",
            timeout_seconds=_LONG_SECONDS,
        )
        _must(read, source, f"备份 {archive} 读不回来", f"the copy {archive} cannot be read back")
        if "status: error" in read.output or "status: ok" not in read.output:
            wrong = _complaint(read.output, copy.label)
            raise CopyBroken(
                f"备份 {archive} 读不回来,备份已损坏:{wrong}",
                f"the copy {archive} cannot be read back, the copy is damaged: {wrong}",
            )

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
        here = replace(source, host=host, path=into)
        yield from make_empty(host, into)
        copy = _named((yield from _held(here, vault, keys, "list the copies", point.archive, own=True)), point.archive)
        how = ("--type=none", f"--set={copy.label}", f"--tablespace-map-all={into}.tablespaces")
        restored = yield Step(
            "restore the copy",
            _command(here, vault, keys, "restore", *how, own=True),
            changes=True,
            timeout_seconds=_LONG_SECONDS,
        )
        _must(restored, here, f"恢复 {point.archive} 失败", f"restoring {point.archive} failed")
        # What the copy needs is in its own pg_wal; recovery by an archive is asked for by `make_ready` alone.
        bare = yield Step(
            "let it start without an archive",
            Command(host, ("rm", "-f", "--", f"{into}/recovery.signal")),
            changes=True,
        )
        require(bare, f"{into} 无法就绪", f"{into} cannot be made ready")
        if until is not None:
            yield from _fetch_log(here, vault, keys, copy, until)

    def make_ready(self, source: Asset, host: str, into: str, until: datetime | None = None) -> Procedure[None]:
        """A copy is ready as it is; with `until` recovery is told where to end, and opens the database there."""
        if until is not None:
            yield from tell_recovery(host, into, until)

    def bring_log(self, source: Asset, vault: Vault, keys: Keys, taken: datetime) -> Procedure[datetime | None]:
        """The server brings its log by itself; this makes it close the present segment and waits until that is there."""
        chosen = options_of(PgbackrestOptions, source)
        programs = yield from find_programs(source.host, chosen.programs, "psql", "postgresql-client")
        marked = yield from ask("mark the moment", chosen, source, programs, MARK, assume="0|0/0\n")
        yield from _check(source, vault, keys)
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=float(marked[0][0]))

    def at_rest(self, directory: str) -> tuple[str, ...]:
        """Nothing need be held: what is new gets its name when it is whole, copies are made and fetched one at a time, and
        the lists of copies name nothing before it is there."""
        return ()

    def expire(self, source: Asset, vault: Vault, keys: Keys, host: str, archives: Sequence[str]) -> Procedure[None]:
        """A copy that a later one builds upon stays until that one goes too; the last full copy always stays."""
        here = replace(source, host=host)
        held = yield from _held(here, vault, keys, "list the copies")
        for copy in reversed(_removable(held, archives)):
            expired = yield Step(
                f"take out {copy.archive}",
                _command(here, vault, keys, "expire", f"--set={copy.label}"),
                changes=True,
                timeout_seconds=_LONG_SECONDS,
            )
            _must(expired, here, f"无法清理 {vault.id}", f"cannot take copies out of {vault.id}")


pgbackrest = Pgbackrest()


@dataclass(frozen=True, slots=True)
class _Copy:
    """One copy as pgBackRest tells of it."""

    archive: str
    label: str
    begun: datetime
    added_bytes: int
    start: str
    """The segment of WAL that it begins in."""
    built_upon: tuple[str, ...]
    """Labels."""

    @property
    def is_full(self) -> bool:
        return self.label.endswith("F")


def _environment(source: Asset, vault: Vault, keys: Keys, own: bool) -> Mapping[str, str]:
    """Everything but the passphrase. As variables, of which each command takes those that it knows."""
    if source.host != (vault.host or source.host) or (vault.location.startswith("ssh://") and not vault.host):
        raise ProcedureFailed(
            f"pgbackrest 的备份库 {vault.id} 须是 {source.host} 上的目录;异地备份库可再从它拉取",
            f"vault {vault.id} must be a directory on {source.host} for pgbackrest; another vault may fetch from it",
        )
    if not _SAFE_NAME.fullmatch(source.id):
        raise ProcedureFailed(f"资产标识 {source.id!r} 不能作为目录名", f"{source.id!r} cannot name a directory")
    chosen = options_of(PgbackrestOptions, source)
    state = f"{keys.state_directory}/pgbackrest"
    settings = {
        "stanza": source.id,
        "pg1-path": source.path,
        "pg1-port": str(chosen.port),
        "pg1-user": chosen.account,
        "pg1-socket-path": chosen.socket,
        "repo1-path": f"{vault.directory.rstrip('/')}/{source.id}",
        "repo1-cipher-type": "aes-256-cbc",
        "repo1-retention-full": "9999999",
        # Root and the server's user must not find each other's locks.
        "lock-path": f"{state}/lock{'-own' if own else ''}",
        "spool-path": f"{state}/spool{'-own' if own else ''}",
        "log-level-console": "off",
        "log-level-file": "off",
        "log-level-stderr": "warn",
    }
    return {f"PGBACKREST_{name.upper().replace('-', '_')}": value for name, value in settings.items() if value}


def _command(source: Asset, vault: Vault, keys: Keys, verb: str, *argv: str, own: bool = False) -> Command:
    """`own`: as whoever runs commands on the host, not as the server's user."""
    return _under(source, vault, keys, own, "pgbackrest", "--no-config", verb, *argv)


def _under(source: Asset, vault: Vault, keys: Keys, own: bool, *argv: str) -> Command:
    # What was fetched belongs to whoever fetched it.
    own = own or bool(vault.pulls_from)
    command = with_secret(source.host, _SECRET, keys.passphrase, *argv)
    chosen = options_of(PgbackrestOptions, source)
    return replace(command if own else chosen.as_server(command), env=_environment(source, vault, keys, own))


def _write_settings(source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
    """The file that the server's `archive_command` names; only its user may read it."""
    environment = _environment(source, vault, keys, own=False)
    told = {name.removeprefix("PGBACKREST_").lower().replace("_", "-"): value for name, value in environment.items()}
    stanza = told.pop("stanza")
    ours = {name: told.pop(name) for name in list(told) if name.startswith("pg1-")}
    lines = ["[global]", *(f"{name}={value}" for name, value in told.items()), f"repo1-cipher-pass={keys.passphrase}"]
    lines += ["", f"[{stanza}]", *(f"{name}={value}" for name, value in ours.items()), ""]
    path = f"{keys.state_directory}/pgbackrest/{source.id}.conf"
    writing = Command(source.host, ("sh", "-c", _WRITE, "write", path), stdin="\n".join(lines))
    written = yield Step(
        "write the settings for archive_command",
        options_of(PgbackrestOptions, source).as_server(writing),
        changes=True,
    )
    require(written, f"无法写入 {path}", f"cannot write {path}")


def _check(source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
    checked = yield Step(
        "check that WAL arrives in the vault",
        _command(source, vault, keys, "check"),
        changes=True,
        timeout_seconds=_SHORT_SECONDS,
    )
    if "archive_command" in checked.error_output or "archive_mode" in checked.error_output:
        line = f"pgbackrest --config={keys.state_directory}/pgbackrest/{source.id}.conf --stanza={source.id} archive-push %p"
        raise ProcedureFailed(
            f"{source.id} 没有把 WAL 交给 pgbackrest,请设 archive_mode = on 与 archive_command = '{line}'",
            f"{source.id} does not give its WAL to pgbackrest; set archive_mode = on and archive_command = '{line}'",
        )
    _must(checked, source, f"{source.id} 的 WAL 未到达备份库", f"the WAL of {source.id} does not arrive in the vault")


def _held(
    source: Asset, vault: Vault, keys: Keys, name: str, assumed: str = "", own: bool = False
) -> Procedure[list[_Copy]]:
    """The whole copies in the vault that bear a name of ours, oldest first.

    In a rehearsal that has assumed a copy, `assumed` is there when the vault cannot be asked.
    """
    told = yield Step(
        name,
        _command(source, vault, keys, "info", "--output=json", own=own),
        assume=_sample(assumed) if assumed else _EMPTY,
        timeout_seconds=_SHORT_SECONDS,
    )
    _must(told, source, f"无法列出备份库 {vault.id}", f"cannot list vault {vault.id}")
    return _copies(told.output, source, vault)


def _copies(told: str, source: Asset, vault: Vault) -> list[_Copy]:
    # A repository under another key is quoted as it was read, with bytes of any kind.
    stanza = json.loads(told, strict=False)[0]
    if stanza["status"]["code"] == _NO_STANZA:
        raise ProcedureFailed(
            f"备份库 {vault.id} 中没有 {source.id} 的存储", f"vault {vault.id} has no repository of {source.id}"
        )
    if stanza["status"]["code"] == _UNREADABLE:
        raise ProcedureFailed(
            f"无法读取备份库 {vault.id}:口令不对,或其说明已损坏",
            f"vault {vault.id} cannot be read: the passphrase is wrong, or what it says of itself is damaged",
        )
    return [_copy(each) for each in stanza["backup"] if not each["error"] and "archive" in each.get("annotation", {})]


def _copy(told: Mapping[str, Any]) -> _Copy:
    return _Copy(
        told["annotation"]["archive"],
        told["label"],
        datetime.fromtimestamp(told["timestamp"]["start"], UTC),
        int(told["info"]["repository"]["delta"]),
        told["archive"]["start"],
        tuple(told.get("reference") or ()),
    )


def _sample(archive: str) -> str:
    copy = {
        "annotation": {"archive": archive},
        "label": "20260101-000000F",
        "timestamp": {"start": 0},
        "info": {"repository": {"delta": 0}},
        "archive": {"start": "000000010000000000000001"},
        "error": False,
    }
    return json.dumps([{"backup": [copy], "status": {"code": 0}}])


def _named(held: Sequence[_Copy], archive: str) -> _Copy:
    for copy in held:
        if copy.archive == archive:
            return copy
    raise CopyBroken(f"备份 {archive} 不在备份库中", f"the copy {archive} does not exist in the vault")


def _removable(held: Sequence[_Copy], archives: Sequence[str]) -> list[_Copy]:
    """Those of the named that nothing that stays builds upon, oldest first."""
    last_full = max((copy.label for copy in held if copy.is_full), default="")
    doomed = [copy for copy in held if copy.archive in archives and copy.label != last_full]
    while True:
        gone = {copy.label for copy in doomed}
        needed = {label for copy in held if copy.label not in gone for label in copy.built_upon}
        if not gone & needed:
            return doomed
        doomed = [copy for copy in doomed if copy.label not in needed]


def _manifest(source: Asset, vault: Vault, keys: Keys, copy: _Copy) -> Procedure[Manifest]:
    path = f"backup/{source.id}/{copy.label}/backup.manifest"
    told = yield Step(
        "list what the copy holds",
        _under(source, vault, keys, False, "bash", "-c", _HOLDS, "holds", path),
        timeout_seconds=_SHORT_SECONDS,
        assume="[target:path:default]",
    )
    _must(told, source, f"读不出备份 {copy.archive} 的清单", f"the list of the copy {copy.archive} cannot be read")
    return manifest_of(told.output)


def manifest_of(told: str) -> Manifest:
    """The manifest in the sections of `backup.manifest` from `[target:file]` on; files without hashes."""
    sections = {name: body for name, _, body in (part.partition("]\n") for part in f"\n{told}".split("\n[")[1:])}
    entries = []
    for section, kind in (("target:file", Kind.FILE), ("target:path", Kind.DIRECTORY), ("target:link", Kind.CHANGING)):
        usual = _MODE.search(sections.get(f"{section}:default", ""))
        for found in _LISTED.finditer(sections.get(section, "")):
            about = json.loads(found[2].replace(",}", "}"))
            mode = int(about.get("mode", usual[1] if usual else "0"), 8)
            entries.append(Entry(path_text(found[1].encode()), kind, mode, int(about.get("size", 0))))
    return Manifest.of(entries)


def _fetch_log(source: Asset, vault: Vault, keys: Keys, copy: _Copy, until: datetime) -> Procedure[None]:
    """WAL from the copy's begin into `.log` beside the directory, unbroken, and as far as `until`."""
    log = f"{source.path}.log"
    listed = yield Step(
        "list the log",
        _command(source, vault, keys, "repo-ls", f"archive/{source.id}", "--recurse", "--output=json", own=True),
        assume="{}",
        timeout_seconds=_SHORT_SECONDS,
    )
    _must(listed, source, "读不出日志的目录", "the log cannot be listed")
    start = Segment.of(copy.start)
    names, newest = [], 0
    for path, about in json.loads(listed.output).items():
        named = _NAMED_SEGMENT.search(path)
        segment = Segment.of(named[1]) if named else None
        if segment and start and segment.place >= start.place:
            names.append(segment.name)
            newest = max(newest, int(about["time"]))
    if newest < until.timestamp():
        reached = f"{datetime.fromtimestamp(newest, UTC):%F %T}Z" if newest else "-"
        raise ProcedureFailed(
            f"备份库中的日志未达 {until:%F %T}Z,最新为 {reached}",
            f"the log in the vault does not reach {until:%F %T}Z, the newest is of {reached}",
        )
    yield from _make_empty_log(source.host, log)
    fetched = yield Step(
        "fetch the log",
        _under(source, vault, keys, True, "sh", "-c", _FETCH, "fetch", log, *sorted(names)),
        changes=True,
        timeout_seconds=_LONG_SECONDS,
    )
    _must(fetched, source, "无法取得日志", "the log cannot be fetched")
    argv = ("find", log, "-type", "f", "-printf", "%f %s\\n")
    there = yield Step("look that the log is unbroken", Command(source.host, argv), assume=f"{copy.start} 1\n")
    files = [(name, int(size)) for name, _, size in (line.rpartition(" ") for line in there.output.splitlines())]
    if missing := first_missing(start or Segment((0, 0)), files):
        raise CopyBroken(f"日志缺少 {missing}", f"the log lacks {missing}")


def _make_empty_log(host: str, log: str) -> Procedure[None]:
    made = yield Step("make the log's folder", Command(host, ("mkdir", "-p", "-m", "0700", "--", log)), changes=True)
    require(made, f"无法建立目录 {log}", f"cannot make the directory {log}")


def _complaint(told: str, label: str) -> str:
    """The lines about this copy or about WAL that do not say that all is well."""
    lines = [line.strip() for line in told.splitlines()]
    wrong = [line for line in lines if label in line or "invalid: 1" in line or "missing: 1" in line]
    return "; ".join(wrong[:3]) or "; ".join(lines[:3]) or "pgbackrest verify says nothing"


def _must(result: Result, source: Asset, zh: str, en: str) -> None:
    """Nothing for success; else ProcedureFailed with pgBackRest's own sentence, CopyBroken for damage."""
    if result.ok:
        return
    refuse_missing(result, source.host, "pgbackrest", _PACKAGE)
    errors = [line for line in result.error_output.splitlines() if "ERROR:" in line or "Error" in line]
    detail = "; ".join(errors[:2])[:500] or result.reason
    if "ChecksumError" in result.error_output or "error restoring" in result.error_output:
        raise CopyBroken(f"{zh},备份已损坏:{detail}", f"{en}, the copy is damaged: {detail}")
    raise ProcedureFailed(f"{zh}:{detail}", f"{en}: {detail}")
