"""What the scanning client makes of servers that mean no good: the exact answer, in bounded time and memory."""

import asyncio
import gzip
import random
import resource
import struct
import zlib
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import pytest

from scanners.web.client import Client
from scanners.web.limits import Limits
from scanners.web.loop import run
from scanners.web.message import Answer, Request
from tests.hostile.servers import (
    HEAD,
    Handler,
    answering,
    endless_body,
    endless_chunks,
    endless_headers,
    endless_interim,
    garbage,
    gzip_bomb,
    listening,
    one_endless_header,
    silent,
    slow_drip,
    slow_headers,
)
from tests.scanners.web.asking import BRISK, GET, OK, asking, at, outcome, recording

CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MIB = 1024 * 1024


def counted(body: bytes, *headers: bytes) -> bytes:
    """An honest answer."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return HEAD + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def endless_extension(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A chunk whose size line never ends."""
    writer.write(CHUNKED + b"5;x=")
    while True:
        writer.write(b"y" * 65536)
        await writer.drain()


async def endless_trailers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Trailers that never end."""
    writer.write(CHUNKED + b"2\r\nok\r\n0\r\n")
    while True:
        writer.write(b"X-More: " + b"y" * 8000 + b"\r\n")
        await writer.drain()


async def tiny_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte per chunk."""
    writer.write(CHUNKED)
    while True:
        writer.write(b"1\r\nx\r\n" * 5000)
        await writer.drain()


async def empty_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Line breaks, and never a head."""
    while True:
        writer.write(b"\r\n" * 20000)
        await writer.drain()


async def banner_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks before it is asked, as ssh and mail servers do."""
    writer.write(b"220 mail.example ESMTP\r\n")
    await writer.drain()
    await reader.read()


async def answers_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Has the answer ready before the question."""
    writer.write(OK)
    await writer.drain()
    await reader.read()


async def resets_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A reset instead of an answer."""
    await reader.readuntil(b"\r\n\r\n")
    _reset(writer)


async def resets_in_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A reset in the middle of an answer without a length."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(HEAD + b"\r\nhello")
    await writer.drain()
    await asyncio.sleep(0.05)
    _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    socket = writer.get_extra_info("socket")
    socket.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER
    writer.transport.abort()


async def tarpit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte of the body now and then, for ever."""
    writer.write(HEAD + b"\r\n")
    while True:
        writer.write(b"z")
        await writer.drain()
        await asyncio.sleep(0.2)


@dataclass(frozen=True)
class Case:
    """A server, and what must come of it."""

    server: Handler
    outcome: str
    body: bytes | None = None
    """None: not looked at."""
    truncated: bool = False
    seconds: float = 1.0


NOISE = random.Random(1).randbytes(4000)
CASES: dict[str, Case] = {
    "silent": Case(silent, "timed-out first-byte"),
    "slow-loris headers": Case(slow_headers, "timed-out head", seconds=1.5),
    "slow drip of a body": Case(slow_drip, "timed-out total", truncated=True, seconds=2),
    "tarpit": Case(tarpit, "timed-out total", truncated=True, seconds=2),
    "endless body": Case(endless_body, "200", truncated=True),
    "endless chunks": Case(endless_chunks, "200", truncated=True),
    "endless chunk extension": Case(endless_extension, "too-large", b"", truncated=True),
    "endless trailers": Case(endless_trailers, "too-large", b"ok", truncated=True),
    "tiny chunks": Case(tiny_chunks, "too-large", truncated=True, seconds=2),
    "header flood": Case(endless_headers, "too-large"),
    "many short headers": Case(answering(HEAD + b"A: b\r\n" * 5000 + b"\r\n"), "too-large"),
    "one endless header": Case(one_endless_header, "too-large"),
    "1xx flood": Case(endless_interim, "too-large"),
    "empty lines": Case(empty_lines, "timed-out head", seconds=1.5),
    "a few 1xx first": Case(answering(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" * 3 + counted(b"ok")), "200", b"ok"),
    "gzip bomb": Case(answering(gzip_bomb()), "too-large", truncated=True),
    "deflate bomb": Case(
        answering(counted(zlib.compress(bytes(64 * MIB), 9), b"Content-Encoding: deflate")),
        "too-large",
        truncated=True,
    ),
    "large but honest gzip": Case(
        answering(counted(gzip.compress(NOISE * 20), b"Content-Encoding: gzip")), "200", NOISE * 20
    ),
    "gzip of two members": Case(
        answering(counted(gzip.compress(b"one") + gzip.compress(b"two"), b"Content-Encoding: gzip")), "200", b"onetwo"
    ),
    "bare deflate": Case(
        answering(counted(zlib.compress(b"hello" * 50)[2:-4], b"Content-Encoding: deflate")), "200", b"hello" * 50
    ),
    "gzip that is none": Case(
        answering(counted(b"hello", b"Content-Encoding: gzip")), "encoding", b"hello", truncated=True
    ),
    "half a gzip": Case(
        answering(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(NOISE)[:900]), "encoding", truncated=True
    ),
    "unknown encoding": Case(answering(counted(b"??", b"Content-Encoding: rot13")), "encoding", b"??", truncated=True),
    "garbage": Case(answering(garbage()), "garbage"),
    "HTTP/0.9": Case(answering(b"<html>hello</html>"), "garbage"),
    "another protocol": Case(answering(b"SSH-2.0-OpenSSH_9.2\r\n"), "garbage"),
    "status too long": Case(answering(b"HTTP/1.1 2000 OK\r\n\r\n"), "garbage"),
    "NUL in a header": Case(answering(HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n"), "garbage"),
    "header without a colon": Case(answering(HEAD + b"nothing\r\n\r\n"), "garbage"),
    "a banner before the request": Case(banner_first, "garbage"),
    "the answer before the request": Case(answers_first, "200", b"ok"),
    "closes at once": Case(answering(), "closed"),
    "reset at once": Case(resets_at_once, "reset"),
    "reset in the body": Case(resets_in_body, "cut-short", b"hello", truncated=True),
    "cut in the head": Case(answering(HEAD), "cut-short"),
    "length says more than comes": Case(
        answering(HEAD + b"Content-Length: 500\r\n\r\nhello"), "cut-short", b"hello", truncated=True
    ),
    "length says less than comes": Case(answering(HEAD + b"Content-Length: 3\r\n\r\nhello"), "200", b"hel"),
    "two lengths": Case(answering(HEAD + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nhello"), "garbage"),
    "negative length": Case(answering(HEAD + b"Content-Length: -3\r\n\r\nhello"), "garbage"),
    "length past all numbers": Case(answering(HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nhello"), "garbage"),
    "length beside chunks": Case(
        answering(HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        "200",
        b"hello",
    ),
    "invalid chunk size": Case(answering(CHUNKED + b"zz\r\nhello\r\n"), "garbage", b"", truncated=True),
    "chunk size past all numbers": Case(answering(CHUNKED + b"f" * 30 + b"\r\nhello"), "garbage", b"", truncated=True),
    "chunk longer than it says": Case(
        answering(CHUNKED + b"2\r\nhello\r\n0\r\n\r\n"), "garbage", b"he", truncated=True
    ),
    "chunks cut short": Case(answering(CHUNKED + b"5\r\nhel"), "cut-short", b"hel", truncated=True),
    "bare line feeds": Case(answering(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), "200", b"ok"),
    "no length, closed": Case(answering(HEAD + b"\r\nhello"), "200", b"hello"),
    "upgrade unasked": Case(
        answering(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nbytes"), "101", b""
    ),
    "body where none may be": Case(answering(b"HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\nhello"), "204", b""),
    "bytes of any kind in headers": Case(
        answering(HEAD + b"X: \xe4\xbd\xa0\xff\x80\r\nContent-Length: 2\r\n\r\nok"), "200", b"ok"
    ),
}


LOOPS = [pytest.param(run, id="uvloop"), pytest.param(asyncio.run, id="asyncio", marks=pytest.mark.slow)]


@pytest.mark.parametrize("runner", LOOPS)
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_server_gets_the_answer_it_deserves(name: str, runner: Any) -> None:
    case = CASES[name]

    async def work(client: Client) -> Answer:
        async with listening(case.server) as server:
            began = monotonic()
            answer = await client.exchange(at(server), GET)
            assert monotonic() - began < case.seconds + 60
            return answer

    # What shall not end by its time must have enough of it, on a machine that does other things as well.
    patience = BRISK if case.outcome == "timed-out total" else replace(BRISK, total_seconds=60)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = asking(work, limits=Limits(body_bytes=2 * MIB), runner=runner, patience=patience)
    assert outcome(answer) == case.outcome, answer
    response = answer.response
    if case.body is not None:
        assert response is not None and response.body == case.body
    if response is not None:
        assert len(response.body) <= 2 * MIB
        assert response.truncated is case.truncated
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB


def test_bytes_of_any_kind_survive_in_headers() -> None:
    async def work(client: Client) -> Answer:
        async with listening(CASES["bytes of any kind in headers"].server) as server:
            return await client.exchange(at(server), GET)

    response = asking(work).response
    assert response is not None
    assert response.header("x").encode("latin-1") == b"\xe4\xbd\xa0\xff\x80"
    assert response.raw_head == HEAD + b"X: \xe4\xbd\xa0\xff\x80\r\nContent-Length: 2\r\n\r\n"


LEAKS = {
    "two answers at once": OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    "an answer behind chunks": CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    "garbage behind chunks": CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + b"evil",
    "a longer body than said": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 evil\r\n\r\n",
    "a body behind 204": b"HTTP/1.1 204 None\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
}


@pytest.mark.parametrize("name", LEAKS)
def test_more_than_one_answer_never_becomes_the_next_ones(name: str) -> None:
    async def work(client: Client) -> None:
        async with recording(LEAKS[name], OK) as (server, recorder):
            first = await client.exchange(at(server), GET)
            second = await client.exchange(at(server), Request("GET", "/second"))
            assert first.response is not None and b"evil" not in first.response.body
            assert second.response is not None and not second.response.reused
            assert len(recorder.bytes) == 2

    asking(work)


def test_an_answer_that_nobody_asked_for_closes_the_connection() -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await reader.read()

    async def work(client: Client) -> None:
        async with listening(late) as server:
            await client.exchange(at(server), GET)
            await asyncio.sleep(0.3)
            answer = await client.exchange(at(server), GET)
            assert answer.response is not None and answer.response.body == b"ok"
            assert server.connections == 2

    asking(work)


def test_a_server_that_hangs_up_on_kept_connections_is_asked_again_once() -> None:
    asked: list[str] = []

    async def fickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[0])
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")

    async def work(client: Client) -> list[str]:
        async with listening(fickle) as server:
            first = await client.exchange(at(server), GET)
            again = await client.exchange(at(server), GET)
            posted = await client.exchange(at(server), Request("POST", "/", body=b"x"))
            assert server.connections == 2
            return [outcome(answer) for answer in (first, again, posted)]

    assert asking(work) == ["200", "200", "closed"]
    assert asked == ["GET", "GET"]


def test_one_bad_server_does_not_hold_up_another() -> None:
    async def work(client: Client) -> None:
        async with listening(silent) as bad, recording() as (good, _):
            waiting = [asyncio.create_task(client.exchange(at(bad), GET)) for _ in range(30)]
            answer = await client.exchange(at(good), GET)
            assert outcome(answer) == "200"
            assert not any(task.done() for task in waiting)
            for task in waiting:
                task.cancel()

    asking(work, patience=BRISK)
