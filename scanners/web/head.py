"""The head of an answer: where it ends, what it says, and how its body is framed. Pure; never more than it is given."""

from collections import deque
from dataclasses import dataclass
from enum import Enum

import httptools

from scanners.web.message import Headers

_MAY_BEGIN_WITH = b"HTTP/"
_REMEMBERED = 4
"""Heads: found, not found, refused, and one more."""


class Framing(Enum):
    """How one knows where the body ends."""

    NONE = 0
    COUNTED = 1
    CHUNKED = 2
    UNTIL_CLOSE = 3


class NotHttp(ValueError):
    """The bytes are not the head of an HTTP/1 answer."""


@dataclass(frozen=True, slots=True)
class Head:
    """A parsed head."""

    raw: bytes
    status: int
    reason: str
    version: str
    headers: Headers
    framing: Framing
    length: int
    """Of a counted body."""
    encoding: str
    """Content-Encoding, lower case; empty when the body is sent as it is."""
    keep_alive: bool
    """The connection may carry another request."""
    interim: bool
    """A 1xx answer, which another one follows."""


def end_of_head(data: bytes) -> int:
    """Index behind the empty line that ends the head, with or without carriage returns; 0 when it is not there yet."""
    ends = data.find(b"\n\r\n")
    bare = data.find(b"\n\n", 0, ends + 1) if ends >= 0 else data.find(b"\n\n")
    if bare >= 0:
        return bare + 2
    return ends + 3 if ends >= 0 else 0


def may_become_http(start: bytes) -> bool:
    """Whether the first bytes can still be the beginning of an answer; servers may send empty lines before it."""
    begun = start.lstrip(b"\r\n")[: len(_MAY_BEGIN_WITH)]
    return _MAY_BEGIN_WITH.startswith(begun)


def read_head(raw: bytes, head_only: bool) -> Head:
    """Parse exactly one head, its empty line included. Raises NotHttp.

    `head_only`: the answer to HEAD, which has no body whatever it says.
    """
    marks = _Marks()
    parser = marks.parser
    upgraded = False
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        upgraded = True
    except httptools.HttpParserError as error:
        raise NotHttp(str(error)[:120]) from error
    finally:
        del marks.parser  # They hold each other.
    if not marks.complete:
        raise NotHttp("the head does not end where its lines do")
    # The parser has judged the lines; taking them apart here is twice as fast as being called for each.
    status_line, *lines = raw.decode("latin-1").strip("\r\n").split("\n")
    headers = tuple((name, value.strip(" \t\r")) for name, _, value in (line.partition(":") for line in lines))
    named = {name.lower(): value for name, value in headers}
    framing = _framing(named, ended=marks.ended or head_only or upgraded)
    ambiguous = "transfer-encoding" in named and "content-length" in named
    status: int = parser.get_status_code()
    return Head(
        raw,
        status,
        status_line.rstrip("\r").partition(" ")[2].partition(" ")[2],
        parser.get_http_version(),
        headers,
        framing,
        length=int(named["content-length"]) if framing is Framing.COUNTED else 0,
        encoding=named.get("content-encoding", "").lower(),
        keep_alive=marks.keep_alive and not (upgraded or ambiguous or framing is Framing.UNTIL_CLOSE),
        interim=100 <= status < 200 and status != 101,
    )


class Heads:
    """Remembers the last heads that were read: answers of a site begin alike, byte for byte, many times a second."""

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        self._latest: deque[Head] = deque(maxlen=_REMEMBERED)

    def begins(self, data: bytes, head_only: bool) -> Head | None:
        """The head that the data begins with, when it is one of the last over again."""
        if head_only:
            return None
        for head in self._latest:
            if data.startswith(head.raw):
                return head
        return None

    def read(self, raw: bytes, head_only: bool) -> Head:
        """What `read_head` says. Raises NotHttp."""
        head = read_head(raw, head_only)
        if not head_only and not head.interim:
            self._latest.appendleft(head)
        return head


def parser_for(callbacks: object) -> httptools.HttpResponseParser:
    """A parser that takes what browsers take: bare line feeds, and a length beside chunks (the chunks count)."""
    parser = httptools.HttpResponseParser(callbacks)
    parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_chunked_length=True)
    return parser


def _framing(named: dict[str, str], ended: bool) -> Framing:
    if ended:
        return Framing.NONE
    codings = named.get("transfer-encoding")
    if codings is not None:
        return Framing.CHUNKED if codings.rpartition(",")[2].strip().lower() == "chunked" else Framing.UNTIL_CLOSE
    return Framing.COUNTED if "content-length" in named else Framing.UNTIL_CLOSE


class _Marks:
    """How far the parser came."""

    def __init__(self) -> None:
        self.complete = False
        self.ended = False
        self.keep_alive = False
        self.parser = parser_for(self)

    def on_headers_complete(self) -> None:
        self.complete = True
        # Only now: the parser forgets it at the end of the message.
        self.keep_alive = self.parser.should_keep_alive()

    def on_message_complete(self) -> None:
        self.ended = True
