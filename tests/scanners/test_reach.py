"""What a check may do to its target, against real servers."""

import asyncio
import gzip
import socket
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from scanners.answer import HttpAnswer, Timings
from scanners.endings import Blocked, NotApplicable, OutOfScope, Unreachable
from scanners.reach import PortState, Reach
from secops.model.city import Asset, AssetKind, SshAddress
from secops.model.step import Result, Trouble
from secops.model.text import Text
from tests.hostile.servers import HEAD, answering, gzip_bomb, listening, silent
from tests.lab.nginx import running_nginx
from tests.lab.sshd import free_port
from tests.scanners.reaching import Trail, guard, reaching

HOST = Asset(
    id="h1",
    kind=AssetKind.HOST,
    name=Text("主机", "host"),
    centre="c1",
    address="127.0.0.1",
    ssh=SshAddress("root", 22),
)


def answer_of(raw: bytes, **options: object) -> HttpAnswer:
    async def work(reach: Reach) -> HttpAnswer:
        async with listening(answering(raw)) as server:
            return await reach.get(server.url, **options)  # type: ignore[arg-type]

    return reaching(work)


@pytest.mark.slow
def test_nginx_is_read_over_one_connection(tmp_path: Path) -> None:
    with running_nginx(
        tmp_path, "gzip on; gzip_min_length 1; add_header Set-Cookie a=1; add_header Set-Cookie b=2;"
    ) as web:
        (web.root / "index.html").write_text("<title>市政府</title>" + "x" * 5000)
        trail = Trail()

        async def work(reach: Reach) -> list[HttpAnswer]:
            url = f"http://127.0.0.1:{web.port}/"
            return [await reach.get(url), await reach.get(url), await reach.get(url + "none"), await reach.get(url)]

        first, second, missing, last = reaching(work, through=guard(trail=trail))
        assert first.header("content-encoding") == "gzip"
        assert first.text().startswith("<title>市政府</title>")
        assert first.header_values("set-cookie") == ("a=1", "b=2")
        assert (second.body, last.body, missing.status) == (first.body, first.body, 404)
        assert [sent.split()[0] for sent in trail.sent()] == ["connect", "GET", "GET", "GET", "GET"]
        assert first.timings.connect_seconds > 0 and second.timings.connect_seconds == 0
        assert first.timings.first_byte_seconds > 0


@pytest.mark.slow
def test_a_head_request_has_no_body_and_the_server_may_close_meanwhile(tmp_path: Path) -> None:
    with running_nginx(tmp_path, "keepalive_timeout 1;") as web:
        (web.root / "index.html").write_text("hello")

        async def work(reach: Reach) -> None:
            url = f"http://127.0.0.1:{web.port}/"
            head = await reach.get(url, method="HEAD")
            assert (head.status, head.body, head.header("content-length")) == (200, b"", "5")
            assert (await reach.get(url)).body == b"hello"
            await asyncio.sleep(1.5)
            assert (await reach.get(url)).body == b"hello"

        reaching(work)


def test_a_connection_that_dies_under_the_next_request_is_replaced() -> None:
    served = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        await reader.readuntil(b"\r\n\r\n")
        served += 1
        writer.write(HEAD + b"Content-Length: 2\r\n\r\nok")
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async def work(reach: Reach) -> None:
        async with listening(once) as server:
            assert (await reach.get(server.url)).body == b"ok"
            assert (await reach.get(server.url)).body == b"ok"
            assert (served, server.connections) == (2, 2)

    reaching(work)


@pytest.mark.parametrize(
    "raw, body",
    [
        (HEAD + b"\r\nuntil the end", b"until the end"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 1\r\n\r\nx", b"x"),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"zipped"), b"zipped"),
        (HEAD + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"zlib"), b"zlib"),
        (HEAD + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"bare")[2:-4], b"bare"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
    ids=["until the end", "chunked", "after 100", "gzip", "deflate", "bare deflate", "HTTP/1.0", "none"],
)
def test_bodies_of_every_kind(raw: bytes, body: bytes) -> None:
    assert answer_of(raw).body == body


def test_a_long_body_is_refused_or_cut() -> None:
    raw = HEAD + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000
    with pytest.raises(Unreachable, match="larger than"):
        answer_of(raw, max_body_bytes=4096)
    cut = answer_of(raw, max_body_bytes=4096, truncate=True)
    assert cut.cut and cut.body == b"x" * 4096
    whole = answer_of(raw, max_body_bytes=5000)
    assert not whole.cut and len(whole.body) == 5000


def test_a_bomb_is_not_unpacked() -> None:
    assert len(answer_of(gzip_bomb(), max_body_bytes=100_000, truncate=True).body) == 100_000


@pytest.mark.parametrize(
    "header, start, text",
    [
        ("text/html; charset=GB2312", b"", "市政府"),
        ("text/html", b'<meta charset="gbk">', "市政府"),
        ("text/html; charset=nonsense", b"", None),
        ("text/html; charset=base64", b"", None),
        ("text/html; charset=idna", b"", None),
        ("text/html; charset=undefined", b"", None),
    ],
)
def test_text_is_read_as_a_browser_reads_it(header: str, start: bytes, text: str | None) -> None:
    body = start + "市政府".encode("gb18030" if text else "utf-8")
    answer = HttpAnswer("u", 200, (("Content-Type", header),), body, False, "", Timings(0, 0, 0, 0))
    assert answer.text().endswith("市政府")


def test_ports_are_open_closed_or_filtered() -> None:
    async def work(reach: Reach) -> None:
        async with listening(silent) as server:
            assert await reach.connect("127.0.0.1", server.port) is PortState.OPEN
        assert await reach.connect("127.0.0.1", free_port()) is PortState.CLOSED
        with pytest.raises(OutOfScope):
            await reach.connect("127.0.0.2", 80)

    reaching(work)


def test_a_full_backlog_is_filtered() -> None:
    """Nobody accepts: further connections get no answer at all, as behind a firewall that drops."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        state = reaching(lambda reach: reach.connect("127.0.0.1", port, 0.3))
        for client in waiting:
            client.close()
    assert state is PortState.FILTERED


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_ipv6_works_too() -> None:
    async def work(reach: Reach) -> bytes:
        async with listening(answering(HEAD + b"\r\nsix"), host="::1") as server:
            return (await reach.get(f"http://[::1]:{server.port}/")).body

    assert reaching(work, through=guard("::1/128")) == b"six"


def sockets() -> int:
    return sum("socket:" in str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())


def test_a_wide_scan_does_not_run_out_of_sockets() -> None:
    """Connections kept for later and knocks at ports are bounded in total."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(HEAD + b"Content-Length: 2\r\n\r\nok")
        writer.transport.abort()

    async def work(reach: Reach) -> None:
        async with listening(serve) as server:
            hosts = [f"127.0.{high}.{low}" for high in range(1, 3) for low in range(1, 201)]
            wide = await asyncio.start_server(serve, "0.0.0.0", 0)
            async with wide:
                port = wide.sockets[0].getsockname()[1]
                before = sockets()
                for host in hosts:
                    assert (await reach.get(f"http://{host}:{port}/")).body == b"ok"
                await asyncio.sleep(0.05)
                # Both ends of each connection are ours.
                assert sockets() - before <= 2 * 128 + 2
                knocks = [reach.connect("127.0.0.1", server.port, 5) for _ in range(2000)]
                assert set(await asyncio.gather(*knocks)) == {PortState.OPEN}

    reaching(work, through=guard("127.0.0.0/8"))


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1/", "http://", "http://[bad/", "http://127.0.0.1:99999/", "x"])
def test_what_is_no_url_is_unreachable(url: str) -> None:
    with pytest.raises(Unreachable):
        reaching(lambda reach: reach.get(url))


def test_line_breaks_cannot_smuggle_a_header() -> None:
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        await writer.drain()

    async def work(reach: Reach) -> None:
        async with listening(note) as server:
            await reach.get(server.url + "a b\r\nEvil: 1\r\n?q=市")

    reaching(work)
    assert b"\nEvil" not in seen[0]
    assert seen[0].startswith(b"GET /a%20bEvil:%201?q=%E5%B8%82 HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.slow
def test_a_page_is_looked_at_in_an_isolated_place(tmp_path: Path) -> None:
    with running_nginx(tmp_path, "absolute_redirect off;") as web:
        (web.root / "x" / "a").mkdir(parents=True)
        (web.root / "x" / "a" / "b.html").write_text("the copy")

        async def work(reach: Reach) -> None:
            moved = reach.relocated("http://www.example.org:81/a/b.html", f"http://127.0.0.1:{web.port}/x/")
            answer = await moved.get("http://www.example.org:81/a/b.html")
            assert (answer.body, answer.url) == (b"the copy", "http://www.example.org:81/a/b.html")
            # nginx redirects /x/a to /x/a/, which stays in the place and keeps its own name.
            listed = await moved.get("http://www.example.org:81/a", follow=1)
            assert (listed.status, listed.url) == (403, "http://www.example.org:81/a/")
            with pytest.raises(OutOfScope, match="isolated place"):
                await moved.get(f"http://127.0.0.1:{web.port}/x/a/b.html")
            with pytest.raises(NotApplicable):
                await moved.connect("127.0.0.1", web.port)

        reaching(work)


class CannedShell:
    """Answers every command alike."""

    def __init__(self, result: Result) -> None:
        self.result = result

    def run(self, host: Asset, argv: tuple[str, ...], timeout_seconds: float) -> Result:
        return self.result


def test_commands_go_through_the_guard_and_trouble_is_an_ending() -> None:
    def run(result: Result, through: str = "127.0.0.1/32") -> Result:
        return reaching(lambda reach: reach.shell(HOST, ("id",)), shell=CannedShell(result), through=guard(through))

    assert run(Result(ok=True, output="uid=0")).output == "uid=0"
    assert run(Result(ok=False, exit_code=1, trouble=Trouble.FAILED)).exit_code == 1
    with pytest.raises(Unreachable):
        run(Result(ok=False, trouble=Trouble.UNREACHABLE, reason="no route"))
    with pytest.raises(Blocked):
        run(Result(ok=False, trouble=Trouble.REFUSED, reason="host key changed"))
    with pytest.raises(RuntimeError):
        run(Result(ok=False, trouble=Trouble.INTERNAL))
    with pytest.raises(OutOfScope):
        run(Result(ok=True), "10.0.0.0/8")
    with pytest.raises(NotApplicable):
        reaching(lambda reach: reach.shell(HOST, ("id",)))
