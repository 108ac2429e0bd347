"""Requests by tables: what is written in a template, and the bytes that come of it."""

import pytest

from scanners.web.templates.building import unfilled
from scanners.web.templates.model import Refused
from scanners.web.templates.plan import Send
from scanners.web.templates.site import Site, site_of, site_variables
from secops.support.errors import BadInput
from tests.scanners.web.templates.answering import Played, block_template, play, read, response

MATCHER = "    matchers:\n    - type: status\n      status: [200]\n"


def sent_by(block: str, url: str = "http://site.test:8080", head: str = "", **given: str) -> Send:
    played = everything(block, url, head, **given)
    assert played.sent, played.outcome.unsent
    return played.sent[0]


def everything(block: str, url: str = "http://site.test:8080", head: str = "", **given: str) -> Played:
    return play(block_template(block + MATCHER, head), lambda exchange: (response(404),), site_of(url), given=given)


def raw(*lines: str, more: str = "") -> str:
    text = "".join(f"        {line}\n" for line in lines)
    return f"    raw:\n      - |\n{text}{more}"


PATHS = {
    ("{{BaseURL}}", "http://h"): ("http://h", "/"),
    ("{{BaseURL}}", "http://h/app"): ("http://h", "/app"),
    ("{{BaseURL}}/x?y=1", "http://h"): ("http://h", "/x?y=1"),
    ("{{BaseURL}}/x", "http://h/app/"): ("http://h", "/app/x"),
    ("{{BaseURL}}/x", "http://h/app"): ("http://h", "/app/x"),
    ("{{BaseURL}}?a=b", "http://h"): ("http://h", "/?a=b"),
    ("{{RootURL}}/x", "http://h/app"): ("http://h", "/x"),
    ("{{BaseURL}}/a/../%2e%2f//b;c", "http://h"): ("http://h", "/a/../%2e%2f//b;c"),
    ("{{BaseURL}}/a b\t中", "http://h"): ("http://h", "/a%20b%09%E4%B8%AD"),
    ("{{BaseURL}}/a#b", "http://h"): ("http://h", "/a"),
    ("{{BaseURL}}:8443/x", "https://h"): ("https://h:8443", "/x"),
    ("{{BaseURL}}/x", "https://[::1]:8443"): ("https://[::1]:8443", "/x"),
    ("http://{{Host}}:81/x", "http://h:80"): ("http://h:81", "/x"),
    ("http://{{Hostname}}/{{Port}}{{Scheme}}", "http://h:90/p"): ("http://h:90", "/90http"),
    ("{{BaseURL}}/{{FQDN}}.{{RDN}}.{{DN}}.{{TLD}}", "http://www.a.com.cn"): (
        "http://www.a.com.cn",
        "/www.a.com.cn.a.com.cn.a.com.cn",
    ),
    ("{{BaseURL}}/{{base64('a')}}/{{7*7}}", "http://h"): ("http://h", "/YQ==/{{7*7}}"),
}


@pytest.mark.parametrize(("written", "expected"), PATHS.items())
def test_paths(written: tuple[str, str], expected: tuple[str, str]) -> None:
    path, url = written
    exchange = sent_by(f'    path: ["{path}"]\n', url)
    assert (str(exchange.target), exchange.request.target) == expected


def test_headers_of_a_plain_request() -> None:
    exchange = sent_by(
        '    method: POST\n    path: ["{{BaseURL}}/x"]\n    headers:\n      X-One: "{{Host}}"\n    body: "a\\nb"\n'
    )
    assert exchange.request.method == "POST"
    assert exchange.request.body == b"a\r\nb"
    names = [name for name, _ in exchange.request.headers]
    assert names == ["Host", "X-One", "User-Agent", "Accept", "Accept-Language", "Accept-Encoding"]
    assert dict(exchange.request.headers)["X-One"] == "site.test"
    assert dict(exchange.request.headers)["Host"] == "site.test:8080"


RAW_PATHS = {
    ("GET /x HTTP/1.1", "http://h"): "/x",
    ("GET /x HTTP/1.1", "http://h/app"): "/app/x",
    ("GET / HTTP/1.1", "http://h/app"): "/app",
    ("GET / HTTP/1.1", "http://h"): "/",
    ("GET HTTP/1.1", "http://h/app"): "/app",
    ("GET ?a=b HTTP/1.1", "http://h/test/"): "/test/?a=b",
    ("GET ?a=b HTTP/1.1", "http://h"): "/?a=b",
    ("GET x HTTP/1.1", "http://h/app/"): "/app/x",
    ("GET http://other/x?y HTTP/1.1", "http://h/app"): "/app/x?y",
    ("GET /a/..%2f//../b HTTP/1.1", "http://h"): "/a/..%2f//../b",
    ("GET {{BaseURL}}/x HTTP/1.1", "http://h"): "/x",
}


@pytest.mark.parametrize(("written", "expected"), RAW_PATHS.items())
def test_raw_paths(written: tuple[str, str], expected: str) -> None:
    line, url = written
    assert sent_by(raw(line, "Host: {{Hostname}}"), url).request.target == expected


def test_raw_path_without_that_of_the_site() -> None:
    exchange = sent_by(raw("GET /x HTTP/1.1", more="    disable-path-automerge: true\n"), "http://h/app")
    assert exchange.request.target == "/x"


def test_raw_request() -> None:
    exchange = sent_by(
        raw(
            "POST /login HTTP/1.1",
            "Host: {{Hostname}}",
            "content-TYPE:  application/x-www-form-urlencoded",
            "Content-Length: 999",
            "Connection: close",
            "no colon here",
            "",
            "user={{user}}&b=1",
        ),
        user="me",
    )
    assert exchange.request.body == b"user=me&b=1"
    assert exchange.request.headers[:2] == (
        ("Host", "site.test:8080"),
        ("content-TYPE", "application/x-www-form-urlencoded"),
    )
    names = {name.lower() for name, _ in exchange.request.headers}
    assert not names & {"content-length", "connection", "no colon here"}
    assert "user-agent" in names and exchange.request.raw is None


def test_the_body_of_a_multipart_request_keeps_its_last_line_end() -> None:
    lines = ("POST / HTTP/1.1", "Content-Type: multipart/form-data; boundary=x", "", "--x", "a", "--x--")
    assert sent_by(raw(*lines)).request.body == b"--x\r\na\r\n--x--\r\n"
    assert sent_by(raw("POST / HTTP/1.1", "", "a", "b")).request.body == b"a\r\nb"


def test_a_request_without_host_gets_that_of_the_site() -> None:
    assert sent_by(raw("GET / HTTP/1.1", "X: y")).request.headers[0] == ("Host", "site.test:8080")
    other = sent_by(raw("GET / HTTP/1.1", "Host: elsewhere.test"))
    assert other.request.headers[0] == ("Host", "elsewhere.test")
    assert str(other.target) == "http://site.test:8080"


def test_unsafe_requests_go_out_byte_for_byte() -> None:
    exchange = sent_by(
        raw("GET /x HTTP/1.1", "Host: {{Hostname}}", "Foo : bar", " folded", "", "0", "", more="    unsafe: true\n"),
        "http://h/app",
    )
    assert exchange.request.raw == b"GET /app/x HTTP/1.1\r\nHost: h\r\nFoo : bar\r\n folded\r\n\r\n0\r\n"
    assert exchange.cookies is False


def test_an_unsafe_request_without_end_is_ended() -> None:
    exchange = sent_by(raw("@timeout: 5s", "GET nowhere HTTP/1.1", "Host: x", more="    unsafe: true\n"))
    assert exchange.request.raw == b"GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    assert exchange.timeout_seconds == 5


ANNOTATIONS = {
    "@timeout: 10s": ("http://site.test:8080", 10.0, ""),
    "@timeout: 1m30s": ("http://site.test:8080", 90.0, ""),
    "@timeout: 500ms": ("http://site.test:8080", 0.5, ""),
    "@timeout: 9h": ("http://site.test:8080", 120.0, ""),
    "@timeout: soon": ("http://site.test:8080", None, ""),
    "@Host: {{Host}}:9000": ("http://site.test:9000", None, ""),
    "@Host: https://{{Host}}:9443": ("https://site.test:9443", None, ""),
    "@Host: https://{{Host}}": ("https://site.test:8080", None, ""),
    "@tls-sni: request.host": ("http://site.test:8080", None, "inner.test"),
    "@tls-sni: name.test": ("http://site.test:8080", None, "name.test"),
    "@tls-sni: .no name": ("http://site.test:8080", None, ""),
}


@pytest.mark.parametrize(("line", "expected"), ANNOTATIONS.items())
def test_annotations(line: str, expected: tuple[str, float | None, str]) -> None:
    exchange = sent_by(raw(line, "GET / HTTP/1.1", "Host: inner.test"))
    assert (str(exchange.target), exchange.timeout_seconds, exchange.server_name) == expected


@pytest.mark.parametrize(
    ("first", "status", "seconds"),
    [
        ("GET / HTTP/1.1", 200, 0),
        ("GET /start HTTP/1.1", 200, 5),
        ("GET /start HTTP/1.1", 404, 0),
        ("POST / HTTP/1.1", 405, 0),
        ("POST / HTTP/1.1", 500, 5),
        ("POST / HTTP/1.1", 0, 5),
    ],
)
def test_a_pause_before_a_request(first: str, status: int, seconds: float) -> None:
    """It is kept unless nothing can have been set going by what was sent before."""
    block = f'    raw:\n      - "{first}\\nHost: h\\n"\n      - "GET /?x={{{{wait_for(5)}}}} HTTP/1.1\\nHost: h\\n"\n'
    answers = (response(status),) if status else ()
    *_, exchange = play(block_template(block), lambda exchange: answers, site_of("http://site.test:8080")).sent
    assert exchange.request.target == "/?x=true"
    assert exchange.wait_seconds == seconds


def test_a_placeholder_without_value_stops_the_block_and_is_reported() -> None:
    block = '    path: ["{{BaseURL}}/{{gone}}", "{{BaseURL}}/next"]\n'
    played = everything(block)
    assert played.sent == []
    assert [(one.step, one.because) for one in played.outcome.unsent] == [(1, "no value for gone")]
    checked = everything(block + "    skip-variables-check: true\n")
    assert checked.lines == ["GET /{{gone}}", "GET /next"]


UNFILLED = {
    b"plain": [],
    b"{{7*7}} {{ 7-1 }}": [],
    b"{{'a'}}": [],
    b"{{name}}": ["name"],
    b"%7b%7Bname%7D%7d": ["name"],
    b"{{a}}{{b}}": ["a", "b"],
    b'{"a":{"b":1}}': [],
}


@pytest.mark.parametrize(("text", "names"), UNFILLED.items())
def test_what_counts_as_unfilled(text: bytes, names: list[str]) -> None:
    assert unfilled(text) == names


def test_variables_of_the_template() -> None:
    head = 'variables:\n  one: "{{rand_base(6)}}"\n  two: "{{one}}-{{to_upper(one)}}"\n  Host: mine\n'
    block = '    path: ["{{BaseURL}}/{{one}}/{{two}}/{{Host}}", "{{BaseURL}}/{{one}}"]\n'
    first, second = everything(block, head=head).sent
    _, one, two, host = first.request.target.split("/")
    assert two == f"{one}-{one.upper()}" and host == "mine" and len(one) == 6
    assert second.request.target == f"/{one}"


def test_random_words_last_for_a_run_and_repeat_with_the_seed() -> None:
    template = block_template(
        '    path: ["{{BaseURL}}/{{randstr}}/{{randstr_1}}", "{{BaseURL}}/{{randstr}}"]\n' + MATCHER
    )
    lines = [play(template, lambda exchange: (response(404),), seed=seed).lines for seed in ("a", "a", "b")]
    assert lines[0] == lines[1] != lines[2]
    first, other = lines[0][0].split("/")[1:]
    assert first != other and lines[0][1] == f"GET /{first}"


PAYLOADS = {
    "pitchfork": ["/1-x", "/2-y"],
    "clusterbomb": ["/1-x", "/2-x", "/1-y", "/2-y", "/1-z", "/2-z"],
}


def test_one_payload_needs_no_attack() -> None:
    block = '    path: ["{{BaseURL}}/{{a}}/{{a}}"]\n    payloads:\n      a: [x, y]\n      unused: [z]\n'
    assert everything(block).lines == ["GET /x/x", "GET /y/y"]


@pytest.mark.parametrize(("attack", "targets"), PAYLOADS.items())
def test_attacks(attack: str, targets: list[str]) -> None:
    block = (
        '    path: ["{{BaseURL}}/{{a}}-{{b}}"]\n'
        f"    attack: {attack}\n    payloads:\n      a: ['1', '2']\n      b: [x, y, z]\n"
    )
    assert [one.request.target for one in everything(block).sent] == targets


def test_payloads_are_filled_in_and_files_are_read() -> None:
    text = (
        "id: made\ninfo:\n  name: Made\n  severity: low\nhttp:\n  - payloads:\n      file: lists/words.txt\n"
        '      unused: [x]\n    path: ["{{BaseURL}}/{{file}}"]\n' + MATCHER
    )
    found = read(text, files={"lists/words.txt": b"one\r\n\r\n{{Host}}\n"})
    assert not isinstance(found, Refused) and found is not None
    played = play(found, lambda exchange: (response(404),))
    assert played.lines == ["GET /one", "GET /site.test"]


def test_steps_marked_once_are_sent_for_the_first_payload_only() -> None:
    block = (
        "    raw:\n      - |\n        @once\n        GET /start HTTP/1.1\n\n      - |\n        GET /{{a}} HTTP/1.1\n\n"
        "    payloads:\n      a: ['1', '2']\n"
    )
    assert everything(block).lines == ["GET /start", "GET /1", "GET /2"]


def test_the_site_and_its_variables() -> None:
    site = site_of("HTTPS://WWW.Site.test:443/a/b.php?x=y#z")
    assert str(site) == "https://www.site.test/a/b.php"
    values = site_variables(site, cut_slash=False)
    assert {name: values[name] for name in ("Hostname", "Host", "Port", "Path", "File", "SD")} == {
        "Hostname": b"www.site.test", "Host": b"www.site.test", "Port": b"443", "Path": b"/a", "File": b"b.php", "SD": b"www",
    }  # fmt: skip
    assert site_of("http://h/") == Site(site_of("http://h").target, "")
    for bad in ("ftp://h", "h", "http://", "http://h:99999", "http://[::1"):
        with pytest.raises(BadInput):
            site_of(bad)
