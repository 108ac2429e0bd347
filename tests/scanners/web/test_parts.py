"""The pure parts of the scanning client: heads, cookies, pace, intrusiveness."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanners.safety import Safety
from scanners.web.body import Body
from scanners.web.cookies import CookieJar
from scanners.web.decoding import decoder_for
from scanners.web.head import Framing, Heads, NotHttp, end_of_head, read_head
from scanners.web.intrusiveness import intrusiveness_of
from scanners.web.limits import Limits
from scanners.web.message import Headers, Request, Response, Target, Timings
from scanners.web.pace import Gate, Pace

PIECES = (
    *(
        b"HTTP/1.1 ",
        b"200 ",
        b"OK",
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b":",
        b" ",
        b"X",
        b"\0",
        b"\xff",
        b"5",
        b"100 Continue",
    ),
    *(b"Content-Length: ", b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"0\r\n\r\n", b"5\r\nhello\r\n"),
)
HEAD_BYTES = st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join)


@given(HEAD_BYTES | st.binary(max_size=200))
def test_any_bytes_are_a_head_or_not_http(raw: bytes) -> None:
    end = end_of_head(raw)
    assert 0 <= end <= len(raw)
    try:
        head = read_head(raw[:end], head_only=False)
    except NotHttp:
        return
    assert 100 <= head.status <= 999
    assert Heads().read(raw[:end], False) == head


@given(HEAD_BYTES, st.binary(max_size=60), st.integers(1, 7))
@settings(max_examples=200)
def test_a_body_is_the_same_however_it_is_cut(start: bytes, rest: bytes, size: int) -> None:
    raw = b"HTTP/1.1 200 OK\r\n" + start.replace(b"\r\n\r\n", b"\r\n") + b"\r\n\r\n"
    try:
        head = read_head(raw[: end_of_head(raw)], head_only=False)
    except NotHttp:
        return
    whole, cut = Body(head, Limits(body_bytes=40)), Body(head, Limits(body_bytes=40))
    whole.feed(rest)
    for at in range(0, len(rest), size):
        cut.feed(rest[at : at + size])
    for body in (whole, cut):
        body.close()
    assert (whole.content, whole.cut, bool(whole.failure)) == (cut.content, cut.cut, bool(cut.failure))


@pytest.mark.parametrize(
    "raw, framing, keep_alive",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Framing.NONE, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Framing.COUNTED, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", Framing.COUNTED, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Framing.COUNTED, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", Framing.COUNTED, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Framing.CHUNKED, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", Framing.CHUNKED, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: other\r\n\r\n", Framing.UNTIL_CLOSE, False),
        (b"HTTP/1.1 200 OK\r\n\r\n", Framing.UNTIL_CLOSE, False),
        (b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", Framing.NONE, True),
        (b"HTTP/1.1 204 None\r\n\r\n", Framing.NONE, True),
        (b"HTTP/1.1 101 Up\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", Framing.NONE, False),
    ],
)
def test_how_a_body_is_framed(raw: bytes, framing: Framing, keep_alive: bool) -> None:
    head = read_head(raw, head_only=False)
    assert (head.framing, head.keep_alive) == (framing, keep_alive)
    assert read_head(raw, head_only=True).framing is Framing.NONE


@given(st.binary(max_size=300), st.integers(0, 500), st.sampled_from(["gzip", "deflate"]))
def test_a_decoder_never_makes_more_than_asked(data: bytes, room: int, encoding: str) -> None:
    decoder = decoder_for(encoding)
    assert decoder is not None
    try:
        assert len(decoder.feed(data, room)) <= room
    except ValueError:
        return


UPLOAD = b'Content-Disposition: form-data; name="f"; filename="%b"\r\n\r\nx'


@pytest.mark.parametrize(
    "request_, level",
    [
        (Request("GET", "/?q=select%20*%20from%20t"), "safe"),
        (Request("HEAD", "/"), "safe"),
        (Request("options", "*"), "safe"),
        (Request("GET", "/", body=b"x"), "normal"),
        (Request("POST", "/login", body=b"user=a' or '1'='1"), "normal"),
        (Request("TRACE", "/"), "normal"),
        (Request("ANYTHING", "/"), "normal"),
        (Request("GET", "/", (("X-HTTP-Method-Override", "post"),)), "normal"),
        (Request("GET", "/", (("x-method-override", "DELETE"),)), "intrusive"),
        (Request("POST", "/?_method=put"), "intrusive"),
        (Request("delete", "/"), "intrusive"),
        (Request("PUT", "/x.txt"), "intrusive"),
        (Request("GET", "/?q=1;drop%20table%20x"), "intrusive"),
        (Request("GET", "/?q=1;DROP/**/TABLE/**/x"), "intrusive"),
        (Request("POST", "/", body=b"q=1; delete from users"), "intrusive"),
        (Request("GET", "/?c=;rm+-rf+/"), "intrusive"),
        (Request("POST", "/", body=UPLOAD % b"a.png"), "normal"),
        (Request("POST", "/", body=UPLOAD % b"a.jsp"), "intrusive"),
        (Request("POST", "/", body=UPLOAD % b"a.php.png"), "intrusive"),
        (Request("POST", "/", body=UPLOAD % b"a.php%00.png"), "intrusive"),
        (Request("POST", "/", (("Content-Length", "3"), ("Transfer-Encoding", "chunked")), b"abc"), "intrusive"),
        (Request("GET", "/", (("content-length", "3"), ("transfer-encoding", "chunked"))), "intrusive"),
        (Request("GET", "/", raw=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "safe"),
        (Request("GET", "/", raw=b"POST / HTTP/1.1\r\nHost: x\r\n\r\nx"), "normal"),
        (Request("GET", "/", raw=b"GET / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nx"), "intrusive"),
        (Request("GET", "/", raw=b"GET / HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"), "intrusive"),
        (Request("GET", "/", raw=b"\x16\x03\x01"), "intrusive"),
    ],
)
def test_how_intrusive_a_request_is(request_: Request, level: str) -> None:
    assert intrusiveness_of(request_).value == level


def test_what_a_level_allows() -> None:
    allowed = {one.value: "".join(other.value[0] for other in Safety if one.allows(other)) for one in Safety}
    assert allowed == {"safe": "s", "normal": "sn", "intrusive": "sni"}


def answer(*lines: str) -> Response:
    """A response that sets cookies."""
    headers: Headers = tuple(("Set-Cookie", line) for line in lines)
    return Response(200, "OK", "1.1", headers, b"", b"", Timings(0, 0, 0, 0, 0), None, "", False, False)


WWW = Target("https", "www.city.example", 443)
IN_A_LONG_TIME = "Thu, 31-Dec-2098 23:59:59 GMT"


@pytest.mark.parametrize(
    "line, target, place, sent",
    [
        ("a=1", WWW, "/", True),
        ("a=1", Target("https", "city.example", 443), "/", False),
        ("a=1; Domain=.city.example", Target("https", "other.city.example", 443), "/", True),
        ("a=1; Domain=city.example", Target("https", "notcity.example", 443), "/", False),
        ("a=1; Domain=example", WWW, "/", False),
        ("a=1; Domain=elsewhere.example", WWW, "/", False),
        ("a=1", WWW, "/app/page", True),
        ("a=1; Path=/app", WWW, "/application", False),
        ("a=1; Path=/app", WWW, "/app/x?y", True),
        ("a=1; Path=/app", WWW, "/app", True),
        ("a=1; Secure", Target("http", "www.city.example", 80), "/", False),
        ("a=1; Max-Age=0", WWW, "/", False),
        ("a=1; Max-Age=-5", WWW, "/", False),
        ("a=1; Max-Age=60", WWW, "/", True),
        (f"a=1; Expires={IN_A_LONG_TIME}", WWW, "/", True),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", WWW, "/", False),
        ("a=1; Expires=nonsense", WWW, "/", True),
        ("a=" + "x" * 9000, WWW, "/", False),
    ],
)
def test_where_a_cookie_goes(line: str, target: Target, place: str, sent: bool) -> None:
    jar = CookieJar()
    jar.take(WWW, "/", answer(line))
    assert (jar.header(target, place) == line.partition(";")[0]) is sent


def test_cookies_are_replaced_deleted_and_ordered() -> None:
    jar = CookieJar()
    assert jar.take(WWW, "/app/login", answer("a=1; Path=/", "b=2; Path=/app", "c=3"))
    assert jar.header(WWW, "/app/x") == "b=2; c=3; a=1"
    assert jar.take(WWW, "/", answer("a=9", "b=; Path=/app; Max-Age=0"))
    assert jar.header(WWW, "/app/x") == "c=3; a=9"
    assert not jar.take(WWW, "/", answer("a=9"))


def test_a_flood_of_cookies_is_bounded() -> None:
    jar = CookieJar()
    jar.take(WWW, "/", answer(*(f"c{number}=x" for number in range(5000))))
    assert len(jar.cookies()) == 80


def answers(gate: Gate, count: int, status: int = 200, seconds: float = 0.01, every: float = 0.01) -> None:
    """So many answers, one after the other, from the last moment on."""
    start = getattr(gate, "not_before", 0.0)
    for number in range(count):
        gate.learn(start + 100 + number * every, status, seconds, None)


def test_the_rate_grows_by_addition_and_falls_by_multiplication() -> None:
    gate = Gate("x", Pace(most=100, start=20, growth=10, settle_seconds=1))
    for number in range(20):
        gate.learn(number / 20, 200, 0.01, None)
    assert 28 < gate.rate < 31  # a second of good answers
    gate.learn(5, 429, 0.01, None)
    gate.learn(5.5, 429, 0.01, None)  # of the same moment
    assert 14 < gate.rate < 16
    gate.learn(6.1, 503, 0.01, None)
    assert 7 < gate.rate < 8


def test_the_rate_has_a_ceiling_and_a_floor() -> None:
    gate = Gate("x", Pace(most=30, start=20, least=2, settle_seconds=0))
    answers(gate, 1000)
    assert gate.rate == 30
    for number in range(50):
        gate.learn(200 + number, 502, 0.01, None)
    assert gate.rate == 2


def test_a_rise_of_latency_counts_as_suffering_and_one_slow_page_does_not() -> None:
    gate = Gate("x", Pace(most=50, start=50))
    answers(gate, 20, seconds=0.05)
    assert gate.baseline_seconds == pytest.approx(0.05)
    gate.learn(200, 200, 9.0, None)
    answers(gate, 20, seconds=0.05)
    assert gate.rate == 50
    answers(gate, 20, seconds=0.4)
    assert gate.rate == 25


def test_some_500s_are_findings_and_many_are_suffering() -> None:
    gate = Gate("x", Pace(most=50, start=50))
    for number in range(200):
        gate.learn(number / 50, 500 if number % 4 == 0 else 200, 0.01, None)
    assert gate.rate == 50
    answers(gate, 20, status=500)
    assert gate.rate == 25


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from([200, 404, 429, 500, 503]), st.floats(0, 5)), max_size=60))
def test_a_gate_never_lets_through_more_than_its_ceiling(events: list[tuple[float, int, float]]) -> None:
    pace = Pace(most=20, start=20)
    gate, moment, sent = Gate("x", pace), 0.0, list[float]()
    for step, status, seconds in events:
        moment += step
        while gate.take(moment):
            sent.append(moment)
        gate.learn(moment, status, seconds, None)
        assert pace.least <= gate.rate <= pace.most
    for first in sent:
        within = [other for other in sent if first <= other < first + 1]
        assert len(within) <= 20 * 1.1 + 2


def test_retry_after_is_bounded() -> None:
    gate = Gate("x", Pace(retry_after_seconds=10))
    gate.learn(100, 503, 0.01, 1e9)
    assert gate.wait_seconds(100) == 10
