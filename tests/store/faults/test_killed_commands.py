"""`secops findings import` and `secops store ship`, killed as processes at random moments on their way to Elasticsearch."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from secops.service.beginning import make_home
from secops.service.home import FILE, open_home
from secops.store.elasticsearch_indices import Indices
from secops.store.finding_store import FindingStore
from tests.lab.elasticsearch import shared_elasticsearch
from tests.store.elasticsearch_lab import fresh_indices
from tests.store.faults.ledger import everything

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("elasticsearch")]

ROOT = Path(__file__).parents[3]
NOWHERE = "http://127.0.0.1:1"
SITES = ("https://health.city.example", "https://health.local-dr.city.example")
REPORTS = 5
PAGES = 150
MOST_KILLS = 12


@pytest.fixture
def indices() -> Iterator[Indices]:
    with fresh_indices(shared_elasticsearch()) as made:
        yield made


def home_in(folder: Path) -> Path:
    make_home(folder)
    return folder


def let_store_be(home: Path, indices: Indices, url: str) -> None:
    settings = home / FILE
    kept = settings.read_text("utf-8").split("\nstore:")[0]
    store = f"{{kind: elasticsearch, urls: [{url!r}], prefix: {indices.prefix}}}"
    settings.write_text(f"{kept}\nstore: {store}\n", "utf-8")


def reports(folder: Path) -> list[Path]:
    """What was seen changes a little from each to the next, so that findings are new, seen again and graver."""
    made = []
    for number in range(REPORTS):
        lines = [
            {
                "template-id": "listing",
                "info": {"name": "listing", "severity": "high" if (page + number) % 5 == 0 else "low"},
                "type": "http",
                "matched-at": f"{site}/d{page:03}x/",
                "timestamp": f"2026-03-01T08:{number:02}:00Z",
            }
            for site in SITES
            for page in range(PAGES)
            if (page + number) % 3
        ]
        made.append(folder / f"report-{number}.jsonl")
        made[-1].write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return made


def start(home: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "JINDUN_HOME": str(home), "JINDUN_LANG": "en", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "secops", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def done(home: Path, *arguments: str) -> float:
    """Seconds that it took to its end."""
    began = time.monotonic()
    process = start(home, *arguments)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    return time.monotonic() - began


def kill_until_done(home: Path, moment: Callable[[], float], *arguments: str) -> int:
    """How often it was killed, each time at such a moment, before it ended by itself."""
    for kills in range(MOST_KILLS):
        process = start(home, *arguments)
        try:
            said = process.communicate(timeout=moment())[0]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        else:
            assert process.returncode == 0, said
            return kills
    done(home, *arguments)
    return MOST_KILLS


def said_by(store: FindingStore) -> dict[str, object]:
    """Everything but when the review came by, which is not the same in two homes."""
    findings = everything(store)
    scans = sorted({row.scan for row in store.coverage()})
    return {
        "findings": [
            (
                one.id,
                one.state,
                one.weakness.severity,
                one.times_seen,
                one.first_seen,
                one.last_seen,
                bool(one.deadline),
            )
            for one in findings
        ],
        "histories": [
            [(event.revision, event.actor, event.change) for event in store.history(one.id) if "scan:" in event.actor]
            for one in findings
        ],
        "coverage": store.coverage(),
        "scans": [store.coverage(scan) for scan in scans],
    }


def check(home: Path, written: list[Path], ledger: Path) -> None:
    """As if each report had been imported once, into a file."""
    for report in written:
        done(ledger, "findings", "import", str(report))
    with open_home(home) as opened, open_home(ledger) as right:
        one, other = said_by(opened.store), said_by(right.store)
    for part in other:
        assert one[part] == other[part], part


def test_imports_that_are_killed(indices: Indices, tmp_path: Path) -> None:
    home, chance = home_in(tmp_path / "home"), random.Random(3)
    let_store_be(home, indices, indices.server.name)
    written = reports(tmp_path)
    done(home, "findings", "import", str(written[0]))
    least = done(home, "store", "outbox")
    kills = 0
    for report in written[1:]:
        # Later and later, so that the first ones hit whatever the machine is busy with.
        later = count(least * chance.uniform(0.4, 0.7), 0.15 * least)
        kills += kill_until_done(home, lambda: next(later), "findings", "import", str(report))  # noqa: B023
    done(home, "store", "ship")
    assert kills > 1
    check(home, written, home_in(tmp_path / "ledger"))


def test_shipping_that_is_killed(indices: Indices, tmp_path: Path) -> None:
    """What was imported with the server away is brought by processes that are killed."""
    home = home_in(tmp_path / "home")
    written = reports(tmp_path)
    let_store_be(home, indices, NOWHERE)
    for report in written:
        done(home, "findings", "import", str(report))
    let_store_be(home, indices, indices.server.name)
    least = done(home, "store", "outbox")
    later = count(0.6 * least, 0.06 * least)
    kills = kill_until_done(home, lambda: next(later), "store", "ship")
    assert kills > 1
    check(home, written, home_in(tmp_path / "ledger"))
