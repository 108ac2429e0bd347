"""One connection to a server: a request goes out, its answer comes in, and only then may the next one go."""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, cast

from scanners.web.body import Body
from scanners.web.head import Framing, Head, Heads, NotHttp, end_of_head, may_become_http
from scanners.web.limits import Limits, Patience
from scanners.web.message import Failure, Phase, Reason, Response, Timings
from secops.model.text import Text

_GROUP = 32
_RESET = Failure(Reason.RESET, Text("服务器重置了连接", "the server reset the connection"))
_CLOSED = Failure(Reason.CLOSED, Text("服务器未应答即关闭连接", "the server closed the connection without an answer"))
_CUT_IN_HEAD = Failure(
    Reason.CUT_SHORT, Text("连接在响应头中途断开", "the connection closed in the middle of the headers")
)
_CUT_IN_BODY = Failure(
    Reason.CUT_SHORT, Text("连接在应答中途断开", "the connection closed in the middle of the answer")
)


class Flight:
    """One request on its way: what is sent, and who is told of what came back."""

    __slots__ = ("alone", "deadline", "head_only", "limits", "wire")

    wire: bytes
    limits: Limits
    head_only: bool
    """An answer to it has no body."""
    alone: bool
    """It gets a connection of its own, which is closed after it."""
    deadline: float
    """By the monotonic clock; 0 while it waits to be sent."""

    def done(self, response: Response | None, failure: Failure | None) -> None:
        """Called exactly once."""
        raise NotImplementedError


class Owner(Protocol):
    """Who a connection reports to."""

    def landed(
        self, connection: "Connection", flight: Flight, response: Response | None, failure: Failure | None
    ) -> None:
        """A flight ended; the connection can carry the next one unless it is `closed`."""
        ...

    def lost(self, connection: "Connection") -> None:
        """The connection is gone; called once, after `landed`."""
        ...


class Outbox:
    """Writes requests in groups, each at most a few turns of the loop late.

    A server that sleeps is woken once for all of them; that is a third of what a request costs.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Connection] = []
        self._counted = 0

    def put(self, connection: "Connection") -> None:
        """Take a connection whose flight is to be written."""
        self._waiting.append(connection)
        if len(self._waiting) == 1:
            self._counted = 1
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Write when no more came since the last look."""
        count = len(self._waiting)
        if self._counted < count < _GROUP:
            self._counted = count
            self._loop.call_soon(self._look)
            return
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.write()


@dataclass(slots=True)
class Opening:
    """What it took to open a connection, and what was seen on the way."""

    peer: str
    resolve_seconds: float = 0.0
    connect_seconds: float = 0.0
    tls_seconds: float = 0.0
    chain: tuple[bytes, ...] = ()
    """Certificates as sent, DER, the server's own first."""


class Connection(asyncio.Protocol):
    """An open connection. Any byte that nobody asked for closes it, so that no answer can pass for the next one's."""

    __slots__ = (
        "_body",
        "_buffer",
        "_early",
        "_first_at",
        "_head",
        "_heads",
        "_heard_at",
        "_interim",
        "_outbox",
        "_owner",
        "_sent_at",
        "_transport",
        "carried",
        "closed",
        "flight",
        "idle_since",
        "lane",
        "opening",
    )

    def __init__(self, owner: Owner, outbox: Outbox, lane: object, heads: Heads, opening: Opening) -> None:
        self._outbox = outbox
        self.lane = lane
        self.opening = opening
        self.flight: Flight | None = None
        self.carried = 0
        self.closed = False
        self.idle_since = 0.0
        self._owner = owner
        self._heads = heads
        self._transport: asyncio.Transport | None = None
        self._head: Head | None = None
        self._body: Body | None = None
        self._buffer = self._early = b""
        self._interim = 0
        self._sent_at = self._first_at = self._heard_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)

    def send(self, flight: Flight) -> None:
        """Send a request; its owner is told when it landed."""
        assert self.flight is None and self._transport is not None
        self.flight = flight
        self._first_at = 0.0
        self._sent_at = monotonic()
        self._outbox.put(self)

    def write(self) -> None:
        """Called by the outbox."""
        if self.flight is not None and self._transport is not None:
            self._sent_at = monotonic()
            self._transport.write(self.flight.wire)
            if self._early:
                early, self._early = self._early, b""
                self._transport.resume_reading()
                self.data_received(early)

    def abort(self) -> None:
        """Close it at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        flight = self.flight
        if flight is None:
            self._unasked(data)
            return
        self._heard_at = monotonic()
        if self._body is not None:
            self._feed(data)
            return
        if not self._first_at:
            self._first_at = self._heard_at
            head = self._heads.begins(data, flight.head_only)
            if head is not None:
                self._begin_body(head, data[len(head.raw) :], flight.limits)
                return
        self._read_heads(self._buffer + data if self._buffer else data, flight)

    def _unasked(self, data: bytes) -> None:
        """A server that speaks first is heard when the first request is out; one that speaks later has had its say."""
        if self.carried or self._transport is None:
            self.abort()
            return
        self._early += data
        self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self.flight is not None:
            self._end_of_stream(error)
        self._owner.lost(self)

    def expire(self, now: float, patience: Patience) -> None:
        """End the flight when one of its times has run out."""
        if self.flight is None:
            return
        if self._body is not None:
            phase, since, allowed = Phase.BODY, self._heard_at, patience.idle_seconds
        elif self._first_at:
            phase, since, allowed = Phase.HEAD, self._first_at, patience.head_seconds
        else:
            phase, since, allowed = Phase.FIRST_BYTE, self._sent_at, patience.first_byte_seconds
        if now >= self.flight.deadline:
            self.fail(timed_out(Phase.TOTAL))
        elif now - since >= allowed:
            self.fail(timed_out(phase))

    def fail(self, failure: Failure) -> None:
        """End the flight with what came so far, and the connection with it."""
        self.closed = True
        self._land(self._part(), failure)

    def _read_heads(self, buffer: bytes, flight: Flight) -> None:
        """Read the head, and the interim answers before it."""
        limits = flight.limits
        while True:
            if buffer[:1] in (b"\r", b"\n"):
                buffer = buffer.lstrip(b"\r\n")
            end = end_of_head(buffer)
            if not end or end > limits.head_bytes:
                self._wait_for_head(buffer, limits)
                return
            try:
                head = self._heads.read(buffer[:end], flight.head_only)
            except NotHttp as error:
                self.fail(_garbage(str(error)))
                return
            if len(head.headers) > limits.header_lines:
                self.fail(_too_large("响应头行数过多", "too many header lines"))
                return
            buffer = buffer[end:]
            if not head.interim:
                self._begin_body(head, buffer, limits)
                return
            self._interim += 1
            if self._interim > limits.interim_answers:
                self.fail(_too_large("中间应答无穷无尽", "endless interim answers"))
                return

    def _wait_for_head(self, buffer: bytes, limits: Limits) -> None:
        if len(buffer) > limits.head_bytes:
            self.fail(_too_large("响应头过大", "the headers are too large"))
        elif not may_become_http(buffer[:16]):
            self.fail(_garbage(f"it begins with {bytes(buffer[:40])!r}"))
        else:
            self._buffer = buffer

    def _begin_body(self, head: Head, data: bytes, limits: Limits) -> None:
        self._head = head
        self._buffer = b""
        if head.framing is Framing.COUNTED and len(data) == head.length <= limits.body_bytes and not head.encoding:
            self._land(self._response(head, data, truncated=False), None)
            return
        self._body = Body(head, limits)
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        body = self._body
        assert body is not None and self._head is not None
        body.feed(data)
        if body.ended:
            self._finish(body.failure)

    def _finish(self, failure: Failure | None) -> None:
        body = self._body
        assert body is not None
        if body.cut or body.leftover or failure is not None:
            self.closed = True
        self._land(self._part(truncated=body.cut or failure is not None), failure)

    def _end_of_stream(self, error: Exception | None) -> None:
        body = self._body
        if body is not None:
            if error is not None:
                body.fail(_CUT_IN_BODY.reason, _CUT_IN_BODY.detail)
            body.close()
            self._finish(body.failure)
        elif self._first_at:
            self.fail(_CUT_IN_HEAD)
        else:
            self.fail(_RESET if error is not None else _CLOSED)

    def _part(self, truncated: bool = True) -> Response | None:
        """The response as far as it came; None before the end of its head."""
        if self._head is None:
            return None
        return self._response(self._head, bytes(self._body.content) if self._body else b"", truncated)

    def _response(self, head: Head, body: bytes, truncated: bool) -> Response:
        opening, sent = self.opening, self._sent_at
        first_byte, took = self._first_at - sent, self._heard_at - sent
        if self.carried:
            timings = Timings(0.0, 0.0, 0.0, first_byte, took)
        else:
            resolve, connect, tls = opening.resolve_seconds, opening.connect_seconds, opening.tls_seconds
            timings = Timings(resolve, connect, tls, first_byte, resolve + connect + tls + took)
        return Response(
            head.status,
            head.reason,
            head.version,
            head.headers,
            head.raw,
            body,
            timings,
            opening.chain[0] if opening.chain else None,
            opening.peer,
            truncated,
            self.carried > 0,
        )

    def _land(self, response: Response | None, failure: Failure | None) -> None:
        flight, head = self.flight, self._head
        assert flight is not None
        if self.closed or head is None or not head.keep_alive or flight.alone:
            self.abort()
        self.flight = self._head = None
        if self._body is not None:
            self._body.release()
            self._body = None
        self._interim = 0
        self.carried += 1
        self._owner.landed(self, flight, response, failure)


def timed_out(phase: Phase) -> Failure:
    """The failure of a phase that took too long."""
    zh, en = _PHASES[phase]
    return Failure(Reason.TIMED_OUT, Text(f"超时:{zh}", f"timed out: {en}"), phase)


_PHASES = {
    Phase.RESOLVE: ("解析域名", "resolving the name"),
    Phase.CONNECT: ("建立连接", "connecting"),
    Phase.PROXY: ("代理协商", "talking to the proxy"),
    Phase.TLS: ("TLS 握手", "the TLS handshake"),
    Phase.FIRST_BYTE: ("等待应答", "waiting for the first byte"),
    Phase.HEAD: ("接收响应头", "receiving the headers"),
    Phase.BODY: ("接收应答体", "receiving the body"),
    Phase.TOTAL: ("整个请求", "the exchange as a whole"),
}


def _garbage(why: str) -> Failure:
    return Failure(Reason.GARBAGE, Text(f"应答不是有效的 HTTP:{why}", f"the answer is not HTTP: {why}"))


def _too_large(zh: str, en: str) -> Failure:
    return Failure(Reason.TOO_LARGE, Text(zh, en))
