"""Findings in Elasticsearch: the shipper, which merges, beside bare `helpers.streaming_bulk` of the same documents.

`benchmarks/findings_elasticsearch.py [NUMBER]` lets a scan see that many weaknesses, all new, and a scan of the next
day see them again. Both times the shipper brings what stands in the outbox to a real server; then the very documents
that it sent are sent again, in the same order, by the official client's own helper into indices with the same mappings.
"""

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk
from rich.console import Console
from rich.table import Table

from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.store.elasticsearch_access import Access
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_sending import Patience
from secops.store.elasticsearch_server import Action, ElasticsearchServer, Result
from secops.store.entries import Recording
from secops.store.outbox import Outbox
from secops.store.shipping import Shipper
from secops.support.clock import now
from tests.lab.elasticsearch import running_elasticsearch

NUMBER = 30_000
PER_EVALUATION = 20
ROUNDS = 3
TARGET = 0.8
_STARTED = now()
_WORDS = ["弱口令", "未启用访问控制", "证书即将过期", "缺少安全响应头", "目录可列", "日志未留存"]


def scan(number: int, days: int) -> Iterator[Recording]:
    """The same weaknesses each day; of one in a hundred the severity has changed."""
    chance = random.Random(7)
    for place in range(number // PER_EVALUATION):
        seen = tuple(_weakness(chance, place * PER_EVALUATION + nth, days) for nth in range(PER_EVALUATION))
        body = f'{{"status": 200, "headers": ["server: nginx", "etag: {place}-{days}"], "pad": "{"x" * 200}"}}'
        evaluation = Evaluation(
            asset=f"asset-{place}",
            system=f"system-{place % 200}",
            check="http-headers",
            outcome=Outcome.FOUND,
            started=_STARTED + timedelta(days=days),
            seconds=1.5,
            reason=Text("已测试全部页面", "all pages were tested"),
            weaknesses=seen,
            observation=body.encode(),
        )
        yield Recording(f"scan-{days}", evaluation)


def _weakness(chance: random.Random, number: int, days: int) -> Weakness:
    package, word = f"lib{chance.randrange(5000)}-{chance.randrange(20)}", chance.choice(_WORDS)
    changed = days and number % 100 == 0
    return Weakness(
        weakness_class=WeaknessClass.WEB,
        rule=f"http-headers.rule-{number % 60}",
        locator=("GET", f"/{number}"),
        severity=Severity.HIGH if changed else Severity.MEDIUM,
        title=Text(f"{word}:{package}", f"weak: {package}"),
        reason=Text(f"在第 {number} 处看到 {package},应升级", f"saw {package} at place {number}, upgrade it"),
        mend=Text("升级到已修复的版本", "upgrade to a mended version"),
        evidence={"seen": f"{package} {number % 97}.{number % 13}"},
        clauses=(f"8.1.4.{number % 11} a",),
    )


class Ours:
    """A shipper with an outbox, whose requests are written along."""

    def __init__(self, url: str, prefix: str, folder: Path) -> None:
        self.outbox = Outbox(folder / f"{prefix}.sqlite")
        self.indices = Indices(ElasticsearchServer(Access((url,))), prefix)
        self.indices.set_up(now())
        self.shipper = Shipper(self.indices, self.outbox)

    def append(self, number: int, days: int) -> float:
        """Seconds to have a scan on this machine's disk."""
        recordings = list(scan(number, days))
        started = time.perf_counter()
        self.outbox.append(recordings)
        return time.perf_counter() - started

    def ship(self) -> tuple[float, list[list[bytes]]]:
        """Seconds to have it on the server, and the lines of every document."""
        sent: list[Sequence[Action]] = []
        bulk = ElasticsearchServer.bulk

        def noted(server: ElasticsearchServer, actions: Sequence[Action]) -> list[Result]:
            sent.append(actions)
            return bulk(server, actions)

        with patch.object(ElasticsearchServer, "bulk", noted):
            started = time.perf_counter()
            self.shipper.ship(patience=Patience(60, 60))
            seconds = time.perf_counter() - started
        assert self.outbox.standing().depth == self.outbox.standing().dead_letters == 0
        return seconds, [action.lines().splitlines() for actions in sent for action in actions]

    def close(self) -> None:
        """Release everything."""
        self.shipper.close()
        self.indices.server.close()
        self.outbox.close()


def bare(client: Elasticsearch, lines: list[list[bytes]], ours: str, theirs: str) -> float:
    """Seconds in which the helper writes the same documents."""
    documents = [_action(action, source, ours, theirs) for action, source in lines]
    started = time.perf_counter()
    failed = sum(1 for ok, _ in streaming_bulk(client, documents, raise_on_error=False) if not ok)
    client.indices.refresh(index=f"{theirs}-*")
    seconds = time.perf_counter() - started
    assert failed == 0, failed
    return seconds


def _action(action: bytes, source: bytes, ours: str, theirs: str) -> dict[str, Any]:
    ((operation, where),) = orjson.loads(action).items()
    index = where["_index"].replace(ours, theirs, 1)
    return {"_op_type": operation, "_index": index, "_id": where["_id"], "_source": orjson.loads(source)}


def measure(url: str, folder: Path, number: int, turn: int) -> dict[str, tuple[int, float, float]]:
    """By kind of scan: documents, our seconds, theirs; and how long the outbox took."""
    ours = Ours(url, f"ours-{turn}", folder)
    measured = {}
    with Elasticsearch(url, request_timeout=100) as client:
        server = ElasticsearchServer(Access((url,)))
        Indices(server, f"theirs-{turn}").set_up(now())
        for days, name in enumerate(("first", "again")):
            appended = ours.append(number, days)
            seconds, lines = ours.ship()
            measured[name] = (len(lines), seconds, bare(client, lines, f"ours-{turn}", f"theirs-{turn}"))
            print(f"turn {turn}, {name}: {number / appended:,.0f} findings/s into the outbox", file=sys.stderr)
        client.indices.delete(index=list(client.indices.get(index=f"*-{turn}-*")))
        server.close()
    ours.close()
    return measured


def main(number: int) -> int:
    """Measure, print the table and the summary."""
    with running_elasticsearch(measured=True) as server, tempfile.TemporaryDirectory() as folder:
        # Ours is first in each turn: without this a server that still compiles itself would be measured along with it.
        measure(server.url, Path(folder), number // 3, ROUNDS)
        turns = [measure(server.url, Path(folder), number, turn) for turn in range(ROUNDS)]
    table = Table("", "documents", "ours /s", "streaming_bulk /s", "ratio", "target", title=f"{number:,} findings")
    ratios, rates = {}, {}
    for name in ("first", "again"):
        documents = turns[0][name][0]
        mine, theirs = (statistics.median(documents / turn[name][place] for turn in turns) for place in (1, 2))
        ratios[name] = statistics.median(turn[name][2] / turn[name][1] for turn in turns)
        rates[name] = (mine, theirs)
        table.add_row(name, f"{documents:,}", f"{mine:,.0f}", f"{theirs:,.0f}", f"{ratios[name]:.2f}", f"{TARGET}")
    Console().print(table)
    worst = min(ratios, key=lambda name: ratios[name])
    summary = {
        "name": "findings_elasticsearch",
        "ours": round(rates[worst][0]),
        "peer": round(rates[worst][1]),
        "ratio": round(ratios[worst], 2),
        "target": TARGET,
        "ok": ratios[worst] >= TARGET,
        "ratios": {name: round(ratio, 2) for name, ratio in ratios.items()},
    }
    print(json.dumps(summary))
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else NUMBER))
