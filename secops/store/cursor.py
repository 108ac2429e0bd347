"""Where the next page of findings starts, as text that a caller hands back unread."""

import base64
import binascii
import hashlib
from collections.abc import Sequence

import orjson

from secops.model.text import Text
from secops.store.query import Query
from secops.store.query_text import to_text
from secops.support.errors import BadInput

_CHECK_BYTES = 12


def to_cursor(position: Sequence[str | int], query: Query) -> str:
    """The values of the query's keys in the last finding of a page, with a checksum that ties them to the query."""
    body = orjson.dumps(position)
    return base64.urlsafe_b64encode(_checksum(body, query) + body).decode()


def from_cursor(cursor: str, query: Query) -> tuple[str | int, ...]:
    """The position that `to_cursor` wrote for the same query. Raises BadInput for anything else."""
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _unusable() from None
    check, body = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
    if _checksum(body, query) != check:
        raise _unusable()
    position = tuple(orjson.loads(body))
    if to_cursor(position, query) != cursor:
        raise _unusable()
    return position


def _checksum(body: bytes, query: Query) -> bytes:
    return hashlib.sha256(to_text(query).encode() + b"\0" + body).digest()[:_CHECK_BYTES]


def _unusable() -> BadInput:
    return BadInput(
        Text(
            "翻页游标不可用:它被改动过,或属于另一个查询;请从第一页重新开始",
            "this cursor cannot be used: it was altered or belongs to another query; start again from the first page",
        )
    )
