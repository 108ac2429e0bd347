"""Pages that want the browser to go elsewhere, to hold on for ever, or to eat all memory."""

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest
from flask import Flask, Response

from scanners.scope import Guard, scope_of
from scanners.web.browser import chromium
from scanners.web.browser.rendering import open_browser
from scanners.web.client import Client
from scanners.web.crawl.crawl import crawl
from scanners.web.crawl.lead import Lead, Reading, Source
from scanners.web.crawl.plan import Crawled, CrawlPlan, LeftOut
from scanners.web.visitor import Nobody
from secops.support.clock import from_text
from tests.lab.sites import FAST, Site, running_flask
from tests.scanners.web.browser.needing import needs_browser
from tests.scanners.web.browser.outside import Outside, watched_outside
from tests.scanners.web.browser.sockets import children_of, observed_sockets, sockets_of

pytestmark = [pytest.mark.slow, needs_browser]
_FILL = "<a href=/inside>x</a>"


def client_for(site: Site) -> Client:
    """One that may talk to the port of the site, and to no other."""
    port = int(site.url.rpartition(":")[2])
    scope = scope_of(("127.0.0.0/8", "::1/128"), "test", from_text("2999-01-01T00:00:00Z"), frozenset({port}))
    return Client(Guard(scope), pace=FAST)


def page(app: Flask, path: str, html: str) -> None:
    app.add_url_rule(path, path, lambda: html)


def shown(site: Site, *paths: str) -> list[Reading | None]:
    async def story() -> list[Reading | None]:
        async with client_for(site) as client, open_browser(client) as browser:
            leads = [Lead(site.url + path, Source.SEED) for path in paths]
            return await asyncio.gather(*(browser.render(lead, Nobody()) for lead in leads))

    return asyncio.run(story())


def ways_out(outside: Outside) -> dict[str, str]:
    """Pages by path, each with another way to leave."""
    there, host = f"http://127.0.0.1:{outside.tcp}", f"127.0.0.1:{outside.tcp}"
    return {
        "/moves": f"<script>location = '{there}/moved'</script>",
        "/refresh": f"<meta http-equiv=refresh content='0; url={there}/refreshed'>",
        "/frames": f"<iframe src='{there}/framed'></iframe><object data='{there}/o'></object><embed src='{there}/e'>",
        "/opens": f"<script>for (let i = 0; i < 500; i++) open('{there}/opened?' + i)</script>",
        "/posts": f"<form id=f method=post action='{there}/form'><input name=a></form><script>f.submit()</script>",
        "/loads": f"<script src='{there}/s.js'></script><link rel=stylesheet href='{there}/s.css'><img src='{there}/i'>"
        f"<video src='{there}/v'></video><style>@import '{there}/c'; @font-face {{font-family: x; src: url({there}/f)}}"
        "p {font-family: x}</style><p>x",
        "/hints": "".join(
            f"<link rel={rel} href='{there}/{rel}' as=script>"
            for rel in ("prefetch", "preload", "preconnect", "dns-prefetch", "modulepreload", "prerender", "icon")
        )
        + f"<link rel=dns-prefetch href=//outside.test><script type=speculationrules>{{'prefetch': [{{'source': 'list', "
        f"'urls': ['{there}/spec']}}]}}</script>".replace("'", '"'),
        "/calls": f"<script>fetch('{there}/fetch', {{mode: 'no-cors'}}); navigator.sendBeacon('{there}/beacon', 'x');"
        f"const x = new XMLHttpRequest(); x.open('PUT', '{there}/xhr'); x.send('1'); new EventSource('{there}/events');"
        f"fetch('/leads-away').catch(() => 0); fetch('http://outside.test/').catch(() => 0)</script><a id=a "
        f"href=/here ping='{there}/ping'>x</a><script>a.click()</script>",
        "/sockets": f"<script>new WebSocket('ws://{host}/'); try {{new WebTransport('https://{host}/')}} catch {{}}"
        f"const p = new RTCPeerConnection({{iceServers: [{{urls: 'stun:127.0.0.1:{outside.udp}'}}, {{urls: "
        f"'turn:{host}?transport=tcp', username: 'a', credential: 'b'}}]}}); p.createDataChannel('x');"
        "p.createOffer().then(o => p.setLocalDescription(o))</script>",
        "/workers": f"<script>const code = `fetch('{there}/worker', {{mode: 'no-cors'}}); new WebSocket('ws://{host}/w');"
        f"try {{importScripts('{there}/imported')}} catch {{}}`; const u = URL.createObjectURL(new Blob([code]));"
        "new Worker(u); new SharedWorker(u); navigator.serviceWorker && navigator.serviceWorker.register('/sw.js')"
        ".catch(() => 0)</script>",
        "/policy": f"<script>new ReportingObserver(() => 0).observe()</script><iframe csp=\"default-src 'none'; report-uri "
        f"{there}/report\" srcdoc='<script src={there}/blocked></script>'></iframe>",
    }


def leading_away(outside: Outside) -> tuple[Flask, list[str]]:
    app = Flask("away")
    ways = ways_out(outside)
    for path, html in ways.items():
        page(app, path, html + _FILL)
    there = f"http://127.0.0.1:{outside.tcp}"
    app.add_url_rule("/leads-away", "leads", lambda: Response(status=302, headers={"Location": f"{there}/redirected"}))
    app.add_url_rule(
        "/sw.js",
        "sw",
        lambda: Response(f"oninstall = () => fetch('{there}/sw', {{mode: 'no-cors'}})", content_type="text/javascript"),
    )
    reporting = {
        "Report-To": f'{{"group": "g", "max_age": 9, "endpoints": [{{"url": "{there}/reports"}}]}}',
        "NEL": '{"report_to": "g", "max_age": 9, "success_fraction": 1.0}',
        "Content-Security-Policy-Report-Only": f"default-src 'none'; report-uri {there}/csp; report-to g",
        "Link": f"<{there}/early>; rel=preload; as=script, <{there}/>; rel=preconnect",
        "Refresh": f"1; url={there}/header",
        "Alt-Svc": f'h3="127.0.0.1:{outside.udp}"; ma=86400',
    }
    app.add_url_rule("/headers", "headers", lambda: Response(f"<script src=/x.js></script>{_FILL}", headers=reporting))
    return app, [*ways, "/headers"]


@pytest.mark.timeout(300)
def test_nothing_outside_the_scope_is_ever_asked() -> None:
    """Neither a connection nor a datagram, by whatever way; what the kernel knows of the browser says the same."""
    with watched_outside() as outside:
        app, paths = leading_away(outside)
        with running_flask(app) as site, observed_sockets() as sockets:
            readings = shown(site, *paths)
        time.sleep(0.3)
        assert outside.came == []
    assert {f"GET {path}" for path in paths} <= set(site.asked)
    # On a machine that has no time to spare a page may not be there within its seconds.
    unseen = [path for path, reading in zip(paths, readings, strict=True) if reading is None]
    assert len(unseen) <= 3, unseen
    assert sockets == set(), "the browser has sockets of its own"


def test_sockets_would_be_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("127.0.0.1", 0))
            seen = sockets_of({os.getpid()})
        assert {f"tcp 0100007F:{listener.getsockname()[1]}", "tcp listens00000000:0", "udp 00000000:0"} <= seen


def test_the_browser_itself_calls_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No update, no measurement, no list of bad sites: with an open door in place of the wall nobody comes to it."""
    with watched_outside() as outside:
        page(app := Flask("quiet"), "/", f"<form><input name=user><input type=password></form>{_FILL}")

        class Open:
            def __enter__(self) -> int:
                return outside.tcp

            def __exit__(self, *_: object) -> None:
                """Stays."""

        monkeypatch.setattr(chromium, "_wall", Open)

        async def story(site: Site) -> Reading | None:
            async with client_for(site) as client, open_browser(client) as browser:
                reading = await browser.render(Lead(site.url + "/", Source.SEED), Nobody())
                await asyncio.sleep(8)
                return reading

        with running_flask(app) as site:
            assert asyncio.run(story(site))
        assert outside.came == []


HOLDING = {
    "/loop": "<script>fetch('/cal' + 'led'); setTimeout(() => {for (;;);}, 100)</script>",
    "/loop-at-once": "<script>for (;;);</script>",
    "/microtasks": "<script>const f = () => Promise.resolve().then(f); f()</script>",
    "/reloads": "<script>location.reload()</script>",
    "/hashes": "<script>let n = 0; setInterval(() => {location.hash = '/' + n++}, 1)</script>",
    "/history": "<script>let n = 0; setInterval(() => {history.pushState({}, '', '/h/' + n++)}, 1)</script>",
    "/alerts": "<script>for (;;) alert(1)</script>",
    "/prints": "<script>setInterval(() => {print(); document.documentElement.requestFullscreen().catch(() => 0)}, 1)</script>",
}
HUGE = {
    "/huge": "<div id=a></div><script>a.innerHTML = '<p><i><b>x</b></i></p>'.repeat(300000)</script>",
    "/text": "<script>document.body.append('x'.repeat(300000000))</script>",
    "/deep": "<script>let at = document.body; for (let i = 0; i < 30000; i++) at = at.appendChild(document.createElement"
    "('div'))</script>",
    "/eats": "<script>const kept = []; setInterval(() => {for (let i = 0; i < 20; i++) kept.push(new Uint8Array(4 << 20)"
    ".fill(1))}, 10)</script>",
    "/buttons": "<script>for (let i = 0; i < 5000; i++) document.body.insertAdjacentHTML('beforeend', '<button onclick="
    "\"document.body.innerHTML += document.body.innerHTML\">' + i + '</button>')</script>",
}


def crawled(pages: dict[str, str]) -> tuple[Crawled, float, Site]:
    """A crawl of a site of these pages, and how long it took."""
    app = Flask("hostile")
    for path, html in pages.items():
        page(app, path, html + _FILL)
    page(app, "/inside", "<p>x")
    page(app, "/", "".join(f"<a href={path}>x</a>" for path in pages))

    async def story(site: Site) -> Crawled:
        async with client_for(site) as client, open_browser(client) as browser:
            return await crawl(client, CrawlPlan((site.url + "/",), max_pages=100, probes=False), browser=browser)

    with running_flask(app) as site:
        began = time.monotonic()
        done = asyncio.run(story(site))
        return done, time.monotonic() - began, site


@pytest.mark.timeout(400)
def test_pages_that_never_rest_take_bounded_time() -> None:
    done, took, site = crawled(HOLDING)
    found = {entry.lead.url.removeprefix(site.url) for entry in done.entries}
    assert {*HOLDING, "/inside"} <= found, "what they said before is read in any case"
    unseen = {url.removeprefix(site.url) for url in done.examples.get(LeftOut.UNSEEN, ())}
    assert "/loop-at-once" in unseen, "what the browser did not see to its end is told"
    assert took < 45 * len(HOLDING) / 2
    assert len(site.asked) < 200


@pytest.mark.timeout(400)
def test_pages_without_measure_take_bounded_memory() -> None:
    most = {"bytes": 0}

    def note() -> None:
        resident = 0
        for pid in children_of(os.getpid()):
            try:
                resident = max(resident, int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096)
            except (OSError, IndexError):
                continue
        most["bytes"] = max(most["bytes"], resident)

    async def story(site: Site) -> list[Reading | None]:
        async with client_for(site) as client, open_browser(client) as browser:

            async def look() -> None:
                while True:
                    await asyncio.sleep(0.2)
                    await asyncio.to_thread(note)

            looking = asyncio.create_task(look())
            try:
                return [await browser.render(Lead(site.url + path, Source.SEED), Nobody()) for path in HUGE]
            finally:
                looking.cancel()

    app = Flask("huge")
    for path, html in HUGE.items():
        page(app, path, html + _FILL)
    page(app, "/last", f"<script>fetch('/aft' + 'er')</script>{_FILL}")
    with running_flask(app) as site:
        readings = asyncio.run(story(site))
        (last,) = shown(site, "/last")
    by_path = dict(zip(HUGE, readings, strict=True))
    eats = by_path["/eats"]
    assert eats is None or eats.unseen
    assert last and not last.unseen
    assert most["bytes"] < 2 * 1024**3
