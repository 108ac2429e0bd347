"""Where the next page of findings starts, as text that a caller hands back unread."""

import base64
import binascii
import hashlib
from dataclasses import dataclass, fields

import orjson

from secops.model.finding import Finding
from secops.model.text import Text
from secops.store.finding_store import Filter
from secops.support.clock import to_text
from secops.support.errors import BadInput

_CHECK_BYTES = 12


@dataclass(frozen=True, slots=True)
class Position:
    """The sort key of the last finding of a page."""

    severity_rank: int
    first_seen: str
    id: str


def position_of(finding: Finding) -> Position:
    """The sort key of the finding."""
    return Position(finding.weakness.severity.rank, to_text(finding.first_seen), finding.id)


def to_cursor(position: Position, which: Filter) -> str:
    """The position, with a checksum that ties it to its filter."""
    body = orjson.dumps([position.severity_rank, position.first_seen, position.id])
    return base64.urlsafe_b64encode(_checksum(body, which) + body).decode()


def from_cursor(cursor: str, which: Filter) -> Position:
    """The position that `to_cursor` wrote for the same filter. Raises BadInput for anything else."""
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _unusable() from None
    check, body = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
    if _checksum(body, which) != check:
        raise _unusable()
    position = Position(*orjson.loads(body))
    if to_cursor(position, which) != cursor:
        raise _unusable()
    return position


def _checksum(body: bytes, which: Filter) -> bytes:
    wanted = [sorted(getattr(which, field.name)) for field in fields(which)]
    return hashlib.sha256(orjson.dumps(wanted) + b"\0" + body).digest()[:_CHECK_BYTES]


def _unusable() -> BadInput:
    return BadInput(
        Text(
            "翻页游标不可用:它被改动过,或属于另一组筛选条件;请从第一页重新开始",
            "this cursor cannot be used: it was altered or belongs to another filter; start again from the first page",
        )
    )
