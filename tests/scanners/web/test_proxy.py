"""Through proxies: HTTP tunnels, forwarding, SOCKS5; the scope holds for the target, whatever the way."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest
from flask import Flask

from scanners.safety import Safety
from scanners.web.client import Client
from scanners.web.limits import Patience
from scanners.web.message import Request, Target
from scanners.web.proxy import Proxy, ProxyKind, proxy_of
from secops.support.errors import BadInput
from tests.hostile.servers import Listener, answering, listening, silent
from tests.lab.certificates import issue
from tests.lab.nginx import running_nginx
from tests.lab.sites import running_flask
from tests.lab.sshd import Sshd, free_port, running_sshd
from tests.scanners.reaching import Trail, guard
from tests.scanners.web.asking import GET, OK, at, outcome, recording
from tests.scanners.web.campaign.scanning import template

SCOPE = ("--scope", "127.0.0.0/8", "--approved-by", "test")


async def splice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes until the end."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, hello: bytes) -> None:
    """Be the tunnel to an address."""
    there_reader, there_writer = await asyncio.open_connection(host, port)
    writer.write(hello)
    await asyncio.gather(splice(reader, there_writer), splice(there_reader, writer))


@asynccontextmanager
async def tunnelling(authorization: str = "") -> AsyncIterator[tuple[Listener, list[str]]]:
    """An HTTP proxy that knows CONNECT."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.split("\r\n")[0])
        if authorization and f"Proxy-Authorization: {authorization}\r\n" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            await writer.drain()
            return
        host, _, port = head.split(" ")[1].rpartition(":")
        await carry(reader, writer, host.strip("[]"), int(port), b"HTTP/1.1 200 Connected\r\n\r\n")

    async with listening(serve) as proxy:
        yield proxy, asked


@pytest.mark.parametrize(
    ("written", "way"),
    [
        ("socks5://h:1080", Proxy(ProxyKind.SOCKS5, "h", 1080)),
        ("http://li:a%40b@[::1]:3128/", Proxy(ProxyKind.FORWARD, "::1", 3128, "li", "a@b")),
        ("connect://h:1", Proxy(ProxyKind.CONNECT, "h", 1)),
    ],
)
def test_how_a_proxy_is_written(written: str, way: Proxy) -> None:
    assert proxy_of(written) == way


@pytest.mark.parametrize(
    "written", ["h:1080", "socks4://h:1", "http://h", "http://:1", "http://h:99999", "http://u:secret@h:1/path"]
)
def test_what_is_no_proxy_is_refused_without_being_repeated(written: str) -> None:
    with pytest.raises(BadInput) as refused:
        proxy_of(written)
    assert "secret" not in str(refused.value) and "socks5://" in str(refused.value)


@pytest.mark.slow
def test_verbs_go_through_the_proxy_that_is_named(tmp_path: Path) -> None:
    async def run() -> tuple[list[str], list[int]]:
        async with tunnelling() as (proxy, asked):
            told = {**os.environ, "PYTHONPATH": str(Path.cwd()), "WAY": f"connect://127.0.0.1:{proxy.port}"}
            told.pop("JINDUN_HOME", None)
            codes = []
            for verb in (("scan", "web", "--no-shipped", "--no-checks", "--templates", "t.yaml"), ("crawl",)):
                command = [sys.executable, "-m", "secops", *verb, site.url, "--proxy", "${env:WAY}", *SCOPE]
                process = await asyncio.create_subprocess_exec(
                    *command, cwd=tmp_path, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                codes.append(await process.wait())
            return asked, codes

    template(tmp_path, "t")
    app = Flask("site")
    app.add_url_rule("/", view_func=lambda: "welcome")
    with running_flask(app) as site:
        asked, codes = asyncio.run(run())
    assert codes == [1, 0] and len(asked) >= 2
    assert set(asked) == {f"CONNECT {site.url.removeprefix('http://')} HTTP/1.1"}


def test_a_tunnel_is_asked_for_the_checked_address() -> None:
    trail = Trail()

    async def work(server: Listener) -> str:
        async with tunnelling() as (proxy, asked):
            way = Proxy(ProxyKind.CONNECT, "127.0.0.1", proxy.port)
            async with Client(guard("127.0.0.1/32", trail=trail), proxy=way) as client:
                answers = [await client.exchange(Target("http", "localhost", server.port), GET) for _ in range(2)]
                assert [outcome(answer) for answer in answers] == ["200", "200"]
                assert answers[0].response is not None and answers[0].response.peer == "127.0.0.1"
                assert asked == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"]
                return asked[0]

    async def run() -> None:
        async with recording() as (server, recorder):
            await work(server)
            assert b"Host: localhost:" in recorder.bytes[0]

    if len({info[4][0] for info in socket.getaddrinfo("localhost", 1)}) > 1:
        pytest.skip("localhost has an IPv6 address here, outside the scope of this test")
    asyncio.run(run())
    assert any(touch.what.startswith("connect through") for touch in trail.touches)


def test_a_tunnel_with_a_password_and_tls_inside(tmp_path: Path) -> None:
    issued = issue(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate_file, issued.key_file)

    async def run() -> None:
        server = await asyncio.start_server(answering(OK), "127.0.0.1", 0, ssl=context)
        target = Target("https", "127.0.0.1", server.sockets[0].getsockname()[1])
        async with server, tunnelling("Basic dTpw") as (proxy, _):
            for password, expected in (("p", "200"), ("wrong", "proxy")):
                way = Proxy(ProxyKind.CONNECT, "127.0.0.1", proxy.port, "u", password)
                async with Client(guard(), proxy=way) as client:
                    answer = await client.exchange(target, GET)
                    assert outcome(answer) == expected
                    assert expected != "200" or (answer.response is not None and answer.response.certificate)

    asyncio.run(run())


@pytest.mark.parametrize("kind", list(ProxyKind))
def test_what_is_out_of_scope_is_not_asked_of_a_proxy(kind: ProxyKind) -> None:
    async def run() -> None:
        async with recording() as (proxy, _):
            way = Proxy(kind, "127.0.0.1", proxy.port)
            async with Client(guard("10.0.0.0/8"), proxy=way) as client:
                assert outcome(await client.exchange(Target("http", "127.0.0.2", 80), GET)) == "out-of-scope"
            assert proxy.connections == 0

    asyncio.run(run())


def test_a_forwarding_proxy_gets_names_only_that_the_scope_lists(tmp_path: Path) -> None:
    forward = "location / { proxy_pass http://127.0.0.1:$arg_to; proxy_set_header Host $http_host; }"
    with running_nginx(tmp_path, forward) as proxy:
        way = Proxy(ProxyKind.FORWARD, "127.0.0.1", proxy.port, "u", "p")

        async def run() -> None:
            async with recording() as (server, recorder):
                request = Request("GET", f"/x?to={server.port}")
                literal, named = at(server), Target("http", "localhost", server.port)
                async with Client(guard("127.0.0.0/8", "::1/128"), proxy=way) as client:
                    assert outcome(await client.exchange(literal, request)) == "200"
                    assert outcome(await client.exchange(named, request)) == "out-of-scope"
                listed = guard("127.0.0.0/8", "::1/128", hosts=frozenset({"localhost"}))
                async with Client(listed, proxy=way) as client:
                    assert outcome(await client.exchange(named, request)) == "200"
                assert recorder.bytes[0].startswith(b"GET /x?to=")

        asyncio.run(run())


LEADS_ASTRAY = [
    Request("GET", "http://127.0.0.2/"),
    Request("GET", "/", (("Host", "elsewhere.example"),)),
    Request("GET", "/", raw=b"GET http://127.0.0.2/ HTTP/1.1\r\n\r\n"),
    Request("OPTIONS", "*"),
]


@pytest.mark.parametrize("request_", LEADS_ASTRAY)
def test_a_forwarding_proxy_is_not_led_out_of_the_scope(request_: Request) -> None:
    async def run() -> None:
        async with recording() as (proxy, _):
            way = Proxy(ProxyKind.FORWARD, "127.0.0.1", proxy.port)
            async with Client(guard(), proxy=way, profile=Safety.INTRUSIVE) as client:
                assert outcome(await client.exchange(Target("http", "127.0.0.1", 80), request_)) == "out-of-scope"
            assert proxy.connections == 0

    asyncio.run(run())


@pytest.mark.slow
def test_a_real_socks_proxy(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "sshd") as sshd, SocksOverSsh(sshd) as port:
        way = Proxy(ProxyKind.SOCKS5, "127.0.0.1", port)

        async def run() -> None:
            async with Client(guard("127.0.0.0/8", "::1/128"), proxy=way) as client:
                async with recording() as (server, recorder), recording(host="::1") as (six, _):
                    answer = await client.exchange(at(server), GET)
                    assert outcome(answer) == "200" and recorder.bytes[0].startswith(b"GET / HTTP/1.1")
                    assert outcome(await client.exchange(at(six), GET)) == "200"
                    gone = at(server)
                assert outcome(await client.exchange(Target("http", "127.0.0.3", gone.port), GET)) == "proxy"

        asyncio.run(run())


class SocksOverSsh:
    """ssh as a SOCKS5 proxy."""

    def __init__(self, sshd: Sshd) -> None:
        self._sshd = sshd

    def __enter__(self) -> int:
        port = free_port()
        options = [f"UserKnownHostsFile={self._sshd.known_hosts}", "IdentitiesOnly=yes", "BatchMode=yes"]
        argv = ["ssh", "-N", "-D", f"127.0.0.1:{port}", "-i", str(self._sshd.client_key), "-p", str(self._sshd.port)]
        argv += [part for option in options for part in ("-o", option)]
        self._process = subprocess.Popen(
            [*argv, "-F", "none", f"{self._sshd.user}@{self._sshd.address}"], stderr=subprocess.DEVNULL
        )
        deadline = monotonic() + 10
        while monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return port
            sleep(0.05)
        raise AssertionError("ssh -D does not listen")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(5)


@asynccontextmanager
async def socks_with_password() -> AsyncIterator[Listener]:
    """A SOCKS5 proxy that wants u and p."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(b"\x05\x02")
        said = await reader.readexactly(5)
        writer.write(b"\x01" + (b"\x00" if said == b"\x01\x01u\x01p" else b"\x01"))
        _, _, _, kind = await reader.readexactly(4)
        assert kind == 1
        address, port = await reader.readexactly(4), int.from_bytes(await reader.readexactly(2), "big")
        hello = b"\x05\x00\x00\x01" + bytes(6)
        await carry(reader, writer, ".".join(map(str, address)), port, hello)

    async with listening(serve) as proxy:
        yield proxy


@pytest.mark.parametrize("password, expected", [("p", "200"), ("q", "proxy")])
def test_socks_with_a_password(password: str, expected: str) -> None:
    async def run() -> None:
        async with socks_with_password() as proxy, recording() as (server, _):
            way = Proxy(ProxyKind.SOCKS5, "127.0.0.1", proxy.port, "u", password)
            async with Client(guard(), proxy=way) as client:
                assert outcome(await client.exchange(at(server), GET)) == expected

    asyncio.run(run())


@pytest.mark.parametrize("kind", [ProxyKind.CONNECT, ProxyKind.SOCKS5])
def test_a_proxy_that_is_silent_or_talks_nonsense(kind: ProxyKind) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00" * 20000)
        await writer.drain()
        await reader.read()

    async def work(client: Client) -> str:
        async with recording() as (server, _):
            return outcome(await client.exchange(at(server), GET))

    async def run() -> None:
        for handler, expected in ((silent, "timed-out proxy"), (nonsense, "proxy")):
            async with listening(handler) as proxy:
                way = Proxy(kind, "127.0.0.1", proxy.port)
                patience = Patience(connect_seconds=0.4)
                async with Client(guard(), proxy=way, patience=patience) as client:
                    assert await work(client) == expected

    asyncio.run(run())
