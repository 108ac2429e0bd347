"""Pages shown in a real Chromium: what their scripts make and ask for is found."""

import asyncio
import shutil
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from werkzeug.serving import make_server

from scanners.audit import AuditLog
from scanners.scope import Guard, scope_of
from scanners.web.browser.rendering import open_browser
from scanners.web.client import Client
from scanners.web.crawl.crawl import crawl
from scanners.web.crawl.lead import Lead, Reading, Source
from scanners.web.crawl.plan import Crawled, CrawlPlan, LeftOut
from scanners.web.visitor import Nobody
from secops.support.clock import from_text
from secops.support.errors import BadInput
from tests.lab.certificates import issue
from tests.lab.sites import FAST, Site, loopback_client, running_flask
from tests.scanners.web.browser.needing import needs_browser
from tests.scanners.web.browser.spa_site import spa_site

pytestmark = pytest.mark.slow


def crawled_in_browser(app: Flask, path: str = "/", **plan: Any) -> tuple[Crawled, Site]:
    async def story(url: str) -> Crawled:
        async with loopback_client() as client, open_browser(client) as browser:
            return await crawl(client, CrawlPlan((url + path,), **plan), browser=browser)

    with running_flask(app) as site:
        return asyncio.run(story(site.url)), site


def places(crawled: Crawled, site: Site) -> set[str]:
    return {f"{entry.lead.method} {entry.lead.url.removeprefix(site.url)}" for entry in crawled.entries}


def shown(app: Flask, *paths: str) -> tuple[list[Reading | None], Site]:
    async def story(url: str) -> list[Reading | None]:
        async with loopback_client() as client, open_browser(client) as browser:
            return [await browser.render(Lead(url + path, Source.SEED), Nobody()) for path in paths]

    with running_flask(app) as site:
        return asyncio.run(story(site.url)), site


def page(app: Flask, path: str, html: str) -> None:
    app.add_url_rule(path, path, lambda: html)


def paths_of(reading: Reading | None, site: Site) -> set[str]:
    assert reading
    return {lead.url.removeprefix(site.url) for lead in reading.leads}


@needs_browser
def test_a_single_page_application_is_crawled() -> None:
    app, seen = spa_site()
    crawled, site = crawled_in_browser(app)
    assert {
        "GET /made/by/script?id=1",
        "GET /tiles?kind=round",
        "GET /api/v1/menu",
        "GET /api/v1/more?page=2&size=20",
        "GET /api/v1/orders?state=open",
        "POST /api/v1/orders",
        "POST /api/v1/login",
    } <= places(crawled, site)
    assert seen.posted == [], "the crawl only reads"
    assert not [line for line in site.asked if "logout" in line]
    by_place = {(entry.lead.method, entry.lead.url.removeprefix(site.url)): entry for entry in crawled.entries}
    orders = by_place["POST", "/api/v1/orders"]
    assert {("title", "json"), ("amount", "json"), ("x-order-key", "header")} <= set(orders.parameters)
    assert by_place["POST", "/api/v1/login"].lead.needs_care
    tile = by_place["GET", "/tiles?kind=round"]
    assert "x-city-tenant" in tile.learned.headers, "learned from captured requests"
    assert "theme-choice" in tile.learned.cookies
    assert not crawled.left_out.get(LeftOut.UNSEEN)


@needs_browser
def test_a_crawl_that_submits_sends_calls_but_no_passwords() -> None:
    app, seen = spa_site()
    crawled_in_browser(app, submits=True)
    assert set(seen.posted) == {"orders"}


@needs_browser
def test_the_same_site_gives_the_same_crawl() -> None:
    first, second = (crawled_in_browser(spa_site()[0]) for _ in range(2))
    assert places(*first) == places(*second)


@needs_browser
def test_pages_whose_dom_grows_are_found_among_many_links() -> None:
    app = Flask("classic")
    links = "".join(f"<a href=/static/{number}>x</a>" for number in range(6))
    page(
        app, "/", f"{links}<script>document.body.insertAdjacentHTML('beforeend', '<a href=/gr' + 'own>x</a>')</script>"
    )
    app.add_url_rule("/static/<int:number>", "s", lambda number: f"{links}<script>var a = 1</script>")
    page(app, "/grown", "<p>x")
    crawled, site = crawled_in_browser(app)
    assert "GET /grown" in places(crawled, site)
    shown_in_browser = sum(site.asked.count(f"GET /static/{number}") == 2 for number in range(6))
    assert shown_in_browser == 6, "one wave has them all"
    more, site = crawled_in_browser(app_with_many_alike(links))
    assert sum(line.startswith("GET /news/") for line in site.asked) < 2 * 40
    assert more.entries


def app_with_many_alike(links: str) -> Flask:
    app = Flask("alike")
    page(app, "/", links.replace("/static/", "/news/"))
    app.add_url_rule(
        "/news/<int:n>", "n", lambda n: f"{n}{links.replace('/static/', f'/news/{n}')}<script>var a</script>"
    )
    return app


@needs_browser
def test_what_pages_do_to_hold_somebody_up() -> None:
    """Dialogs, pop-ups, downloads, timers, polling, growth without end: shown in bounded time, and seen."""
    app = Flask("pushy")
    page(app, "/dialogs", "<script>alert(1);confirm(2);prompt(3);onbeforeunload=()=>'x';fetch('/aft' + 'er')</script>")
    page(app, "/popups", "<script>for (let i = 0; i < 300; i++) window.open('/pop' + 'up?n=' + i)</script>")
    page(app, "/download", "<a id=d href=/file download>x</a><script>d.click();fetch('/aft' + 'er2')</script>")
    page(app, "/late", "<script>setTimeout(() => document.body.innerHTML = '<a href=/la' + 'ter>x</a>', 300)</script>")
    page(app, "/polls", "<script>setInterval(() => fetch('/po' + 'll'), 20)</script>")
    page(
        app,
        "/grows",
        "<div id=a></div><script>let n = 0; setInterval(() => {fetch('/pa' + 'ge?n=' + n);"
        "a.insertAdjacentHTML('beforeend', '<a href=/n/' + n++ + '>x</a>')}, 10)</script>",
    )
    app.add_url_rule(
        "/file", "file", lambda: Response("x", headers={"Content-Disposition": "attachment; filename=x.bin"})
    )
    app.add_url_rule("/<path:_any>", "any", lambda _any: "{}")
    (dialogs, popups, download, late, polls, grows), site = shown(
        app, "/dialogs", "/popups", "/download", "/late", "/polls", "/grows"
    )
    assert "/after" in paths_of(dialogs, site)
    assert "/popup?n=7" in paths_of(popups, site)
    assert {"/file", "/after2"} <= paths_of(download, site)
    assert "/later" in paths_of(late, site)
    assert "/poll" in paths_of(polls, site)
    assert {"/n/1", "/page?n=1"} <= paths_of(grows, site)
    assert site.asked.count("GET /poll") <= 3
    assert not any("popup?" in line for line in site.asked)
    assert sum("/page" in line for line in site.asked) <= 300


@needs_browser
def test_what_stands_in_shadow_trees_and_frames_is_seen() -> None:
    app = Flask("trees")
    page(
        app,
        "/",
        "<div id=h></div><script>h.attachShadow({mode: 'open'}).innerHTML = '<a href=/sha' + 'dow>x</a>';"
        "document.body.append(Object.assign(document.createElement('iframe'), {src: '/fra' + 'me?a=1'}))</script>",
    )
    page(app, "/frame", "<script>fetch('/from' + '-frame')</script>")
    (reading,), site = shown(app, "/")
    assert {"/shadow", "/frame?a=1", "/from-frame"} <= paths_of(reading, site)


@needs_browser
def test_scripts_cannot_deceive_the_look_at_their_page() -> None:
    app = Flask("liar")
    page(
        app,
        "/",
        "<a href=/here>x</a><script>Object.defineProperty(Element.prototype, 'outerHTML', {get: () => ''});"
        "document.querySelectorAll = () => {throw 1}; Array.prototype.push = () => {throw 1};</script>",
    )
    (reading,), site = shown(app, "/")
    assert "/here" in paths_of(reading, site)
    assert reading and not reading.unseen


@needs_browser
def test_a_large_application_over_tls_is_shown_whole(tmp_path: Path) -> None:
    """Its script is larger than any page that is read; its certificate is trusted by nobody."""
    app = Flask("large")
    page(app, "/", "<meta charset=gbk><div id=app></div><script src=/large.js></script>")
    script = f"/*{'x' * 6_000_000}*/ fetch('/af' + 'ter?secure=' + isSecureContext)"
    app.add_url_rule("/large.js", "large", lambda: Response(script, content_type="text/javascript"))
    own = issue(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate_file, own.key_file)
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()

    async def story() -> Reading | None:
        async with loopback_client() as client, open_browser(client) as browser:
            lead = Lead(f"https://127.0.0.1:{server.server_port}/", Source.SEED)
            return await browser.render(lead, Nobody())

    try:
        reading = asyncio.run(story())
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert reading and not reading.unseen
    assert [lead.request.target for lead in reading.leads if lead.source is Source.CALL] == ["/after?secure=true"]


@needs_browser
def test_every_request_is_on_the_record_and_at_the_pace(tmp_path: Path) -> None:
    app, _ = spa_site()

    async def story(url: str) -> None:
        with AuditLog(tmp_path / "audit.jsonl") as audit:
            scope = scope_of(("127.0.0.0/8",), "test", from_text("2999-01-01T00:00:00Z"))
            async with Client(Guard(scope, audit=audit.record), pace=FAST) as client, open_browser(client) as browser:
                await browser.render(Lead(url + "/", Source.SEED), Nobody())

    with running_flask(app) as site:
        asyncio.run(story(site.url))
    recorded = (tmp_path / "audit.jsonl").read_text()
    assert len(site.asked) >= 5
    for line in site.asked:
        method, _, path = line.partition(" ")
        assert f'"{method} {site.url}{path}"' in recorded


def test_without_a_browser_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_name: str) -> None:
        return None

    which: Callable[[str], None] = nothing
    monkeypatch.setattr(shutil, "which", which)

    async def story() -> None:
        async with loopback_client() as client, open_browser(client):
            pass

    with pytest.raises(BadInput) as caught:
        asyncio.run(story())
    assert "apt-get install chromium" in caught.value.text.en
    assert caught.value.text.zh != caught.value.text.en


@needs_browser
def test_a_browser_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho 'FATAL: No usable sandbox!' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _name: str(broken))

    async def story() -> None:
        async with loopback_client() as client, open_browser(client):
            pass

    with pytest.raises(BadInput) as caught:
        asyncio.run(story())
    assert "could not be started" in caught.value.text.en
    assert "user namespaces" in caught.value.text.en


@needs_browser
def test_a_browser_that_died_is_started_again() -> None:
    app, _ = spa_site()

    async def story(url: str) -> tuple[Reading | None, Reading | None]:
        async with loopback_client() as client, open_browser(client) as browser:
            first = await browser.render(Lead(url + "/", Source.SEED), Nobody())
            await browser.chromium.close()
            return first, await browser.render(Lead(url + "/", Source.SEED), Nobody())

    with running_flask(app) as site:
        first, second = asyncio.run(story(site.url))
    assert first and second and first.leads == second.leads
