"""A payload arrives exactly: read back by parsers that are not ours. The value that stood there changes nothing."""

import json
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes, unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.formparser import parse_form_data
from werkzeug.sansio.http import parse_cookie

from scanners.web.finding_points import Learned, points_of
from scanners.web.message import Request, Target
from scanners.web.points import Part, Point, Where

SITE = Target("http", "site.test", 80)
PAYLOADS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["' OR '1'='1", '"><svg onload=x>', "a&b=c;d", "../../etc/passwd", "%0d%0aX: 1", "中文'--", "+ +", "\\", "\x00"]
    ),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
CHARSETS = st.sampled_from(["utf-8", "gbk", "GB2312", "gb18030"])
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
JSON = (("Content-Type", "application/json; charset=utf-8"), ("Content-Length", "1"))
MULTIPART = (("Content-Type", "multipart/form-data; boundary=fence"),)


def codec(charset: str) -> str:
    return "utf-8" if charset == "utf-8" else "gb18030"


def point(
    request: Request, where: Where, name: str, part: Part = Part.VALUE, charset: str = "utf-8", nth: int = 0
) -> Point:
    found = [
        one
        for one in points_of(SITE, request, charset=charset)
        if (one.where, one.name, one.part) == (where, name, part)
    ]
    return found[nth]


def multipart(boundary: str = "fence") -> bytes:
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="note"\r\n\r\nold text\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a \\"b\\".txt"\r\n'
        f"Content-Type: text/plain\r\n\r\nline 1\r\nline 2\r\n--{boundary}--\r\n"
    ).encode()


WHOLE = [
    Request("GET", "/news/12.html?id=1&q=%E4%B8%AD+x&empty=&bare&id=2", (("Cookie", "a=1; b=x%20y; c="),)),
    Request("GET", "/a%2Fb/c%20d/?"),
    Request("GET", "/"),
    Request("GET", "/x?%zz=%&&=&a==b#frag?not=this", (("X-Id", "7"), ("User-Agent", "me"))),
    Request("POST", "/p", FORM, b"name=%D6%D0&pass=a%26b&x"),
    Request("POST", "/p", MULTIPART, multipart()),
    Request(
        "POST",
        "/p",
        JSON,
        '{"a": {"b/c": ["x", 1, -2.5e3, null, {"中": "文\\u00e9"}]}, "~": "\\"", "t": true, "e": []}'.encode(),
    ),
    Request("POST", "/p", (), b'[1,"two"]'),
]


@pytest.mark.parametrize("request_", WHOLE, ids=lambda one: f"{one.method}-{one.target[:12]}-{len(one.body)}")
@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_the_value_that_stood_there_changes_nothing(request_: Request, charset: str) -> None:
    points = points_of(SITE, request_, charset=charset, learned=Learned(("X-New",), ("fresh",)))
    assert points == points_of(SITE, request_, charset=charset, learned=Learned(("X-New",), ("fresh",)))
    for one in points:
        assert meaning(one.inject(one.value)) == meaning(request_), (one.where, one.name, one.part)


def meaning(request: Request) -> Any:
    """A request as servers understand it."""
    path, _, query = request.target.partition("?")
    body: Any = request.body
    if body[:1] in (b"{", b"["):
        body = json.loads(body)
    elif b"form-data" in body:
        body = form_of(request)
    elif body:
        body = parse_qsl(body.decode("ascii"), keep_blank_values=True, encoding="latin-1")
    headers = [
        (name, unquote_to_bytes(value) if name == "Cookie" else value)
        for name, value in request.headers
        if name != "Content-Length"
    ]
    pairs = parse_qsl(query.partition("#")[0], keep_blank_values=True, encoding="latin-1")
    return request.method, unquote_to_bytes(path.replace("%2F", "%252F")), pairs, headers, body


def form_of(request: Request) -> list[tuple[str, str, bytes]]:
    environ = {
        "wsgi.input": BytesIO(request.body),
        "CONTENT_LENGTH": str(len(request.body)),
        "CONTENT_TYPE": dict(request.headers)["Content-Type"],
        "REQUEST_METHOD": "POST",
    }
    _, fields, files = parse_form_data(environ, silent=False)
    return [(name, "", value.encode()) for name, value in fields.items(multi=True)] + [
        (name, file.filename or "", file.read()) for name, file in files.items(multi=True)
    ]


@given(payload=TEXT, charset=CHARSETS)
@example(payload="中文'--", charset="gbk")
def test_query_fields(payload: str, charset: str) -> None:
    request = Request("GET", "/a?x=1&y&x=2")
    injected = point(request, Where.QUERY, "x", charset=charset, nth=1).inject(payload)
    assert parsed(injected.target, charset) == [("x", "1"), ("y", ""), ("x", payload)]
    injected = point(request, Where.QUERY, "x", Part.NAME, charset).inject(payload)
    assert parsed(injected.target, charset) == [(payload, "1"), ("y", ""), ("x", "2")]
    injected = point(request, Where.QUERY, "y", charset=charset).inject(payload)
    assert parsed(injected.target, charset) == [("x", "1"), ("y", payload), ("x", "2")]
    assert injected.target.isascii()


def parsed(target: str, charset: str) -> list[tuple[str, str]]:
    return parse_qsl(target.partition("?")[2], keep_blank_values=True, encoding=codec(charset), errors="strict")


@given(payload=st.binary(max_size=30))
def test_octets_arrive_as_they_are(payload: bytes) -> None:
    request = Request("POST", "/a?x=1", FORM, b"f=1")
    assert unquote_to_bytes(point(request, Where.QUERY, "x").inject(payload).target[5:]) == payload
    assert unquote_to_bytes(point(request, Where.FORM, "f").inject(payload).body[2:]) == payload
    assert unquote_to_bytes(point(request, Where.PATH, "0").inject(payload).target[1:-4]) == payload


@given(payload=TEXT, charset=CHARSETS)
@example(payload="a b/../c?d#e%", charset="utf-8")
def test_path_and_raw_query(payload: str, charset: str) -> None:
    request = Request("GET", "/a/b.html?x=1")
    target = point(request, Where.PATH, "1", charset=charset).inject(payload).target
    assert target.count("/") == 2
    assert target.endswith(".html?x=1")
    assert unquote_to_bytes(target[3:-9]).decode(codec(charset)) == payload
    target = point(request, Where.RAW_QUERY, "", charset=charset).inject(payload).target
    assert unquote_to_bytes(target.removeprefix("/a/b.html?")).decode(codec(charset)) == payload
    if payload:
        bare = point(Request("GET", "/a"), Where.RAW_QUERY, "").inject(payload)
        assert unquote_to_bytes(bare.target.removeprefix("/a?")).decode() == payload


@given(payload=TEXT, charset=CHARSETS)
def test_forms(payload: str, charset: str) -> None:
    request = Request("POST", "/a", (*FORM, ("content-length", "7")), b"x=1&y=2")
    injected = point(request, Where.FORM, "y", charset=charset).inject(payload)
    assert parsed("?" + injected.body.decode("ascii"), charset) == [("x", "1"), ("y", payload)]
    assert dict(injected.headers)["content-length"] == str(len(injected.body))
    injected = point(request, Where.FORM, "x", Part.NAME, charset).inject(payload)
    assert parsed("?" + injected.body.decode("ascii"), charset) == [(payload, "1"), ("y", "2")]


@given(payload=TEXT)
@example(payload="1")
@example(payload="true")
@example(payload='"}')
def test_json_values_and_names(payload: str) -> None:
    body = '{"é": [{"n": 5, "s": "x"}, 7], "z": null}'.encode()
    request = Request("POST", "/a", JSON, body)
    for pointer, path in (("/é/0/n", ("é", 0, "n")), ("/é/0/s", ("é", 0, "s")), ("/é/1", ("é", 1)), ("/z", ("z",))):
        injected = point(request, Where.JSON, pointer).inject(payload)
        found = json.loads(injected.body, parse_int=str, parse_float=str)
        for step in path:
            found = found[step]
        assert {True: "true", False: "false", None: "null"}.get(found, found) == payload
        assert dict(injected.headers)["Content-Length"] == str(len(injected.body))
    renamed = json.loads(point(request, Where.JSON, "/é/0/s", Part.NAME).inject(payload).body)
    assert renamed["é"][0].get(payload) == "x"


@given(payload=st.binary(max_size=60))
@example(payload=b"--fence--")
@example(payload=b"\r\n--fence\r\n")
def test_multipart_content(payload: bytes) -> None:
    request = Request("POST", "/a", MULTIPART, multipart())
    injected = point(request, Where.FORM, "file").inject(payload)
    assert ("file", 'a "b".txt', payload) in form_of(injected)
    assert ("note", "", b"old text") in form_of(injected)


@given(payload=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
@example(payload='sh"ell.php')
@example(payload="..\\..\\x")
def test_multipart_names(payload: str) -> None:
    request = Request("POST", "/a", MULTIPART, multipart())
    injected = point(request, Where.FORM, "file", Part.FILE_NAME).inject(payload)
    if "%22" not in payload:  # this parser undoes what browsers do to quotes
        assert ("file", payload, b"line 1\r\nline 2") in form_of(injected)
        injected = point(request, Where.FORM, "note", Part.NAME).inject(payload)
        assert (payload, "", b"old text") in form_of(injected)


@given(payload=TEXT)
@example(payload="' OR '1'='1")
@example(payload='a;b"c\\d\r\n')
def test_cookies(payload: str) -> None:
    request = Request("GET", "/", (("Cookie", "a=1; b=2; c=3"),))
    plain = dict(point(request, Where.COOKIE, "b").inject(payload).headers)["Cookie"]
    assert parse_cookie(plain.encode("latin-1").decode()).to_dict() == {"a": "1", "b": payload, "c": "3"}
    encoded = dict(point(request, Where.COOKIE, "b", nth=1).inject(payload).headers)["Cookie"]
    assert encoded.isascii()
    read = parse_cookie(encoded)
    assert (read["a"], unquote_to_bytes(read["b"]).decode(), read["c"]) == ("1", payload, "3")
    renamed = parse_cookie(dict(point(request, Where.COOKIE, "b", Part.NAME).inject(payload).headers)["Cookie"])
    if payload:
        assert {unquote_to_bytes(name).decode(): value for name, value in renamed.items()} in (
            {"a": "1", payload: "2", "c": "3"},
            {"a": "1", "c": "3"},  # the payload is itself the name of another cookie
            {"a": "2", "c": "3"},
            {"a": "1", "c": "2"},
        )


@given(payload=PAYLOADS)
def test_nothing_breaks_out_of_a_header(payload: str) -> None:
    request = Request("GET", "/", (("Cookie", "a=1"), ("X-Id", "7")))
    for one in points_of(SITE, request, learned=Learned(("X-New",), ("fresh",))):
        for name, value in one.inject(payload).headers:
            assert not set(name + value) & set("\r\n\x00")
            assert max(map(ord, name + value)) < 256


@given(payload=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\x00"), max_size=30))
def test_headers(payload: str) -> None:
    request = Request("GET", "/", (("X-Id", "7"), ("Host", "site.test")))
    headers = dict(point(request, Where.HEADER, "X-Id").inject(payload).headers)
    assert headers["X-Id"].encode("latin-1").decode() == payload
    name = point(request, Where.HEADER, "X-Id", Part.NAME).inject(payload).headers[0][0]
    assert unquote_to_bytes(name).decode() == payload
    assert all(one.name != "Host" for one in points_of(SITE, request))


def test_a_quoted_cookie_keeps_its_meaning() -> None:
    request = Request("GET", "/", (("Cookie", 'a="x\\"y\\073 z"; b=""'),))
    for name, value in (("a", 'x"y; z'), ("b", "")):
        found = point(request, Where.COOKIE, name)
        assert found.value == value
        same = dict(found.inject(found.value).headers)["Cookie"]
        assert parse_cookie(same).to_dict() == {"a": 'x"y; z', "b": ""}


def test_a_gbk_page_gets_its_payload_in_its_own_characters() -> None:
    request = Request("GET", "/s?q=%D6%D0")
    found = point(request, Where.QUERY, "q", charset="gb2312")
    assert found.value == "中"
    assert found.inject("国'").target == "/s?q=%B9%FA%27"
    assert found.inject("é🙂").target == "/s?q=%A8%A6" + quote_from_bytes("🙂".encode("gb18030"))


def test_learned_names_are_added_where_they_are_missing() -> None:
    request = Request("GET", "/", (("User-Agent", "me"),))
    points = points_of(SITE, request, learned=Learned(("user-agent", "Referer"), ("token",)))
    (referer,) = [one for one in points if one.name == "Referer"]
    assert referer.inject("x").headers == (("User-Agent", "me"), ("Referer", "x"))
    assert referer.inject("") is request
    token = next(one for one in points if one.name == "token")
    assert token.inject("a;b").headers[-1] == ("Cookie", 'token="a\\073b"')
    with_cookie = Request("GET", "/", (("Cookie", "a=1"),))
    token = next(
        one
        for one in points_of(SITE, with_cookie, learned=Learned((), ("a", "token")))
        if one.is_new and one.where is Where.COOKIE
    )
    assert token.inject("x").headers == (("Cookie", "a=1; token=x"),)


def test_names_told_to_people() -> None:
    request = Request("POST", "/p?q=1", JSON, b'{"a": {"b": [1]}}')
    told = [(one.where.reported, one.parameter, one.part.value) for one in points_of(SITE, request)]
    assert told == [
        ("query", "q", "value"),
        ("query", "q", "name"),
        ("query", "", "value"),
        ("json", "a", "name"),
        ("json", "a/b", "name"),
        ("json", "a/b/0", "value"),
        ("path", "0", "value"),
    ]


@given(
    body=st.one_of(
        st.text(max_size=60),
        st.recursive(
            st.text(max_size=5) | st.floats() | st.none(),
            lambda deeper: st.lists(deeper) | st.dictionaries(st.text(), deeper),
        ).map(json.dumps),
    )
)
@example(body="[" * 5000)
@example(body='{"a": [1, "\\ud800"')
def test_any_body_is_read_or_left_alone(body: str) -> None:
    octets = body.encode("utf-8", "replace")
    for one in points_of(SITE, Request("POST", "/", JSON, octets)):
        if one.where is Where.JSON:
            json.loads(one.inject("x").body)
    points_of(SITE, Request("POST", "/", MULTIPART, octets))
    points_of(SITE, Request("POST", "/", FORM, octets))


def test_a_raw_request_has_no_points() -> None:
    assert points_of(SITE, Request("GET", "/?a=1", raw=b"GET /?a=1 HTTP/1.1\r\n\r\n")) == ()
