"""What is captured of a page's requests, and that all of them go through the scanning client or nowhere."""

import asyncio
from typing import Any

import pytest
from flask import Flask, Response, request

from scanners.web.browser.traffic import Capture, Kept, Traffic
from scanners.web.crawl.lead import Lead, Source
from scanners.web.visitor import Nobody
from tests.lab.sites import loopback_client, running_flask

PAGE = "http://site.test/app"


def test_what_is_captured() -> None:
    capture = Capture(PAGE)
    headers = {
        "x-token": "t",
        "authorization": "Bearer proof",
        "content-type": "application/json",
        "cookie": "skin=1; lang=zh",
        "user-agent": "x",
        "sec-ch-ua": "y",
    }
    lead = capture.take("POST", "http://site.test/api/orders#f", headers, b'{"item": 1}')
    assert lead and lead.url == "http://site.test/api/orders"
    assert lead.headers == (("Content-Type", "application/json"), ("x-token", "t"), ("authorization", "Bearer proof"))
    assert capture.take("GET", "data:text/html,x", {}, b"") is None
    capture.take("GET", "http://elsewhere.test/x", {"authorization": "not ours"}, b"")
    capture.take("GET", "http://site.test/app.js", {}, b"")
    reading = capture.reading("<div id=app><a href=/made/by/script>x</a></div>")
    found = {lead.url.removeprefix("http://site.test"): lead for lead in reading.leads}
    assert set(found) == {"/api/orders", "/made/by/script"}
    assert found["/api/orders"].headers == (("Content-Type", "application/json"), ("x-token", "t")), "no proof is kept"
    assert capture.authorization == "Bearer proof"
    assert {"x-token", "skin", "lang", "item"} <= set(reading.names)


def test_the_page_itself_is_no_call() -> None:
    capture = Capture(PAGE)
    capture.take("GET", PAGE, {}, b"")
    assert capture.reading("<p>x").leads == ()
    assert Lead(PAGE, Source.SEED).request.target == "/app"


def test_a_form_that_the_page_sent_is_not_told_twice() -> None:
    capture = Capture(PAGE)
    capture.take("POST", "http://site.test/send", {"content-type": "text/plain"}, b"a=1", moves=True)
    capture.take("POST", "http://site.test/made", {"content-type": "text/plain"}, b"b=1", moves=True, care=True)
    reading = capture.reading("<form action=/send method=post><input name=a></form>")
    assert [(lead.url.rpartition("/")[2], lead.needs_care) for lead in reading.leads] == [
        ("send", False),
        ("made", True),
    ]


class Frame:
    parent_frame = None


class Asked:
    """A request as Playwright shows it."""

    frame = Frame()

    def __init__(self, method: str, url: str, kind: str = "fetch", headers: dict[str, str] | None = None) -> None:
        self.method, self.url, self.resource_type, self.post_data_buffer = method, url, kind, b""
        self.headers = headers or {}

    def is_navigation_request(self) -> bool:
        return self.resource_type == "document"


class Route:
    """An intercepted request as Playwright shows it; remembers what became of it."""

    def __init__(self, asked: Asked) -> None:
        self.request = asked
        self.came: dict[str, Any] = {}

    async def abort(self, reason: str) -> None:
        self.came = {"aborted": reason}

    async def fulfill(self, **answer: Any) -> None:
        self.came = answer


def told(app: Flask, *asked: tuple[Any, ...], **manner: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """What came of each request (method, path or URL, kind, headers), and what the site was asked."""

    async def story(url: str) -> list[dict[str, Any]]:
        async with loopback_client() as client:
            traffic = Traffic(client, Nobody(), Capture(url), Kept(), **manner)
            routes = [Route(Asked(one[0], one[1] if "://" in one[1] else url + one[1], *one[2:])) for one in asked]
            for route in routes:
                await traffic.answer(route)
            return [route.came for route in routes]

    with running_flask(app) as site:
        return asyncio.run(story(site.url)), site.asked


@pytest.mark.slow
def test_every_request_of_the_browser_goes_through_the_client() -> None:
    app = Flask("app")

    @app.route("/api", methods=["GET", "POST"])
    def api() -> Response:
        answer = Response(f"{request.method} {request.headers.get('Cookie', '')} {request.headers.get('X-A', '')}")
        answer.set_cookie("one", "1")
        answer.set_cookie("two", "2")
        return answer

    (first, second, *others), sent = told(
        app,
        ("GET", "/api", "fetch", {"x-a": "yes", "cookie": "skin=1"}),
        ("GET", "/api", "fetch", {"cookie": "skin=1; one=1"}),
        ("POST", "/api"),
        ("GET", "/logout"),
        ("GET", "/a.png", "image"),
        ("GET", "http://192.0.2.1/x"),
        ("GET", "ws://127.0.0.1/x"),
    )
    assert sent == ["GET /api", "GET /api"]
    assert first["body"] == b"GET skin=1 yes"
    assert first["headers"]["set-cookie"].split("\n") == ["one=1; Path=/", "two=2; Path=/"]
    assert second["body"] == b"GET skin=1; one=1; two=2 "
    assert all(set(came) == {"aborted"} for came in others)


def going(places: dict[str, str]) -> Flask:
    """A site that leads elsewhere."""
    app = Flask("going")

    @app.get("/<place>")
    def go(place: str) -> Response:
        return Response(place, 302 if places[place] else 200, {"Location": places[place]})

    return app


@pytest.mark.slow
def test_redirects_never_get_past_us() -> None:
    places = {"near": "/end", "far": "http://192.0.2.1/", "round": "/round", "out": "/logout", "end": ""}
    (first, *later), sent = told(going(places), ("GET", "/end", "document"), *(("GET", f"/{one}") for one in places))
    assert first["body"] == b"end"
    near, far, circle, out, end = later
    assert (near["body"], end["body"]) == (b"end", b"end")
    assert all(set(came) == {"aborted"} for came in (far, circle, out))
    assert "GET /logout" not in sent
    assert sent.count("GET /round") == 3, "the same is sent three times and no more"
    (stays,), _ = told(going(places), ("GET", "/near", "document"))
    assert stays == {"status": 204}
    (goes,), _ = told(going(places), ("GET", "/far", "document"), travels=True)
    assert goes["status"] == 200 and b'location.replace("http://192.0.2.1/")' in goes["body"].encode()
    assert "location" not in goes["headers"]


@pytest.mark.slow
def test_a_page_that_wants_to_go_elsewhere_stays() -> None:
    app = Flask("app")
    app.add_url_rule("/a", "a", lambda: "a")
    app.add_url_rule("/b", "b", lambda: "b")
    (first, second), sent = told(app, ("GET", "/a", "document"), ("GET", "/b", "document"))
    assert (first["body"], second) == (b"a", {"status": 204})
    assert sent == ["GET /a"]


@pytest.mark.slow
def test_scripts_are_fetched_once_for_all_pages() -> None:
    app = Flask("app")
    app.add_url_rule("/a.js", "a", lambda: Response("1", content_type="text/javascript"))
    came, sent = told(app, *[("GET", "/a.js", "script")] * 3)
    assert {one["body"] for one in came} == {b"1"}
    assert sent == ["GET /a.js"]
