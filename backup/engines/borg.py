"""Files by borg: one encrypted, deduplicating repository per vault and source.

Which endings count as success: 0 everywhere; 1 (warnings) only for `create`, whose warnings are read one by one: a file
that changed is remarked, a file that could not be read makes the copy incomplete and sets it aside. Locks are waited
for and never broken by us: borg itself drops the lock of a process that it knows to be dead.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from backup.engine import Copied, CopyBroken, Engine, Keys, Stock, refuse_moment
from backup.manifest import Entry, Kind, Manifest, path_text
from backup.ssh import ssh_argv
from backup.vaults import bytes_of
from secops.model.city import Asset, AssetKind, Vault
from secops.model.restore_point import RestorePoint
from secops.model.step import Command, Moved, Procedure, ProcedureFailed, Result, Step, require
from secops.model.text import Text

INCOMPLETE = ".incomplete"
_SET_ASIDE = 9
"""How many tries at one copy can be set aside."""
_LOCK_WAIT_SECONDS = "60"
_SHORT_SECONDS = 180.0
_LONG_SECONDS = 24 * 3600.0
_OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024
_ARGUMENTS_BYTES = 64 * 1024
_CONTENTS = "{mode} {size} {sha256} {linktarget}{NUL}{path}{NUL}"
_KINDS = {"-": Kind.FILE, "d": Kind.DIRECTORY, "l": Kind.LINK, "p": Kind.PIPE}
_UNCOUNTED = re.compile(r"Include pattern '.*' never matched\.")
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LEFT_ALONE = re.compile(r": file changed while we backed it up$")
_VAGUE = "Connection closed by remote host"
"""All that borg says when it reads the end of the connection before it reads ssh's last words."""
_NO_ARCHIVES = '{"archives": []}'
_NOT_FOUND = 127
"""How `env` and shells end when the program is not there."""
_SAMPLE_COPY = '{"archive": {"duration": 0, "stats": {"deduplicated_size": 0}}}'
_SAMPLE_REPOSITORY = '{"repository": {"id": ""}, "encryption": {"mode": ""}, "cache": {"stats": {"unique_csize": 0}}}'
_AT_ONCE = 200
"""Copies that one command takes out."""
_READ = re.compile(r"([\d.]+) ([kMGTPEZY]?B) O .* N ")
_SHARE = re.compile(r"\s*(?:Checking segments |Verifying data )?\s*([\d.]+)%(?: Extracting: |\s*$)")
_UNITS = {f"{letter}B": 1000**power for power, letter in enumerate(("", "k", "M", "G", "T", "P", "E", "Z", "Y"))}
_NO_REPOSITORY = re.compile(r"Repository [^\n]+ does not exist")


class Borg(Engine):
    """Copies file trees with borg 1.2 or later of the 1 series."""

    name = "borg"
    describes = Text("用 borg 加密、去重地备份文件树", "copies file trees with borg, encrypted and deduplicated")
    kinds = frozenset({AssetKind.FILE_TREE})
    needs = ("borg", "env", "find", "mkdir")
    chosen = True

    def prepare(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        repository = _repository(source.host, source, vault, keys)
        made = yield Step(
            "make the repository",
            repository.borg("init", "--make-parent-dirs", "--encryption", "repokey-blake2", repository.address),
            changes=True,
            conclusive="already exists",
            timeout_seconds=_SHORT_SECONDS,
        )
        if "already exists" not in made.error_output:
            yield from _must(repository, made, f"无法在备份库 {vault.id} 建立存储", f"cannot prepare vault {vault.id}")

    def backup(self, source: Asset, vault: Vault, keys: Keys, archive: str, taken: datetime) -> Procedure[Copied]:
        """One call of borg in the usual case: each costs about half a second before it does anything."""
        repository = _repository(source.host, source, vault, keys)
        copy = repository.create(archive, source.path, taken)
        made = yield Step(
            "copy the source",
            copy,
            changes=True,
            measure=progress_of,
            conclusive=f"{_NO_REPOSITORY.pattern}|already exists",
            assume=_SAMPLE_COPY,
            timeout_seconds=_LONG_SECONDS,
        )
        if _NO_REPOSITORY.search(made.error_output):
            yield from self.prepare(source, vault, keys)
            made = yield Step(
                "copy the source at last", copy, changes=True, measure=progress_of, timeout_seconds=_LONG_SECONDS
            )
        if _FULL.search(made.error_output):
            yield from _give_back_room(repository, made, vault)
        if "already exists" in made.error_output:
            return (yield from _measure(repository, archive, taken))
        yield from _must(repository, made, f"备份 {source.id} 失败", f"copying {source.id} failed")
        warnings = tuple(line for line in made.error_output.splitlines() if line) if made.exit_code == 1 else ()
        if unread := [warning for warning in warnings if not _LEFT_ALONE.search(warning)]:
            yield from _set_aside(repository, archive, vault, unread)
        return _copied(json.loads(made.output)["archive"], archive, taken, warnings)

    def points(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[tuple[str, ...]]:
        repository = _repository(source.host, source, vault, keys)
        listed = yield Step(
            "list the copies",
            repository.borg("list", "--json", repository.address),
            assume=_NO_ARCHIVES,
            timeout_seconds=_SHORT_SECONDS,
        )
        yield from _must(repository, listed, f"无法列出备份库 {vault.id}", f"cannot list vault {vault.id}")
        names = [str(archive["name"]) for archive in json.loads(listed.output)["archives"]]
        return tuple(name for name in names if not name.endswith(INCOMPLETE))

    def contents(self, source: Asset, vault: Vault, keys: Keys, archive: str) -> Procedure[Manifest]:
        """The manifest of what the vault holds under that name; reads all of it back for the hashes."""
        repository = _repository(source.host, source, vault, keys)
        listed = yield Step(
            "list what the copy holds",
            repository.borg("list", "--format", _CONTENTS, repository.archive(archive)),
            timeout_seconds=_LONG_SECONDS,
        )
        yield from _must(repository, listed, f"备份 {archive} 读不出目录", f"the copy {archive} cannot be listed")
        if len(listed.output.encode("utf-8", "surrogateescape")) >= _OUTPUT_LIMIT_BYTES:
            raise ProcedureFailed(
                f"备份 {archive} 的目录超过 4 MiB,请以新名称重新备份",
                f"the list of {archive} passes 4 MiB; copy again under a new name",
            )
        return manifest_of(listed.output)

    def stock(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[Stock]:
        """The identity is that of the repository, which its key is bound to, and the kind of the key."""
        archives = yield from self.points(source, vault, keys)
        repository = _repository(source.host, source, vault, keys)
        told = yield Step(
            "measure the repository",
            repository.borg("info", "--json", repository.address),
            assume=_SAMPLE_REPOSITORY,
            timeout_seconds=_SHORT_SECONDS,
        )
        yield from _must(repository, told, f"无法查看备份库 {vault.id}", f"cannot look into vault {vault.id}")
        found = json.loads(told.output)
        identity = f"{found['repository']['id']} {found['encryption']['mode']}"
        return Stock(archives, identity, int(found["cache"]["stats"]["unique_csize"]))

    def at_rest(self, directory: str) -> tuple[str, ...]:
        return ("borg", "with-lock", "--lock-wait", _LOCK_WAIT_SECONDS, directory)

    def expire(self, source: Asset, vault: Vault, keys: Keys, host: str, archives: Sequence[str]) -> Procedure[None]:
        """On the disk itself: `--append-only` binds those who come over ssh."""
        here = replace(vault, location=vault.directory, host=host, pulls_from="")
        repository = _repository(host, source, here, keys)
        held = yield from self.points(replace(source, host=host), here, keys)
        for start in range(0, len(archives), _AT_ONCE):
            doomed = [name for name in archives[start : start + _AT_ONCE] if name in held]
            if not doomed:
                continue
            deleted = yield Step(
                f"take copies out, from number {start + 1}",
                repository.borg("delete", repository.archive(doomed[0]), *doomed[1:]),
                changes=True,
                timeout_seconds=_LONG_SECONDS,
            )
            yield from _must(repository, deleted, f"无法清理 {vault.id}", f"cannot take copies out of {vault.id}")
        compacted = yield Step(
            "give back their room",
            repository.borg("compact", repository.address),
            changes=True,
            timeout_seconds=_LONG_SECONDS,
        )
        yield from _must(repository, compacted, f"无法压缩 {vault.id}", f"cannot compact {vault.id}")

    def read_check(self, source: Asset, vault: Vault, keys: Keys, archive: str) -> Procedure[None]:
        """`extract --dry-run` authenticates every chunk of this copy; `check --verify-data` would read all copies."""
        repository = _repository(source.host, source, vault, keys)
        read = yield Step(
            "read the copy back",
            repository.borg("extract", "--dry-run", "--progress", repository.archive(archive)),
            assume="-",
            measure=progress_of,
            timeout_seconds=_LONG_SECONDS,
        )
        yield from _must(repository, read, f"备份 {archive} 读不回来", f"the copy {archive} cannot be read back")

    def check_repository(self, source: Asset, vault: Vault, keys: Keys) -> Procedure[None]:
        """Reads every segment on the vault's side and compares its checksums; needs no key and sees no file."""
        repository = _repository(source.host, source, vault, keys)
        checked = yield Step(
            "check the repository",
            repository.borg("check", "--repository-only", "--progress", repository.address),
            assume="-",
            measure=progress_of,
            timeout_seconds=_LONG_SECONDS,
        )
        if checked.exit_code == 1 and not checked.ok:
            first = next((line for line in checked.error_output.splitlines() if line.strip()), checked.reason)
            raise CopyBroken(
                f"备份库 {vault.id} 的存储检查未通过,备份已损坏:{first}",
                f"vault {vault.id} failed its check, the copy is damaged: {first}",
            )
        yield from _must(repository, checked, f"无法检查备份库 {vault.id}", f"cannot check vault {vault.id}")

    def read_sample(self, source: Asset, vault: Vault, keys: Keys, archive: str, percent: int) -> Procedure[None]:
        """Reads whole files, chosen anew each time; a copy whose listing passes what a result holds is read in full."""
        repository = _repository(source.host, source, vault, keys)
        listed = yield Step(
            "list the files of the copy",
            repository.borg("list", "--format", "{type} {size} {path}{NUL}", repository.archive(archive)),
            assume="\0",
            timeout_seconds=_LONG_SECONDS,
        )
        yield from _must(repository, listed, f"备份 {archive} 读不出目录", f"the copy {archive} cannot be listed")
        turn = yield Step("look at the clock for a sample", Command(source.host, ("date", "+%s")))
        require(turn, f"{source.host} 没有给出时间", f"{source.host} does not tell the time")
        chosen = sample_of(listed.output, percent, turn.output.strip())
        if chosen is None:
            yield from self.read_check(source, vault, keys, archive)
            return
        if not chosen:
            return
        read = yield Step(
            "read a sample back",
            repository.borg(
                "extract", "--dry-run", repository.archive(archive), *(f"pf:{path}" for path in chosen), good=(0, 1)
            ),
            timeout_seconds=_LONG_SECONDS,
        )
        # Borg does not count matches of full paths, and so remarks that each "never matched".
        remarks = [line for line in read.error_output.splitlines() if line and not _UNCOUNTED.fullmatch(line)]
        honest = read if not remarks else replace(read, ok=False, error_output="\n".join(remarks))
        yield from _must(
            repository, honest, f"备份 {archive} 抽样读不回来", f"a sample of {archive} cannot be read back"
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
        refuse_moment(self, until)
        repository = _repository(host, source, vault, keys)
        held = yield Step(
            "look that the directory is empty",
            Command(host, ("find", into, "-mindepth", "1", "-print", "-quit"), good_exit_codes=(0, 1)),
        )
        require(held, f"无法查看 {into}", f"cannot look into {into}")
        if found := held.output.strip():
            raise ProcedureFailed(f"恢复目录 {into} 不为空,有 {found}", f"the directory {into} is not empty: {found}")
        made = yield Step("make the directory", Command(host, ("mkdir", "-p", "--", into)), changes=True)
        require(made, f"无法建立目录 {into}", f"cannot make the directory {into}")
        restored = yield Step(
            "restore the copy",
            repository.borg("extract", "--progress", "--sparse", repository.archive(point.archive), within=into),
            changes=True,
            measure=lambda line: _of_bytes(progress_of(line), point.size_bytes),
            timeout_seconds=_LONG_SECONDS,
        )
        yield from _must(repository, restored, f"恢复 {point.archive} 失败", f"restoring {point.archive} failed")


borg = Borg()


def progress_of(line: str) -> Moved | None:
    """What a line of `--progress` says; None for what is no progress. It does not know how much a source holds.

    Whatever it says to be overwritten is of what it is at, and no remark on the copy.
    """
    if found := _READ.match(line):
        return Moved(round(float(found[1]) * _UNITS[found[2]]))
    if found := _SHARE.match(line):
        return Moved(percent=float(found[1]))
    return Moved() if line.endswith("\r") or not line.strip() else None


def _of_bytes(moved: Moved | None, size_bytes: int) -> Moved | None:
    """The same as bytes of so many."""
    if moved is None or moved.percent is None or not size_bytes:
        return moved
    return Moved(round(size_bytes * moved.percent / 100), size_bytes)


def manifest_of(listed: str) -> Manifest:
    """The manifest in a listing: `{mode} {size} {sha256} {linktarget}` and `{path}`, each ended by NUL."""
    columns = listed.split("\0")
    entries: dict[str, Entry] = {}
    for told, path in zip(columns[::2], columns[1::2], strict=False):
        mode, size, digest, target = told.split(" ", 3)
        if mode[0] == "h":
            # A further name of a file that was listed before.
            entries[path] = replace(entries[target], path=path_text(path.encode()))
        elif path != ".":
            kind = _KINDS.get(mode[0], Kind.DEVICE)
            content = (int(size), digest) if kind is Kind.FILE else (0, "")
            pointed = path_text(target.encode()) if kind is Kind.LINK else ""
            entries[path] = Entry(path_text(path.encode()), kind, _bits(mode), *content, pointed)
    return Manifest.of(entries.values())


def _bits(mode: str) -> int:
    """Permission bits of `-rwxr-x---`."""
    plain = sum(1 << (8 - place) for place, letter in enumerate(mode[1:]) if letter not in "-ST")
    special = sum(bit for place, bit in ((3, 0o4000), (6, 0o2000), (9, 0o1000)) if mode[place] in "sStT")
    return plain | special


def sample_of(listed: str, percent: int, turn: str) -> tuple[str, ...] | None:
    """Files that hold about so much of the copy, others for another `turn`; None when all of it is to be read.

    `listed` is `{type} {size} {path}` of each, ended by NUL. Names that no argument can carry are never chosen.
    """
    if percent >= 100 or len(listed.encode("utf-8", "surrogateescape")) >= _OUTPUT_LIMIT_BYTES:
        return None
    files = [(int(size), path) for kind, size, path in _columns(listed) if kind == "-"]
    wanted, chosen, length = sum(size for size, _ in files) * percent / 100, list[str](), 0
    for size, path in sorted(files, key=lambda file: hashlib.sha256(f"{turn}{file[1]}".encode()).digest()):
        length += len(path.encode()) + 4
        if wanted <= 0 or length > _ARGUMENTS_BYTES:
            break
        if path.isprintable() and "\ufffd" not in path:
            chosen.append(path)
            wanted -= size
    return tuple(chosen) if chosen or not files else None


def _columns(listed: str) -> Iterator[tuple[str, str, str]]:
    for line in listed.split("\0"):
        kind, _, rest = line.partition(" ")
        size, _, path = rest.partition(" ")
        if path and path.encode("utf-8", "replace").decode() == path:
            yield kind, size, path


@dataclass(frozen=True, slots=True)
class _Repository:
    """One repository as one host reaches it."""

    host: str
    address: str
    keys: Keys
    limit_bytes: int = 0
    """The most that goes over ssh per second; 0: no limit."""

    def archive(self, name: str) -> str:
        if not _SAFE_NAME.fullmatch(name):
            raise ProcedureFailed(f"备份名 {name!r} 不可用", f"{name!r} cannot be the name of a copy")
        return f"{self.address}::{name}"

    def borg(self, verb: str, *argv: str, within: str = "", good: tuple[int, ...] = (0,)) -> Command:
        """`borg verb`, with the passphrase on its standard input: neither argv nor environ may be read by others."""
        start = ("env", "-C", within, "borg") if within else ("borg",)
        return Command(
            self.host,
            (*start, verb, "--lock-wait", _LOCK_WAIT_SECONDS, *argv),
            stdin=self.keys.passphrase,
            env=self._environment(),
            good_exit_codes=good,
        )

    def create(self, archive: str, path: str, taken: datetime) -> Command:
        """Copy the directory; 1 is a warning."""
        when = taken.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        # Kibibytes per second.
        slow = ("--upload-ratelimit", str(max(1, self.limit_bytes // 1024))) if self.limit_bytes else ()
        argv = ("--json", "--progress", *slow, "--timestamp", when, self.archive(archive), ".")
        return self.borg("create", *argv, within=path, good=(0, 1))

    @property
    def over_ssh(self) -> bool:
        return self.address.startswith("ssh://")

    def log_in(self) -> Command:
        """Log in to the vault's host as borg does. A forced command ends at once, having nothing to read."""
        where = urlsplit(self.address)
        port = ("-p", str(where.port)) if where.port else ()
        user = f"{where.username}@" if where.username else ""
        return Command(self.host, (*ssh_argv(self.keys), *port, f"{user}{where.hostname}", "borg", "--version"))

    def _environment(self) -> dict[str, str]:
        environment = {
            "BORG_PASSPHRASE_FD": "0",
            "BORG_BASE_DIR": self.keys.state_directory,
            # The passphrase authenticates the repository; the question would only hang where nobody can answer.
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
            "LC_ALL": "C.UTF-8",
        }
        return environment | ({"BORG_RSH": shlex.join(ssh_argv(self.keys))} if self.over_ssh else {})


def _repository(host: str, source: Asset, vault: Vault, keys: Keys) -> _Repository:
    over_ssh = vault.location.startswith("ssh://")
    if not over_ssh and vault.host not in ("", host):
        raise ProcedureFailed(
            f"备份库 {vault.id} 在 {vault.host} 上,{host} 无法访问;请给出 ssh:// 位置",
            f"vault {vault.id} is on {vault.host}, out of reach of {host}; give it an ssh:// location",
        )
    if over_ssh and not keys.ssh_known_hosts:
        raise ProcedureFailed(
            f"备份库 {vault.id} 经 ssh 访问,但没有固定的主机密钥",
            f"vault {vault.id} is reached over ssh, but no host keys are pinned",
        )
    if not _SAFE_NAME.fullmatch(source.id):
        raise ProcedureFailed(f"资产标识 {source.id!r} 不能作为目录名", f"{source.id!r} cannot name a directory")
    if vault.pulls_from:
        # Borg remembers how new a repository was; the copy of one that it knows, always a little older, is another one.
        keys = replace(keys, state_directory=f"{keys.state_directory}/{vault.id}")
    return _Repository(host, f"{vault.location.rstrip('/')}/{source.id}", keys, bytes_of(vault.line.limit))


def _measure(repository: _Repository, archive: str, taken: datetime) -> Procedure[Copied]:
    """What the vault says of a copy that was made before an interruption."""
    info = yield Step(
        "measure the copy",
        repository.borg("info", "--json", repository.archive(archive)),
        timeout_seconds=_SHORT_SECONDS,
    )
    yield from _must(repository, info, f"备份 {archive} 未在备份库中", f"the copy {archive} is not in the vault")
    return _copied(json.loads(info.output)["archives"][0], archive, taken, ())


def _give_back_room(repository: _Repository, made: Result, vault: Vault) -> Procedure[None]:
    """Drop what the copy that did not fit has left.

    A vault over ssh keeps it until the next transaction begins, which a full disk keeps from beginning; `compact`
    begins one that needs no room. It takes nothing else: we delete nothing, and an append-only vault would not.
    """
    compacted = yield Step(
        "give back the room of the unfinished copy",
        repository.borg("compact", repository.address),
        changes=True,
        timeout_seconds=_LONG_SECONDS,
    )
    if not made.ok:
        found = _FULL.search(made.error_output)
        left = "" if compacted.ok else f"; {compacted.reason}"
        raise _full(vault, (found[0].strip() if found else made.reason) + left)


def _set_aside(repository: _Repository, archive: str, vault: Vault, unread: list[str]) -> Procedure[None]:
    """Rename a copy that lacks files, so that nobody takes it for whole, and fail."""
    for number in range(1, _SET_ASIDE + 1):
        renamed = yield Step(
            f"set the incomplete copy aside, name {number}",
            repository.borg("rename", repository.archive(archive), f"{archive}.{number}{INCOMPLETE}"),
            changes=True,
            timeout_seconds=_SHORT_SECONDS,
        )
        # An earlier try at this very copy may have been set aside too.
        if "already exists" not in renamed.error_output:
            break
    yield from _must(repository, renamed, f"无法移开不完整的 {archive}", f"cannot set {archive} aside")
    listed = "; ".join(unread[:3])
    if "No space left" in listed:
        raise _full(vault, listed)
    raise ProcedureFailed(
        f"备份不完整,{len(unread)} 个文件未能读取:{listed}",
        f"the copy is incomplete, {len(unread)} files could not be read: {listed}",
    )


def _copied(made: dict[str, Any], archive: str, taken: datetime, warnings: tuple[str, ...]) -> Copied:
    return Copied(
        archive,
        taken,
        added_bytes=int(made["stats"]["deduplicated_size"]),
        packed_bytes=int(made["stats"].get("compressed_size", 0)),
        seconds=float(made["duration"]),
        warnings=warnings,
    )


def _full(vault: Vault, detail: str) -> ProcedureFailed:
    return ProcedureFailed(
        f"备份库 {vault.id} 已满,已有的备份未受影响:{detail}",
        f"vault {vault.id} is full; the copies in it are untouched: {detail}",
    )


_BROKEN = re.compile(
    r"Data integrity error[^\n]*|[^\n]*chunk[^\n]*missing[^\n]*|Archive \S+ does not exist|ObjectNotFound[^\n]*|"
    r"FileNotFoundError: [^\n]*/data/\d+/\d+'|\S*UnpackException[^\n]*|binascii\.Error[^\n]*|"
    r"[^\n]*is not a valid repository[^\n]*"
)
_FULL = re.compile(r"[^\n]*No space left on device[^\n]*|[^\n]*storage quota[^\n]*|[^\n]*Insufficient free space[^\n]*")
_CAUSES = (
    (_FULL.pattern, "空间不足", "no room is left"),
    (r"passphrase supplied .* is incorrect", "口令不对", "the passphrase is wrong"),
    (r"Failed to create/acquire the lock[^\n]*", "另一项操作正在使用备份库", "another operation holds the vault"),
    (r"Host key verification failed", "备份库主机密钥与固定的不符", "the vault's host key is not the pinned one"),
    (r"Permission denied \([^\n]*", "备份库不接受登录密钥", "the vault does not accept the login key"),
    (r"[^\n]*borg: (?:command )?not found", "备份库主机上没有 borg", "there is no borg on the vault's host"),
    (r"Repository path not allowed[^\n]*", "备份库不允许此路径", "the vault does not allow this path"),
    (
        r"information obtained from the security directory is newer",
        "备份库比上次所见更旧:被回退或替换",
        "the vault is older than when last seen: rolled back or replaced",
    ),
    (_NO_REPOSITORY.pattern, "备份库中没有此资产的存储", "the vault has no repository of this asset"),
    (r"Connection (?:refused|timed out|reset|closed)[^\n]*", "无法连接备份库", "the vault cannot be reached"),
)


def _must(repository: _Repository, result: Result, zh: str, en: str) -> Procedure[None]:
    """Nothing for success; else ProcedureFailed with the cause that borg's long traces hide, CopyBroken for damage."""
    if result.ok:
        return
    trace = result.error_output
    if _VAGUE in trace and repository.over_ssh:
        asked = yield Step("ask the vault for the reason", repository.log_in(), timeout_seconds=_SHORT_SECONDS)
        trace = asked.error_output + trace
    if broken := _BROKEN.search(trace):
        raise CopyBroken(f"{zh},备份已损坏:{broken[0]}", f"{en}, the copy is damaged: {broken[0]}")
    for pattern, cause_zh, cause_en in _CAUSES:
        if found := re.search(pattern, trace):
            raise ProcedureFailed(f"{zh}:{cause_zh}({found[0]})", f"{en}: {cause_en} ({found[0]})")
    if result.exit_code == _NOT_FOUND:
        where = repository.host
        raise ProcedureFailed(
            f"{zh}:{where} 上没有 borg(Debian 软件包 borgbackup)",
            f"{en}: there is no borg on {where} (Debian package borgbackup)",
        )
    detail = result.reason or (trace.strip().splitlines() or [""])[-1]
    raise ProcedureFailed(f"{zh}:{detail}", f"{en}: {detail}")
