"""What every check of web pages promises, asked of every one that is found."""

import html
import inspect
import random
import re
from collections.abc import Callable
from urllib.parse import unquote_plus

import pytest

from scanners.web.finding_points import Learned, points_of
from scanners.web.message import Answer, Failure, Reason, Request
from scanners.web.probing.check import PageCheck, PointCheck
from scanners.web.probing.driver import MOST_REQUESTS as MOST_OF_ALL
from scanners.web.probing.found import page_checks, passive_checks, point_checks
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Session
from scanners.web.probing.weakness import WebCheck, WebClass
from secops.model.finding import Severity
from secops.model.text import Text
from tests.scanners.web.probing.performing import TARGET, Baited, answered, performed, trial

POINT_CHECKS, PAGE_CHECKS = point_checks(), page_checks()
EVERY: dict[str, WebCheck] = {**POINT_CHECKS, **PAGE_CHECKS, **passive_checks()}
MOST_REQUESTS = 45
"""For one check at one point where nothing is wrong."""
FORM = (("Content-Type", "application/x-www-form-urlencoded"), ("Cookie", "sid=a1b2c3d4e5f6"))
MULTIPART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\nContent-Type: image/png\r\n\r\nx\r\n--b--\r\n'
REQUESTS = {
    "query": Request("GET", "/a/12/?id=7&name=li"),
    "form": Request("POST", "/login", FORM, b"username=li&password=x&xml=%3Ca%3Ex%3C%2Fa%3E&state=YToxOnt9AAA%3D"),
    "json": Request("POST", "/api", (("Content-Type", "application/json"),), b'{"name": "li", "n": 3}'),
    "xml": Request("POST", "/xml", (("Content-Type", "text/xml"),), b"<a>x</a>"),
    "file": Request("POST", "/up", (("Content-Type", "multipart/form-data; boundary=b"),), MULTIPART),
}
CHANCE = random.Random(5)
Site = Callable[[Request], Answer]


def _all_of(request: Request) -> str:
    return unquote_plus(request.target) + str(request.headers) + unquote_plus(request.body.decode("latin-1"))


def fails(request: Request) -> Answer:
    return Answer((), Failure(Reason.TIMED_OUT, Text("超时", "timed out")))


def always_the_same(request: Request) -> Answer:
    return answered(request, "<html><body><p>Welcome</p></body></html>")


def never_the_same(request: Request) -> Answer:
    return answered(request, f"<p>{CHANCE.random()} {CHANCE.random()}</p>", seconds=CHANCE.random() * 2)


def shows_what_it_is_given(request: Request) -> Answer:
    return answered(request, f"<p>You asked {html.escape(_all_of(request))}</p>")


def refuses_odd_things(request: Request) -> Answer:
    odd = re.search(r"['\"<>;|$`(){}]|\.\./|etc/|http", _all_of(request).split("('Content-Type'")[0])
    return answered(request, "<h1>Request blocked</h1>" if odd else "<p>Welcome</p>", 403 if odd else 200)


def breaks(request: Request) -> Answer:
    return answered(request, "<h1>Internal Server Error</h1>", 500)


def sends_to_its_login(request: Request) -> Answer:
    return answered(request, "", 302, (("Location", "/login?next=" + request.target[:20]),))


def is_garbage(request: Request) -> Answer:
    return answered(request, CHANCE.randbytes(300), 200, (("Content-Type", "text/html; charset=gb2312"),))


HARMLESS: list[Site] = [
    fails, always_the_same, never_the_same, shows_what_it_is_given, refuses_odd_things, breaks, sends_to_its_login, is_garbage,
]  # fmt: skip


@pytest.mark.parametrize("check", EVERY.values(), ids=EVERY)
def test_a_check_introduces_itself(check: WebCheck) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", check.name)
    for text in (check.title, check.mend):
        assert re.search("[\u4e00-\u9fff]", text.zh) and text.en and not re.search("[\u4e00-\u9fff]", text.en)
    assert isinstance(check.weakness, WebClass) and isinstance(check.severity, Severity) and check.cwe > 0
    assert check.clauses and all(re.fullmatch(r"8(\.\d+){3} [a-g]", clause) for clause in check.clauses)
    assert type(check).__doc__ and inspect.getmodule(type(check)).__doc__  # type: ignore[union-attr]
    assert set(check.unless_found) <= set(EVERY) and check.name not in check.unless_found


def test_names_are_unique_over_all_kinds() -> None:
    assert len(EVERY) == len(POINT_CHECKS) + len(PAGE_CHECKS) + len(passive_checks())


@pytest.mark.parametrize("site", HARMLESS, ids=lambda site: site.__name__)
@pytest.mark.parametrize("check", POINT_CHECKS.values(), ids=POINT_CHECKS)
def test_a_harmless_site_has_nothing_at_any_point(check: PointCheck, site: Site) -> None:
    CHANCE.seed(f"{check.name} {site.__name__}")
    for request in REQUESTS.values():
        page = Page(request, site(request))
        for point in points_of(TARGET, request, learned=Learned()):
            if not check.fits(point):
                continue
            asked: list[Ask] = []
            baits = Baited()
            done = performed(
                check.probe(point, page, trial(check.name, baits=baits)), site, listener=baits, asked=asked
            )
            assert done.verdict is None, (point.parameter, done.verdict)
            most = MOST_OF_ALL if site in (never_the_same, is_garbage) else MOST_REQUESTS
            assert len(asked) <= most, (point.parameter, len(asked))


@pytest.mark.parametrize("site", HARMLESS, ids=lambda site: site.__name__)
@pytest.mark.parametrize("check", PAGE_CHECKS.values(), ids=PAGE_CHECKS)
def test_a_harmless_site_has_nothing_on_any_page(check: PageCheck, site: Site) -> None:
    CHANCE.seed(f"{check.name} {site.__name__}")
    for request in REQUESTS.values():
        page = Page(request, site(request))
        baits = Baited()
        more = {
            "sessions": frozenset(Session),
            "identity": ("Welcome",),
            "views": (Request("GET", "/"),),
            "baits": baits,
        }
        asked: list[Ask] = []
        done = (
            performed(check.probe(page, trial(check.name, **more)), site, listener=baits, asked=asked)
            if check.fits(request, page)
            else None
        )
        assert done is None or done.verdict is None, (request.target, done)
        assert len(asked) <= MOST_REQUESTS


@pytest.mark.parametrize("check", POINT_CHECKS.values(), ids=POINT_CHECKS)
def test_the_same_seed_sends_the_same_requests(check: PointCheck) -> None:
    def sent() -> list[Request]:
        asked: list[Ask] = []
        request = REQUESTS["query"]
        point = points_of(TARGET, request)[0]
        if check.fits(point):
            page = Page(request, shows_what_it_is_given(request))
            performed(check.probe(point, page, trial(check.name)), shows_what_it_is_given, asked=asked)
        return [ask.request for ask in asked]

    assert sent() == sent()
