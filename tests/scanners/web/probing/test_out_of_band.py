"""The listener hears HTTP and DNS, tells late hits, and cannot be hurt."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

from scanners.web.out_of_band import OutOfBand


def listening(work: Callable[[OutOfBand], Awaitable[None]], domain: str = "") -> None:
    async def run() -> None:
        async with OutOfBand(domain=domain) as listener:
            await work(listener)

    asyncio.run(asyncio.wait_for(run(), 20))


async def sent(listener: OutOfBand, content: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.http_port)
    writer.write(content)
    await writer.drain()
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def question(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


async def resolved(listener: OutOfBand, packet: bytes, seconds: float = 2.0) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knocking:
        knocking.setblocking(False)
        await loop.sock_sendto(knocking, packet, ("127.0.0.1", listener.dns_port))
        return await asyncio.wait_for(loop.sock_recv(knocking, 600), seconds)


def test_http_is_heard_by_path() -> None:
    async def work(listener: OutOfBand) -> None:
        bait = listener.bait("ssrf", "/p")
        waiting = asyncio.create_task(listener.hits(bait.token, 5))
        await asyncio.sleep(0)
        path = bait.url.partition("://")[2].partition("/")[2]
        answer = await sent(listener, f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        (hit,) = await waiting
        assert answer.startswith(b"HTTP/1.1 200") and hit.protocol == "http" and hit.peer == "127.0.0.1"
        assert bait.url == f"http://{bait.host}" and listener.late() == []

    listening(work)


def test_dns_is_heard_by_name_and_answered_with_our_address() -> None:
    async def work(listener: OutOfBand) -> None:
        bait = listener.bait("cmdi", "/p")
        assert bait.name == f"{bait.token}.oob.lab.test" and bait.host.startswith(bait.name)
        answer = await resolved(listener, question(f"www.{bait.name.upper()}"))
        assert answer.endswith(bytes([127, 0, 0, 1])) and answer[:2] == b"\x00\x07"
        assert [hit.protocol for hit in await listener.hits(bait.token)] == ["dns"]
        assert (await resolved(listener, question(bait.name, kind=28)))[6:8] == b"\0\0"

    listening(work, domain="oob.lab.test")


def test_nothing_comes_of_a_bait_that_nobody_takes() -> None:
    async def work(listener: OutOfBand) -> None:
        bait, other = listener.bait("a", "/"), listener.bait("a", "/")
        await sent(listener, f"GET /{other.token} HTTP/1.0\r\n\r\n".encode())
        assert await listener.hits(bait.token, 0.05) == () and len(await listener.hits(other.token)) == 1

    listening(work)


def test_a_hit_that_comes_too_late_is_told_once_with_what_it_was_for() -> None:
    async def work(listener: OutOfBand) -> None:
        bait = listener.bait("ssrf", "/shop?id")
        assert await listener.hits(bait.token, 0.05) == ()
        await sent(listener, f"POST /x/{bait.token}?a HTTP/1.0\r\n\r\nbody".encode())
        assert [(late.check, late.place, late.hit.token) for late in listener.late()] == [
            ("ssrf", "/shop?id", bait.token)
        ]
        assert listener.late() == []

    listening(work)


def test_templates_name_their_own_tokens() -> None:
    async def work(listener: OutOfBand) -> None:
        first, second = "a2b3c4d5e6f7a2b3c4d5e6f7", "b2b3c4d5e6f7a2b3c4d5e6f7"
        address, _ = listener.address(first), listener.address(second)
        heard = asyncio.create_task(listener.heard((first, second)))
        await sent(listener, f"GET /{address.partition('/')[2]} HTTP/1.1\r\n\r\n".encode())
        assert [(one.token, one.protocol) for one in await heard] == [(first, "http")]
        assert await listener.heard(()) == ()

    listening(work)


def test_strangers_are_noted_and_garbage_hurts_nobody() -> None:
    async def work(listener: OutOfBand) -> None:
        await sent(listener, b"GET /nobody HTTP/1.1\r\n\r\n")
        assert len(listener.stray) == 1
        for content in (b"", b"\0" * 50_000, b"A" * 100_000 + b"\r\n\r\n", b"\xff\xfe\r\n\r\n"):
            try:
                await sent(listener, content)
            except ConnectionError:
                continue
        for packet in (b"", b"\0", b"\xff" * 512, b"\0" * 40, question("a")[:14], question("a" * 63)[:-6]):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knocking:
                knocking.sendto(packet, ("127.0.0.1", listener.dns_port))
        bait = listener.bait("a", "/")
        await sent(listener, f"GET /{bait.token} HTTP/1.1\r\n\r\n".encode())
        assert len(await listener.hits(bait.token, 2)) == 1

    listening(work)


def test_one_bait_keeps_a_bounded_number_of_hits() -> None:
    async def work(listener: OutOfBand) -> None:
        bait = listener.bait("a", "/")
        for _ in range(60):
            await sent(listener, f"GET /{bait.token} HTTP/1.0\r\n\r\n".encode())
        assert len(await listener.hits(bait.token)) == 20

    listening(work)


def test_tokens_cannot_be_guessed() -> None:
    async def work(listener: OutOfBand) -> None:
        tokens = {listener.bait("a", "/").token for _ in range(500)}
        assert len(tokens) == 500 and all(len(token) == 24 for token in tokens)

    listening(work)
