"""Pages shown in a browser: what its scripts ask for is captured, and nothing goes past the scanning client."""

import asyncio
import shutil
from importlib.util import find_spec
from typing import Any

import pytest
from flask import Flask, Response, request

from scanners.web.cookies import CookieJar
from scanners.web.crawl.crawl import crawl
from scanners.web.crawl.lead import Lead, Source
from scanners.web.crawl.plan import Crawled, CrawlPlan
from scanners.web.crawl.rendering import Browser, Capture, open_browser
from secops.support.errors import BadInput
from tests.lab.sites import loopback_client, running_flask

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(
    find_spec("playwright") is None or CHROMIUM is None, reason="Playwright or Chromium is not installed"
)
PAGE = "http://site.test/app"


def test_what_is_captured() -> None:
    capture = Capture(PAGE)
    headers = {
        "x-token": "t",
        "content-type": "application/json",
        "cookie": "skin=1; lang=zh",
        "user-agent": "x",
        "sec-ch-ua": "y",
    }
    lead = capture.take("POST", "http://site.test/api/orders#f", headers, b'{"item": 1}')
    assert lead and lead.url == "http://site.test/api/orders"
    assert lead.headers == (("Content-Type", "application/json"), ("x-token", "t"))
    assert capture.take("GET", "data:text/html,x", {}, b"") is None
    capture.take("GET", "http://elsewhere.test/x", {}, b"")
    capture.take("GET", "http://site.test/app.js", {}, b"")
    reading = capture.reading("<div id=app><a href=/made/by/script>x</a></div>")
    assert {lead.url.removeprefix("http://site.test") for lead in reading.leads} == {"/api/orders", "/made/by/script"}
    assert {"x-token", "skin", "lang"} <= set(reading.names)


class Asked:
    """A request as Playwright shows it."""

    def __init__(self, method: str, url: str, kind: str = "fetch", headers: dict[str, str] | None = None) -> None:
        self.method, self.url, self.resource_type, self.post_data_buffer = method, url, kind, b""
        self._headers = headers or {}

    async def all_headers(self) -> dict[str, str]:
        return self._headers


class Route:
    """An intercepted request as Playwright shows it; remembers what became of it."""

    def __init__(self, asked: Asked) -> None:
        self.request = asked
        self.came: dict[str, Any] = {}

    async def abort(self, reason: str) -> None:
        self.came = {"aborted": reason}

    async def fulfill(self, **answer: Any) -> None:
        self.came = answer


@pytest.mark.slow
def test_every_request_of_the_browser_goes_through_the_client() -> None:
    app = Flask("app")

    @app.route("/api", methods=["GET", "POST"])
    def api() -> Response:
        answer = Response(f"{request.method} {request.headers.get('Cookie', '')} {request.headers.get('X-A', '')}")
        answer.set_cookie("one", "1")
        answer.set_cookie("two", "2")
        return answer

    async def story(url: str) -> list[dict[str, Any]]:
        jar = CookieJar()
        async with loopback_client() as client:
            browser = Browser(client, None, jar, False, lambda _target, asked: asked)
            routes = [
                Route(Asked("GET", f"{url}/api", headers={"x-a": "yes", "cookie": "skin=1"})),
                Route(Asked("GET", f"{url}/api", headers={"cookie": "skin=1; one=1"})),
                Route(Asked("POST", f"{url}/api")),
                Route(Asked("GET", f"{url}/logout")),
                Route(Asked("GET", f"{url}/a.png", "image")),
                Route(Asked("GET", "http://192.0.2.1/x")),
                Route(Asked("GET", "ws://127.0.0.1/x")),
            ]
            for route in routes:
                await browser._answer(route, Capture(url))
            return [route.came for route in routes]

    with running_flask(app) as site:
        first, second, *others = asyncio.run(story(site.url))
        assert site.asked == ["GET /api", "GET /api"]
    assert first["body"] == b"GET skin=1 yes"
    assert first["headers"]["set-cookie"].split("\n") == ["one=1; Path=/", "two=2; Path=/"]
    assert second["body"] == b"GET skin=1; one=1; two=2 "
    assert all(set(came) == {"aborted"} for came in others)


def test_without_a_browser_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)

    async def story() -> None:
        async with loopback_client() as client, open_browser(client):
            pass

    with pytest.raises(BadInput) as caught:
        asyncio.run(story())
    assert "apt-get install chromium" in caught.value.text.en
    assert caught.value.text.zh != caught.value.text.en


SPA = """<div id=app></div><script>
document.cookie = 'skin=dark';
fetch('/api/menu', {headers: {'X-Dyn-' + 'Token': 'a'}}).then(r => r.json()).then(menu => {
  document.getElementById('app').innerHTML = menu.map(m => `<a href="${m}">m</a>`).join('');
});
fetch('http://192.0.2.1/leak'); fetch('/api/drop', {method: 'POST', body: '{}'});
</script>"""


@needs_browser
@pytest.mark.slow
def test_a_page_made_by_scripts_is_crawled() -> None:
    app = Flask("spa")
    app.add_url_rule("/", "home", lambda: SPA)
    menus = ["/dyn/" + word for word in ("one", "two")]
    app.add_url_rule("/api/menu", "menu", lambda: menus)
    app.add_url_rule("/dyn/<word>", "dyn", lambda word: word)

    async def story(url: str) -> Crawled:
        async with loopback_client() as client, open_browser(client) as browser:
            return await crawl(client, CrawlPlan((url + "/",)), browser=browser)

    with running_flask(app) as site:
        crawled = asyncio.run(story(site.url))
        assert not any(line.startswith("POST") for line in site.asked)
        found = {entry.lead.url.removeprefix(site.url): entry for entry in crawled.entries}
    assert {"/api/menu", "/dyn/one", "/dyn/two"} <= set(found)
    assert any(name == "x-dyn-token" for entry in crawled.entries for name in entry.learned.headers)


def test_the_page_itself_is_no_call() -> None:
    capture = Capture(PAGE)
    capture.take("GET", PAGE, {}, b"")
    assert capture.reading("<p>x").leads == ()
    assert Lead(PAGE, Source.SEED).request.target == "/app"
