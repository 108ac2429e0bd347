"""Fetching from servers that behave, and from those that do not."""

import gzip
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from secops.execution.fetch import FetchRunner
from secops.execution.output import LIMIT_BYTES
from secops.model.step import Fetch, Result, Trouble

Send = Callable[[bytes], None]
Behaviour = Callable[[Send], None]


def anywhere(address: str, port: int) -> bool:
    return True


@contextmanager
def server(behaviour: Behaviour | bytes, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """Answers every request alike; the requests are kept."""
    heard: list[bytes] = []

    def answer(plain: socket.socket) -> None:
        with suppress(OSError), tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            heard.append(request)
            if isinstance(behaviour, bytes):
                connection.sendall(behaviour)
            else:
                behaviour(connection.sendall)

    def serve() -> None:
        with suppress(OSError):
            while True:
                answer(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def page(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def fetch(url: str, contains: str = "", timeout_seconds: float = 5.0) -> Result:
    return FetchRunner(anywhere).perform(Fetch(url, contains), timeout_seconds)


def test_a_page_with_the_text_succeeds() -> None:
    with server(page("办事大厅 open".encode())) as (port, heard):
        result = fetch(f"http://127.0.0.1:{port}/大厅?q=a b&x=%20", "办事大厅")
    assert (result.ok, result.output, result.trouble) == (True, "办事大厅 open", Trouble.NONE)
    first, *headers = heard[0].decode().split("\r\n")
    assert first == "GET /%E5%A4%A7%E5%8E%85?q=a%20b&x=%20 HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in headers
    assert sum(header.lower().startswith(("host:", "accept-encoding:")) for header in headers) == 2


def test_a_page_without_the_text_fails_and_is_shown() -> None:
    with server(page(b"maintenance")) as (port, _):
        result = fetch(f"http://127.0.0.1:{port}", "open")
    assert (result.ok, result.trouble, result.output) == (False, Trouble.FAILED, "maintenance")
    assert "open" in result.reason


@pytest.mark.parametrize("status", ["404 Not Found", "503 Busy", "204 No Content"])
def test_another_status_fails(status: str) -> None:
    with server(page(b"", status=status)) as (port, _):
        result = fetch(f"http://127.0.0.1:{port}/")
    assert (result.trouble, result.exit_code) == (Trouble.FAILED, int(status[:3]))


def test_a_redirect_is_not_followed() -> None:
    with server(page(b"secret")) as (elsewhere, heard_elsewhere):
        target = f"http://127.0.0.1:{elsewhere}/"
        with server(page(b"", f"Location: {target}", status="302 Found")) as (port, _):
            result = fetch(f"http://127.0.0.1:{port}/")
    assert result.trouble is Trouble.FAILED
    assert target in result.reason
    assert heard_elsewhere == []


def test_the_scope_is_asked_with_the_resolved_address_before_anything_is_sent() -> None:
    asked: list[tuple[str, int]] = []

    def nowhere(address: str, port: int) -> bool:
        asked.append((address, port))
        return False

    with server(page(b"x")) as (port, heard):
        result = FetchRunner(nowhere).perform(Fetch(f"http://localhost:{port}/"), 5)
        assert result.trouble is Trouble.REFUSED
        assert ("127.0.0.1", port) in asked
        assert all(address != "localhost" for address, _ in asked)
        assert heard == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "//127.0.0.1/",
        "http://",
        "http:///path",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "http://user:pass@127.0.0.1/",
        "http://[::1/",
        "text",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    assert fetch(url).trouble is Trouble.REFUSED


def test_a_name_that_cannot_be_is_unreachable() -> None:
    for host in ("no-such-host.invalid", "x" * 70 + ".invalid", "a..b"):
        assert fetch(f"http://{host}/", timeout_seconds=1).trouble is Trouble.UNREACHABLE


def _drip_headers(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\n")
    while True:
        send(b"X: y\r\n"[:1])
        time.sleep(0.05)


def _drip_body(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        send(b"x")
        time.sleep(0.05)


def _say_continue_for_ever(send: Send) -> None:
    while True:
        send(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def _say_nothing(send: Send) -> None:
    time.sleep(2)


@pytest.mark.parametrize("behaviour", [_drip_headers, _drip_body, _say_continue_for_ever, _say_nothing])
def test_time_counts_for_the_whole_answer(behaviour: Behaviour) -> None:
    with server(behaviour) as (port, _):
        started = time.monotonic()
        result = fetch(f"http://127.0.0.1:{port}/", timeout_seconds=0.6)
        assert time.monotonic() - started < 20
    assert result.trouble is Trouble.TIMEOUT


def _endless(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\n\r\nfirst words ")
    while True:
        send(b"x" * 65536)


def _endless_chunks(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\nfirst words \r\n")
    while True:
        send(b"10000\r\n" + b"x" * 65536 + b"\r\n")


@pytest.mark.parametrize("behaviour", [_endless, _endless_chunks])
def test_an_endless_body_is_cut(behaviour: Behaviour) -> None:
    with server(behaviour) as (port, _):
        result = fetch(f"http://127.0.0.1:{port}/", "first words")
    assert result.ok
    assert len(result.output) == LIMIT_BYTES
    assert "8 MiB" in result.reason


def test_compressed_data_is_not_blown_up() -> None:
    bomb = gzip.compress(b"\0" * (20 << 20))
    with server(page(bomb, "Content-Encoding: gzip")) as (port, heard):
        assert len(fetch(f"http://127.0.0.1:{port}/").output) <= len(bomb)
    assert b"Accept-Encoding: identity" in heard[0]


@pytest.mark.parametrize("charset", ["gb2312", "GBK", "gb18030", "utf-8", "no-such"])
def test_the_declared_charset_is_used(charset: str) -> None:
    encoding = "utf-8" if charset == "no-such" else "gb18030" if charset.lower().startswith("gb") else charset
    with server(page("津门旧镕".encode(encoding), f"Content-Type: text/html; charset={charset}")) as (port, _):
        assert fetch(f"http://127.0.0.1:{port}/", "津门旧镕").ok


@pytest.mark.parametrize(
    "answer", [b"", b"\0\1\2\3\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"]
)
def test_an_answer_that_is_not_http_is_a_result(answer: bytes) -> None:
    with server(answer) as (port, _):
        assert fetch(f"http://127.0.0.1:{port}/").trouble is Trouble.UNREACHABLE


def test_too_many_headers_are_a_result() -> None:
    with server(page(b"x", *(f"X-{number}: y" for number in range(500)))) as (port, _):
        assert fetch(f"http://127.0.0.1:{port}/").trouble is Trouble.UNREACHABLE


def test_a_closed_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert fetch(f"http://127.0.0.1:{port}/").trouble is Trouble.UNREACHABLE


def test_certificates_are_checked(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    made = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    subprocess.run([*made, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    with server(page(b"safe"), ours) as (port, _):
        untrusted = fetch(f"https://localhost:{port}/")
        assert untrusted.trouble is Trouble.UNREACHABLE
        assert "certificate" in untrusted.reason.lower()
        trusting = FetchRunner(anywhere, ssl.create_default_context(cafile=str(certificate)))
        assert trusting.perform(Fetch(f"https://localhost:{port}/", "safe"), 5).ok
        assert trusting.perform(Fetch(f"https://127.0.0.1:{port}/", "safe"), 5).trouble is Trouble.UNREACHABLE
