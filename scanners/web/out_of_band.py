"""Our own listener for effects that no answer shows: HTTP and DNS, on loopback unless told otherwise.

A bait is an address that nobody can guess; whoever asks for it was told by the site that it was sent to. Hits that
come when the check is over are kept, with the check and place that the bait was made for.
"""

import asyncio
import re
import secrets
import struct
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

from scanners.web.probing.trial import Bait, Hit, Hits
from scanners.web.templates.out_of_band import Interaction

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_TOKEN_LENGTH = 24
"""120 bits."""
_TOKEN = re.compile(r"[a-z0-9]{12,63}")
"""Also those that templates make for themselves."""
_MOST_HEAD_BYTES = 16 * 1024
_MOST_CONNECTIONS = 256
_MOST_HITS_PER_BAIT = 20
_MOST_STRAY = 200
_REQUEST_SECONDS = 5.0
_TEMPLATE_SECONDS = 3.0
_NO_DOMAIN = "oob.invalid"
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
    told: int = 0
    """How many of the hits somebody has been told of."""
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
        """A fresh bait."""
        token = "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN_LENGTH))
        host = self.address(token, check, place)
        return Bait(token, f"http://{host}", host, f"{token}.{self._domain or _NO_DOMAIN}")

    def address(self, token: str, check: str = "", place: str = "") -> str:
        """Where a token is listened for: host and port, without a domain also a path; no scheme."""
        self._laid.setdefault(token, _Laid(check, place))
        port = "" if self._http_port == 80 else f":{self._http_port}"
        if self._domain:
            return f"{token}.{self._domain}{port}"
        address = f"[{self._address}]" if ":" in self._address else self._address
        return f"{address}{port}/{token}"

    async def hits(self, token: str, seconds: float = 0.0) -> Hits:
        """The hits of a bait, as soon as there are any, at the latest after `seconds`."""
        laid = self._laid[token]
        if not laid.hits and seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(laid.arrived.wait(), seconds)
        laid.told = len(laid.hits)
        return tuple(laid.hits)

    def late(self) -> list[Late]:
        """Every hit that came when nobody waited any more, with what its bait was for; each is told once."""
        told: list[Late] = []
        for laid in self._laid.values():
            told += [Late(hit, laid.check, laid.place) for hit in laid.hits[laid.told :]]
            laid.told = len(laid.hits)
        return told

    async def heard(self, tokens: Sequence[str]) -> tuple[Interaction, ...]:
        """For templates: the hits of their tokens, as soon as there are any, at the latest after some seconds."""
        waiting = [asyncio.ensure_future(self.hits(token, _TEMPLATE_SECONDS)) for token in tokens]
        if not waiting:
            return ()
        done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        while others and not any(task.result() for task in done):
            done, others = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        laid = (self._laid[token] for token in tokens)
        return tuple(interaction_of(hit) for one in laid for hit in one.hits)

    def note(self, protocol: str, peer: str, where: str, request: str) -> None:
        """Somebody asked; `where` is searched for tokens."""
        tokens = set(_TOKEN.findall(where.lower())) & self._laid.keys()
        if not tokens:
            self.stray.append(f"{protocol} {peer} {where[:120]}")
        for token in tokens:
            laid = self._laid[token]
            if len(laid.hits) < _MOST_HITS_PER_BAIT:
                laid.hits.append(Hit(token, protocol, peer, request[:_SHOWN_CHARACTERS]))
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
        self.note("http", str(peer[0]) if peer else "", text, text)
        writer.write(_ANSWER)
        await writer.drain()

    def answer_name(self, question: bytes, peer: str) -> bytes | None:
        """The answer to a DNS question: our own address for every name; None for what is no question."""
        try:
            name, end = _name_in(question)
            kind, family = struct.unpack_from("!HH", question, end)
        except (IndexError, struct.error, UnicodeDecodeError):
            return None
        self.note("dns", peer, name, f"{name} type {kind}")
        asked = question[12 : end + 4]
        address = b"" if ":" in self._address else bytes(int(part) for part in self._address.split("."))
        if (kind, family) != (_A, _IN) or not address:
            return question[:2] + struct.pack("!HHHHH", _ANSWERED, 1, 0, 0, 0) + asked
        record = b"\xc0\x0c" + struct.pack("!HHIH", _A, _IN, 0, 4) + address
        return question[:2] + struct.pack("!HHHHH", _ANSWERED, 1, 1, 0, 0) + asked + record


def interaction_of(hit: Hit) -> Interaction:
    """A hit as templates know it."""
    return Interaction(hit.token, hit.protocol, hit.request.encode("latin-1", "replace"), peer=hit.peer)


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
