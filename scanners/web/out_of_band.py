"""Our own listener for effects that no answer shows: HTTP and DNS, on loopback unless told otherwise.

A bait is an address that nobody can guess; whoever asks for it was told by the site that it was sent to. Hits that
come when the check is over are kept, with the check and place that the bait was made for.
"""

import asyncio
import re
import secrets
import struct
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

from scanners.web.probing.trial import Bait, Hit, Hits

_TOKEN_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_TOKEN_LENGTH = 24
"""120 bits."""
_TOKEN = re.compile(rf"[{_TOKEN_ALPHABET}]{{{_TOKEN_LENGTH}}}")
_MOST_HEAD_BYTES = 16 * 1024
_MOST_CONNECTIONS = 256
_MOST_HITS_PER_BAIT = 20
_MOST_STRAY = 200
_REQUEST_SECONDS = 5.0
_SHOWN_CHARACTERS = 2000
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
_A, _IN, _ANSWERED = 1, 1, 0x8400


@dataclass(frozen=True, slots=True)
class Late:
    """A hit, and what the bait was made for."""

    hit: Hit
    check: str
    place: str


@dataclass(slots=True)
class _Laid:
    check: str
    place: str
    hits: list[Hit] = field(default_factory=list)
    waited_for: bool = False
    """Some check has seen the hits so far."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class OutOfBand:
    """The listener. Use it in `async with`, in one event loop.

    Args:
        address: that the tested sites can reach; both listeners bind to it.
        domain: whose name server this is; baits are names below it then, and addresses otherwise.
        http_port, dns_port: 0 for any free port.
    """

    def __init__(self, address: str = "127.0.0.1", *, domain: str = "", http_port: int = 0, dns_port: int = 0) -> None:
        self._address = address
        self._domain = domain.strip(".").lower()
        self._http_port = http_port
        self._dns_port = dns_port
        self._laid: dict[str, _Laid] = {}
        self._connections = 0
        self._server: asyncio.Server | None = None
        self._dns: asyncio.DatagramTransport | None = None
        self.stray: deque[str] = deque(maxlen=_MOST_STRAY)
        """Who asked without a bait of ours."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._serve, self._address, self._http_port, limit=_MOST_HEAD_BYTES)
        self._http_port = self._server.sockets[0].getsockname()[1]
        try:
            self._dns, _ = await loop.create_datagram_endpoint(
                lambda: _Names(self), local_addr=(self._address, self._dns_port)
            )
        except BaseException:
            self._server.close()
            raise
        self._dns_port = self._dns.get_extra_info("sockname")[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()
        if self._dns:
            self._dns.close()

    @property
    def http_port(self) -> int:
        """Where HTTP is heard."""
        return self._http_port

    @property
    def dns_port(self) -> int:
        """Where DNS is heard, over UDP."""
        return self._dns_port

    def bait(self, check: str, place: str) -> Bait:
        """A fresh bait; `host` is what nuclei templates call `interactsh-url`."""
        token = "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(_TOKEN_LENGTH))
        self._laid[token] = _Laid(check, place)
        address = f"[{self._address}]" if ":" in self._address else self._address
        port = "" if self._http_port == 80 else f":{self._http_port}"
        name = f"{token}.{self._domain}" if self._domain else f"{token}.oob.invalid"
        host = f"{token}.{self._domain}{port}" if self._domain else f"{address}{port}/{token}"
        return Bait(token, f"http://{host}", host, name)

    async def hits(self, token: str, seconds: float = 0.0) -> Hits:
        """The hits of a bait, as soon as there are any, at the latest after `seconds`."""
        laid = self._laid[token]
        laid.waited_for = True
        if not laid.hits and seconds > 0:
            try:
                await asyncio.wait_for(laid.arrived.wait(), seconds)
            except TimeoutError:
                return ()
        return tuple(laid.hits)

    def late(self) -> list[Late]:
        """Every hit that was not waited for, or came when nobody waited any more; each is told once."""
        told: list[Late] = []
        for laid in self._laid.values():
            if laid.hits and not laid.waited_for:
                told += [Late(hit, laid.check, laid.place) for hit in laid.hits]
                laid.waited_for = True
        return told

    def heard(self, protocol: str, peer: str, where: str, request: str) -> None:
        """Somebody asked; `where` is searched for tokens."""
        tokens = set(_TOKEN.findall(where.lower())) & self._laid.keys()
        if not tokens:
            self.stray.append(f"{protocol} {peer} {where[:120]}")
        for token in tokens:
            laid = self._laid[token]
            if len(laid.hits) < _MOST_HITS_PER_BAIT:
                laid.hits.append(Hit(token, protocol, peer, request[:_SHOWN_CHARACTERS]))
                laid.waited_for = laid.waited_for and not laid.arrived.is_set()
                laid.arrived.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= _MOST_CONNECTIONS:
                await asyncio.wait_for(self._one_request(reader, writer), _REQUEST_SECONDS)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            self._connections -= 1
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _one_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            # A command that speaks no real HTTP told us what it had to tell all the same.
            head = error.partial
        text = head.decode("latin-1")
        peer = writer.get_extra_info("peername")
        self.heard("http", str(peer[0]) if peer else "", text, text)
        writer.write(_ANSWER)
        await writer.drain()

    def answer_name(self, question: bytes, peer: str) -> bytes | None:
        """The answer to a DNS question: our own address for every name; None for what is no question."""
        try:
            name, end = _name_in(question)
            kind, family = struct.unpack_from("!HH", question, end)
        except (IndexError, struct.error, UnicodeDecodeError):
            return None
        self.heard("dns", peer, name, f"{name} type {kind}")
        asked = question[12 : end + 4]
        address = b"" if ":" in self._address else bytes(int(part) for part in self._address.split("."))
        if (kind, family) != (_A, _IN) or not address:
            return question[:2] + struct.pack("!HHHHH", _ANSWERED, 1, 0, 0, 0) + asked
        record = b"\xc0\x0c" + struct.pack("!HHIH", _A, _IN, 0, 4) + address
        return question[:2] + struct.pack("!HHHHH", _ANSWERED, 1, 1, 0, 0) + asked + record


class _Names(asyncio.DatagramProtocol):
    def __init__(self, owner: OutOfBand) -> None:
        self._owner = owner
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._owner.answer_name(data, addr[0])
        if answer and self._transport:
            self._transport.sendto(answer, addr)


def _name_in(question: bytes) -> tuple[str, int]:
    """The name asked for, and where it ends. Pointers have no place in a question."""
    if len(question) < 17 or question[2] & 0x80:
        raise IndexError("no question")
    labels: list[str] = []
    at = 12
    while length := question[at]:
        if length > 63 or len(labels) > 127:
            raise IndexError("a label that is too long")
        labels.append(question[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    return ".".join(labels), at + 1
