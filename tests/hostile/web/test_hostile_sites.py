"""Sites that lead astray or push back: redirects, refusals, storms, certificates."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from scanners.safety import Safety
from scanners.scope import Guard, scope_of
from scanners.web.client import Client
from scanners.web.cookies import CookieJar
from scanners.web.message import Answer, Request, Target
from scanners.web.pace import Pace
from scanners.web.redirects import Follow, Redirects
from secops.support.clock import now
from tests.hostile.servers import answering, listening, silent
from tests.lab.certificates import issue
from tests.scanners.reaching import Trail, guard
from tests.scanners.web.asking import GET, OK, asking, at, outcome, recording

ANYWHERE = Redirects(Follow.ANYWHERE)
SAME_HOST = Redirects(Follow.SAME_HOST)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], "asyncio._CoroutineLike[None]"]


def site(answer: Callable[[str, str, bytes], bytes], asked: list[str]) -> Serve:
    """A site that answers by method, path and body, over kept connections."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("Content-Length")), 0)
            body = await reader.readexactly(length)
            method, path, _ = head.split(" ", 2)
            asked.append(f"{method} {path}{' ' + body.decode() if body else ''}")
            writer.write(answer(method, path, body))
            await writer.drain()

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await serve(reader, writer)

    return quiet


def to(where: str, status: int = 302, *headers: str) -> bytes:
    """A redirect."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status} Moved\r\nLocation: {where}\r\n{lines}Content-Length: 0\r\n\r\n".encode("latin-1")


def ask(
    answer: Callable[[str, str, bytes], bytes],
    request: Request,
    redirects: Redirects,
    session: CookieJar | None = None,
    through: Guard | None = None,
) -> tuple[Answer, list[str]]:
    """The answer of such a site, and what it was asked."""
    asked: list[str] = []

    async def work(client: Client) -> Answer:
        async with listening(site(answer, asked)) as server:
            return await client.exchange(at(server), request, redirects=redirects, session=session)

    return asking(work, through=through), asked


def test_without_a_policy_a_redirect_is_the_answer() -> None:
    answer, asked = ask(lambda *_: to("/next"), GET, Redirects())
    assert outcome(answer) == "302" and asked == ["GET /"]


def test_a_circle_is_a_loop() -> None:
    answer, asked = ask(lambda _, path, __: to("/b" if path == "/" else "/"), GET, ANYWHERE)
    assert outcome(answer) == "redirect-loop"
    assert asked == ["GET /", "GET /b"]
    assert [hop.response.status for hop in answer.chain] == [302, 302]


def test_a_circle_that_sets_a_cookie_is_walked_again() -> None:
    def answer(method: str, path: str, body: bytes) -> bytes:
        return to("/", 302, "Set-Cookie: seen=1") if not visits else OK

    visits: list[str] = []

    def counting(method: str, path: str, body: bytes) -> bytes:
        found = answer(method, path, body)
        visits.append(path)
        return found

    final, asked = ask(counting, GET, SAME_HOST, CookieJar())
    assert outcome(final) == "200" and asked == ["GET /", "GET /"]


def test_endless_redirects_end() -> None:
    answer, asked = ask(lambda _, path, __: to(f"{path}x"), GET, Redirects(Follow.ANYWHERE, most=4))
    assert outcome(answer) == "too-many-redirects"
    assert len(asked) == 5 and len(answer.chain) == 5


@pytest.mark.parametrize(
    "status, then",
    [(301, "GET /next"), (302, "GET /next"), (303, "GET /next"), (307, "POST /next a=1"), (308, "POST /next a=1")],
)
def test_what_becomes_of_a_post(status: int, then: str) -> None:
    request = Request("POST", "/", (("Content-Type", "text/plain"),), b"a=1")
    answer, asked = ask(lambda _, path, __: to("/next", status) if path == "/" else OK, request, SAME_HOST)
    assert asked == ["POST / a=1", then] and outcome(answer) == "200"
    kept = [name for name, _ in answer.chain[-1].request.headers]
    assert kept == (["Content-Type"] if status > 303 else [])


@pytest.mark.parametrize("where", ["http://[::bad", "file:///etc/passwd", "javascript:alert(1)", "gopher://x/"])
def test_a_redirect_to_nowhere_is_the_answer(where: str) -> None:
    answer, asked = ask(lambda *_: to(where), GET, ANYWHERE)
    assert outcome(answer) == "302" and len(asked) == 1


def test_same_host_means_port_too() -> None:
    async def work(client: Client) -> None:
        async with recording() as (elsewhere, _), listening(answering(to(elsewhere.url))) as server:
            answer = await client.exchange(at(server), GET, redirects=SAME_HOST)
            assert outcome(answer) == "302" and elsewhere.connections == 0
            answer = await client.exchange(at(server), GET, redirects=ANYWHERE)
            assert outcome(answer) == "200" and elsewhere.connections == 1

    asking(work)


def test_credentials_stay_at_home() -> None:
    async def work(client: Client) -> bytes:
        async with recording() as (elsewhere, recorder), listening(answering(to(elsewhere.url))) as server:
            headers = (("Authorization", "Bearer x"), ("Cookie", "a=b"), ("Host", "named"), ("X-Other", "y"))
            await client.exchange(at(server), Request("GET", "/", headers), redirects=ANYWHERE)
            return recorder.bytes[0]

    sent = asking(work)
    assert b"Bearer" not in sent and b"a=b" not in sent and b"named" not in sent and b"X-Other: y" in sent


@pytest.mark.parametrize("network", ["127.0.0.1/32", "127.0.0.0/31"])
def test_a_redirect_out_of_scope_sends_nothing_there(network: str) -> None:
    trail = Trail()

    async def work(client: Client) -> None:
        async with recording(host="127.0.0.2") as (outside, _), listening(answering(to(outside.url))) as server:
            answer = await client.exchange(at(server), GET, redirects=ANYWHERE)
            assert outcome(answer) == "out-of-scope"
            assert answer.response is not None and answer.response.status == 302
            await asyncio.sleep(0.1)
            assert outside.connections == 0

    asking(work, through=guard(network, trail=trail))
    assert not [sent for sent in trail.sent() if "127.0.0.2" in sent]
    assert [touch.address for touch in trail.touches if touch.refused] == ["127.0.0.2"]


def test_a_redirect_out_of_the_paths_sends_nothing_there() -> None:
    scope = scope_of(("127.0.0.0/8",), "tester", now() + timedelta(days=1), paths=("/app",))
    answer, asked = ask(lambda *_: to("/app/..;/admin"), Request("GET", "/app"), ANYWHERE, through=Guard(scope))
    assert outcome(answer) == "out-of-scope" and asked == ["GET /app"]


RAW = [
    b"GET /app HTTP/1.1\r\nHost: x\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /app HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x00\x01\x02",
]


@pytest.mark.parametrize("raw", RAW)
def test_raw_bytes_do_not_slip_past_the_scope(raw: bytes) -> None:
    scope = scope_of(("127.0.0.0/8",), "tester", now() + timedelta(days=1), paths=("/app",), methods=frozenset({"GET"}))

    async def work(client: Client) -> None:
        async with recording() as (server, _):
            answer = await client.exchange(at(server), Request("GET", "/app", raw=raw))
            assert outcome(answer) == "out-of-scope" and server.connections == 0

    asking(work, through=Guard(scope))


def test_the_profile_holds_back_what_is_too_intrusive() -> None:
    trail = Trail()

    async def work(client: Client) -> None:
        async with recording() as (server, _):
            for request in (
                Request("POST", "/"),
                Request("GET", "/", (("X-HTTP-Method-Override", "DELETE"),)),
                Request("GET", "/?q=1;drop+table+x"),
            ):
                assert outcome(await client.exchange(at(server), request)) == "too-intrusive"
            assert server.connections == 0
            assert outcome(await client.exchange(at(server), GET)) == "200"

    asking(work, through=guard(trail=trail), profile=Safety.SAFE)
    assert [touch.what.split(" ")[0] for touch in trail.touches if touch.refused] == ["POST", "GET", "GET"]


@pytest.mark.parametrize("text", ["/a\r\nX: y", "/a\nGET /b HTTP/1.1"])
def test_one_request_is_one_request(text: str) -> None:
    async def work(client: Client) -> None:
        async with recording() as (server, _):
            assert outcome(await client.exchange(at(server), Request("GET", text))) == "bad-request"
            assert outcome(await client.exchange(at(server), Request("GET", "/", (("X", text),)))) == "bad-request"
            assert server.connections == 0

    asking(work)


def test_a_storm_of_429_slows_the_scan_down() -> None:
    async def work(client: Client) -> None:
        storm = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
        async with recording(storm) as (server, _):
            seen: Counter[str] = Counter()
            began = monotonic()
            requests = (Request("GET", f"/{number}") for number in range(60))
            await client.exchange_many(
                at(server), requests, lambda _, answer: seen.update([outcome(answer)]), concurrency=20
            )
            took, gate = monotonic() - began, client.gate_of(at(server))
            assert gate is not None and seen == {"429": 60}
            # Halved again and again, but not below the least.
            assert gate.rate == 20
            assert took > 0.5

    asking(work, pace=Pace(most=200, start=200, least=20, settle_seconds=0.1))


def test_retry_after_is_obeyed() -> None:
    async def work(client: Client) -> None:
        busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
        async with recording(busy, OK) as (server, _):
            assert outcome(await client.exchange(at(server), GET)) == "503"
            began = monotonic()
            assert outcome(await client.exchange(at(server), GET)) == "200"
            assert 0.9 < monotonic() - began < 30

    asking(work)


def test_a_closed_port_and_a_name_that_is_none() -> None:
    async def work(client: Client) -> None:
        async with listening(silent) as server:
            gone = at(server)
        assert outcome(await client.exchange(gone, GET)) == "refused"
        nowhere = Target("http", "no-such-host.invalid", 80)
        assert outcome(await client.exchange(nowhere, GET)) == "unresolved"

    asking(work)


def test_an_address_that_swallows_everything_times_out() -> None:
    async def work(client: Client) -> Answer:
        # A socket that nobody accepts from: once its queue is full, the next connection hangs.
        with closing(socket.socket()) as listener, ExitStack() as fillers:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for _ in range(4):
                filler = fillers.enter_context(closing(socket.socket()))
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            return await client.exchange(Target("http", "127.0.0.1", listener.getsockname()[1]), GET)

    assert outcome(asking(work)) == "timed-out connect"


def tls_server(certificate: Path, key: Path, maximum: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if maximum is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = maximum
    return context


@pytest.mark.parametrize("old_tls, found", [(True, "200"), (False, "tls")])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_an_option(tmp_path: Path, old_tls: bool, found: str) -> None:
    issued = issue(tmp_path, "localhost")

    async def work(client: Client) -> str:
        context = tls_server(issued.certificate_file, issued.key_file, ssl.TLSVersion.TLSv1)
        server = await asyncio.start_server(answering(OK), "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return outcome(await client.exchange(Target("https", "127.0.0.1", port), GET))

    assert asking(work, old_tls=old_tls) == found


def test_plain_http_behind_https_is_a_tls_failure() -> None:
    async def work(client: Client) -> str:
        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()

        async with listening(plain) as server:
            return outcome(await client.exchange(at(server, "https"), GET))

    assert asking(work) == "tls"


def test_a_tls_server_that_says_nothing_times_out_in_tls() -> None:
    async def work(client: Client) -> str:
        async with listening(silent) as server:
            return outcome(await client.exchange(at(server, "https"), GET))

    assert asking(work) == "timed-out tls"
