"""Writing a pack: records in, one sealed file out. Memory does not grow with the number of records."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from secops.evidence.chain import FORMAT, MAX_LINE_BYTES, Kind, Linked, Record, canonical, link, to_line
from secops.evidence.keys import fingerprint, public_pem
from secops.evidence.new_file import new_file
from secops.model.text import Text
from secops.support.clock import now, to_text
from secops.support.errors import BadInput

PART_BYTES = 4 * 1024 * 1024
"""An attachment longer than this is split into parts."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A pack that is on disk."""

    path: Path
    records: int
    """Before the seal."""
    head: str
    fingerprint: str
    sealed: datetime


def write_pack(path: Path, records: Iterable[Record], key: Ed25519PrivateKey) -> Sealed:
    """Chain, seal and write `records`, of which the first is made by `header` for the same key.

    Raises AlreadyThere, BadInput for a record that cannot be written, Incomplete when the disk refuses; and whatever
    `records` raises. After any of them nothing stands under `path`.
    """
    head: Linked | None = None
    with new_file(path) as file:
        for record in records:
            _check_place(record, head, key.public_key())
            head = link(record, head)
            file.write(_line(head))
        if head is None:
            raise ValueError("a pack begins with its header")
        sealed = now()
        file.write(_line(link(_seal(head, key, sealed), head)))
    return Sealed(path, head.n + 1, head.hash, fingerprint(key.public_key()), sealed)


def header(at: datetime, *, run: str, product: str, city: Text, key: Ed25519PublicKey) -> Record:
    """The first record; `product` is the version of the product, `key` the public half of the key that will seal."""
    body = {
        "format": FORMAT,
        "run": run,
        "product": product,
        "city": city,
        "public_key": public_pem(key),
        "fingerprint": fingerprint(key),
    }
    return Record(Kind.HEADER, at, body)


def tools(at: datetime, versions: Mapping[str, str]) -> Record:
    """Which version of which tool took part."""
    return Record(Kind.TOOLS, at, dict(versions))


def attachments(at: datetime, name: str, content: bytes) -> Iterator[Record]:
    """A file as one record, or several when it is long: as text where it is UTF-8, else base64."""
    pieces = [content[start : start + PART_BYTES] for start in range(0, len(content), PART_BYTES)] or [b""]
    for number, piece in enumerate(pieces, start=1):
        body: dict[str, object] = {
            "name": name,
            "part": number,
            "parts": len(pieces),
            "sha256": hashlib.sha256(piece).hexdigest(),
        }
        try:
            body["text"] = piece.decode()
        except UnicodeDecodeError:
            body["base64"] = base64.b64encode(piece).decode()
        yield Record(Kind.ATTACHMENT, at, body)


def signed_bytes(body: Mapping[str, object]) -> bytes:
    """What the signature of a seal covers: its body without the signature, as canonical JSON."""
    return canonical({name: value for name, value in body.items() if name != "signature"})


def _seal(head: Linked, key: Ed25519PrivateKey, at: datetime) -> Record:
    # Everything that the record says is in the signed part of the body, its number and its time included.
    body: dict[str, object] = {
        "format": FORMAT,
        "count": head.n + 1,
        "head": head.hash,
        "fingerprint": fingerprint(key.public_key()),
        "sealed": to_text(at),
    }
    signature = base64.b64encode(key.sign(signed_bytes(body))).decode()
    return Record(Kind.SEAL, at, {**body, "signature": signature})


def _check_place(record: Record, head: Linked | None, key: Ed25519PublicKey) -> None:
    if (record.kind is Kind.HEADER) != (head is None) or record.kind is Kind.SEAL:
        raise ValueError("a pack begins with its one header, and the seal is not for the caller to write")
    if head is None and isinstance(record.body, Mapping) and record.body.get("fingerprint") != fingerprint(key):
        raise ValueError("the header names another key than the one that seals")


def _line(linked: Linked) -> bytes:
    line = to_line(linked)
    if len(line) > MAX_LINE_BYTES:
        raise BadInput(
            Text(
                f"第 {linked.n} 号证据记录({linked.kind})过大:{len(line)} 字节,上限 {MAX_LINE_BYTES}",
                f"record {linked.n} ({linked.kind}) of the evidence is too large: {len(line)} bytes of at most "
                f"{MAX_LINE_BYTES}",
            )
        )
    return line
