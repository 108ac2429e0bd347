"""`secops crawl` as somebody types it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.sites import Site, running_flask
from tests.scanners.web.crawl.city_site import KNOWN, city_site
from tests.scanners.web.sessions.member_site import PASSWORD, member_site
from tests.service.homes import environment, new_home

pytestmark = pytest.mark.slow  # each starts a process of its own
ALLOWED = ("--scope", "127.0.0.0/8", "--approved-by", "test")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_flask(city_site()) as running:
        yield running


def secops(folder: Path, *arguments: object, lang: str = "en", **more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "secops", "--lang", lang, "crawl", *map(str, arguments)]
    told = {**os.environ, "PYTHONPATH": str(Path.cwd()), **more}
    told.pop("JINDUN_HOME", None)
    return subprocess.run(command, capture_output=True, text=True, env=told, cwd=folder, timeout=280)


def test_lines_of_everything_that_was_found(site: Site, tmp_path: Path) -> None:
    done = secops(tmp_path, f"{site.url}/", *ALLOWED, "--output", "o.jsonl", "--profile", "normal")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert len(lines) >= len(KNOWN)
    (feedback,) = [line for line in lines if line["url"] == f"{site.url}/feedback"]
    assert (feedback["method"], feedback["parameters"]) == ("POST", ["text", "csrf"])
    assert feedback["found_on"] == f"{site.url}/"
    assert feedback["fields"] == [{"name": "text", "in": "form"}, {"name": "csrf", "in": "form"}]
    assert all(list(line)[:4] == ["url", "method", "parameters", "found_on"] for line in lines)
    assert "logout" in done.stderr


def test_without_output_the_lines_are_printed_and_nothing_is_posted(site: Site, tmp_path: Path) -> None:
    site.asked.clear()
    done = secops(tmp_path, f"{site.url}/", *ALLOWED, lang="zh")
    assert done.returncode == 0
    assert all(json.loads(line)["url"] for line in done.stdout.splitlines())
    assert "未跟进" in done.stderr
    assert not any(line.startswith("POST") for line in site.asked)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((), 2, "nothing is authorised"),
        (("--scope", "127.0.0.0/8"), 2, "nothing is authorised"),
        (("--scope", "nonsense", "--approved-by", "me"), 2, "is not a network"),
        (("--scope", "192.0.2.0/24", "--approved-by", "me"), 3, "outside the authorised scope"),
        ((*ALLOWED, "--session", "missing.yaml"), 2, "missing.yaml"),
        ((*ALLOWED, "--output", "no/such/folder"), 2, "cannot be written"),
    ],
)
def test_refusals(site: Site, tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    site.asked.clear()
    done = secops(tmp_path, f"{site.url}/", *arguments)
    assert done.returncode == code, done.stderr
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    if "--output" not in arguments:
        assert site.asked == []


def test_what_is_no_address(tmp_path: Path) -> None:
    done = secops(tmp_path, "ftp://x/", *ALLOWED)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_a_home_says_what_may_be_scanned(site: Site, tmp_path: Path) -> None:
    home = new_home(tmp_path / "home")
    site.asked.clear()
    allowed = environment(home, "en")
    done = subprocess.run(
        [sys.executable, "-m", "secops", "crawl", f"{site.url}/", "--max-pages", "5"],
        capture_output=True, text=True, env=allowed, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 0 < len(site.asked) <= 6
    assert (home / "state" / "crawl-audit.jsonl").read_text().count("\n") >= len(site.asked)
    refused = subprocess.run(
        [sys.executable, "-m", "secops", "crawl", f"{site.url}/", *ALLOWED],
        capture_output=True, text=True, env=allowed, timeout=280,
    )  # fmt: skip
    assert refused.returncode == 2


def test_a_session_and_its_secret(tmp_path: Path) -> None:
    app, members = member_site()
    with running_flask(app) as site:
        (tmp_path / "s.yaml").write_text(
            f"probe: {{url: '{site.url}/home', shows: Welcome alice}}\n"
            f"form: {{page: '{site.url}/login', fields: {{user: alice, pass: '${{env:PASS}}'}}}}\n"
        )
        done = secops(tmp_path, f"{site.url}/home", *ALLOWED, "--session", "s.yaml", PASS=PASSWORD)
        assert done.returncode == 3, "one page ends the session each time, and that is told"
        assert f"{site.url}/home/kick" in "".join(done.stderr.split()), "however the table is broken"
        assert f"{site.url}/home/orders" in done.stdout
        wrong = secops(tmp_path, f"{site.url}/home", *ALLOWED, "--session", "s.yaml", PASS="wrong")
        assert (wrong.returncode, wrong.stdout) == (2, "")
    assert members.tried[-1] is False
    assert all(members.tried[:-1])


def test_rendering_without_a_browser_says_what_to_install(site: Site, tmp_path: Path) -> None:
    (tmp_path / "playwright.py").write_text("raise AssertionError\n")
    done = secops(tmp_path, f"{site.url}/", *ALLOWED, "--render", PATH=str(tmp_path))
    assert done.returncode == 2
    assert "install chromium" in done.stderr
