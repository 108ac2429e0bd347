"""Requests per second of the scanning client, beside aiohttp and wrk, on one local nginx with 100 connections.

Each runs in processes of its own, in turns, and the best turn of each counts: other work on the machine only slows.
aiohttp is compared with one process of ours. wrk may use a thread for each core, so ours may use a process for each, as
a scan does, with 100 connections in all. The floor is a protocol in the same event loop that writes one request again and
again and counts the bytes of the answers: no Python client can be faster. `--long` sends 1,000,000 requests with ours
and looks whether memory stays flat; else it is 100,000.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

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
TURNS = 4
REQUESTS = 20_000
FLOOR_REQUESTS = 40_000
AIOHTTP_REQUESTS = 4_000
WRK_SECONDS = 1
CORES = len(os.sched_getaffinity(0))
ROOT = Path(__file__).resolve().parent.parent
LEAST_OF_AIOHTTP = 5.0
LEAST_OF_WRK = 0.6
MOST_GROWTH_MIB = 8.0
_HEADERS = (("User-Agent", "jindun"), ("Accept", "*/*"))


@dataclass(frozen=True, slots=True)
class Turn:
    """What one process did, or several at once."""

    rate: float
    """Requests per second."""
    cpu_us: float = 0.0
    """Of the client alone, per request."""
    memory: tuple[float, ...] = ()
    """Resident MiB, a few times along the way."""
    began: float = 0.0
    ended: float = 0.0
    """By the clock that all processes share."""
    server_us: float = 0.0
    """CPU of nginx per request."""

    def on_idle_cores(self, processes: int) -> float:
        """Requests per second that the CPU times allow: nginx has one worker, and both share the cores."""
        return 1e6 / max(self.server_us, self.cpu_us / processes, (self.cpu_us + self.server_us) / CORES)


@dataclass(frozen=True, slots=True)
class Work:
    """What one process has to do."""

    port: int
    count: int
    connections: int = CONNECTIONS


def resident_mib() -> float:
    """What this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def urls(count: int) -> Iterator[str]:
    """A different one each time, so that nothing is remembered."""
    return (f"/small.txt?n={number}" for number in range(count))


async def ours(work: Work) -> Turn:
    """All of it: scope, rate, profile, audit to a file."""
    memory: list[float] = []
    answered = 0

    def on_answer(_: Request, answer: Answer) -> None:
        nonlocal answered
        answered += 1
        assert answer.response is not None and len(answer.response.body) == BODY_BYTES
        if answered % (work.count // 10) == 0:
            memory.append(resident_mib())

    scope = scope_of(("127.0.0.0/8",), "benchmark", now() + timedelta(days=1))
    pace = Pace(most=1e6, start=1e6, least=1e6, connections=work.connections)
    with tempfile.TemporaryDirectory() as folder, AuditLog(Path(folder) / "audit.jsonl") as audit:
        async with Client(Guard(scope, audit=audit.record), pace=pace) as client:
            target = Target("http", "127.0.0.1", work.port)
            requests = (Request("GET", url, _HEADERS) for url in urls(work.count))
            sending = client.exchange_many(target, requests, on_answer, concurrency=work.connections)
            return await timed(work, sending, memory)


async def timed(work: Work, sending: Coroutine[Any, Any, object], memory: list[float] | None = None) -> Turn:
    """How long it takes, once whoever started this process says so."""
    print("ready", flush=True)
    sys.stdin.readline()
    began, cpu = time.monotonic(), time.process_time()
    await sending
    ended, cpu = time.monotonic(), time.process_time() - cpu
    return Turn(work.count / (ended - began), cpu / work.count * 1e6, tuple(memory or ()), began, ended)


async def by_aiohttp(work: Work) -> Turn:
    """As its documentation says: one session, a worker per connection."""
    waiting = urls(work.count)
    connector = aiohttp.TCPConnector(limit=work.connections)
    base = f"http://127.0.0.1:{work.port}"
    async with aiohttp.ClientSession(base, connector=connector, headers=_HEADERS) as session:

        async def ask() -> None:
            for url in waiting:
                async with session.get(url) as response:
                    assert len(await response.read()) == BODY_BYTES

        async def all_of_them() -> None:
            await asyncio.gather(*(ask() for _ in range(work.connections)))

        return await timed(work, all_of_them())


class Floor(asyncio.Protocol):
    """One request over and over; of an answer nothing is looked at but how many bytes came."""

    def __init__(self, wire: bytes, answer_bytes: int, left: list[int], done: "asyncio.Future[None]") -> None:
        self._wire, self._answer_bytes, self._left, self._done = wire, answer_bytes, left, done
        self._came = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._wire)

    def data_received(self, data: bytes) -> None:
        self._came += len(data)
        if self._came < self._answer_bytes:
            return
        self._came = 0
        self._left[0] -= 1
        if self._left[0] > 0:
            self._transport.write(self._wire)
        elif not self._done.done():
            self._done.set_result(None)


async def floor(work: Work) -> Turn:
    """The least that a client in this event loop can do."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in _HEADERS)
    wire = f"GET /small.txt HTTP/1.1\r\nHost: 127.0.0.1:{work.port}\r\n{lines}\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", work.port)
    writer.write(wire)
    answer_bytes = len(await reader.readuntil(b"\r\n\r\n")) + BODY_BYTES
    writer.close()
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    left = [work.count]

    async def all_of_them() -> None:
        opening = (
            loop.create_connection(lambda: Floor(wire, answer_bytes, left, done), "127.0.0.1", work.port)
            for _ in range(work.connections)
        )
        await asyncio.gather(*opening)
        await done

    return await timed(work, all_of_them())


def by_wrk(port: int, threads: int) -> Turn:
    """Its own figure."""
    argv = ["wrk", f"-t{threads}", f"-c{CONNECTIONS}", f"-d{WRK_SECONDS}s", f"http://127.0.0.1:{port}/small.txt"]
    cpu = children_seconds()
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    cpu = children_seconds() - cpu
    rate, count = re.search(r"Requests/sec:\s*([\d.]+)", shown), re.search(r"(\d+) requests in", shown)
    assert rate and count, shown
    return Turn(float(rate[1]), cpu / int(count[1]) * 1e6, ended=int(count[1]))


def children_seconds() -> float:
    """CPU of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def nginx_seconds(folder: Path) -> float:
    """CPU of its worker so far."""
    master = (folder / "nginx.pid").read_text().strip()
    (worker,) = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_processes(name: str, port: int, count: int, processes: int = 1) -> Turn:
    """One turn in so many processes, which share the work and begin together."""
    share = ["--count", str(count // processes), "--connections", str(CONNECTIONS // processes)]
    argv = [sys.executable, "-m", "benchmarks.web_client", "--turn", name, "--port", str(port), *share]
    started = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(processes)
    ]
    for process in started:
        assert process.stdout and process.stdout.readline() == "ready\n", "a turn did not begin"
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    turns = [Turn(**json.loads(process.communicate(timeout=280)[0])) for process in started]
    rate = count / (max(turn.ended for turn in turns) - min(turn.began for turn in turns))
    return Turn(rate, sum(turn.cpu_us for turn in turns) / processes, turns[0].memory)


def one_turn(name: str, work: Work) -> None:
    """Be that process."""
    doing = {"ours": ours, "floor": floor, "aiohttp": by_aiohttp, "aiohttp-uvloop": by_aiohttp}[name]
    turn = asyncio.run(doing(work)) if name == "aiohttp" else run(doing(work))
    print(json.dumps(asdict(turn)))


def measure(folder: Path, port: int, long: bool) -> tuple[dict[str, Turn], Turn]:
    """The best turn of each, with the least CPU that each took, and the long run of ours."""
    best: dict[str, Turn] = {}
    for _ in range(TURNS):
        for name, count, turn in turns(port):
            began = nginx_seconds(folder)
            done = turn()
            server_us = (nginx_seconds(folder) - began) / (count or done.ended) * 1e6
            before = best.get(name, done)
            best[name] = replace(
                max(before, done, key=lambda one: one.rate),
                cpu_us=min(before.cpu_us, done.cpu_us),
                server_us=min(before.server_us or server_us, server_us),
            )
    return best, in_processes("ours", port, 1_000_000 if long else 100_000)


def turns(port: int) -> Iterator[tuple[str, int, Callable[[], Turn]]]:
    """Name, number of requests (0: the turn tells it as its end), and how it is done."""
    named = [("aiohttp", AIOHTTP_REQUESTS, 1)]
    named += [("aiohttp-uvloop", AIOHTTP_REQUESTS, 1)] if find_spec("uvloop") else []
    for processes in sorted({1, CORES}):
        named += [("ours", REQUESTS * processes, processes), ("floor", FLOOR_REQUESTS * processes, processes)]
    for name, count, processes in named:
        yield f"{name}, {processes}", count, partial(in_processes, name, port, count, processes)
    for threads in sorted({1, CORES}) if shutil.which("wrk") else ():
        yield f"wrk, {threads}", 0, partial(by_wrk, port, threads)


def fastest(best: dict[str, Turn], who: str) -> Turn | None:
    """In one process or in several."""
    return max(
        (turn for name, turn in best.items() if name.split(",")[0] == who), key=lambda one: one.rate, default=None
    )


def allowed(name: str, turn: Turn) -> float:
    """What the CPU times of a turn allow, by its name."""
    return turn.on_idle_cores(int(name.partition(", ")[2]))


def show(best: dict[str, Turn], steady: Turn, long: bool) -> None:
    """The table."""
    table = Table("client, processes", "requests/s", "its CPU each", "nginx's", "idle cores allow", title="web-client")
    for name, turn in best.items():
        times = (f"{us:.1f} µs" for us in (turn.cpu_us, turn.server_us))
        table.add_row(name, f"{turn.rate:,.0f}", *times, f"{allowed(name, turn):,.0f}")
    console = Console()
    console.print(table)
    if fastest(best, "wrk") is None:
        console.print("wrk is not installed")
    along = ", ".join(f"{mib:.1f}" for mib in steady.memory)
    console.print(f"memory along {'1,000,000' if long else '100,000'} requests, MiB: {along}")


def main() -> int:
    """0 when the targets are met; without wrk its own is left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="look at memory along 1,000,000 requests")
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--connections", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.turn:
        one_turn(asked.turn, Work(asked.port, asked.count, asked.connections))
        return 0
    options = "access_log off; keepalive_requests 10000000;"
    with tempfile.TemporaryDirectory() as folder, running_nginx(Path(folder), options) as web:
        (web.root / "small.txt").write_bytes(b"x" * BODY_BYTES)
        best, steady = measure(Path(folder), web.port, asked.long)
    show(best, steady, asked.long)
    return told(best, steady)


def told(best: dict[str, Turn], steady: Turn) -> int:
    """The last line, and the exit code."""
    one, quickest, wrk, least = best["ours, 1"], fastest(best, "ours"), fastest(best, "wrk"), fastest(best, "floor")
    assert quickest and least

    def idle(who: str) -> float:
        return max(allowed(name, turn) for name, turn in best.items() if name.startswith(who))

    of_aiohttp = one.rate / best["aiohttp, 1"].rate
    of_wrk = quickest.rate / wrk.rate if wrk else None
    growth = steady.memory[-1] - steady.memory[0]
    ok = of_aiohttp >= LEAST_OF_AIOHTTP and (of_wrk is None or of_wrk >= LEAST_OF_WRK) and growth <= MOST_GROWTH_MIB
    summary = {
        "name": "web-client",
        "ours": round(one.rate),
        "peer": round(best["aiohttp, 1"].rate),
        "ratio": round(of_aiohttp, 2),
        "target": LEAST_OF_AIOHTTP,
        "ok": ok,
        "of_wrk": None if of_wrk is None else round(of_wrk, 2),
        "of_wrk_target": LEAST_OF_WRK,
        "of_wrk_on_idle_cores": None if wrk is None else round(idle("ours") / idle("wrk"), 2),
        "of_wrk_one_process": None if wrk is None else round(one.rate / wrk.rate, 2),
        "floor_of_wrk": None if wrk is None else round(least.rate / wrk.rate, 2),
        "memory_growth_mib": round(growth, 1),
        "memory_growth_target_mib": MOST_GROWTH_MIB,
    }
    if of_wrk is not None and of_wrk < LEAST_OF_WRK:
        print(
            f"{of_wrk:.2f} of wrk: what keeps us from {LEAST_OF_WRK} is told in docs/decisions/0016-what-python-sends.md"
        )
    print(json.dumps(summary))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
