"""Spot checks: whether the newest copy is still like its source, by the number of files and a sample of their content.

It finds what no look at the copy alone can find: a source that is not what is copied (a mount that is gone, a folder
that was left out, files that are being encrypted). The source is only read.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from backup.manifest import Entry, Kind, Manifest
from secops.model.city import Asset
from secops.model.step import Command, Procedure, Step, require
from secops.model.text import Text

_MOST_FILES = 400
_ARGUMENTS_BYTES = 64 * 1024
_HASH_SECONDS = 3600.0
_COUNT_SECONDS = 600.0
_HASH_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far source and copy may be apart; a source that is in use has moved on since."""

    count_percent: float = 5.0
    """Difference of the number of files, of the copy's number."""
    sample_percent: float = 1.0
    """How many of the copy's files are compared."""
    data_percent: float = 5.0
    """How many of those may differ."""


@dataclass(frozen=True, slots=True)
class Spot:
    """What a spot check saw."""

    ok: bool
    files_in_source: int
    files_in_copy: int
    compared: int
    differing: tuple[str, ...]
    because: Text


def spot_check(source: Asset, manifest: Manifest, tolerance: Tolerance, turn: str) -> Procedure[Spot]:
    """Count the files of the source and compare a sample of them with the manifest of its newest copy.

    Another `turn` gives another sample. Files whose names are no plain text, or that were changing, are not sampled.
    """
    count = Command(source.host, ("find", f"{source.path.rstrip('/')}/", "-type", "f", "-printf", "."))
    counted = yield Step("count the files of the source", count, timeout_seconds=_COUNT_SECONDS)
    require(counted, f"无法遍历 {source.path}", f"cannot walk through {source.path}")
    files = [entry for entry in manifest.entries if entry.kind in (Kind.FILE, Kind.CHANGING)]
    sample = choose(files, tolerance.sample_percent, turn)
    differing: tuple[str, ...] = ()
    if sample:
        argv = ("env", "-C", source.path, "LC_ALL=C", "sha256sum", "--", *(entry.path for entry in sample))
        # 1: a file is gone, which is one of the answers that are sought.
        hashing = Command(source.host, argv, good_exit_codes=(0, 1))
        hashed = yield Step("hash a sample of the source", hashing, timeout_seconds=_HASH_SECONDS)
        require(hashed, f"无法读取 {source.path}", f"cannot read {source.path}")
        found = {m[2]: m[1] for line in hashed.output.splitlines() if (m := _HASH_LINE.fullmatch(line))}
        differing = tuple(entry.path for entry in sample if found.get(entry.path) != entry.digest)
    return judge(len(counted.output), len(files), len(sample), differing, tolerance)


def choose(files: Sequence[Entry], percent: float, turn: str) -> tuple[Entry, ...]:
    """At least one file when there is any, at most some hundreds."""
    plain = [one for one in files if one.kind is Kind.FILE and one.path.isprintable() and "\\" not in one.path]
    wanted = min(_MOST_FILES, max(1, round(len(plain) * percent / 100)))
    ordered = sorted(plain, key=lambda one: hashlib.sha256(f"{turn}\0{one.path}".encode()).digest())
    chosen: list[Entry] = []
    room = _ARGUMENTS_BYTES
    for entry in ordered[:wanted]:
        room -= len(entry.path.encode()) + 1
        if room < 0:
            break
        chosen.append(entry)
    return tuple(chosen)


def judge(in_source: int, in_copy: int, compared: int, differing: tuple[str, ...], tolerance: Tolerance) -> Spot:
    """Whether what was seen is within the tolerance, and the sentence that says so."""
    apart = abs(in_source - in_copy) * 100 / max(1, in_copy)
    off = len(differing) * 100 / max(1, compared)
    ok = apart <= tolerance.count_percent and off <= tolerance.data_percent
    named = ", ".join(differing[:3]) + ("…" if len(differing) > 3 else "")
    zh = (
        f"源有 {in_source} 个文件,最新备份有 {in_copy} 个(相差 {apart:.1f}%);抽查 {compared} 个,{len(differing)} 个不同"
    )
    en = (
        f"the source has {in_source} files and its newest copy {in_copy} ({apart:.1f}% apart); of {compared} compared, "
        f"{len(differing)} differ"
    )
    if named:
        zh, en = f"{zh}({named})", f"{en} ({named})"
    return Spot(ok, in_source, in_copy, compared, differing, Text(zh, en))
