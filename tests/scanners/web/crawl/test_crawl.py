"""Crawls of real sites by the real client."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, Response, request

from scanners.safety import Safety
from scanners.web.crawl.crawl import crawl
from scanners.web.crawl.journal import CrawlJournal
from scanners.web.crawl.plan import Crawled, CrawlPlan, LeftOut
from secops.support.errors import BadInput
from tests.lab.nginx import running_nginx
from tests.lab.sites import loopback_client, raw_server, running_flask
from tests.scanners.web.crawl.city_site import KNOWN, city_site

pytestmark = pytest.mark.slow


def crawled_by(url: str, journal: Path | None = None, profile: Safety = Safety.NORMAL, **plan: Any) -> Crawled:
    async def story() -> Crawled:
        wish = CrawlPlan((url,), **{"submits": True, **plan})
        async with loopback_client(profile=profile) as client:
            if journal is None:
                return await crawl(client, wish)
            with CrawlJournal(journal, wish) as opened:
                return await crawl(client, wish, journal=opened)

    return asyncio.run(story())


def places(crawled: Crawled) -> set[tuple[str, str]]:
    return {(entry.lead.method, urlsplit(entry.lead.url).path) for entry in crawled.entries}


@pytest.mark.parametrize("soft_404", [False, True], ids=["honest", "soft-404"])
def test_everything_that_a_site_tells_of_is_found(soft_404: bool) -> None:
    with running_flask(city_site(soft_404)) as site:
        crawled = crawled_by(site.url + "/")
    found = places(crawled)
    missed = KNOWN - found
    print(f"coverage: {len(KNOWN) - len(missed)} of {len(KNOWN)}")
    assert not missed
    extra = {place for place in found - KNOWN if not place[1].startswith("/news/")}
    assert not extra
    numbered = [path for _, path in found if path.startswith("/news/")]
    assert 8 <= len(numbered) <= 12
    assert crawled.left_out[LeftOut.ALIKE]
    assert crawled.left_out[LeftOut.ELSEWHERE] == 1
    assert crawled.examples[LeftOut.LOGOUT] == (site.url + "/logout",)
    assert crawled.examples[LeftOut.CHANGES] == (site.url + "/item/delete?id=1",)
    assert not any("logout" in line or "delete" in line for line in site.asked)
    assert not any(line.startswith(("POST /upload", "POST /member")) for line in site.asked)
    assert len(site.asked) < 150


def test_what_is_known_of_each_request() -> None:
    with running_flask(city_site()) as site:
        crawled = crawled_by(site.url + "/")
    entries = {(entry.lead.method, urlsplit(entry.lead.url).path): entry for entry in crawled.entries}
    search = next(entry for entry in crawled.entries if "kind=" in entry.lead.url)
    assert search.parameters == (("q", "query"), ("kind", "query"))
    assert search.lead.found_on == site.url + "/"
    assert entries["POST", "/feedback"].parameters == (("text", "form"), ("csrf", "form"))
    assert entries["POST", "/upload"].parameters == (("doc", "form"),)
    assert entries["POST", "/upload"].status == 0
    assert entries["POST", "/api/v1/orders"].parameters == (("item", "json"), ("count", "json"))
    assert entries["GET", "/api/v1/users/1"].parameters == (("X-Auth-Token", "header"),)
    find = entries["GET", "/gbk/find"]
    assert find.charset == "gb18030"
    assert find.lead.url.endswith("?%B4%CA=%D6%D0%B9%FA")
    assert any(point.inject("国").target.endswith("=%B9%FA") for point in find.points)
    assert {"X-Auth-Token", "q", "csrf"} <= set(entries["GET", "/about"].learned.headers)
    assert "skin" in entries["GET", "/api/v1/users/1"].learned.cookies


def test_safe_sends_nothing_but_reading_requests() -> None:
    with running_flask(city_site()) as site:
        crawled = crawled_by(site.url + "/", profile=Safety.SAFE, submits=False)
        assert {line.split()[0] for line in site.asked} == {"GET"}
    assert KNOWN - places(crawled) == {("GET", "/thanks")}


def test_the_same_site_gives_the_same_crawl() -> None:
    with running_flask(city_site()) as site:
        first, *others = (crawled_by(site.url + "/", concurrency=number) for number in (8, 1, 3))
        assert all(other == first for other in others)
        other_seed = crawled_by(site.url + "/", seed=7)
        assert places(other_seed) >= KNOWN


def test_a_static_site(tmp_path: Path) -> None:
    with running_nginx(tmp_path) as server:
        for number in range(30):
            folder = server.root / f"dir{number % 3}"
            folder.mkdir(exist_ok=True)
            (folder / f"page-{chr(97 + number)}.html").write_text(f"<p>{number}")
        links = [f"<a href='/{path.relative_to(server.root)}'>x</a>" for path in sorted(server.root.rglob("*.html"))]
        (server.root / "index.html").write_text("".join(links))
        crawled = crawled_by(f"http://127.0.0.1:{server.port}/")
    assert len(crawled.entries) == 31
    assert not crawled.failed


RESUMED = """
import asyncio, sys
from pathlib import Path
from scanners.web.crawl.crawl import crawl
from scanners.web.crawl.journal import CrawlJournal
from scanners.web.crawl.plan import CrawlPlan
from tests.lab.sites import loopback_client

async def story():
    plan = CrawlPlan((sys.argv[1],), submits=True, confirm_every=6)
    async with loopback_client() as client:
        with CrawlJournal(Path(sys.argv[2]), plan) as journal:
            crawled = await crawl(client, plan, journal=journal)
    for entry in crawled.entries:
        print(entry.status, entry.lead.method, entry.lead.url, entry.parameters, entry.lead.found_on)
asyncio.run(story())
"""


def run_until(arguments: list[str], asked: list[str], count: int) -> str:
    """The output of the crawl; when `count` requests came in, it is killed."""
    command = [sys.executable, "-c", RESUMED, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    while process.poll() is None and len(asked) < count:
        time.sleep(0.002)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    return process.communicate(timeout=60)[0]


def test_a_killed_crawl_goes_on_and_finds_the_same(tmp_path: Path) -> None:
    app = city_site()

    @app.before_request
    def _slowly() -> None:
        time.sleep(0.01)

    with running_flask(app) as site:
        whole = run_until([site.url + "/", str(tmp_path / "whole")], site.asked, 10**9)
        sent = len(site.asked)
        for count in (10, 25, 40, 60, 10**9):
            site.asked.clear()
            output = run_until([site.url + "/", str(tmp_path / "j")], site.asked, count if count > 100 else 12)
            with (tmp_path / "j").open("ab") as journal:
                journal.write(b'{"torn')
        again = len(site.asked)
    assert output == whole
    assert whole.count("\n") >= len(KNOWN)
    assert again <= sent - 20, "what the journal has is not asked again"


def test_a_journal_of_another_crawl_is_refused(tmp_path: Path) -> None:
    with running_flask(Flask("empty")) as site:
        crawled_by(site.url + "/", tmp_path / "j")
        for other in ({"seed": 3}, {"submits": False}):
            with pytest.raises(BadInput):
                crawled_by(site.url + "/", tmp_path / "j", **other)
        (tmp_path / "k").write_text("something else\n")
        with pytest.raises(BadInput):
            crawled_by(site.url + "/", tmp_path / "k")
        assert (tmp_path / "k").read_text() == "something else\n"


def test_outside_the_scope_nothing_is_sent() -> None:
    async def story(url: str, networks: tuple[str, ...]) -> Crawled:
        async with loopback_client(networks=networks) as client:
            return await crawl(client, CrawlPlan((url,)))

    with running_flask(city_site()) as site, running_flask(city_site()) as neighbour:
        refused = asyncio.run(story(site.url + "/", ("192.0.2.0/24",)))
        assert refused.failed and refused.entries == ()
        assert site.asked == []
        crawled_by(site.url + "/")
        assert neighbour.asked == []


def hostile() -> Flask:
    app = Flask("hostile")

    @app.get("/words/<path:place>")
    def words(place: str) -> str:
        return "".join(f"<a href='/words/{place}x{n}'>x</a><a href='/words/{place}/y'>y</a>" for n in range(30))

    @app.get("/session")
    def session() -> str:
        return "".join(
            f"<a href='/session;jsessionid={time.time_ns()}?sid={time.time_ns()}&p={n}'>x</a>" for n in range(9)
        )

    @app.get("/params")
    def params() -> str:
        return f"<a href='?{request.query_string.decode()}&a{len(request.args)}=1'>x</a>"

    @app.get("/circle/<int:n>")
    def circle(n: int) -> Response:
        return Response("", 302, {"Location": f"/circle/{(n + 1) % 5}"})

    @app.get("/frames")
    def frames() -> str:
        return "<iframe src='/frames'></iframe>" * 500 + "<a href='/big'>b</a>"

    @app.get("/big")
    def big() -> str:
        return "<a href='" + "x" * 10_000_000

    @app.get("/forms")
    def forms() -> str:
        return "".join(f"<form action='/forms?{n}'><input name=f{time.time_ns()}></form>" for n in range(40))

    @app.get("/")
    def home() -> str:
        return "".join(
            f"<a href='{place}'>x</a>"
            for place in ("/words/a", "/session", "/params", "/circle/0", "/frames", "/forms")
        )

    return app


def test_sites_without_an_end_have_one() -> None:
    with running_flask(hostile()) as site:
        began = time.monotonic()
        crawled = crawled_by(site.url + "/", max_pages=1500)
        took = time.monotonic() - began
    assert took < 60
    counted = {
        word: sum(line.startswith(f"GET /{word}") for line in site.asked)
        for word in ("words", "session", "params", "circle", "frames", "big")
    }
    assert counted["words"] < 800
    assert counted["session"] < 20
    assert counted["params"] < 80
    assert counted["circle"] == 5
    assert counted["frames"] == 1
    assert counted["big"] == 1
    assert len(crawled.entries) < 1500


def test_servers_that_answer_nothing_sensible() -> None:
    answers = [
        b"garbage\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe\x00<a href=/x>",
    ]
    for answer in answers:
        with raw_server(lambda _, answer=answer: answer) as site:  # type: ignore[misc]
            crawled = crawled_by(site.url + "/", max_pages=40)
            assert len(site.asked) < 120
        assert crawled.failed or crawled.entries


def test_budgets() -> None:
    with running_flask(city_site()) as site:
        assert len(crawled_by(site.url + "/", max_pages=30).entries) <= 30
        few = len(site.asked)
        assert few <= 31
        cut = crawled_by(site.url + "/", max_seconds=0.0)
        assert cut.left_out[LeftOut.TIME] and cut.entries == ()
        shallow = crawled_by(site.url + "/", max_depth=1)
        assert shallow.left_out[LeftOut.TOO_DEEP]
