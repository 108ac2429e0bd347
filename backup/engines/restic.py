"""Files by restic: one encrypted, deduplicating repository per vault and source, in a directory, by sftp or by REST.

A snapshot carries the name of its archive as a tag. In a vault that only takes additions nothing can be renamed, so a
copy that lacks files is marked by a further, empty snapshot that names it. A copy that was killed leaves a lock behind:
restic is asked to drop those whose process it knows to be dead, or has not heard of for half an hour.
"""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from backup.directories import fresh_directory
from backup.engine import Copied, CopyBroken, Engine, Keys, Stock, refuse_moment, refuse_name
from backup.programs import probe, refuse_missing
from backup.ssh import ssh_argv
from backup.vaults import bytes_of
from secops.model.city import Asset, AssetKind, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Command, Moved, Procedure, ProcedureFailed, Result, Step, require
from secops.model.text import Text

_SHORT_SECONDS = 180.0
_LONG_SECONDS = 24 * 3600.0
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_UNREAD = 3
"""How `restic backup` ends when it made a snapshot that lacks files."""
_HOST = "jindun"
"""Under which copies stand: a source keeps its history when its host is renamed."""
_DISCARDING = 'exec "$@" >/dev/null'
"""A shell's whole program: what is read back is checked on the way, and wanted by nobody."""
_SAMPLE_SUMMARY = '{"message_type":"summary","data_added":0,"total_duration":0,"snapshot_id":"0"}'


class Restic(Engine):
    """Copies file trees with restic 0.14 or later."""

    name = "restic"
    describes = Text(
        "用 restic 加密、去重地备份文件树(目录、sftp、REST,可只增)",
        "copies file trees with restic, encrypted and deduplicated (a directory, sftp or REST, append-only if served so)",
    )
    kinds = frozenset({AssetKind.FILE_TREE})
    needs = ("restic", "env", "find", "mkdir", "mv", "rm")

    loses = Text(
        "不是 UTF-8 的符号链接目标;稀疏文件的空洞(内容不变)",
        "targets of symbolic links that are not UTF-8, and the holes of sparse files, whose content stays",
    )

    def prepare(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        repository = _repository(source.host, source, vault, keys)
        yield from probe(source.host, "restic", "version", package="restic", least=(0, 14))
        made = yield Step(
            "make the repository",
            repository.restic("init"),
            changes=True,
            conclusive=_IS_THERE.pattern,
            timeout_seconds=_SHORT_SECONDS,
        )
        if not _IS_THERE.search(made.error_output):
            _must(repository, made, f"无法在备份库 {vault.id} 建立存储", f"cannot prepare vault {vault.id}")

    def backup(self, source: Asset, vault: Vault, keys: Keys, archive: str, taken: datetime) -> Procedure[Copied]:
        repository = _repository(source.host, source, vault, keys)
        refuse_name(archive)
        looking = Step(
            "look whether the copy is there",
            repository.restic("snapshots", "--json"),
            conclusive=f"(?i:{_NO_REPOSITORY.pattern})|{_LOCKED}",
            assume="[]",
            timeout_seconds=_SHORT_SECONDS,
        )
        listed = yield from _unlocked(repository, looking)
        if _NO_REPOSITORY.search(listed.error_output):
            yield from self.prepare(source, vault, keys)
        else:
            _must(repository, listed, f"备份 {source.id} 失败", f"copying {source.id} failed")
            if any(snapshot.archive == archive for snapshot in _complete(listed.output)):
                return Copied(archive, taken, added_bytes=0, seconds=0.0)
        made = yield Step(
            "copy the source",
            repository.create(archive, source.path, taken),
            changes=True,
            measure=progress_of,
            assume=_SAMPLE_SUMMARY,
            timeout_seconds=_LONG_SECONDS,
        )
        if made.exit_code == _UNREAD:
            yield from _mark_incomplete(repository, archive, made)
        _must(repository, made, f"备份 {source.id} 失败", f"copying {source.id} failed", vault)
        summary = _summary(made.output)
        return Copied(archive, taken, added_bytes=int(summary["data_added"]), seconds=float(summary["total_duration"]))

    def points(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[tuple[str, ...]]:
        repository = _repository(source.host, source, vault, keys)
        return tuple(one.archive for one in (yield from _snapshots(repository, vault)))

    def stock(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[Stock]:
        """The identity is that of the repository and its keys."""
        repository = _repository(source.host, source, vault, keys)
        archives = tuple(one.archive for one in (yield from _snapshots(repository, vault)))
        zh, en = f"无法查看备份库 {vault.id}", f"cannot look into vault {vault.id}"
        config = yield Step("read who the repository is", repository.restic("cat", "config"), assume='{"id":""}')
        _must(repository, config, zh, en)
        held = yield Step("list its keys", repository.restic("key", "list", "--json"), assume="[]")
        _must(repository, held, zh, en)
        size = repository.restic("stats", "--mode", "raw-data", "--json")
        measured = yield Step("measure the repository", size, assume='{"total_size":0}', timeout_seconds=_SHORT_SECONDS)
        _must(repository, measured, zh, en)
        identity = " ".join([json.loads(config.output)["id"], *sorted(one["id"] for one in json.loads(held.output))])
        return Stock(archives, identity, int(json.loads(measured.output)["total_size"]))

    def expire(self, source: Asset, vault: Vault, keys: Keys, host: str, archives: Sequence[str]) -> Procedure[None]:
        """On the disk itself: a server that only takes additions binds those who come through it."""
        if not vault.directory:
            raise ProcedureFailed(
                f"备份库 {vault.id} 未说明其在主机上的目录(kept_in)",
                f"vault {vault.id} does not say in which directory of its host it is kept (kept_in)",
            )
        here = replace(vault, location=vault.directory, host=host, pulls_from="")
        repository = _repository(host, source, here, keys)
        doomed = [one.id for one in (yield from _snapshots(repository, here)) if one.archive in archives]
        if doomed:
            forgotten = yield from _unlocked(
                repository,
                Step(
                    "take copies out and give back their room",
                    repository.restic("forget", "--prune", *doomed),
                    changes=True,
                    conclusive=_LOCKED,
                    timeout_seconds=_LONG_SECONDS,
                ),
            )
            _must(repository, forgotten, f"无法清理 {vault.id}", f"cannot take copies out of {vault.id}")

    def check_repository(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        """Every pack that the index names is there, every tree is whole; contents of files are not read."""
        yield from self._check(source, vault, keys, "check the repository")

    def read_sample(self, source: Asset, vault: Vault, keys: Keys, archive: str, percent: int) -> Procedure[None]:
        """Of the packs of all copies together, chosen anew each time."""
        yield from _snapshot(_repository(source.host, source, vault, keys), vault, archive)
        yield from self._check(source, vault, keys, "read a sample back", f"--read-data-subset={percent}%")

    def _check(self, source: Asset, vault: Vault, keys: Keys, name: str, *argv: str) -> Procedure[None]:
        repository = _repository(source.host, source, vault, keys)
        command = repository.restic("check", *argv)
        checking = Step(name, command, assume="-", conclusive=_LOCKED, timeout_seconds=_LONG_SECONDS)
        checked = yield from _unlocked(repository, checking)
        if "repository contains errors" in checked.error_output:
            first = next(iter(_DAMAGE.findall(checked.error_output)), checked.reason)
            raise CopyBroken(
                f"备份库 {vault.id} 未通过检查,备份已损坏:{first}",
                f"vault {vault.id} failed its check, the copy is damaged: {first}",
            )
        _must(repository, checked, f"无法检查备份库 {vault.id}", f"cannot check vault {vault.id}")

    def read_check(self, source: Asset, vault: Vault, keys: Keys, archive: str) -> Procedure[None]:
        """Dumps the copy into nothing: every blob of it is decrypted and authenticated."""
        repository = _repository(source.host, source, vault, keys)
        snapshot = yield from _snapshot(repository, vault, archive)
        dumped = repository.restic("dump", snapshot.id, "/")
        read = yield Step(
            "read the copy back",
            replace(dumped, argv=("sh", "-c", _DISCARDING, "sh", *dumped.argv)),
            assume="-",
            timeout_seconds=_LONG_SECONDS,
        )
        _must(repository, read, f"备份 {archive} 读不回来", f"the copy {archive} cannot be read back")

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
        refuse_moment(self, until)
        repository = _repository(host, source, vault, keys)
        yield from fresh_directory(host, into)
        snapshot = yield from _snapshot(repository, vault, point.archive)
        # A copy holds its tree under the path that it had: it is unpacked beside, and its top renamed.
        beside = f"{into.rstrip('/')}.restic"
        yield from _clear(host, beside, "clear what an earlier try left")
        restored = yield Step(
            "restore the copy",
            repository.restic("restore", snapshot.id, "--target", beside),
            changes=True,
            timeout_seconds=_LONG_SECONDS,
        )
        _must(repository, restored, f"恢复 {point.archive} 失败", f"restoring {point.archive} failed")
        moved = yield Step(
            "put it in its place", Command(host, ("mv", "-T", "--", f"{beside}{snapshot.path}", into)), changes=True
        )
        require(moved, f"恢复 {point.archive} 失败", f"restoring {point.archive} failed")
        yield from _clear(host, beside, "clear what it was unpacked in")


restic = Restic()


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """One complete copy."""

    id: str
    archive: str
    path: str
    """Of the tree when it was copied."""


@dataclass(frozen=True, slots=True)
class _Repository:
    """One repository as one host reaches it."""

    host: str
    address: str
    keys: Keys
    limit_bytes: int = 0
    """The most that goes into the vault per second; 0: no limit."""

    def restic(self, verb: str, *argv: str) -> Command:
        """`restic verb`, with the passphrase on its standard input: neither argv nor environ may be read by others."""
        # Not quiet, it says on standard output that it reads a passphrase.
        options: tuple[str, ...] = ("-q", "-r", self.address, "--cache-dir", f"{self.keys.state_directory}/restic")
        if self.limit_bytes:
            options = (*options, "--limit-upload", str(max(1, self.limit_bytes // 1024)))
        if self.address.startswith("sftp:"):
            # The value of `-o` is read as a line of CSV.
            quoted = f"sftp.command={self._sftp()}".replace('"', '""')
            options = (*options, "-o", f'"{quoted}"')
        return Command(
            self.host,
            ("env", "LC_ALL=C.UTF-8", "TZ=UTC", "restic", *options, verb, *argv),
            stdin=self.keys.passphrase,
        )

    def create(self, archive: str, path: str, taken: datetime) -> Command:
        """Copy the directory."""
        when = taken.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        # Its progress is told when it is not quiet, and without a terminal only as often a second as it is told.
        copying = self.restic("backup", "--json", "--host", _HOST, "--time", when, "--tag", f"archive={archive}", path)
        argv = (word for word in copying.argv[1:] if word != "-q")
        return replace(copying, argv=("env", "RESTIC_PROGRESS_FPS=2", *argv))

    def _sftp(self) -> str:
        where = urlsplit(self.address.removeprefix("sftp:"))
        port = ("-p", str(where.port)) if where.port else ()
        user = f"{where.username}@" if where.username else ""
        return shlex.join((*ssh_argv(self.keys), *port, f"{user}{where.hostname}", "-s", "sftp"))


def _repository(host: str, source: Asset, vault: Vault, keys: Keys) -> _Repository:
    location = vault.location.rstrip("/")
    far = location.startswith(("ssh://", "rest:"))
    if not far and vault.host not in ("", host):
        raise ProcedureFailed(
            f"备份库 {vault.id} 在 {vault.host} 上,{host} 无法访问;请给出 ssh:// 或 rest: 位置",
            f"vault {vault.id} is on {vault.host}, out of reach of {host}; give it an ssh:// or rest: location",
        )
    if location.startswith("ssh://") and not keys.ssh_known_hosts:
        raise ProcedureFailed(
            f"备份库 {vault.id} 经 ssh 访问,但没有固定的主机密钥",
            f"vault {vault.id} is reached over ssh, but no host keys are pinned",
        )
    if not _SAFE_NAME.fullmatch(source.id):
        raise ProcedureFailed(f"资产标识 {source.id!r} 不能作为目录名", f"{source.id!r} cannot name a directory")
    address = f"{location}/{source.id}"
    if location.startswith("ssh://"):
        where = urlsplit(address)
        # The path of an sftp address starts below the home of the user unless it begins with two slashes.
        address = f"sftp://{where.netloc}/{where.path}"
    return _Repository(host, address, keys, bytes_of(vault.line.limit))


def _unlocked(repository: _Repository, step: Step) -> Procedure[Result]:
    """Perform a step that others can keep out; once more without the locks of the dead when it was kept out."""
    result = yield step
    if not re.search(_LOCKED, result.error_output):
        return result
    name = f"{step.name}: drop the locks of the dead"
    yield Step(name, repository.restic("unlock"), changes=True, timeout_seconds=_SHORT_SECONDS)
    return (yield replace(step, name=f"{step.name}: again"))


def _clear(host: str, folder: str, name: str) -> Procedure[None]:
    cleared = yield Step(name, Command(host, ("rm", "-rf", "--one-file-system", "--", folder)), changes=True)
    require(cleared, f"无法清除 {folder}", f"{folder} cannot be cleared")


def _snapshots(repository: _Repository, vault: Vault, assume: str = "[]") -> Procedure[tuple[_Snapshot, ...]]:
    """The complete copies, oldest first."""
    listing = Step(
        "list the copies",
        repository.restic("snapshots", "--json"),
        conclusive=_LOCKED,
        assume=assume,
        timeout_seconds=_SHORT_SECONDS,
    )
    listed = yield from _unlocked(repository, listing)
    _must(repository, listed, f"无法列出备份库 {vault.id}", f"cannot list vault {vault.id}")
    return _complete(listed.output)


def _snapshot(repository: _Repository, vault: Vault, archive: str) -> Procedure[_Snapshot]:
    """The copy of that name; CopyBroken when it is gone."""
    refuse_name(archive)
    sample = json.dumps([{"id": archive, "short_id": "", "time": "", "paths": ["/"], "tags": [f"archive={archive}"]}])
    for one in (yield from _snapshots(repository, vault, sample)):
        if one.archive == archive:
            return one
    raise CopyBroken(
        f"备份库 {vault.id} 中没有备份 {archive}", f"the copy {archive} does not exist in vault {vault.id}"
    )


def _complete(listed: str) -> tuple[_Snapshot, ...]:
    snapshots = sorted(json.loads(listed) or [], key=lambda one: str(one["time"]))
    tags = [dict(tag.partition("=")[::2] for tag in one.get("tags") or ()) for one in snapshots]
    lacking = {each["incomplete"] for each in tags if "incomplete" in each}
    return tuple(
        _Snapshot(one["id"], each["archive"], one["paths"][0])
        for one, each in zip(snapshots, tags, strict=True)
        if "archive" in each and one["id"] not in lacking and one["short_id"] not in lacking
    )


def _mark_incomplete(repository: _Repository, archive: str, made: Result) -> Procedure[None]:
    """Note that the copy lacks files, so that nobody takes it for whole, and fail."""
    lacking = str(_summary(made.output)["snapshot_id"])
    note = repository.restic("backup", "--host", _HOST, "--tag", f"incomplete={lacking}", "/dev/null")
    noted = yield Step("note that the copy is incomplete", note, changes=True, timeout_seconds=_SHORT_SECONDS)
    _must(repository, noted, f"无法标明 {archive} 不完整", f"it cannot be noted that {archive} is incomplete")
    unread = [str(each.get("item", "")) for each in _told(made.error_output) if each.get("message_type") == "error"]
    listed = "; ".join(unread[:3])
    raise ProcedureFailed(
        f"备份不完整,{len(unread)} 个文件未能读取:{listed}",
        f"the copy is incomplete, {len(unread)} files could not be read: {listed}",
    )


def progress_of(line: str) -> Moved | None:
    """What a line of `backup --json` says of its progress; None for other lines."""
    said = next(_told(line), None)
    if said is None or said.get("message_type") != "status":
        return None
    return Moved(int(said.get("bytes_done", 0)), int(said.get("total_bytes", 0)))


def _summary(output: str) -> dict[str, Any]:
    """The last line of what `backup --json` prints; the others tell how far it is."""
    summaries = [said for said in _told(output) if said.get("message_type") == "summary"]
    if summaries:
        return summaries[-1]
    raise ProcedureFailed("restic 没有给出备份摘要", "restic gave no summary of the copy")


def _told(output: str) -> Iterator[dict[str, Any]]:
    """What `backup --json` says line by line; remarks between them are left out."""
    for line in output.splitlines():
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict):
                yield said


_IS_THERE = re.compile(r"config file already exists")
_LOCKED = r"repository is already locked[^\n]*"
_NO_REPOSITORY = re.compile(r"unable to open config file: [^\n]*(?:does not exist|no such file)[^\n]*", re.IGNORECASE)
_DAMAGE = re.compile(
    r"[^\n]*(?:ciphertext verification failed|hash mismatch|does not match|not found in index|invalid data returned|"
    r"pack \w+: does not exist|unexpected EOF|Unmarshal: |StreamPack: |ReadFull\(|load(?:ing)? (?:blob|tree|pack))[^\n]*"
)
_FULL = re.compile(r"[^\n]*(?:no space left on device|507 Insufficient Storage)[^\n]*", re.IGNORECASE)
_CAUSES = (
    (_FULL.pattern, "空间不足", "no room is left"),
    (r"all target directories/files do not exist", "源目录不存在", "No such file or directory"),
    (r"wrong password or no key found", "口令不对", "the passphrase is wrong"),
    (_LOCKED, "另一项操作正在使用备份库", "another operation holds the vault"),
    (r"Host key verification failed", "备份库主机密钥与固定的不符", "the vault's host key is not the pinned one"),
    (r"Permission denied \([^\n]*", "备份库不接受登录密钥", "the vault does not accept the login key"),
    (r"403 Forbidden[^\n]*", "备份库不允许此操作", "the vault does not allow it"),
    (_NO_REPOSITORY.pattern, "备份库中没有此资产的存储", "the vault has no repository of this asset"),
    (r"[^\n]*connection refused[^\n]*|Connection \w+[^\n]*", "无法连接备份库", "the vault cannot be reached"),
)


def _must(repository: _Repository, result: Result, zh: str, en: str, vault: Vault | None = None) -> None:
    """Nothing for success; else ProcedureFailed with the cause, CopyBroken for damage."""
    if result.ok:
        return
    trace = result.error_output
    refuse_missing(result, repository.host, "restic", "restic")
    if vault and (full := _FULL.search(trace)):
        raise ProcedureFailed(
            f"备份库 {vault.id} 已满,已有的备份未受影响:{full[0]}",
            f"vault {vault.id} is full; the copies in it are untouched: {full[0]}",
        )
    for pattern, cause_zh, cause_en in _CAUSES:
        if found := re.search(pattern, trace, re.IGNORECASE):
            raise ProcedureFailed(f"{zh}:{cause_zh}({found[0]})", f"{en}: {cause_en} ({found[0]})")
    if broken := _DAMAGE.search(trace):
        raise CopyBroken(f"{zh},备份已损坏:{broken[0]}", f"{en}, the copy is damaged: {broken[0]}")
    detail = result.reason or (trace.strip().splitlines() or [""])[-1]
    raise ProcedureFailed(f"{zh}:{detail}", f"{en}: {detail}")
