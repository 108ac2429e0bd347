"""Checking a pack with nothing but the file and the public key; the first broken link is named."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from secops.evidence.chain import (
    FORMAT,
    MAX_LINE_BYTES,
    Breach,
    Broken,
    Kind,
    Linked,
    check_follows,
    from_line,
)
from secops.evidence.keys import fingerprint
from secops.evidence.pack import signed_bytes
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.system_words import why


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """Where a pack is broken first. `line` counts from 1; `kind` is empty when the line cannot be read."""

    line: int
    kind: str
    breach: Breach
    reason: Text


class BrokenPack(Exception):
    """Raised by `read_pack` at the first broken link."""

    def __init__(self, link: BrokenLink) -> None:
        super().__init__(f"line {link.line}: {link.reason.en}")
        self.link = link


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of a pack. Without `broken`, every record is as it was sealed by the owner of the key."""

    records: int
    """That were good, the seal included."""
    run: str
    sealed: str
    """When, as the seal says; empty unless the pack is whole."""
    fingerprint: str
    """Of the public key that was used."""
    broken: BrokenLink | None = None

    @property
    def ok(self) -> bool:
        """Whether the pack is whole."""
        return self.broken is None


def verify_pack(path: Path, public_key: Ed25519PublicKey) -> Verification:
    """Check every line in one pass, in memory bounded by the longest line. BadInput when the file cannot be read."""
    records, run, sealed = 0, "", ""
    broken = None
    try:
        for linked in read_pack(path, public_key):
            records += 1
            if linked.kind == Kind.HEADER:
                run = str(linked.body.get("run", ""))
            sealed = linked.at if linked.kind == Kind.SEAL else ""
    except BrokenPack as error:
        broken, sealed = error.link, ""
    return Verification(records, run, sealed, fingerprint(public_key), broken)


def read_pack(path: Path, public_key: Ed25519PublicKey | None) -> Iterator[Linked]:
    """Every record that holds, in order, the seal last; BrokenPack at the first that does not.

    Without a key the chain is followed but nothing proves who wrote it. Raises BadInput when the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from _follow(file, public_key)
    except OSError as error:
        said = why(error)
        raise BadInput(
            Text(f"无法读取证据包 {path}:{said.zh}", f"the pack {path} cannot be read: {said.en}")
        ) from error


def _follow(file: BinaryIO, public_key: Ed25519PublicKey | None) -> Iterator[Linked]:
    last: Linked | None = None
    number = 0
    try:
        while raw := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            linked = _next_link(raw, last, file)
            if public_key:
                _check_key(linked, public_key)
            if linked.kind == Kind.SEAL:
                number += 1
                _check_end(file)
                yield linked
                return
            yield linked
            last = linked
        number += 1
        raise _missing_end(last)
    except Broken as error:
        raise BrokenPack(BrokenLink(number, error.kind, error.breach, error.reason)) from error


def _next_link(raw: bytes, last: Linked | None, file: BinaryIO) -> Linked:
    linked = from_line(_whole_line(raw))
    try:
        check_follows(linked, last)
    except Broken as error:
        expected = last.n + 1 if last else 0
        if error.breach is Breach.REMOVED and _turns_up(expected, file):
            raise Broken(Breach.REORDERED, _reordered(expected, linked.n), linked.kind) from error
        raise
    if linked.kind == Kind.HEADER and linked.body.get("format") != FORMAT:
        raise Broken(Breach.UNKNOWN_FORMAT, _unknown_format(), linked.kind)
    if linked.kind == Kind.SEAL:
        _check_seal_agrees(linked)
    return linked


def _whole_line(raw: bytes) -> bytes:
    if len(raw) > MAX_LINE_BYTES:
        text = Text(f"该行超过 {MAX_LINE_BYTES} 字节", f"the line is longer than {MAX_LINE_BYTES} bytes")
        raise Broken(Breach.TOO_LONG, text)
    if not raw.endswith(b"\n"):
        text = Text("文件在这一行中间断掉", "the file ends in the middle of this line")
        raise Broken(Breach.TRUNCATED, text)
    return raw[:-1]


def _check_key(linked: Linked, public_key: Ed25519PublicKey) -> None:
    if linked.kind not in (Kind.HEADER, Kind.SEAL):
        return
    if linked.body.get("fingerprint") != fingerprint(public_key):
        text = Text(
            f"证据包由另一把密钥签署(指纹 {linked.body.get('fingerprint')})",
            f"the pack names another key (fingerprint {linked.body.get('fingerprint')})",
        )
        raise Broken(Breach.WRONG_KEY, text, linked.kind)
    if linked.kind == Kind.SEAL:
        try:
            signature = base64.b64decode(str(linked.body.get("signature")), validate=True)
            public_key.verify(signature, signed_bytes(linked.body))
        except (ValueError, InvalidSignature) as error:  # not base64, not a signature, not of this
            text = Text("签名不符:内容与签署时不同", "the signature does not match: this is not what was signed")
            raise Broken(Breach.BAD_SIGNATURE, text, linked.kind) from error


def _check_seal_agrees(seal: Linked) -> None:
    said = {name: seal.body.get(name) for name in ("format", "count", "head", "sealed")}
    if said != {"format": FORMAT, "count": seal.n, "head": seal.prev, "sealed": seal.at}:
        text = Text("封签所述与证据链不符", "the seal does not agree with the chain before it")
        raise Broken(Breach.BAD_SIGNATURE, text, seal.kind)


def _check_end(file: BinaryIO) -> None:
    if file.read(1):
        text = Text("封签之后还有数据", "there is data after the seal")
        raise Broken(Breach.AFTER_SEAL, text)


def _missing_end(last: Linked | None) -> Broken:
    if last is None:
        return Broken(Breach.EMPTY, Text("文件是空的", "the file is empty"))
    return Broken(Breach.TRUNCATED, Text("文件在此结束,没有封签", "the file ends here, without a seal"))


def _turns_up(wanted: int, file: BinaryIO) -> bool:
    """Whether a later line carries the number that is missing here: then lines were moved rather than removed."""
    while raw := file.readline(MAX_LINE_BYTES + 1):
        try:
            fields = orjson.loads(raw)
        except orjson.JSONDecodeError:
            continue
        if isinstance(fields, dict) and fields.get("n") == wanted:
            return True
    return False


def _reordered(expected: int, found: int) -> Text:
    return Text(
        f"此处应为第 {expected} 号记录,却是第 {found} 号:记录的顺序被打乱",
        f"record {expected} belongs here but this is record {found}: the records were reordered",
    )


def _unknown_format() -> Text:
    return Text(f"文件头的格式不是 {FORMAT}", f"the header's format is not {FORMAT}")
