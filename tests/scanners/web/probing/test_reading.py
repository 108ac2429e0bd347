"""Where pages lead, which forms they have, what is private in them, and whether sessions can be guessed."""

import secrets

import pytest

from scanners.web.active.predictable_session import weakness_of
from scanners.web.probing.documents import with_entity
from scanners.web.probing.leading import host_of, leads_to
from scanners.web.probing.page_forms import forms_in
from scanners.web.probing.private import private_in
from tests.scanners.web.probing.performing import HTML, page


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        ("https://evil.example/", "evil.example"),
        ("//evil.example", "evil.example"),
        ("/\\evil.example/", "evil.example"),
        ("\\\\evil.example/", "evil.example"),
        ("https:evil.example", "evil.example"),
        ("https:///evil.example", "evil.example"),
        ("/\t/evil.example/", "evil.example"),
        ("HTTP://EVIL.example:8080/x", "evil.example"),
        ("http://own.test@evil.example/", "evil.example"),
        ("http://own.test.evil.example/", "own.test.evil.example"),
        ("/evil.example", ""),
        ("evil.example", ""),
        ("?next=https://evil.example", ""),
        ("javascript:alert(1)", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_the_host_that_a_browser_goes_to(reference: str, host: str) -> None:
    assert host_of(reference) == host


@pytest.mark.parametrize(
    ("body", "status", "headers", "led"),
    [
        ("", 302, (("Location", "//a.example"),), ["//a.example"]),
        ("", 201, (("Location", "//a.example"),), []),
        ("", 200, (("Refresh", "0; url=http://a.example/"),), ["http://a.example/"]),
        ("<meta http-equiv=refresh content='0;url=http://a.example/'>", 200, HTML, ["http://a.example/"]),
        ('<META content="5; URL=\'/b\'" http-equiv="Refresh">', 200, HTML, ["/b"]),
        ("<script>location = 'http://a.example/'</script>", 200, HTML, ["http://a.example/"]),
        ('<script>window.location.replace("\\x2f/a.example")</script>', 200, HTML, ["//a.example"]),
        ("<script>var a = 'location = \"http://a.example\"'</script>", 200, HTML, []),
        ("<script>// location = 'http://a.example/'</script>", 200, HTML, []),
        ("location = 'http://a.example/'", 200, (("Content-Type", "text/plain"),), []),
        ("<a href=//a.example>", 200, HTML, []),
    ],
)
def test_where_a_page_leads(body: str, status: int, headers: tuple[tuple[str, str], ...], led: list[str]) -> None:
    assert [where for _, where in leads_to(page(body, status, headers))] == led


def test_forms_with_and_without_tokens() -> None:
    first, second, third = forms_in(
        "<form action=/save method=post><input name=a><input type=hidden name=csrf_token value=k></form>"
        "<form method=post><input type=hidden name=v value=Zm9vYmFyMTIzNDU2Nzg5><textarea name=b></textarea></form>"
        "<form action='?x=1' method=post><input name=u><input name=p type=password></form>",
        "/here?y=2",
    )
    assert first.path == "/save" and first.token and first.token.name == "csrf_token"
    assert second.path == "/here?y=2" and second.token and second.token.name == "v"
    assert third.path == "/here?x=1" and third.token is None and third.logs_in


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("id 11010519491231002X.", "110105********002X"),
        ("id 110105194912310021", ""),
        ("tel 13812345678", "138****5678"),
        ("order 2138123456789", ""),
        ("1.3812345678", ""),
        ('{"password": "k3Vz8q"}', "password"),
        ('{"password": "******"}', ""),
        ('{"password": ""}', ""),
    ],
)
def test_what_is_private(text: str, private: str) -> None:
    assert private_in(text) == private


@pytest.mark.parametrize(
    "values",
    [
        ["70001", "70002", "70003", "70004"],
        ["70001", "70009", "70010", "70040"],
        ["18f3a1b2c01", "18f3a1b2c20", "18f3a1b2d07", "18f3a1b2e11"],
        ["1234", "8431", "1111", "9009"],
        ["ab12cd", "zz91kq", "pp00aa", "q1w2e3"],
    ],
)
def test_sessions_that_can_be_guessed(values: list[str]) -> None:
    assert weakness_of(values)


@pytest.mark.parametrize("draw", [lambda: secrets.token_hex(16), lambda: secrets.token_urlsafe(16), lambda: "same"])
def test_sessions_that_cannot(draw) -> None:
    assert weakness_of([draw() for _ in range(6)]) is None


@pytest.mark.parametrize(
    ("document", "inner"),
    [
        ("<a><b>x</b></a>", "<a><b>&jd;</b></a>"),
        ('<?xml version="1.0" encoding="utf-8"?>\n<a>x</a>', "<a>&jd;</a>"),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "<a>&jd;</a>"),
        ("<a/>", "<a>&jd;</a>"),
        ("", "<r>&jd;</r>"),
    ],
)
def test_an_entity_stands_in_the_first_text(document: str, inner: str) -> None:
    made = with_entity(document, "file:///x")
    assert made.endswith(inner) and made.count("<!DOCTYPE") == 1 and 'SYSTEM "file:///x"' in made
