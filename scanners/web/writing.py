"""How a payload is written where it stands, so that what reads that place gets exactly the payload.

Each writer takes the octets of the payload and gives the octets for one kind of place.
"""

import re
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import quote_from_bytes

Writer: TypeAlias = Callable[[bytes], bytes]

_JSON_SHORT = {0x22: b'\\"', 0x5C: b"\\\\", 0x08: b"\\b", 0x09: b"\\t", 0x0A: b"\\n", 0x0C: b"\\f", 0x0D: b"\\r"}
_LITERAL = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_NEEDS_QUOTES = re.compile(rb"[\x00-\x20\x7f;\"]")
_NOT_IN_QUOTES = re.compile(rb"[\x00-\x1f\x7f;]")
_NO_COOKIE_OCTET = re.compile(rb"[^!#$&-*\-./0-:<-\[\]-~]|\+")
_NO_TOKEN = re.compile(rb"[^!#$&'*+\-.^_`|~0-9A-Za-z]")
_BREAKS_HEADER = re.compile(rb"[\x00\r\n]")
_RAW_QUERY_SAFE = "/?:@!$&'()*+,;=-._~"


def in_query(payload: bytes) -> bytes:
    """A name or value of a query or of an urlencoded form, or a segment of a path."""
    return quote_from_bytes(payload, safe="").encode("ascii")


def as_query(payload: bytes) -> bytes:
    """A whole query: what may stand there stands as it is."""
    return quote_from_bytes(payload, safe=_RAW_QUERY_SAFE).encode("ascii")


def in_json(payload: bytes) -> bytes:
    """A string, quotes and all; octets that are no UTF-8 stay as they are."""
    return b'"' + b"".join(_json_octet(octet) for octet in payload) + b'"'


def for_json_literal(payload: bytes) -> bytes:
    """Where a number, a truth value or null stood: such a payload stays one, any other becomes a string."""
    return payload if _LITERAL.fullmatch(payload) else in_json(payload)


def in_cookie(payload: bytes) -> bytes:
    """A value as it is; in quotes where it must be, for servers that resolve them and decode nothing."""
    if not _NEEDS_QUOTES.search(payload):
        return payload
    escaped = payload.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"' + _NOT_IN_QUOTES.sub(lambda found: b"\\%03o" % found.group()[0], escaped) + b'"'


def in_encoded_cookie(payload: bytes) -> bytes:
    """A value percent-encoded, for servers that decode cookies, or that throw odd ones away."""
    return _percent(_NO_COOKIE_OCTET, payload)


def as_token(payload: bytes) -> bytes:
    """The name of a header or cookie, percent-encoded where no name may have it."""
    return _percent(_NO_TOKEN, payload)


def in_header(payload: bytes) -> bytes:
    """The value of a header as it is; only what would end the line is percent-encoded."""
    return _percent(_BREAKS_HEADER, payload)


def in_disposition(payload: bytes) -> bytes:
    """A quoted name in the head of a part of a multipart form."""
    return _percent(_BREAKS_HEADER, payload.replace(b"\\", b"\\\\").replace(b'"', b'\\"'))


def as_it_is(payload: bytes) -> bytes:
    """The content of a part of a multipart form."""
    return payload


def _json_octet(octet: int) -> bytes:
    short = _JSON_SHORT.get(octet)
    if short:
        return short
    return b"\\u%04x" % octet if octet < 0x20 else bytes((octet,))


def _percent(wrong: re.Pattern[bytes], payload: bytes) -> bytes:
    return wrong.sub(lambda found: b"%%%02X" % found.group()[0], payload)
