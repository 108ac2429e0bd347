"""Copies on a medium that goes into a cupboard: a list of what is on it, signed, and the check of it.

Beside the repository of an asset, `ASSET.manifest.json` names the copies and the SHA-256 of every file, and
`ASSET.manifest.sig` is the service's Ed25519 signature of it in hexadecimal. The medium needs a file system with links.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson

from backup.engine import CopyBroken
from backup.relay import Hop
from secops.model.restore_point import RestorePoint
from secops.model.step import Command, Procedure, Step, require
from secops.support.clock import to_text

_LINE = re.compile(r"([0-9a-f]{64})  \./([A-Za-z0-9._/-]+)")
_LONG_SECONDS = 7 * 24 * 3600.0
_VERSION = 1


def manifest_path(hop: Hop) -> str:
    """Absolute, on the host that the medium is in."""
    return f"{hop.repository}.manifest.json"


def list_files(hop: Hop, label: str = "hash what is on the medium") -> Procedure[Mapping[str, str]]:
    """SHA-256 of every file of the repository on the medium, by its path in it. CopyBroken when one cannot be read."""
    argv = ("env", "-C", f"{hop.repository}/", "find", ".", "-type", "f", "-exec", "sha256sum", "--", "{}", "+")
    hashed = yield Step(label, Command(hop.target.host, argv), assume="\n", timeout_seconds=_LONG_SECONDS)
    if not hashed.ok:
        raise CopyBroken(
            f"{hop.target.id} 上的 {hop.asset.id} 读不出来:{hashed.reason}",
            f"{hop.asset.id} on {hop.target.id} cannot be read: {hashed.reason}",
        )
    found = map(_LINE.fullmatch, hashed.output.splitlines())
    return {line[2]: line[1] for line in found if line}


def manifest_text(hop: Hop, points: Iterable[RestorePoint], files: Mapping[str, str], made: datetime) -> str:
    """The list of what is on the medium, the same text for the same things."""
    copies = [
        {"archive": one.archive, "taken": to_text(one.taken), "manifest": one.manifest, "size_bytes": one.size_bytes}
        for one in points
    ]
    told = {
        "version": _VERSION,
        "asset": hop.asset.id,
        "unit_vault": hop.target.id,
        "origin": hop.origin.id,
        "engine": hop.engine.name,
        "made": to_text(made),
        "copies": copies,
        "files": dict(files),
    }
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2).decode() + "\n"


def write_manifest(hop: Hop, text: str, signature: str) -> Procedure[None]:
    """Put the list and its signature on the medium, and see that all of it has reached it."""
    for name, content in ((manifest_path(hop), text), (f"{hop.repository}.manifest.sig", signature)):
        if not content:
            continue
        written = yield Step(
            f"write {name.rpartition('/')[2]}",
            Command(hop.target.host, ("dd", "status=none", "conv=fsync", f"of={name}"), stdin=content),
            changes=True,
        )
        require(written, f"无法写入 {name}", f"cannot write {name}")
    flushed = yield Step(
        "flush the medium",
        Command(hop.target.host, ("sync", "-f", hop.target.directory)),
        changes=True,
        timeout_seconds=_LONG_SECONDS,
    )
    require(flushed, "介质写入未完成", "the medium did not take everything")


def check_medium(hop: Hop, sign: Callable[[str], Procedure[str]]) -> Procedure[tuple[str, ...]]:
    """Names of the copies on the medium when its list is ours and every file is as listed; else CopyBroken."""
    listed = yield from _read(hop, manifest_path(hop))
    signature = yield from _read(hop, f"{hop.repository}.manifest.sig")
    ours = yield from sign(listed)
    if ours and ours != signature.strip():
        raise CopyBroken(
            "清单签名不符,清单被改动过或不是本服务所签", "the list was altered, or was not signed by this service"
        )
    told: dict[str, Any] = orjson.loads(listed)
    files = yield from list_files(hop)
    wanted: dict[str, str] = told["files"]
    if differing := sorted(name for name in wanted.keys() | files.keys() if wanted.get(name) != files.get(name)):
        raise CopyBroken(
            f"介质上有 {len(differing)} 个文件与清单不符,如 {differing[0]}",
            f"{len(differing)} files on the medium are not as listed, {differing[0]} for one",
        )
    return tuple(copy["archive"] for copy in told["copies"])


def _read(hop: Hop, path: str) -> Procedure[str]:
    read = yield Step(f"read {path.rpartition('/')[2]}", Command(hop.target.host, ("cat", "--", path)), assume="{}")
    if not read.ok:
        raise CopyBroken(f"介质上没有 {path}", f"there is no {path} on the medium: {read.reason}")
    return read.output
