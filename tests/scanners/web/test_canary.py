"""The canary pauses the scan of a site that suffers, and lets it go on when the site has recovered."""

import asyncio
from time import monotonic

from scanners.web.canary import Canary, Health, Rhythm, watched
from scanners.web.client import Client
from scanners.web.limits import Patience
from scanners.web.message import Answer, Request
from tests.hostile.servers import listening
from tests.scanners.web.asking import FAST, OK, asking, at, outcome

RHYTHM = Rhythm(every_seconds=0.05, paused_every_seconds=0.05, timeout_seconds=1)


class Site:
    """Answers slowly, or with an error, while it is ill; counts what it is asked."""

    def __init__(self) -> None:
        self.ill = ""
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while True:
            line = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
            self.asked.append(line)
            if self.ill == "slow":
                await asyncio.sleep(0.35)
            broken = b"HTTP/1.1 500 Ill\r\nContent-Length: 0\r\n\r\n"
            writer.write(broken if self.ill == "broken" else OK)
            await writer.drain()


def scan(ill: str) -> tuple[Site, list[Health], list[Answer]]:
    """A scan of a site that falls ill after a while and recovers."""
    site, changes, answers = Site(), list[Health](), list[Answer]()

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await site.serve(reader, writer)
        except asyncio.IncompleteReadError:
            return

    async def until(condition: object) -> None:
        deadline = monotonic() + 60
        while not condition():  # type: ignore[operator]
            assert monotonic() < deadline
            await asyncio.sleep(0.01)

    async def work(client: Client) -> None:
        async with listening(quiet) as server:
            canary = Canary(client, at(server), Request("GET", "/health"), rhythm=RHYTHM, on_change=changes.append)
            async with watched(canary):
                assert 0 < canary.baseline_seconds < 5
                answers.append(await client.exchange(at(server), Request("GET", "/1")))
                site.ill = ill
                await until(lambda: canary.paused)
                waiting = asyncio.create_task(client.exchange(at(server), Request("GET", "/2")))
                await asyncio.sleep(0.3)
                assert "/2" not in site.asked
                site.ill = ""
                await until(lambda: not canary.paused)
                answers.append(await waiting)

    asking(work, patience=Patience(), pace=FAST)
    return site, changes, answers


def test_a_site_that_becomes_slow_is_left_alone_until_it_recovers() -> None:
    site, changes, answers = scan("slow")
    assert [change.paused for change in changes] == [True, False]
    assert "instead of" in changes[0].because.en and changes[0].because.zh
    assert [outcome(answer) for answer in answers] == ["200", "200"]
    assert [path for path in site.asked if path != "/health"] == ["/1", "/2"]


def test_a_site_that_answers_with_errors_is_left_alone_too() -> None:
    _, changes, answers = scan("broken")
    assert "status 500" in changes[0].because.en
    assert [outcome(answer) for answer in answers] == ["200", "200"]


def test_who_waits_too_long_is_told() -> None:
    site = Site()

    async def work(client: Client) -> None:
        async with listening(site.serve) as server:
            await client.exchange(at(server), Request("GET", "/1"))
            gate = client.gate_of(at(server))
            assert gate is not None
            client.pool.pause(gate)
            answer = await client.exchange(at(server), Request("GET", "/2"))
            assert outcome(answer) == "paused" and site.asked == ["/1"]

    asking(work, patience=Patience(queue_seconds=0.3), pace=FAST)
