"""What passive checks say of pages."""

import pytest

from scanners.web.message import Answer, Failure, Reason, Request
from scanners.web.probing.found import passive_checks
from scanners.web.probing.page import Page
from secops.model.text import Text
from tests.scanners.web.probing.performing import HTML, page

CHECKS = passive_checks()
ALL = (
    ("Content-Type", "text/html"),
    ("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
LOGIN = "<form method=post><input name=u><input type=password name=p></form>"
CHANGE = "<form method=post action=/save?x=1><input name=email></form>"
TOKEN = "<form method=post><input name=email><input type=hidden name=_token value=k></form>"
COOKIE = (("Content-Type", "text/html"), ("Set-Cookie", "SESSIONID=abc; HttpOnly; SameSite=Lax"))
SCRIPT = '<script src="http://a.example/a.js"></script>'
LISTING = "<title>Index of /a</title><h1>Index of /a</h1><a href=../>../</a>"


@pytest.mark.parametrize(
    ("name", "url", "body", "headers", "found"),
    [
        ("page-headers", "http://h/", "x", ALL, []),
        ("page-headers", "https://h/", "x", ALL, ["strict-transport-security"]),
        ("page-headers", "http://h/", "x", ALL[:2], ["referrer-policy", "x-content-type-options"]),
        (
            "page-headers", "http://h/", "x", HTML,
            ["content-security-policy", "referrer-policy", "x-content-type-options", "x-frame-options"],
        ),
        ("page-headers", "http://h/", "x", (("Content-Type", "image/png"),), []),
        ("cookie-flags", "http://h/", "x", COOKIE, []),
        ("cookie-flags", "https://h/", "x", COOKIE, ["SESSIONID"]),
        ("cookie-flags", "http://h/", "x", (("Set-Cookie", "sid=a"), ("Set-Cookie", "lang=zh")), ["sid"]),
        ("cookie-flags", "http://h/", "x", (("Set-Cookie", "sid=; Max-Age=0"),), []),
        ("csrf-token", "http://h/", CHANGE, COOKIE, ["/save"]),
        ("csrf-token", "http://h/", CHANGE, HTML, ["/save"]),
        ("csrf-token", "http://h/", CHANGE.replace("email", "comment"), HTML, []),
        ("csrf-token", "http://h/", CHANGE.replace("email", "comment"), COOKIE, ["/save"]),
        ("csrf-token", "http://h/", TOKEN, COOKIE, []),
        ("csrf-token", "http://h/", LOGIN, COOKIE, []),
        ("csrf-token", "http://h/", CHANGE.replace("post", "get"), COOKIE, []),
        ("cache-rules", "http://h/", LOGIN, HTML, [""]),
        ("cache-rules", "http://h/", LOGIN, (*HTML, ("Cache-Control", "no-store")), []),
        ("cache-rules", "http://h/", "card 11010519491231002X", HTML, [""]),
        ("cache-rules", "http://h/", "card 11010519491231002X", (*HTML, ("Cache-Control", "private, no-cache")), []),
        ("cache-rules", "http://h/", "nothing", HTML, []),
        ("mixed-content", "https://h/", SCRIPT, HTML, [""]),
        ("mixed-content", "http://h/", SCRIPT, HTML, []),
        ("mixed-content", "https://h/", '<a href="http://a.example/">x</a>', HTML, []),
        ("mixed-content", "https://h/", SCRIPT + "<img src=http://a.example/b.png>", HTML, ["", ""]),
        ("directory-listing", "http://h/", LISTING, HTML, [""]),
        ("directory-listing", "http://h/", "<title>Index of /a</title>", HTML, []),
        ("directory-listing", "http://h/", "<p>Index of /a</p><a href=../>", HTML, []),
    ],
)  # fmt: skip
def test_a_page(name: str, url: str, body: str, headers: tuple[tuple[str, str], ...], found: list[str]) -> None:
    seen = page(body, headers=headers, request=Request("GET", "/page"))
    assert sorted(verdict.place for verdict in CHECKS[name].judge(url, seen)) == found


@pytest.mark.parametrize("name", CHECKS)
def test_an_error_page_is_not_judged_and_no_page_neither(name: str) -> None:
    gone = Page(Request("GET", "/"), Answer((), Failure(Reason.RESET, Text("断", "reset"))))
    assert CHECKS[name].judge("https://h/", gone) == []
    if name not in ("cookie-flags", "mixed-content"):
        assert CHECKS[name].judge("http://h/", page(LOGIN + CHANGE + LISTING, 404, COOKIE)) == []
