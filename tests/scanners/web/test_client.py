"""The scanning client on good paths: what goes out byte for byte, what comes in, what is kept and reused."""

import asyncio
import gzip
import ssl
import threading
from datetime import timedelta
from pathlib import Path
from time import monotonic

import orjson
import pytest

from scanners.audit import AuditLog
from scanners.safety import Safety
from scanners.scope import Guard, scope_of
from scanners.web.client import Client
from scanners.web.cookies import CookieJar
from scanners.web.dialing import Trust
from scanners.web.limits import Patience
from scanners.web.loop import run
from scanners.web.message import Answer, Failure, Reason, Request, Target
from scanners.web.pace import Pace
from scanners.web.redirects import Follow, Redirects
from secops.support.clock import now
from tests.hostile.servers import answering, listening, silent
from tests.lab.certificates import issue
from tests.lab.nginx import Nginx, running_nginx
from tests.scanners.reaching import guard
from tests.scanners.web.asking import BRISK, FAST, GET, OK, asking, at, outcome, recording

TOMORROW = now() + timedelta(days=1)


def sent(request: Request, session: CookieJar | None = None) -> bytes:
    """What goes over the wire, with the authority written as `HOST`."""

    async def work(client: Client) -> bytes:
        async with recording() as (server, recorder):
            await client.exchange(at(server), request, session=session)
            return recorder.bytes[0].replace(at(server).authority.encode(), b"HOST")

    return asking(work)


@pytest.mark.parametrize(
    "request_, wire",
    [
        (GET, b"GET / HTTP/1.1\r\nHost: HOST\r\nConnection: keep-alive\r\n\r\n"),
        (
            Request("GET", "/a/../b//%2f%zz?x=<\"'>", (("X-b", "1"), ("x-A", "2"), ("X-b", ""))),
            b"GET /a/../b//%2f%zz?x=<\"'> HTTP/1.1\r\nHost: HOST\r\n"
            b"X-b: 1\r\nx-A: 2\r\nX-b: \r\nConnection: keep-alive\r\n\r\n",
        ),
        (
            Request("POST", "/", (("HOST", "other"), ("connection", "close")), b"\x00\xff"),
            b"POST / HTTP/1.1\r\nHOST: other\r\nconnection: close\r\nContent-Length: 2\r\n\r\n\x00\xff",
        ),
        (
            Request("PUT", "/", (("Content-length", "7"),), b"abc"),
            b"PUT / HTTP/1.1\r\nHost: HOST\r\nContent-length: 7\r\nConnection: keep-alive\r\n\r\nabc",
        ),
        (
            Request("POST", "/"),
            b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
        ),
        (
            Request("GET", "/\u00e9 \u6587", (("X", "\u00e4\u00bd"), ("Y", "\u4f60"))),
            b"GET /\xc3\xa9 \xe6\x96\x87 HTTP/1.1\r\nHost: HOST\r\nX: \xe4\xbd\r\nY: \xe4\xbd\xa0\r\n"
            b"Connection: keep-alive\r\n\r\n",
        ),
        (Request("GET", "/ignored", raw=b"GE T /\r\nnonsense\n\n"), b"GE T /\r\nnonsense\n\n"),
        (Request("gEt", "*"), b"gEt * HTTP/1.1\r\nHost: HOST\r\nConnection: keep-alive\r\n\r\n"),
    ],
)
def test_requests_go_out_exactly_as_written(request_: Request, wire: bytes) -> None:
    assert sent(request_) == wire


def test_a_session_adds_its_cookies_to_those_written() -> None:
    jar = CookieJar()
    jar.add(Target("http", "127.0.0.1", 80), "s", "1")
    assert b"\r\nCookie: s=1\r\n" in sent(GET, jar)
    assert b"\r\ncookie: a=b; s=1\r\n" in sent(Request("GET", "/", (("cookie", "a=b"),)), jar)


def test_a_cookie_that_is_written_stands_alone() -> None:
    jar = CookieJar()
    jar.add(Target("http", "127.0.0.1", 80), "s", "1")
    jar.add(Target("http", "127.0.0.1", 80), "lang", "en")
    assert b"\r\nCookie: x=y; lang=zh; s=1\r\n" in sent(Request("GET", "/", (("Cookie", "x=y; lang=zh"),)), jar)


def test_a_session_keeps_what_the_site_sets() -> None:
    jar = CookieJar()
    login = b"HTTP/1.1 302 F\r\nLocation: /in\r\nSet-Cookie: s=\xe4\xbd; Path=/in\r\nContent-Length: 0\r\n\r\n"

    async def work(client: Client) -> bytes:
        async with recording(login, OK) as (server, recorder):
            await client.exchange(at(server), GET, session=jar, redirects=Redirects(Follow.SAME_HOST))
            await client.exchange(at(server), GET, session=jar)
            return recorder.bytes[0]

    first, second, third = asking(work).split(b"\r\n\r\n")[:3]
    assert b"Cookie" not in first and b"\r\nCookie: s=\xe4\xbd" in second and b"Cookie" not in third


def test_connections_are_reused_and_raw_ones_are_not() -> None:
    async def work(client: Client) -> list[bool]:
        async with recording() as (server, _):
            requests = (GET, GET, Request("HEAD", "/"), Request("GET", "/", raw=b"GET / HTTP/1.1\r\n\r\n"), GET, GET)
            answers = [await client.exchange(at(server), request) for request in requests[:2]]
            answers += [await client.exchange(at(server), request) for request in requests[3:]]
            assert server.connections == 2
            return [answer.response.reused for answer in answers if answer.response]

    assert asking(work) == [False, True, False, True, True]


def test_many_requests_share_few_connections() -> None:
    async def work(client: Client) -> None:
        async with recording() as (server, _):
            answered: list[str] = []

            def on_answer(request: Request, answer: Answer) -> None:
                assert outcome(answer) == "200"
                answered.append(request.target)

            requests = [Request("GET", f"/{number}") for number in range(500)]
            await client.exchange_many(at(server), iter(requests), on_answer, concurrency=50)
            assert sorted(answered) == sorted(request.target for request in requests)
            assert server.connections == 4

    asking(work, pace=Pace(most=1e6, start=1e6, connections=4))


def test_what_the_receiver_of_a_batch_raises_ends_it() -> None:
    async def work(client: Client) -> int:
        async with recording() as (server, _):
            count = 0

            def on_answer(request: Request, answer: Answer) -> None:
                nonlocal count
                count += 1
                raise ValueError("enough")

            with pytest.raises(ValueError, match="enough"):
                await client.exchange_many(at(server), [GET] * 1000, on_answer, concurrency=5)
            return count

    assert asking(work) <= 10


def test_a_batch_of_refused_requests_does_not_pile_up() -> None:
    async def work(client: Client) -> int:
        reasons: list[Reason] = []

        def on_answer(request: Request, answer: Answer) -> None:
            assert answer.failure is not None
            reasons.append(answer.failure.reason)

        target = Target("http", "127.0.0.1", 9)
        await client.exchange_many(target, [Request("POST", "/")] * 5000, on_answer, concurrency=3)
        return reasons.count(Reason.TOO_INTRUSIVE)

    assert asking(work, profile=Safety.SAFE) == 5000


def test_sites_at_one_address_share_its_connections() -> None:
    async def work(client: Client) -> None:
        async with recording() as (first, _), recording() as (second, _), recording() as (third, _):
            answers = await asyncio.gather(
                *(client.exchange(at(server), GET) for server in (first, second, third) * 20)
            )
            assert {outcome(answer) for answer in answers} == {"200"}

    asking(work, pace=Pace(most=1e6, start=1e6, connections=2))


def test_hundreds_of_addresses_share_few_connections() -> None:
    async def work(client: Client) -> None:
        async with recording(host="0.0.0.0") as (server, _):
            hosts = [f"127.0.{high}.{low}" for high in (1, 2) for low in range(1, 151)]
            targets = [Target("http", host, server.port) for host in hosts for _ in range(4)]
            answers = await asyncio.gather(*(client.exchange(target, GET) for target in targets))
            assert {outcome(answer) for answer in answers} == {"200"}
            gates = [client.gate_of(target) for target in targets]
            assert sum(gate.open for gate in dict.fromkeys(gates) if gate) <= 10

    pace = Pace(most=1e6, start=1e6, connections=2, total_connections=10)
    asking(work, through=guard("127.0.0.0/8"), pace=pace, patience=Patience())


def test_an_idle_connection_is_given_up_for_another_site() -> None:
    async def work(client: Client) -> None:
        async with recording() as (first, _), recording() as (second, _):
            for server in (first, second, first):
                assert outcome(await client.exchange(at(server), GET)) == "200"
            assert first.connections == 2

    asking(work, pace=Pace(most=1e6, start=1e6, connections=1))


def test_the_rate_is_kept() -> None:
    async def work(client: Client) -> float:
        async with recording() as (server, _):
            began = monotonic()
            await client.exchange_many(at(server), [GET] * 40, lambda *_: None, concurrency=40)
            return monotonic() - began

    # 50/s with a tenth of a second of burst: 35 of them have to wait their turn.
    assert 0.6 < asking(work, pace=Pace(most=50, start=50)) < 15


def test_nobody_waits_for_a_cancelled_exchange() -> None:
    async def work(client: Client) -> None:
        async with listening(silent) as server:
            task = asyncio.create_task(client.exchange(at(server), GET))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.15)
            gate = client.gate_of(at(server))
            assert gate is not None and gate.open == 0

    asking(work)


@pytest.mark.parametrize("how", ["call", "file", "event"])
def test_the_kill_switch_stops_everything_at_once(tmp_path: Path, how: str) -> None:
    stop, file = threading.Event(), tmp_path / "stop"

    async def work(client: Client) -> None:
        async with listening(silent) as server:
            waiting = [asyncio.create_task(client.exchange(at(server), GET, timeout_seconds=60)) for _ in range(30)]
            batch = asyncio.create_task(
                client.exchange_many(at(server), [GET] * 100_000, lambda *_: None, concurrency=10)
            )
            await asyncio.sleep(0.2)
            began = monotonic()
            if how == "call":
                client.kill()
            elif how == "file":
                file.touch()
            else:
                stop.set()
            answers = await asyncio.gather(*waiting)
            await batch
            assert monotonic() - began < 15
            assert {outcome(answer) for answer in answers} == {"killed"}
            connections = server.connections
            assert outcome(await client.exchange(at(server), GET)) == "killed"
            assert server.connections == connections

    patience = Patience(first_byte_seconds=30, total_seconds=60)
    asking(work, through=guard(stop=stop), kill_file=file, patience=patience, pace=Pace(most=100, start=100))


def test_everything_is_on_record(tmp_path: Path) -> None:
    path = tmp_path / "audit" / "log.jsonl"

    async def work(client: Client) -> None:
        async with recording() as (server, _):
            await client.exchange(at(server), Request("GET", "/a?\udcff"))
            await client.exchange(at(server), Request("POST", "/b"))
            await client.exchange(at(server), Request("GET", "/c", raw=b"GET /c HTTP/1.1\r\n\r\n"))
            await asyncio.sleep(0.3)
            assert len(path.read_bytes().splitlines()) >= 4

    with AuditLog(path) as audit:
        through = Guard(scope_of(("127.0.0.0/8",), "tester", TOMORROW), audit=audit.record)
        asking(work, through=through, profile=Safety.SAFE)
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["what"].split(" ")[0] for line in lines] == ["connect", "GET", "POST", "connect", "RAW"]
    assert [line["refused"] is None for line in lines] == [True, True, False, True, True]
    assert all(line["at"].endswith("Z") for line in lines)
    assert lines[2]["refused"]["zh"] and lines[2]["refused"]["en"]


def test_without_a_record_nothing_is_sent() -> None:
    """A full disk: every write fails."""

    async def work(client: Client) -> list[str]:
        async with recording() as (server, recorder):
            answers = []
            for _ in range(3):
                answers.append(outcome(await client.exchange(at(server), GET)))
                await asyncio.sleep(0.3)
            assert sum(len(sent) for sent in recorder.bytes) < 100
            return answers

    with AuditLog(Path("/dev/full")) as audit:
        through = Guard(scope_of(("127.0.0.0/8",), "tester", TOMORROW), audit=audit.record)
        assert asking(work, through=through) == ["200", "killed", "killed"]


def test_a_raw_request_waits_for_a_connection_of_its_own() -> None:
    async def work(client: Client) -> None:
        async with recording() as (server, recorder):
            raw = Request("GET", "/", raw=b"GET /raw HTTP/1.1\r\n\r\n")
            answers = await asyncio.gather(*(client.exchange(at(server), one) for one in (GET, raw, GET, raw, GET)))
            assert {outcome(answer) for answer in answers} == {"200"}
            assert sorted(sent.count(b"/raw") for sent in recorder.bytes if b"/raw" in sent) == [1, 1]
            assert all(sent.count(b"HTTP/1.1") == 1 for sent in recorder.bytes if b"/raw" in sent)

    asking(work, pace=Pace(most=1e6, start=1e6, connections=1))


def test_ipv6() -> None:
    async def work(client: Client) -> None:
        async with recording(host="::1") as (server, recorder):
            answer = await client.exchange(at(server), GET)
            assert answer.response is not None and answer.response.peer == "::1"
            assert b"Host: [::1]:%d\r\n" % server.port in recorder.bytes[0]

    asking(work, through=guard("::1/128"))


def test_a_name_with_an_address_outside_is_refused() -> None:
    async def work(client: Client) -> None:
        async with recording() as (server, _):
            answer = await client.exchange(Target("http", "localhost", server.port), GET)
            assert outcome(answer) == "out-of-scope" and server.connections == 0

    asking(work, through=guard("10.0.0.0/8"))


def test_answers_by_uvloop_too() -> None:
    async def work() -> str:
        async with Client(guard(), pace=FAST, patience=BRISK) as client, recording() as (server, _):
            return outcome(await client.exchange(at(server), GET))

    assert run(work()) == "200"


@pytest.mark.slow
def test_a_real_nginx(tmp_path: Path) -> None:
    options = (
        "gzip on; gzip_types *; gzip_min_length 1; keepalive_timeout 60; location /old { return 301 /new?a=b; }"
        " location /none { return 204; } location /post { return 200 $request_method; }"
        " location /slow { limit_rate 20000; }"
    )
    with running_nginx(tmp_path, options) as web:
        (web.root / "page.html").write_text("你好 " * 1000)
        (web.root / "new").write_text("here")
        (web.root / "slow").write_bytes(bytes(10_000))
        asking(lambda client: _look_around(client, web))
        asked = [line.partition(f"127.0.0.1:{web.port} ") for line in web.asked()]
    assert [f"{method}{path}" for method, _, path in asked][:2] == ["GET /page.html", "HEAD /page.html"]


async def _look_around(client: Client, web: Nginx) -> None:
    target = Target("http", "127.0.0.1", web.port)
    packed = (("Accept-Encoding", "gzip"),)
    page = await client.exchange(target, Request("GET", "/page.html", packed))
    assert page.response is not None
    assert page.response.body == ("你好 " * 1000).encode() and page.response.header("content-encoding") == "gzip"
    assert page.response.header("transfer-encoding") == "chunked" and page.response.version == "1.1"
    assert page.response.raw_head.startswith(b"HTTP/1.1 200 OK\r\nServer: nginx")
    assert page.response.raw_head.endswith(b"\r\n\r\n")
    timings = page.response.timings
    assert timings.connect > 0 and timings.tls == 0 and timings.total >= timings.connect + timings.first_byte > 0
    head = await client.exchange(target, Request("HEAD", "/page.html"))
    assert head.response is not None and head.response.reused and head.response.body == b""
    after = await client.exchange(target, Request("GET", "/none"))
    assert after.response is not None and after.response.status == 204 and after.response.reused
    moved = await client.exchange(target, Request("GET", "/old"), redirects=Redirects(Follow.SAME_HOST))
    assert [hop.response.status for hop in moved.chain] == [301, 200]
    assert moved.response is not None and moved.response.body == b"here" and moved.response.reused
    assert moved.chain[-1].request.target == "/new?a=b"
    posted = await client.exchange(target, Request("POST", "/post", body=b"x" * 100_000))
    assert posted.response is not None and posted.response.body == b"POST"
    slow = await client.exchange(target, Request("GET", "/slow"))
    assert slow.response is not None and len(slow.response.body) == 10_000
    bad = await client.exchange(target, Request("GET", "/", raw=b"NONSENSE\r\n\r\n"))
    assert bad.response is not None and bad.response.status == 400


@pytest.mark.slow
def test_tls_is_captured_and_judged(tmp_path: Path) -> None:
    root = issue(tmp_path / "root", authority=True)
    leaf = issue(tmp_path / "leaf", "127.0.0.1", "localhost", issuer=root)
    options = f"ssl_certificate {leaf.certificate_file}; ssl_certificate_key {leaf.key_file};"

    async def look(client: Client, port: int) -> int:
        target = Target("https", "127.0.0.1", port)
        answer = await client.exchange(target, Request("GET", "/page.html"))
        assert answer.response is not None and answer.response.body == b"secret"
        assert answer.response.certificate == ssl.PEM_cert_to_DER_cert(leaf.certificate_file.read_text())
        assert answer.response.timings.tls > 0
        again = await client.exchange(target, Request("GET", "/page.html"))
        assert again.response is not None and again.response.reused and again.response.timings.tls == 0
        trust = await client.trust(target)
        assert isinstance(trust, Trust)
        return trust.code

    with running_nginx(tmp_path / "web", options, " ssl") as web:
        (web.root / "page.html").write_text("secret")
        assert asking(lambda client: look(client, web.port)) == 20  # no such authority
        assert asking(lambda client: look(client, web.port), authorities=str(root.certificate_file)) == 0


def test_trust_needs_a_handshake() -> None:
    async def work(client: Client) -> str:
        async with listening(silent) as server:
            found = await client.trust(at(server, "https"))
            assert isinstance(found, Failure)
            return found.phase.value

    assert asking(work) == "tls"


def test_a_body_in_pieces_is_put_together() -> None:
    packed = gzip.compress(b"hello" * 1000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, packed[at : at + 1]) for at in range(len(packed))) + b"0\r\n\r\n"

    async def work(client: Client) -> Answer:
        async with listening(answering(*(head[at : at + 1] for at in range(len(head))), chunks)) as server:
            return await client.exchange(at(server), GET)

    response = asking(work).response
    assert response is not None and response.body == b"hello" * 1000
