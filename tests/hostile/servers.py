"""Servers that mean no good, each a handler of one connection."""

import asyncio
import gzip
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


@dataclass
class Listener:
    """A listening server, and how often somebody connected."""

    host: str
    port: int
    connections: int = 0
    handlers: list["asyncio.Task[None]"] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://{self.host}:{self.port}/"


@asynccontextmanager
async def listening(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[Listener]:
    """Keep a server on a free port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.connections += 1
        listener.handlers.append(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, host, 0)
    listener = Listener(host, server.sockets[0].getsockname()[1])
    try:
        yield listener
    finally:
        server.close()
        for task in listener.handlers:
            task.cancel()
        await asyncio.gather(*listener.handlers, return_exceptions=True)


def answering(*parts: bytes) -> Handler:
    """Sends the parts to whoever asks, then closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    return answer


def redirecting(to: Callable[[], str]) -> Handler:
    """Sends everybody elsewhere."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {to()}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.05)

    return answer


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts and says nothing."""
    await asyncio.sleep(3600)


async def endless_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never stops sending."""
    writer.write(HEAD + b"\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def endless_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never sends the last chunk."""
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()


async def endless_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never comes to the body."""
    writer.write(HEAD)
    while True:
        writer.write(b"X-More: " + b"y" * 1000 + b"\r\n")
        await writer.drain()


async def one_endless_header(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never ends its first line."""
    writer.write(b"HTTP/1.1 200 ")
    while True:
        writer.write(b"z" * 4096)
        await writer.drain()


async def endless_interim(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says "go on" for ever."""
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)
        await writer.drain()


async def slow_drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte now and then, each in time."""
    writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.1)


async def slow_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte of the headers now and then."""
    for byte in HEAD * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


def gzip_bomb() -> bytes:
    """64 MiB of zeros in 64 KiB, as an answer."""
    packed = gzip.compress(bytes(64 * 1024 * 1024), 9)
    return HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed


def garbage() -> bytes:
    """Not HTTP at all."""
    return random.Random(7).randbytes(5000)


MEAN: dict[str, Handler] = {
    "silent": silent,
    "endless-body": endless_body,
    "endless-chunks": endless_chunks,
    "endless-headers": endless_headers,
    "one-endless-header": one_endless_header,
    "endless-interim": endless_interim,
    "slow-drip": slow_drip,
    "slow-headers": slow_headers,
    "garbage": answering(garbage()),
    "closes-at-once": answering(),
    "cut-in-headers": answering(HEAD),
    "cut-in-body": answering(HEAD + b"Content-Length: 500\r\n\r\nhello"),
    "bad-chunk": answering(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"),
    "broken-gzip": answering(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"),
    "half-a-gzip": answering(
        HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(random.Random(1).randbytes(4000))[:900]
    ),
    "gzip-in-gzip": answering(HEAD + b"Content-Encoding: gzip, gzip\r\nContent-Length: 1\r\n\r\nx"),
    "unasked-encoding": answering(HEAD + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx"),
    "gzip-bomb": answering(gzip_bomb()),
    "rate-limited": answering(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"),
    "gateway-error": answering(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
    "login": answering(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
    "firewall-page": answering(HEAD + b"\r\n<html><title>Access Denied</title>your request was blocked</html>"),
    "redirect-nowhere": redirecting(lambda: "http://[::bad"),
    "redirect-file": redirecting(lambda: "file:///etc/passwd"),
    "upgrade": answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
}
"""By name; after each of them nothing is known of the site."""
