"""What the settings of a home authorise: paths, methods and hours of a web scan. Nothing else is sent."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from secops.support.clock import now
from tests.lab.sites import running_flask

pytestmark = pytest.mark.slow
SCOPE = "scope: {{approved_by: 张三, networks: [127.0.0.0/8], {limits}}}\n"


def secops(folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    told = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    told.pop("JINDUN_HOME", None)
    command = [sys.executable, "-m", "secops", "--lang", "en", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=told, cwd=folder, timeout=280)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A fresh home; the test says what may be scanned."""
    made = secops(tmp_path, "init", "home")
    assert made.returncode == 0, made.stderr
    return tmp_path / "home"


def _site() -> Flask:
    app = Flask("site")

    @app.route("/", methods=["GET", "POST"])
    @app.route("/<path:place>", methods=["GET", "POST"])
    def page(place: str = "") -> str:
        return "<a href=/portal/a>a</a><a href=/other/b>b</a><form method=post action=/portal/c><input name=q></form>"

    return app


def _scan(home: Path, url: str, limits: str) -> "subprocess.CompletedProcess[str]":
    (home / "jindun.yaml").write_text(SCOPE.format(limits=limits), encoding="utf-8")
    return secops(home, "scan", "web", url, "--no-shipped", "--rate", "2000", "--json")


def test_paths_and_methods(home: Path) -> None:
    with running_flask(_site()) as site:
        done = _scan(home, f"{site.url}/portal/", "paths: [/portal], methods: [GET, HEAD]")
    assert done.returncode in (0, 1), done.stderr
    assert site.asked and all(line.startswith("GET /portal") for line in site.asked), set(site.asked)
    audit = [json.loads(line) for line in (home / "state" / "web-audit.jsonl").read_text().splitlines()]
    refused = [line for line in audit if line.get("refused")]
    assert any("/other/b" in line["what"] for line in refused)


@pytest.mark.parametrize("open_now", [True, False])
def test_hours(home: Path, open_now: bool) -> None:
    begins = now() + timedelta(hours=-1 if open_now else 2)
    window = f'{{begins: "{begins:%H:%M}", ends: "{begins + timedelta(hours=3):%H:%M}", zone: UTC}}'
    with running_flask(_site()) as site:
        done = _scan(home, site.url, f"windows: [{window}]")
    if open_now:
        assert done.returncode in (0, 1) and site.asked
    else:
        assert done.returncode == 3 and site.asked == []
        told = json.loads(done.stdout)["untested"]
        assert any("outside the authorised scope" in one["reason"]["en"] for one in told), told
