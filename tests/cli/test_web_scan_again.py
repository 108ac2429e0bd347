"""A web scan with everything, once more: the same again, after a kill, since an earlier one, and too little tested."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from markupsafe import escape

from tests.lab.sites import Site, running_flask
from tests.scanners.web.campaign.scanning import template

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
USUAL = ("--scope", "127.0.0.0/8", "--approved-by", "test", "--rate", "3000", "--no-shipped")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "secops", "--lang", "en", "scan", "web", *map(str, arguments), *USUAL]


def options(folder: Path) -> dict[str, Any]:
    told = {**os.environ, "PYTHONPATH": str(Path.cwd()), "XDG_CACHE_HOME": str(folder / "cache")}
    told.pop("JINDUN_HOME", None)
    return {"env": told, "cwd": folder}


def scan(folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=280, **options(folder))


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def ended(path: Path) -> dict[str, str]:
    """Outcomes by check, as the journal tells them."""
    return {row["check"]: row["outcome"] for row in lines_of(path) if "check" in row}


def _app(seconds: float = 0.0) -> Flask:
    """Five pages that show what they are asked; two of them as it is."""
    app = Flask("site")

    @app.get("/")
    def home() -> str:
        return "".join(f"<a href=/page{number}?q=news>{number}</a>" for number in range(5))

    @app.get("/page<int:number>")
    def page(number: int) -> str:
        time.sleep(seconds)
        asked = request.args.get("q", "")
        return f"<p>You asked for {asked if number in (3, 4) else escape(asked)}</p>"

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return app


def test_two_scans_with_one_seed_tell_the_same(tmp_path: Path) -> None:
    with running_flask(_app()) as site:
        first, second = (
            scan(tmp_path, site.url, "--seed", "7", "--output", f"o{number}", "--journal", f"j{number}")
            for number in (1, 2)
        )
        other = scan(tmp_path, site.url, "--seed", "8", "--output", "o3", "--journal", "j3")
    assert first.returncode == second.returncode == other.returncode == 1, first.stderr
    assert lines_of(tmp_path / "o1") == lines_of(tmp_path / "o2")
    assert ended(tmp_path / "j1") == ended(tmp_path / "j2") == ended(tmp_path / "j3")
    one, three = lines_of(tmp_path / "o1"), lines_of(tmp_path / "o3")
    assert [(line["rule"], line["url"]) for line in one] == [(line["rule"], line["url"]) for line in three]
    assert [line["evidence"] for line in one] != [line["evidence"] for line in three]
    assert {line["url"].removeprefix(site.url) for line in one if line["class"] == "xss"} == {
        "/page3?q=news", "/page4?q=news"
    }  # fmt: skip


def test_what_an_address_asks_is_tested_too(tmp_path: Path) -> None:
    with running_flask(_app()) as site:
        done = scan(tmp_path, f"{site.url}/page3?q=news#top", f"{site.url}?q=a", "--listen-at", "", "--output", "o")
    assert done.returncode == 1, done.stderr
    found = {line["url"].removeprefix(site.url) for line in lines_of(tmp_path / "o") if line["class"] == "xss"}
    assert found == {"/page3?q=news", "/page4?q=news"}


def _kill_in_the_checks(process: "subprocess.Popen[bytes]", journal: Path) -> set[str]:
    """The places that were examined until then."""
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and (not journal.exists() or journal.read_bytes().count(b'"place"') < 3):
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    whole = journal.read_bytes().rpartition(b"\n")[0].splitlines()
    return {row["place"] for line in whole if "place" in (row := json.loads(line))}


def test_a_scan_that_is_killed_in_its_checks_goes_on(tmp_path: Path) -> None:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running_flask(_app(0.01)) as site:
        whole = scan(tmp_path, site.url, "--output", "whole.jsonl")
        wanted = (site.url, "--journal", "j.jsonl")
        process = subprocess.Popen(command(*wanted), **quiet, **options(tmp_path))
        done = _kill_in_the_checks(process, tmp_path / "j.jsonl")
        site.asked.clear()
        resumed = scan(tmp_path, *wanted, "--resume", "--output", "o.jsonl")
        asked = set(_paths(site))
    assert whole.returncode == resumed.returncode == 1, resumed.stderr
    assert lines_of(tmp_path / "o.jsonl") == lines_of(tmp_path / "whole.jsonl")
    finished = {f"/page{number}" for number in range(5) if any(f"/page{number}?" in place for place in done)}
    assert finished and not finished & asked


def _paths(site: Site) -> list[str]:
    return [line.partition(" ")[2].partition("?")[0] for line in site.asked]


def test_since_an_earlier_scan_only_what_is_new_is_tested(tmp_path: Path) -> None:
    for number in range(3):
        template(tmp_path / "t", f"old-{number}", f"/nothing-{number}")
    with running_flask(_app()) as site:
        first = scan(tmp_path, site.url, "--templates", "t", "--no-checks", "--journal", "j1")
        template(tmp_path / "t", "old-1", "/nothing-1", "another word")
        template(tmp_path / "t", "new", "/page1", "You asked")
        site.asked.clear()
        again = scan(tmp_path, site.url, "--templates", "t", "--no-checks", "--journal", "j2", "--since", "j1")
        asked = {path for path in _paths(site) if path.startswith(("/nothing", "/page"))}
        unknown = scan(tmp_path, site.url, "--templates", "t", "--no-checks", "--since", "never")
    assert (first.returncode, again.returncode, unknown.returncode) == (0, 1, 2)
    assert asked == {"/nothing-1", "/page1"}
    told = {"template.old-0": "skipped", "template.old-1": "tested_clean", "template.old-2": "skipped"}
    assert ended(tmp_path / "j2") == {**told, "template.new": "found"}


def test_since_an_earlier_scan_checks_run_where_something_changed(tmp_path: Path) -> None:
    app, sentence = _app(), ["Nothing was found."]

    @app.get("/search")
    def search() -> str:
        asked = request.args.get("q", "")
        return f"<a href=/page1?q=news>1</a><p>{sentence[0]} {asked if len(sentence) > 1 else escape(asked)}</p>"

    @app.get("/pages")
    def pages() -> str:
        return "<a href=/search?q=news>search</a>" + "".join(f"<a href=/page{n}?q=news>{n}</a>" for n in (1, 3))

    with running_flask(app) as site:
        asked = {}
        for number, since in enumerate(("", "j0", "j1")):
            site.asked.clear()
            if number == 2:
                sentence[:] = ["We found nothing at all for", "changed"]
            arguments = (f"{site.url}/pages", "--listen-at", "", "--journal", f"j{number}", "--output", f"o{number}")
            done = scan(tmp_path, *arguments, *(("--since", since) if since else ()))
            assert done.returncode == 1, done.stderr
            asked[number] = Counter(_paths(site))
        other = scan(tmp_path, f"{site.url}/pages", "--profile", "safe", "--since", "j0", "--journal", "j3")
    # Where nothing has changed, one look tells it; what was found is tried again.
    assert asked[1]["/page1"] < asked[0]["/page1"] / 5 and asked[1]["/search"] < asked[0]["/search"] / 5, asked
    assert asked[2]["/page1"] < asked[0]["/page1"] / 5 and asked[2]["/search"] > asked[0]["/search"] / 2, asked
    told = [ended(tmp_path / f"j{number}") for number in range(4)]
    assert [one["sql-error"] for one in told[:3]] == ["tested_clean", "skipped", "tested_clean"]
    assert [one["reflected-xss"] for one in told[:3]] == ["found"] * 3
    assert told[1]["page-headers"] == told[0]["page-headers"]
    # Scanned in another manner, everything is new.
    assert other.returncode in (0, 1) and told[3]["sql-error"] != "skipped"
    found = [{line["url"].removeprefix(site.url) for line in lines_of(tmp_path / f"o{number}") if line["class"] == "xss"}
             for number in range(3)]  # fmt: skip
    assert found[0] == found[1] == {"/page3?q=news"} and found[2] == found[0] | {"/search?q=news"}


@pytest.mark.parametrize(("enough", "code"), [("0.95", 3), ("0.5", 0)])
def test_too_little_tested_is_incomplete(tmp_path: Path, enough: str, code: int) -> None:
    app = _app()

    @app.get("/broken<int:number>")
    def broken(number: int) -> Response:
        return Response("busy", 503, {"Retry-After": "1"})

    for number in range(10):
        template(tmp_path / "t", f"t{number}", f"/{'broken' if number < 3 else 'page'}{number}", "not there")
    with running_flask(app) as site:
        done = scan(tmp_path, site.url, "--templates", "t", "--no-checks", "--enough", enough, "--json")
    assert done.returncode == code, done.stderr
    told = json.loads(done.stdout)
    assert told["complete"] is (code == 0)
    (target,) = told["targets"]
    assert target["share"] == 0.7 and target["tested_clean"] == 7 and target["blocked"] == 3
    assert sum(one["count"] for one in told["untested"]) == 3
