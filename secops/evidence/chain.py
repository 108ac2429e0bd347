"""The chain of a pack: every record carries its own hash and the hash of the record before it. Pure, no I/O.

docs/evidence-format.md says the same to somebody who writes a verifier of their own; change both together.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import orjson

from secops.model.text import Text
from secops.support.clock import to_text
from secops.support.errors import BadInput

FORMAT = "jindun-evidence/1"
GENESIS = "0" * 64
"""The `prev` of the first record."""
MAX_LINE_BYTES = 32 * 1024 * 1024
"""A longer line is refused by writer and verifier; bigger content is split into several attachments."""

_FIELDS = {"at", "body", "hash", "kind", "n", "prev"}
_NO_RECORD = Text("不是证据记录:字段缺失、多余或类型不符", "it is not a record: fields are missing, extra or wrong")
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


class Kind(StrEnum):
    """What a record holds."""

    HEADER = "header"
    JOURNAL = "journal"
    FINDING_BEFORE = "finding_before"
    FINDING_AFTER = "finding_after"
    TIMING = "timing"
    TOOLS = "tools"
    ATTACHMENT = "attachment"
    SEAL = "seal"


_KINDS = frozenset(kind.value for kind in Kind)


class Breach(StrEnum):
    """What can be wrong with a pack; closed."""

    EMPTY = "empty"
    NOT_JSON = "not_json"
    NOT_A_RECORD = "not_a_record"
    TOO_LONG = "too_long"
    CHANGED = "changed"
    REMOVED = "removed"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    INSERTED = "inserted"
    REPLACED = "replaced"
    TRUNCATED = "truncated"
    AFTER_SEAL = "after_seal"
    BAD_SIGNATURE = "bad_signature"
    WRONG_KEY = "wrong_key"
    UNKNOWN_FORMAT = "unknown_format"


class Broken(Exception):
    """A link does not hold; `kind` is the record's own word for itself, empty when it cannot be read."""

    def __init__(self, breach: Breach, reason: Text, kind: str = "") -> None:
        super().__init__(reason.en)
        self.breach = breach
        self.reason = reason
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Record:
    """What goes into a pack; `body` is a mapping or a dataclass of JSON-able values, datetimes and bytes (base64)."""

    kind: Kind
    at: datetime
    body: object


@dataclass(frozen=True, slots=True)
class Linked:
    """A record in its place; `at` as text and `body` as plain JSON values, exactly as they stand in the file."""

    n: int
    kind: str
    at: str
    body: dict[str, object]
    prev: str
    hash: str


def canonical(value: object) -> bytes:
    """Canonical JSON of plain JSON values: sorted keys, UTF-8, no whitespace. Raises TypeError for anything else."""
    return orjson.dumps(value, option=_CANONICAL)


def link(record: Record, after: Linked | None) -> Linked:
    """The record as the next link. Raises BadInput when its body cannot be written as a JSON object."""
    n = after.n + 1 if after else 0
    try:
        body = orjson.loads(orjson.dumps(record.body, default=_plain_value, option=orjson.OPT_PASSTHROUGH_DATETIME))
    except TypeError as error:
        raise _unwritable(n, record, str(error.__cause__ or error)) from error
    if not isinstance(body, dict):
        raise _unwritable(n, record, type(record.body).__name__)
    prev, at = after.hash if after else GENESIS, to_text(record.at)
    return Linked(n, record.kind.value, at, body, prev, _hash_of(n, record.kind.value, at, body, prev))


def to_line(linked: Linked) -> bytes:
    """The line of the file, with its line feed."""
    return canonical(_fields_of(linked)) + b"\n"


def from_line(line: bytes) -> Linked:
    """Read a line without its line feed and check it against its own hash. Raises Broken."""
    linked = _parse(line)
    try:
        hash_holds = _hash_of(linked.n, linked.kind, linked.at, linked.body, linked.prev) == linked.hash
        is_canonical = canonical(_fields_of(linked)) == line
    except TypeError as error:  # nested deeper than any writer of ours could write
        raise Broken(Breach.NOT_A_RECORD, _NO_RECORD, linked.kind) from error
    if not hash_holds:
        text = Text("内容与其哈希不符:该记录被改动过", "its content does not match its hash: the record was changed")
        raise Broken(Breach.CHANGED, text, linked.kind)
    if not is_canonical:
        text = Text("写法不是规范 JSON:该行被改写过", "it is not written as canonical JSON: the line was rewritten")
        raise Broken(Breach.CHANGED, text, linked.kind)
    return linked


def check_follows(linked: Linked, after: Linked | None) -> None:
    """Raise Broken unless `linked` continues `after`, or is a header when there is nothing before it.

    A number too high is reported as REMOVED; whether the missing record turns up later is for the reader to see.
    """
    expected, prev = (after.n + 1, after.hash) if after else (0, GENESIS)
    if linked.n > expected:
        raise Broken(Breach.REMOVED, _removed(expected, linked.n), linked.kind)
    if after and linked.n < expected:
        raise _seen_twice(linked, after)
    if linked.prev != prev:
        text = Text(
            "与上一行的哈希不衔接:上一行或本行被替换过",
            "it does not continue the line before it: that line or this one was replaced",
        )
        raise Broken(Breach.REPLACED, text, linked.kind)
    if (linked.kind == Kind.HEADER) != (after is None):
        text = Text("证据包必须以唯一的文件头开始", "a pack begins with its one header")
        raise Broken(Breach.NOT_A_RECORD, text, linked.kind)


def _parse(line: bytes) -> Linked:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Broken(Breach.NOT_JSON, Text("不是合法的 JSON", "it is not JSON")) from error
    kind = fields.get("kind") if isinstance(fields, dict) else None
    match fields:
        case {"n": int(n), "kind": str(), "at": str(at), "body": dict(body), "prev": str(prev), "hash": str(own)} if (
            set(fields) == _FIELDS and kind in _KINDS and not isinstance(n, bool) and n >= 0
        ):
            return Linked(n, str(kind), at, body, prev, own)
    raise Broken(Breach.NOT_A_RECORD, _NO_RECORD, kind if isinstance(kind, str) else "")


def _hash_of(n: int, kind: str, at: str, body: Mapping[str, object], prev: str) -> str:
    return hashlib.sha256(canonical({"at": at, "body": body, "kind": kind, "n": n, "prev": prev})).hexdigest()


def _fields_of(linked: Linked) -> dict[str, object]:
    return {
        "at": linked.at,
        "body": linked.body,
        "hash": linked.hash,
        "kind": linked.kind,
        "n": linked.n,
        "prev": linked.prev,
    }


def _removed(expected: int, found: int) -> Text:
    return Text(
        f"此处应为第 {expected} 号记录,却是第 {found} 号:中间的记录被删除",
        f"record {expected} belongs here but this is record {found}: what stood between was removed",
    )


def _seen_twice(linked: Linked, after: Linked) -> Broken:
    if linked.n == after.n and linked.hash != after.hash:
        text = Text(
            f"上一行与本行都自称第 {linked.n} 号记录:其中一条是插入的",
            f"the line before and this one both claim to be record {linked.n}: one of them was inserted",
        )
        return Broken(Breach.INSERTED, text, linked.kind)
    text = Text(f"第 {linked.n} 号记录重复出现", f"record {linked.n} appears a second time")
    return Broken(Breach.DUPLICATED, text, linked.kind)


def _unwritable(n: int, record: Record, detail: str) -> BadInput:
    return BadInput(
        Text(
            f"第 {n} 号证据记录({record.kind})无法写成 JSON 对象:{detail}",
            f"record {n} ({record.kind}) of the evidence cannot be written as a JSON object: {detail}",
        )
    )


def _plain_value(value: object) -> object:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a time without its zone")
        return to_text(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
