"""Answers as matchers see them."""

import pytest

from scanners.web.message import Answer, Failure, Hop, Reason, Request, Response, Target, Timings
from scanners.web.templates.page import pages_of
from secops.model.text import Text
from tests.scanners.web.templates.answering import page, response

HEADERS = (
    ("X-second", " two "),
    ("content-length", "5"),
    ("x-SECOND", "again"),
    ("A-First", "caf\xc3\xa9"),
    ("Set-Cookie", "SID=abc; Path=/; HttpOnly"),
    ("Set-Cookie", "lang=zh"),
    ("we(ird", "kept"),
)


def test_headers_read_as_a_dump_in_order() -> None:
    assert page(404, b"12345", HEADERS).part("header") == (
        b"HTTP/1.1 404 OK\r\nContent-Length: 5\r\nA-First: caf\xc3\xa9\r\nSet-Cookie: SID=abc; Path=/; HttpOnly\r\n"
        b"Set-Cookie: lang=zh\r\nX-Second: two\r\nX-Second: again\r\nwe(ird: kept\r\n\r\n"
    )


PARTS = {
    "x_second": b"two again",
    "a_first": b"caf\xc3\xa9",
    "sid": b"abc",
    "lang": b"zh",
    "set_cookie": b"SID=abc; Path=/; HttpOnly lang=zh",
    "status_code": b"404",
    "content_length": b"5",
    "duration": b"0.01",
    "ip": b"192.0.2.7",
    "matched": b"http://site.test:8080/",
    "X-Second": None,
    "X_Second": None,
    "nothing": None,
    "body_1": None,
}


@pytest.mark.parametrize(("name", "expected"), PARTS.items())
def test_parts(name: str, expected: bytes | None) -> None:
    assert page(404, b"12345", HEADERS).part(name) == expected


def test_whole_answers() -> None:
    one = page(200, b"body", (("A", "b"),))
    head = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"
    assert one.part("response") == one.part("raw") == head + b"body"
    assert one.part("all") == b"body" + head
    assert one.part("all_headers") == one.part("header") == head
    assert one.part("request") == b"GET / HTTP/1.1\r\n\r\n"
    assert one.lowered("header") == head.lower() and one.lowered("nothing") is None


def test_a_header_stands_before_a_cookie_of_its_name() -> None:
    assert page(headers=(("Set-Cookie", "server=cookie"), ("Server", "header"))).part("server") == b"header"


BODIES = {
    ("系统".encode("gbk"), "text/html; charset=GBK"): "系统",
    ("系统".encode("gb18030"), "text/html;charset=gb18030"): "系统",
    ("вход".encode("cp1251"), "text/html; charset=windows-1251"): "вход",
    ("系统".encode(), "text/html"): "系统",
    (b'<META http-equiv=x content="text/html; charset=gb2312">' + "系统管理登录".encode("gbk"), ""): None,
}


@pytest.mark.parametrize(("given", "text"), BODIES.items())
def test_bodies_are_told_in_utf8(given: tuple[bytes, str], text: str | None) -> None:
    body, kind = given
    found = page(body=body, headers=(("Content-Type", kind),) if kind else ()).body
    assert found.decode() == text if text else found.endswith("系统管理登录".encode())


def test_bytes_that_say_nothing_of_themselves_stay() -> None:
    assert page(body=b"\xcf\xb5\xff\x00").body == b"\xcf\xb5\xff\x00"


def test_a_chain_of_redirects() -> None:
    target, request = Target("http", "h", 80), Request("GET", "/a")
    moved, last = response(302, b"moved", first_byte=1.5), response(200, b"home", first_byte=2.0)
    hops = (Hop(target, request, moved), Hop(target, Request("GET", "/b"), last))
    first, second = pages_of(Answer(hops))
    assert (first.body, first.duration, first.url) == (b"", 1.5, "http://h/a")
    assert (second.body, second.duration, second.url) == (b"home", 3.5, "http://h/b")
    assert pages_of(Answer(hops[:1]))[0].body == b"moved"
    assert pages_of(Answer((), Failure(Reason.REFUSED, Text("拒绝", "refused")))) == ()


def test_things_are_made_once() -> None:
    one = page(body=b"<a>B</a>")
    assert one.part("header") is one.part("header") and one.lowered("body") is one.lowered("body")
    assert one.tree("body") is one.tree("body") is not None
    calls: list[int] = []
    for _ in range(2):
        assert one.remember("body", "key", lambda: calls.append(1) or b"x") == b"x"  # type: ignore[func-returns-value]
    assert calls == [1]


def test_what_is_made_of_one_answer_serves_those_that_are_the_same() -> None:
    first, same, other = (
        pages_of(Answer((Hop(Target("http", "site.test", 80), Request("GET", path), answered),)))[0]
        for path, answered in (("/a", _answered(b"One")), ("/b", _answered(b"One")), ("/c", _answered(b"Two")))
    )
    for shown in (same, other):
        alike = pages_of(Answer((shown.hop,)), first)[0]
        for name in ("body", "all_headers", "response", "server", "request", "matched", "status_code", "no_such"):
            assert alike.part(name) == shown.part(name), name
            assert alike.lowered(name) == shown.lowered(name), name
    alike = pages_of(Answer((same.hop,)), first)[0]
    alike.possible = frozenset({("one", 0)})
    assert first.possible == alike.possible
    assert pages_of(Answer((other.hop,)), first)[0].possible is None


def _answered(body: bytes) -> Response:
    head = (("Server", "nginx"), ("Content-Length", "3"))
    raw = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 3\r\n\r\n"
    return Response(200, "OK", "1.1", head, raw, body, Timings(0, 0, 0, 0, 0), None, "", False, False)
