"""Requests per second of the scanning client, beside aiohttp and wrk, on one local nginx with 100 connections.

Each runs in a process of its own, in turns, and the best turn of each counts: other work on the machine only slows.
`--long` sends 1,000,000 requests with ours and looks whether memory stays flat; else it is 100,000.
"""

import argparse
import asyncio
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from scanners.audit import AuditLog
from scanners.scope import Guard, scope_of
from scanners.web.client import Client
from scanners.web.loop import run
from scanners.web.message import Answer, Request, Target
from scanners.web.pace import Pace
from secops.support.clock import now
from tests.lab.nginx import running_nginx

CONNECTIONS = 100
BODY_BYTES = 1024
TURNS = 6
REQUESTS = 20_000
AIOHTTP_REQUESTS = 4_000
WRK_SECONDS = 1
LEAST_OF_AIOHTTP = 5.0
LEAST_OF_WRK = 0.6
MOST_GROWTH_MIB = 8.0
_HEADERS = (("User-Agent", "jindun"), ("Accept", "*/*"))


@dataclass(frozen=True, slots=True)
class Turn:
    """What one process did."""

    rate: float
    """Requests per second."""
    cpu_us: float = 0.0
    """Of the client alone, per request."""
    memory: tuple[float, ...] = ()
    """Resident MiB, a few times along the way."""


def resident_mib() -> float:
    """What this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def urls(count: int) -> Iterator[str]:
    """A different one each time, so that nothing is remembered."""
    return (f"/small.txt?n={number}" for number in range(count))


async def ours(port: int, count: int) -> Turn:
    """All of it: scope, rate, profile, audit to a file."""
    memory: list[float] = []
    answered = 0

    def on_answer(_: Request, answer: Answer) -> None:
        nonlocal answered
        answered += 1
        assert answer.response is not None and len(answer.response.body) == BODY_BYTES
        if answered % (count // 10) == 0:
            memory.append(resident_mib())

    scope = scope_of(("127.0.0.0/8",), "benchmark", now() + timedelta(days=1))
    pace = Pace(most=1e6, start=1e6, least=1e6, connections=CONNECTIONS)
    with tempfile.TemporaryDirectory() as folder, AuditLog(Path(folder) / "audit.jsonl") as audit:
        async with Client(Guard(scope, audit=audit.record), pace=pace) as client:
            target = Target("http", "127.0.0.1", port)
            requests = (Request("GET", url, _HEADERS) for url in urls(count))
            began, cpu = time.perf_counter(), time.process_time()
            await client.exchange_many(target, requests, on_answer, concurrency=CONNECTIONS)
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Turn(count / took, cpu / count * 1e6, tuple(memory))


async def by_aiohttp(port: int, count: int) -> Turn:
    """As its documentation says: one session, a worker per connection."""
    waiting = urls(count)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector, headers=_HEADERS) as session:

        async def work() -> None:
            for url in waiting:
                async with session.get(url) as response:
                    assert len(await response.read()) == BODY_BYTES

        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Turn(count / took, cpu / count * 1e6)


def by_wrk(port: int) -> Turn:
    """One thread."""
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{WRK_SECONDS}s", f"http://127.0.0.1:{port}/small.txt"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s*([\d.]+)", shown)
    assert found, shown
    return Turn(float(found[1]))


def in_process(name: str, port: int, count: int) -> Turn:
    """One turn in a process of its own."""
    argv = [sys.executable, __file__, "--turn", name, "--port", str(port), "--count", str(count)]
    shown = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=280)
    assert shown.returncode == 0, shown.stderr[-2000:]
    said = json.loads(shown.stdout)
    return Turn(said["rate"], said["cpu_us"], tuple(said["memory"]))


def one_turn(name: str, port: int, count: int) -> None:
    """Be that process."""
    if name == "ours":
        turn = run(ours(port, count))
    elif name == "aiohttp":
        turn = asyncio.run(by_aiohttp(port, count))
    else:
        turn = run(by_aiohttp(port, count))
    print(json.dumps({"rate": turn.rate, "cpu_us": turn.cpu_us, "memory": turn.memory}))


def measure(port: int, long: bool) -> tuple[dict[str, Turn], Turn]:
    """The best turn of each, and the long run of ours."""
    best: dict[str, Turn] = {}
    for _ in range(TURNS):
        turns = {
            "ours": in_process("ours", port, REQUESTS),
            "aiohttp": in_process("aiohttp", port, AIOHTTP_REQUESTS),
        }
        if find_spec("uvloop"):
            turns["aiohttp, uvloop"] = in_process("aiohttp-uvloop", port, AIOHTTP_REQUESTS)
        if shutil.which("wrk"):
            turns["wrk"] = by_wrk(port)
        for name, turn in turns.items():
            best[name] = max(best.get(name, turn), turn, key=lambda one: one.rate)
    return best, in_process("ours", port, 1_000_000 if long else 100_000)


def show(best: dict[str, Turn], steady: Turn, long: bool) -> None:
    """The table."""
    table = Table("client", "requests/s", "CPU of the client per request", "ours is", title="web-client")
    for name, turn in best.items():
        cpu = f"{turn.cpu_us:.1f} µs" if turn.cpu_us else ""
        table.add_row(name, f"{turn.rate:,.0f}", cpu, f"{best['ours'].rate / turn.rate:.2f} times as fast")
    if "wrk" not in best:
        table.add_row("wrk", "not installed", "", "")
    console = Console()
    console.print(table)
    along = ", ".join(f"{mib:.1f}" for mib in steady.memory)
    console.print(f"memory along {'1,000,000' if long else '100,000'} requests, MiB: {along}")


def main() -> int:
    """0 when the targets are met; without wrk its own is left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="look at memory along 1,000,000 requests")
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.turn:
        one_turn(asked.turn, asked.port, asked.count)
        return 0
    options = "access_log off; keepalive_requests 10000000;"
    with tempfile.TemporaryDirectory() as folder, running_nginx(Path(folder), options) as web:
        (web.root / "small.txt").write_bytes(b"x" * BODY_BYTES)
        best, steady = measure(web.port, asked.long)
    show(best, steady, asked.long)
    of_aiohttp = best["ours"].rate / best["aiohttp"].rate
    of_wrk = best["ours"].rate / best["wrk"].rate if "wrk" in best else None
    growth = steady.memory[-1] - steady.memory[0]
    ok = of_aiohttp >= LEAST_OF_AIOHTTP and (of_wrk is None or of_wrk >= LEAST_OF_WRK) and growth <= MOST_GROWTH_MIB
    summary = {
        "name": "web-client",
        "ours": round(best["ours"].rate),
        "peer": round(best["aiohttp"].rate),
        "ratio": round(of_aiohttp, 2),
        "target": LEAST_OF_AIOHTTP,
        "ok": ok,
        "of_wrk": None if of_wrk is None else round(of_wrk, 2),
        "of_wrk_target": LEAST_OF_WRK,
        "memory_growth_mib": round(growth, 1),
        "memory_growth_target_mib": MOST_GROWTH_MIB,
    }
    print(json.dumps(summary))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
