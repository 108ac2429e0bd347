"""Findings in SQLite: a list page and a text search among a million, importing a report, recording a scan.

`benchmarks/findings.py [NUMBER]` builds that many findings and twice as many observations. The pages are asked for by
a process of its own, so that its memory is that of a reader alone. The peer of recording writes the same finished rows
to the same tables, indexes and trigrams; what a table without any of them would take is printed, too. The report that
is imported is a file of nuclei's, read, matched to the sample city's assets and merged: once into an empty home, and
once more a day later.
"""

import hashlib
import io
import json
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from secops.model.finding import Finding, Severity, State, Weakness, WeaknessClass
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.service.beginning import make_home
from secops.service.exchanging import import_report
from secops.service.home import Home
from secops.store.documents import to_document
from secops.store.finding_store import LARGEST_PAGE
from secops.store.query import Query
from secops.store.query_text import parse
from secops.store.sqlite_findings import write_findings
from secops.store.sqlite_store import SqliteStore
from secops.support.clock import now, to_text

ROOT = Path(__file__).parents[1]
NUMBER = 1_000_000
OBSERVED = 2
"""Observations for each finding."""
IMPORTED = 30_000
ROUNDS = 400
MOST_PAGE_MS = 100.0
MOST_SEARCH_MS = 200.0
MOST_MEMORY_MB = 300.0
LEAST_IMPORT = 0.4
LEAST_PER_SECOND = 5_000
"""A hundred times what DefectDojo's users report of 30,000 findings (its issue 6570: ten minutes)."""
_SYSTEMS = [f"system-{number}" for number in range(199)] + ["智慧医疗"]
_CHECKS = ["http-headers", "tls", "open-ports", "sshd-config", "exposed-files", "page-tamper", "packages", "passwords"]
_ZH = [
    "弱口令",
    "未启用访问控制",
    "证书即将过期",
    "缺少安全响应头",
    "远程代码执行漏洞",
    "目录可列",
    "日志未留存",
    "内容被篡改",
]
_EN = ["weak password", "no access control", "certificate expires", "header missing", "remote code execution"]
_STATES = [*[State.NEW] * 30, *[State.RESOLVED] * 40, *[State.TRIAGED] * 20, *State]
_SEVERITIES = [*[Severity.INFO] * 30, *[Severity.LOW] * 40, *[Severity.MEDIUM] * 20, *[Severity.HIGH] * 9, *Severity]
_PRESENT = now()


def weakness(chance: random.Random, number: int) -> Weakness:
    """With a wording of its own, as real ones have: a port, a path, a version."""
    check, package = chance.choice(_CHECKS), f"lib{chance.randrange(5000)}-{chance.randrange(20)}"
    zh, en = chance.choice(_ZH), chance.choice(_EN)
    return Weakness(
        weakness_class=chance.choice(list(WeaknessClass)),
        rule=f"{check}.rule-{chance.randrange(60)}",
        locator=("GET", f"/{number}"),
        severity=chance.choice(_SEVERITIES),
        title=Text(f"{zh}:{package}", f"{en}: {package}"),
        reason=Text(
            f"在第 {number} 处看到 {package},版本 {number % 97}.{number % 13},应不低于 {number % 89}",
            f"saw {package} at place {number}, version {number % 97}.{number % 13}, at least {number % 89} is wanted",
        ),
        mend=Text("升级到已修复的版本", "upgrade to a mended version"),
        evidence={"seen": f"{package} {number % 97}.{number % 13}"},
        clauses=(f"8.1.4.{number % 11} a",),
    )


def findings(number: int) -> Iterator[Finding]:
    """The same ones each time."""
    chance = random.Random(7)
    for index in range(number):
        found = weakness(chance, index)
        seen = _PRESENT - timedelta(seconds=chance.randrange(400 * 86400))
        yield Finding(
            id="1-" + hashlib.md5(str(index).encode()).hexdigest(),
            system=_SYSTEMS[index % len(_SYSTEMS)],
            asset=f"asset-{index % 20_000}",
            check=found.rule.partition(".")[0],
            weakness=found,
            state=chance.choice(_STATES),
            first_seen=seen,
            last_seen=seen + (_PRESENT - seen) * chance.random(),
            last_evaluated=_PRESENT,
            state_since=seen,
            times_seen=chance.randrange(1, 90),
            regressions=chance.choice((0, 0, 0, 1)),
        )


def build(path: Path, number: int) -> None:
    """In bulk, past the merging: that is measured apart."""
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -262144")
    made = findings(number)
    started, done = time.perf_counter(), 0
    while batch := list(islice(made, 20_000)):
        with connection:
            write_findings(connection, batch)
        done += len(batch)
        if done % 100_000 == 0 or done == number:
            note(f"{done:,} of {number:,} findings written, {done / (time.perf_counter() - started):,.0f}/s")
    with connection:
        connection.executemany("INSERT INTO contents VALUES (?, ?)", _contents(number))
        connection.executemany("INSERT INTO observations VALUES (?, ?, ?, ?, ?, ?)", _observations(number * OBSERVED))
    connection.close()


def note(text: str) -> None:
    """Progress, and what is known by now."""
    print(text, file=sys.stderr, flush=True)


def _contents(number: int) -> Iterator[tuple[str, bytes]]:
    """What was observed: a tenth of the observations saw something new."""
    for index in range(number * OBSERVED // 10):
        body = f'{{"headers": ["server: nginx", "etag: {index}"], "status": 200, "seen": "{index:0200}"}}'.encode()
        yield hashlib.sha256(str(index).encode()).hexdigest(), body


def _observations(number: int) -> Iterator[tuple[str, str, str, str, str, int]]:
    """A scan is of eight checks on twenty thousand assets."""
    digests = [digest for digest, _ in _contents(number // OBSERVED)]
    for index in range(number):
        scan, place = divmod(index, 160_000)
        at = to_text(_PRESENT - timedelta(days=scan))
        digest = digests[index % len(digests)]
        yield f"scan-{scan}", f"asset-{place // 8}", _CHECKS[place % 8], at, digest, 270


def pages(chance: random.Random) -> str:
    """A list page that somebody might ask for."""
    system, others = chance.choice(_SYSTEMS), ", ".join(chance.sample(_SYSTEMS, 3))
    return chance.choice(
        [
            "state in (new, triaged, in_progress, pending_verification, reopened)",
            f"system:{system}",
            f"system:{system} and state:new sort -last_seen",
            f"system in ({others}) and severity>=high and last_seen<7d",
            "severity>=high and state:new",
            f"asset:asset-{chance.randrange(20_000)}",
            f"check:{chance.choice(_CHECKS)} and not state in (resolved, false_positive)",
            f"rule:{chance.choice(_CHECKS)}.rule-{chance.randrange(60)}",
            f"clause:8.1.4.{chance.randrange(11)}* and class:tls",
            "regressions>0 and first_seen<30d and severity>=medium",
            f"state:risk_accepted and severity:low and check:{chance.choice(_CHECKS)}",
            f"(system:{system} or check:tls) and times_seen>50",
        ]
    )


def searches(chance: random.Random) -> str:
    """A text search: common words and rare ones, long and of two characters, alone and with a filter."""
    package = f"lib{chance.randrange(5000)}-{chance.randrange(20)}"
    return chance.choice(
        [
            chance.choice(_ZH),
            f'"{chance.choice(_EN)}"',
            "口令",
            "漏洞 and severity>=high",
            f'"{package} at"',
            f"title~{package}",
            f'"at place {chance.randrange(1_000_000)}" and state:new',
            f"弱口令 and system:{chance.choice(_SYSTEMS)}",
            "nothing-like-this",
            "篡改 and not state:resolved sort -first_seen",
        ]
    )


def ask(path: Path) -> dict[str, object]:
    """Milliseconds of pages and searches, every second one from the middle on; memory of this process."""
    chance = random.Random(11)
    told: dict[str, object] = {}
    with SqliteStore(path) as store:
        for name, make in (("page", pages), ("search", searches)):
            texts = [make(chance) for _ in range(ROUNDS)]
            pairs = [_asked(store, parse(text), number % 2 == 1) for number, text in enumerate(texts)]
            note(
                f"{name}: {len(pairs)} asked for, p95 {statistics.quantiles([wall for wall, _ in pairs], n=20)[-1]:.1f} ms"
            )
            times = [wall for wall, _ in pairs]
            told[f"{name}_processor_p95"] = statistics.quantiles([processor for _, processor in pairs], n=20)[-1]
            told[f"{name}_p50"] = statistics.median(times)
            told[f"{name}_p95"] = statistics.quantiles(times, n=20)[-1]
            told[f"{name}_slowest"] = sorted(zip(times, texts, strict=True))[-12:]
    # Not getrusage: its figure begins with that of the process that started this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak
    told["memory_mb"] = int(peak[1]) / 1024
    return told


def _asked(store: SqliteStore, query: Query, further: bool) -> tuple[float, float]:
    """Milliseconds on the clock, and of the processor: on a busy machine they are far apart."""
    cursor = store.find(query, 200).next_cursor if further else None
    started, processor = time.perf_counter(), time.process_time()
    store.find(query, 50, cursor)
    return (time.perf_counter() - started) * 1000, (time.process_time() - processor) * 1000


def recording(folder: Path) -> dict[str, float]:
    """Seconds of this process's processor that recording a scan, and bare upserts of its rows, take."""
    chance = random.Random(3)
    batch = [
        Evaluation(
            *(f"asset-{asset}", _SYSTEMS[asset % 200], "packages", Outcome.FOUND, _PRESENT, 0.1, Text("见", "saw")),
            tuple(weakness(chance, asset * 50 + number) for number in range(50)),
            b"",
        )
        for asset in range(IMPORTED // 50)
    ]
    told = {"wall_seconds": 0.0}
    with SqliteStore(folder / "recorded.sqlite") as store:
        started = time.perf_counter()
        told["record"] = _seconds(lambda: store.record("scan", batch))
        told["wall_seconds"] = time.perf_counter() - started
        rows: list[Finding] = []
        cursor = None
        while not rows or cursor:
            page = store.find(Query(), LARGEST_PAGE, cursor)
            rows += page.findings
            cursor = page.next_cursor
    SqliteStore(folder / "bare.sqlite").close()
    connection = sqlite3.connect(folder / "bare.sqlite")
    with connection:
        told["bare"] = _seconds(lambda: write_findings(connection, rows))
        connection.execute("CREATE TABLE plain (id TEXT PRIMARY KEY, document TEXT)")
        told["plain"] = _seconds(
            lambda: connection.executemany(
                "INSERT INTO plain VALUES (?, ?) ON CONFLICT DO UPDATE SET document = excluded.document",
                ((row.id, to_document(row)) for row in rows),
            )
        )
    connection.close()
    return told


def importing(folder: Path) -> dict[str, float]:
    """Seconds on the clock that a report of nuclei's takes, new and again."""
    make_home(folder / "home")
    with Home(folder / "home") as home:
        sites = [asset.url for asset in home.inventory.assets() if asset.url.startswith("http")]
        chance = random.Random(5)
        report = b"\n".join(_line(chance, sites[index % len(sites)], index) for index in range(IMPORTED))
        told = {}
        for name, day in (("first", 1), ("again", 2)):
            written = _PRESENT - timedelta(days=3 - day)
            started = time.perf_counter()
            done = import_report(home, io.BytesIO(report + b"\n" * day), "report.jsonl", written=written)
            told[name] = time.perf_counter() - started
            counted = done.recorded.new if day == 1 else done.recorded.seen_again
            assert len(counted) == IMPORTED, "every line is one finding"
    return told


def _line(chance: random.Random, site: str, number: int) -> bytes:
    """One match as nuclei writes it."""
    info = {"name": chance.choice(_EN), "severity": chance.choice(list(Severity)).value, "description": "seen " * 20}
    matched = f"{site.rstrip('/')}/place{number}/index.html?x={number}"
    return orjson.dumps(
        {"template-id": f"CVE-2021-{10000 + number % 500}", "info": info, "type": "http", "matched-at": matched}
    )


def _title(number: int, size: float) -> str:
    return f"{number:,} findings, {number * OBSERVED:,} observations; {size:.0f} bytes of the file for each finding"


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main(number: int) -> int:
    """Build, measure, print; 1 when a target is missed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "findings.sqlite"
        imported = recording(Path(folder))
        rate = imported["bare"] / imported["record"]
        note(
            f"{IMPORTED:,} findings recorded in {imported['record']:.1f} s of the processor, {rate:.2f} of bare upserts"
        )
        report = importing(Path(folder))
        per_second = {name: IMPORTED / seconds for name, seconds in report.items()}
        note(
            f"{IMPORTED:,} findings imported: "
            + ", ".join(f"{name} {each:,.0f}/s" for name, each in per_second.items())
        )
        build(path, number)
        size = path.stat().st_size / number
        note(_title(number, size))
        # As a module: a script's own folder comes first, and a benchmark there has the name of our package of copies.
        command = [sys.executable, "-m", "benchmarks.findings", "--ask", str(path)]
        asked = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    told = json.loads(asked.stdout)
    slowest = min(per_second.values())
    rows = [
        ("list page, p95", told["page_p95"], "ms", MOST_PAGE_MS, told["page_p95"] < MOST_PAGE_MS),
        ("text search, p95", told["search_p95"], "ms", MOST_SEARCH_MS, told["search_p95"] < MOST_SEARCH_MS),
        ("memory of the reader", told["memory_mb"], "MB", MOST_MEMORY_MB, told["memory_mb"] < MOST_MEMORY_MB),
        ("import, new", per_second["first"], "/s", LEAST_PER_SECOND, per_second["first"] >= LEAST_PER_SECOND),
        ("import, again", per_second["again"], "/s", LEAST_PER_SECOND, slowest >= LEAST_PER_SECOND),
        ("record, of bare upserts", rate, "", LEAST_IMPORT, rate >= LEAST_IMPORT),
    ]
    table = Table("", "measured", "target", title=_title(number, size))
    for name, value, unit, target, _ in rows:
        table.add_row(name, f"{value:.2f} {unit}", f"{target:g} {unit}")
    Console().print(table)
    print(f"record, of upserts into a table without indexes and trigrams: {imported['plain'] / imported['record']:.2f}")
    for name in ("page", "search"):
        processor = told[f"{name}_processor_p95"]
        print(f"{name}: p50 {told[f'{name}_p50']:.1f} ms, p95 of the processor's time {processor:.1f} ms; slowest:")
        for milliseconds, text in told[f"{name}_slowest"]:
            print(f"  {milliseconds:8.1f} ms  {text}")
    ok = all(row[-1] for row in rows)
    summary = {
        "name": "findings",
        "ours": round(IMPORTED / imported["record"]),
        "peer": round(IMPORTED / imported["bare"]),
        "ratio": round(rate, 2),
        "target": LEAST_IMPORT,
        "ok": ok,
        "findings": number,
        "page_p95_ms": round(told["page_p95"], 1),
        "search_p95_ms": round(told["search_p95"], 1),
        "memory_mb": round(told["memory_mb"]),
        "bytes_per_finding": round(size),
        "import_per_second": {name: round(value) for name, value in per_second.items()},
    }
    print(json.dumps(summary))
    return 0 if ok else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ask"]:
        print(json.dumps(ask(Path(sys.argv[2]))))
    else:
        sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else NUMBER))
