"""`secops scan web` as somebody types it: exit codes, lines, a kill in the middle, findings in the store."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flask import Flask

from tests.lab.sites import running_flask
from tests.scanners.web.campaign.scanning import template

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ALLOWED = ("--scope", "127.0.0.0/8", "--approved-by", "test")
FAST = ("--no-shipped", "--no-checks", "--rate", "2000")


def _command(*arguments: object, lang: str = "en") -> list[str]:
    return [sys.executable, "-m", "secops", "--lang", lang, "scan", "web", *map(str, arguments)]


def _environment(folder: Path) -> dict[str, str]:
    told = {**os.environ, "PYTHONPATH": str(Path.cwd()), "XDG_CACHE_HOME": str(folder / "cache")}
    told.pop("JINDUN_HOME", None)
    return told


def secops(folder: Path, *arguments: object, lang: str = "en") -> "subprocess.CompletedProcess[str]":
    command = _command(*arguments, lang=lang)
    return subprocess.run(command, capture_output=True, text=True, env=_environment(folder), cwd=folder, timeout=280)


def _app(delay_seconds: float = 0.0) -> Flask:
    app = Flask("site")

    @app.get("/")
    def home() -> str:
        return "welcome"

    @app.get("/p<int:number>")
    def page(number: int) -> str:
        time.sleep(delay_seconds)
        return f"page {number}"

    return app


def test_lines_and_exit_codes(tmp_path: Path) -> None:
    template(tmp_path / "t", "panel", "/p7", "page 7", severity="high", tags="sqli")
    template(tmp_path / "u", "nothing", "/p8", "not there")
    with running_flask(_app()) as site:
        found = secops(tmp_path, site.url, "--templates", "t", "--output", "o.jsonl", *ALLOWED, *FAST)
        clean = secops(tmp_path, site.url, "--templates", "u", *ALLOWED, *FAST, lang="zh")
    assert found.returncode == 1, found.stderr
    (line,) = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert list(line) == ["rule", "template_id", "matcher", "class", "severity", "url", "parameter", "in", "evidence"]
    assert (line["rule"], line["class"], line["severity"], line["url"]) == ("panel", "sqli", "high", f"{site.url}/p7")
    assert (clean.returncode, clean.stdout) == (0, ""), clean.stderr
    assert "覆盖" in clean.stderr


def test_jobs_of_many_targets_in_one_process(tmp_path: Path) -> None:
    with running_flask(_app()) as one, running_flask(_app()) as other:
        jobs = [{"template": f"t/job-{number}.yaml", "url": (one if number % 2 else other).url} for number in range(60)]
        for number in range(60):
            template(tmp_path / "t", f"job-{number}", f"/p{number}", f"page {number}")
        (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
        done = secops(tmp_path, "--jobs", "jobs.jsonl", "--output", "o.jsonl", "--rate", "2000", *ALLOWED)
    assert done.returncode == 1, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert {(line["template_id"], line["url"]) for line in lines} == {
        (f"job-{number}", f"{(one if number % 2 else other).url}/p{number}") for number in range(60)
    }


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("http://127.0.0.1:9/",), 2, "nothing is authorised"),
        ((*ALLOWED,), 2, "name targets"),
        (("ftp://x/", *ALLOWED), 2, "not an http(s) URL"),
        (("http://127.0.0.1:9/", "--templates", "missing", *ALLOWED), 2, "cannot be read"),
        (("http://127.0.0.1:9/", "--resume", *ALLOWED), 2, "no journal"),
        (("--jobs", "bad.jsonl", *ALLOWED), 2, "bad.jsonl:1"),
        (("http://127.0.0.1:9/", "--no-checks", *ALLOWED), 3, "incomplete"),
    ],
)
def test_refusals(tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    (tmp_path / "bad.jsonl").write_text('{"template": 7}\n')
    done = secops(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_scan_that_is_killed_goes_on(tmp_path: Path) -> None:
    for number in range(80):
        template(tmp_path / "t", f"t{number:02}", f"/p{number}", f"page {number}")
    with running_flask(_app(0.15)) as site:
        wanted = (site.url, "--templates", "t", "--journal", "j.jsonl", *ALLOWED, *FAST, "--connections", "2")
        process = subprocess.Popen(
            _command(*wanted, "--output", "early.jsonl"),
            cwd=tmp_path,
            env=_environment(tmp_path),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            journal, deadline = tmp_path / "j.jsonl", time.monotonic() + 60
            while time.monotonic() < deadline and (not journal.exists() or journal.read_bytes().count(b"\n") < 20):
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        done_before = {
            json.loads(line)["check"] for line in journal.read_bytes().splitlines()[:-1] if b'"check"' in line
        }
        assert 10 <= len(done_before) < 80
        # What was found is there already, one whole line for each.
        early = [json.loads(line)["template_id"] for line in (tmp_path / "early.jsonl").read_text().splitlines()]
        assert done_before <= {f"template.{name}" for name in early}
        assert len(early) == len(set(early))
        site.asked.clear()
        done = secops(tmp_path, *wanted, "--resume", "--output", "o.jsonl")
        asked = {line.removeprefix("GET /p") for line in site.asked if line.startswith("GET /p")}
    assert done.returncode == 1, done.stderr
    assert not {f"template.t{int(number):02}" for number in asked if number.isdigit()} & done_before
    found = {json.loads(line)["template_id"] for line in (tmp_path / "o.jsonl").read_text().splitlines()}
    assert found == {f"t{number:02}" for number in range(80)}
