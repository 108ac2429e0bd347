"""Scans of many sites in several processes: who gets which site, one ledger and journal, and deaths of all kinds."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask

from scanners.web.campaign.journal import read_journal
from scanners.web.templates.site import site_of
from secops.model.outcome import Outcome
from secops.service.web_parts import parts_of
from secops.service.web_wish import WebState
from tests.lab.sites import Site, running_flask
from tests.scanners.web.campaign.scanning import SCOPE, scanned, template

_PATHS = 40


def _app(delay_seconds: float = 0.0) -> Flask:
    app = Flask("one-of-many")

    @app.get("/")
    def home() -> str:
        return "<title>Home</title>"

    @app.get("/p<int:number>")
    def page(number: int) -> str:
        time.sleep(delay_seconds)
        return f"page {number}"

    return app


def _templates(folder: Path) -> Path:
    for number in range(_PATHS):
        template(folder, f"t{number:02}", f"/p{number}", f"page {number if number % 2 else 'that is not'}")
    return folder


@pytest.fixture
def sites() -> Iterator[list[Site]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_flask(_app(0.02))) for _ in range(4)]


def test_sites_at_one_address_stay_together() -> None:
    sites = [site_of(f"http://127.0.0.{1 + number % 3}:{80 + number}/") for number in range(9)]
    parts = parts_of(sites, SCOPE, 2)
    hosts = [{site.target.host for site in part.sites} for part in parts]
    assert sorted(map(len, hosts)) == [1, 2]
    assert not hosts[0] & hosts[1]
    assert {site for part in parts for site in part.sites} == set(sites)
    assert {part.divisor for part in parts} == {1}


def test_the_pace_of_one_address_is_divided() -> None:
    sites = [site_of(f"http://127.0.0.1:{80 + number}/") for number in range(7)]
    parts = parts_of(sites, SCOPE, 3)
    assert sorted(len(part.sites) for part in parts) == [2, 2, 3]
    assert {part.divisor for part in parts} == {3}


def test_names_of_one_address_stay_together_and_unknown_names_do_no_harm() -> None:
    sites = [site_of(url) for url in ("http://localhost:1/", "http://127.0.0.1:2/", "http://no-such.invalid/")]
    parts = parts_of(sites, SCOPE, 2)
    assert sorted(sorted(site.target.host for site in part.sites) for part in parts) == [
        ["127.0.0.1", "localhost"],
        ["no-such.invalid"],
    ]


def test_one_site_needs_one_process() -> None:
    (only,) = parts_of([site_of("http://127.0.0.1/")], SCOPE, 8)
    assert only.divisor == 1


@pytest.mark.slow
def test_several_processes_tell_the_same(tmp_path: Path, sites: list[Site]) -> None:
    folder, urls = _templates(tmp_path / "t"), [site.url for site in sites]
    alone = scanned(*urls, templates=(folder,), checks=True, max_pages=20)
    journal = tmp_path / "j.jsonl"
    shared = scanned(
        *urls, templates=(folder,), checks=True, max_pages=20, processes=3, journal=journal, audit=tmp_path / "audit"
    )

    def told(ended: object) -> set[tuple[str, str, Outcome, int]]:
        return {(one.site, one.check, one.outcome, len(one.found)) for one in ended.entries}  # type: ignore[attr-defined]

    assert told(shared) == told(alone)
    assert shared.tally.sent == alone.tally.sent
    assert shared.tally.fingerprints.keys() == alone.tally.fingerprints.keys()
    assert shared.ledger.complete
    recorded = read_journal(journal)
    assert recorded.ended and len(recorded.entries) == len(shared.entries)
    assert recorded.fingerprints.keys() == {url.rstrip("/") for url in urls}
    assert recorded.places
    audited = [json.loads(line)["what"] for line in (tmp_path / "audit").read_text().splitlines()]
    for url in urls:
        assert len([what for what in audited if what.startswith(f"GET {url}/p")]) >= _PATHS
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_process_that_dies_makes_the_scan_incomplete(tmp_path: Path, sites: list[Site]) -> None:
    folder, journal = _templates(tmp_path / "t"), tmp_path / "j.jsonl"
    urls, killed = [site.url for site in sites], []

    def watch(state: WebState) -> None:
        if state.sent and not killed:
            victim = multiprocessing.active_children()[0]
            assert victim.pid is not None
            killed.append(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)

    usual = {"templates": (folder,), "journal": journal, "processes": 2, "connections": 2}
    ended = scanned(*urls, watch=watch, **usual)
    assert killed
    assert not ended.ledger.complete
    assert not read_journal(journal).ended
    resumed = scanned(*urls, resume=True, **usual)
    assert resumed.ledger.complete
    assert len(resumed.ledger.found) == len(urls) * _PATHS // 2
    assert len(resumed.entries) == len(urls) * _PATHS


@pytest.mark.slow
@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGINT])
def test_the_processes_end_with_the_scan_and_it_goes_on(tmp_path: Path, sites: list[Site], deadly: int) -> None:
    _templates(tmp_path / "t")
    (tmp_path / "targets").write_text("\n".join(site.url for site in sites))
    command = [
        sys.executable, "-m", "secops", "--lang", "en", "scan", "web", "--targets", "targets", "--templates", "t",
        "--journal", "j.jsonl", "--scope", "127.0.0.0/8", "--approved-by", "test", "--no-shipped", "--no-checks",
        "--rate", "2000", "--connections", "2", "--output", "o.jsonl",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("JINDUN_HOME", None)
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        journal, deadline = tmp_path / "j.jsonl", time.monotonic() + 60
        while time.monotonic() < deadline and (not journal.exists() or journal.read_bytes().count(b"\n") < 20):
            time.sleep(0.02)
        parts = _children(process.pid)
    finally:
        process.send_signal(deadly)
        _, said = process.communicate(timeout=280)
    assert "Traceback" not in said
    assert len(parts) == min(4, len(os.sched_getaffinity(0))) or len(os.sched_getaffinity(0)) == 1
    assert _end_soon(parts)
    assert not read_journal(journal).ended
    done = subprocess.run([*command, "--resume"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == len(sites) * _PATHS // 2


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _end_soon(pids: list[int]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not any(_runs(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
