"""One HTTP/1.1 request and its answer over an open connection, with a bound on everything that a server can send."""

import asyncio
import zlib
from dataclasses import dataclass, field
from time import monotonic

import httptools

from scanners.answer import HttpAnswer, Timings
from scanners.endings import Unreachable
from scanners.scope import Opened
from secops.model.text import Text

MAX_HEADER_BYTES = 64 * 1024
MAX_INTERIM_ANSWERS = 8
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it goes over the wire."""

    method: str
    url: str
    target: str
    """Path and query, percent-encoded."""
    host: str
    """Value of the Host header."""
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self) -> bytes:
        """The bytes of the request."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much and how long is accepted."""

    idle_seconds: float
    max_body_bytes: int
    truncate: bool
    """A longer body is cut instead of refused."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """An answer, and whether its connection can carry another request."""

    answer: HttpAnswer
    reusable: bool


async def exchange(opened: Opened, asked: Asked, bounds: Bounds, fresh: bool) -> Exchanged:
    """Send the request and read the answer. Raises Unreachable, OSError, TimeoutError, EOFError (nothing came)."""
    began = monotonic()
    opened.writer.write(asked.encoded())
    await asyncio.wait_for(opened.writer.drain(), bounds.idle_seconds)
    reading = _Reading(bounds.max_body_bytes, head_only=asked.method == "HEAD")
    first_byte = 0.0
    while not reading.done:
        data = await asyncio.wait_for(opened.reader.read(_CHUNK_BYTES), bounds.idle_seconds)
        first_byte = first_byte or monotonic()
        reading.feed(data)
    if reading.over and not bounds.truncate:
        raise _too_large(bounds.max_body_bytes)
    if reading.cut_short:
        raise _not_http("compressed body ends in the middle")
    connect, tls = (opened.connect_seconds, opened.tls_seconds) if fresh else (0.0, 0.0)
    timings = Timings(connect, tls, first_byte - began, monotonic() - first_byte)
    answer = HttpAnswer(
        asked.url, reading.status, tuple(reading.headers), bytes(reading.body), reading.over, opened.address, timings
    )
    return Exchanged(answer, reusable=reading.complete and reading.keep_alive and not reading.head_only)


def _too_large(max_body_bytes: int) -> Unreachable:
    """The refusal of an answer that has no end in sight."""
    size = f"{max_body_bytes // 1024} KiB"
    return Unreachable(Text(f"应答解压后超过 {size} 上限", f"the answer is larger than {size} once decompressed"))


def _not_http(why: str) -> Unreachable:
    return Unreachable(Text(f"应答不是有效的 HTTP:{why}", f"the answer is not valid HTTP: {why}"))


@dataclass(slots=True)
class _Reading:
    """Takes the bytes of one answer; the callbacks of the parser fill it."""

    max_body_bytes: int
    head_only: bool
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    over: bool = False
    complete: bool = False
    keep_alive: bool = False
    _headers_done: bool = False
    _header_bytes: int = 0
    _interim: int = 0
    _inflate: "_Inflate | None" = None
    _parser: httptools.HttpResponseParser = field(init=False)

    def __post_init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)

    @property
    def done(self) -> bool:
        return self.complete or self.over or (self.head_only and self._headers_done)

    @property
    def cut_short(self) -> bool:
        return self._inflate is not None and self._inflate.unfinished and not self.over

    def feed(self, data: bytes) -> None:
        if not data:
            self._end_of_stream()
            return
        if not self._headers_done:
            self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise _not_http("changes the protocol unasked") from error
        except httptools.HttpParserError as error:
            raise _unwrapped(error) from error
        if not self._headers_done and self._header_bytes > MAX_HEADER_BYTES:
            raise _not_http(f"headers larger than {MAX_HEADER_BYTES // 1024} KiB")

    def _end_of_stream(self) -> None:
        if not self._headers_done:
            if not self._header_bytes:
                raise EOFError("closed without an answer")
            raise _not_http("closed in the middle of the headers")
        named = {name.lower() for name, _ in self.headers}
        if named & {"content-length", "transfer-encoding"}:
            raise Unreachable(Text("连接在应答中途断开", "the connection closed in the middle of the answer"))
        self.complete = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if 100 <= self.status < 200 and self.status != 101:
            return
        self._headers_done = True
        self.keep_alive = self._parser.should_keep_alive()
        encodings = [value.strip().lower() for name, value in self.headers if name.lower() == "content-encoding"]
        if not self.head_only and encodings not in ([], [""], ["identity"]):
            self._inflate = _Inflate(encodings)

    def on_body(self, body: bytes) -> None:
        if self.done:
            return
        room = self.max_body_bytes + 1 - len(self.body)
        self.body += self._inflate.feed(body, room) if self._inflate else body[:room]
        if len(self.body) > self.max_body_bytes:
            self.over = True
            del self.body[self.max_body_bytes :]

    def on_message_complete(self) -> None:
        if self._headers_done:
            self.complete = True
            return
        self._interim += 1
        self.headers.clear()
        if self._interim > MAX_INTERIM_ANSWERS:
            raise _not_http("endless interim answers")


class _Inflate:
    """Decompresses gzip and deflate piece by piece, never more than asked for."""

    def __init__(self, encodings: list[str]) -> None:
        if encodings not in (["gzip"], ["x-gzip"], ["deflate"]):
            named = ", ".join(encodings)[:60]
            raise Unreachable(Text(f"应答编码 {named} 不在请求之列", f"an encoding was not asked for: {named}"))
        self._bare = encodings == ["deflate"]
        self._engine = zlib.decompressobj(wbits=47)
        self._begun = False

    @property
    def unfinished(self) -> bool:
        return self._begun and not self._engine.eof

    def feed(self, data: bytes, room: int) -> bytes:
        try:
            return self._decompress(data, room)
        except zlib.error as error:
            raise _not_http(f"broken compression ({error})") from error

    def _decompress(self, data: bytes, room: int) -> bytes:
        if self._engine.eof:
            return b""
        try:
            out = self._engine.decompress(data, room)
        except zlib.error:
            if self._begun or not self._bare:
                raise
            # Some servers send deflate without its zlib header.
            self._engine = zlib.decompressobj(wbits=-15)
            out = self._engine.decompress(data, room)
        self._begun = True
        return out


def _unwrapped(error: httptools.HttpParserError) -> Unreachable:
    """Our own refusal that the parser wrapped in a callback error, or one that says what it stumbled on."""
    cause = error.__context__ if error.__context__ is not None else error.__cause__
    return cause if isinstance(cause, Unreachable) else _not_http(str(error)[:120])
