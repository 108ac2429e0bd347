"""However a server misbehaves, a scan ends in seconds, says why, and never calls the site clean."""

import asyncio
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from scanners.check import Check
from scanners.pages.tamper import PAGE_TAMPER
from scanners.reach import Patience, Reach
from scanners.web.exposed_files import EXPOSED_FILES
from scanners.web.http_headers import HTTP_HEADERS
from scanners.web.tls import TLS
from secops.model.city import Asset
from secops.model.outcome import Outcome
from tests.hostile.servers import MEAN, answering, listening, redirecting, silent
from tests.scanners.reaching import QUICK, Trail, evaluate, guard, page, website

AT: dict[str, Callable[[str], Asset]] = {"http-headers": website, "exposed-files": website, "page-tamper": page}
CASES = [
    pytest.param(name, check, marks=pytest.mark.slow if name.startswith("slow") else ())
    for name in MEAN
    for check in (HTTP_HEADERS, EXPOSED_FILES, PAGE_TAMPER)
    # It follows no redirects: one is an ordinary way of saying that there is no such file.
    if not (check is EXPOSED_FILES and name.startswith("redirect"))
]
SLOW = Patience(connect_seconds=60, idle_seconds=60, total_seconds=120)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("name, check", CASES, ids=lambda value: getattr(value, "name", value))
def test_nothing_is_known_of_a_site_that_misbehaves(name: str, check: Check[Any]) -> None:
    async def work() -> None:
        async with listening(MEAN[name]) as server, Reach(guard(), patience=QUICK) as reach:
            began = monotonic()
            (evaluation,) = await evaluate(check, AT[check.name](server.url), reach)
            assert evaluation.outcome in (Outcome.UNREACHABLE, Outcome.BLOCKED), evaluation.reason
            assert evaluation.reason.zh and evaluation.reason.en
            assert monotonic() - began < 30

    asyncio.run(work())


@pytest.mark.parametrize("network", ["127.0.0.1/32", "127.0.0.0/31"])
def test_a_redirect_out_of_scope_sends_nothing_there(network: str) -> None:
    async def work() -> None:
        trail = Trail()
        async with (
            listening(answering(OK), host="127.0.0.2") as outside,
            listening(redirecting(lambda: outside.url)) as server,
            Reach(guard(network, trail=trail), patience=QUICK) as reach,
        ):
            (headers,) = await evaluate(HTTP_HEADERS, website(server.url), reach)
            assert headers.outcome is Outcome.BLOCKED
            assert "127.0.0.2" in headers.reason.en
            (tamper,) = await evaluate(PAGE_TAMPER, page(server.url), reach)
            assert [weakness.rule for weakness in tamper.weaknesses] == ["page-tamper.redirected"]
            await asyncio.sleep(0.1)
            assert server.connections
            assert outside.connections == 0
            assert not [sent for sent in trail.sent() if "127.0.0.2" in sent]

    asyncio.run(work())


def test_the_out_of_scope_listener_would_have_noticed() -> None:
    async def work() -> None:
        async with (
            listening(answering(OK), host="127.0.0.2") as inside,
            listening(redirecting(lambda: inside.url)) as server,
            Reach(guard("127.0.0.0/30"), patience=QUICK) as reach,
        ):
            answer = await reach.get(server.url, follow=1)
            assert answer.body == b"ok"
            assert answer.redirects == (server.url,)
            assert inside.connections == 1

    asyncio.run(work())


def test_an_asset_out_of_scope_is_skipped_unseen() -> None:
    async def work() -> None:
        async with listening(answering(OK), host="127.0.0.2") as outside, Reach(guard(), patience=QUICK) as reach:
            (evaluation,) = await evaluate(HTTP_HEADERS, website(outside.url), reach)
            assert evaluation.outcome is Outcome.SKIPPED
            assert "127.0.0.2" in evaluation.reason.zh
            assert outside.connections == 0

    asyncio.run(work())


def test_a_redirect_loop_ends() -> None:
    async def work() -> None:
        async with listening(redirecting(lambda: "/again")) as server, Reach(guard(), patience=QUICK) as reach:
            (evaluation,) = await evaluate(HTTP_HEADERS, website(server.url), reach)
            assert evaluation.outcome is Outcome.UNREACHABLE
            assert server.connections <= 6

    asyncio.run(work())


def test_a_tls_port_that_says_nothing_ends() -> None:
    async def work() -> None:
        async with listening(silent) as server, Reach(guard(), patience=QUICK) as reach:
            (evaluation,) = await evaluate(TLS, website(server.url.replace("http:", "https:")), reach)
            assert evaluation.outcome is Outcome.UNREACHABLE

    asyncio.run(work())


def test_the_kill_switch_ends_a_scan_at_once() -> None:
    async def work() -> None:
        stop = threading.Event()
        async with listening(silent) as server, Reach(guard(stop=stop), patience=SLOW) as reach:
            asyncio.get_running_loop().call_later(0.2, stop.set)
            began = monotonic()
            (evaluation,) = await evaluate(HTTP_HEADERS, website(server.url), reach)
            assert evaluation.outcome is Outcome.SKIPPED
            assert monotonic() - began < SLOW.idle_seconds / 2

    asyncio.run(work())
