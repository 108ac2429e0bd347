"""The browser ends with whoever started it, however that ends; it runs as root and as an ordinary user."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import playwright
import pytest
from flask import Flask

from tests.lab.sites import Site, running_flask
from tests.scanners.web.browser.needing import needs_browser
from tests.scanners.web.browser.sockets import children_of

ROOT = Path(__file__).parents[4]
pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture
def site() -> Iterator[Site]:
    app = Flask("slow")
    links = "".join(f"<a href=/{number}>x</a>" for number in range(200))
    app.add_url_rule("/", "home", lambda: f"<script>setInterval(() => fetch('/po' + 'll'), 50)</script>{links}")
    app.add_url_rule("/<int:_any>", "any", lambda _any: "<div id=app></div><script>setInterval(() => 1, 9)</script>")
    app.add_url_rule("/poll", "poll", lambda: "{}")
    with running_flask(app) as running:
        yield running


@contextmanager
def crawling(site: Site, folder: Path, *more: str) -> Iterator["subprocess.Popen[str]"]:
    """`secops crawl --render` at work, its browser running."""
    command = [sys.executable, "-m", "secops", "--lang", "en", "crawl", f"{site.url}/", "--render"]
    process = subprocess.Popen(
        [*command, "--scope", "127.0.0.0/8", "--approved-by", "test", *more],
        cwd=folder,
        env={**{name: value for name, value in os.environ.items() if name != "JINDUN_HOME"}, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for pid in (process.pid, *children_of(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


def until(happened: Callable[[], bool], seconds: float) -> bool:
    ends_at = time.monotonic() + seconds
    while not (done := happened()) and time.monotonic() < ends_at:
        time.sleep(0.1)
    return done


def names_below(pid: int) -> dict[int, str]:
    found = {}
    for child in children_of(pid):
        with suppress(OSError):
            found[child] = Path(f"/proc/{child}/comm").read_text().strip()
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_process_is_left_behind(site: Site, tmp_path: Path, how: signal.Signals) -> None:
    with crawling(site, tmp_path) as process:
        assert until(lambda: "GET /poll" in site.asked, 60), process.poll()
        family = names_below(process.pid)
        assert any("chrom" in name for name in family.values())
        if how is signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal does
        else:
            process.send_signal(how)
        assert until(lambda: process.poll() is not None, 30)
        left: Callable[[], bool] = lambda: not any(map(alive, family))  # noqa: E731
        assert until(left, 30), {pid: name for pid, name in family.items() if alive(pid)}
        _, said = process.communicate(timeout=10)
        assert "Traceback" not in said
        if how is signal.SIGINT:
            assert process.returncode == 130


@pytest.mark.timeout(300)
def test_a_killed_crawl_goes_on_where_it_was(site: Site, tmp_path: Path) -> None:
    journal = tmp_path / "crawl.journal"
    with crawling(site, tmp_path, "--journal", str(journal), "--max-pages", "60") as process:
        assert until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 20, 90), process.poll()
        process.kill()
    asked = len(site.asked)
    with crawling(site, tmp_path, "--journal", str(journal), "--max-pages", "60") as process:
        lines, said = process.communicate(timeout=110)
    assert process.returncode == 0, said
    assert f'"{site.url}/poll"' in lines
    assert site.asked[asked:].count("GET /") == 0, "what was read is not asked for again"


def running_as(pid: int) -> set[str]:
    """How the browser below a process was started."""
    found = set()
    for child, name in names_below(pid).items():
        with suppress(OSError):
            line = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
            if "chrom" in name and "--type=" not in line:
                found.add(line)
    return found


def test_its_own_walls_are_left_out_for_root_alone(site: Site, tmp_path: Path) -> None:
    with crawling(site, tmp_path) as process:
        assert until(lambda: "GET /poll" in site.asked, 60), process.poll()
        (line,) = running_as(process.pid)
    assert ("--no-sandbox" in line) == (os.getuid() == 0)
    assert "--disable-popup-blocking" not in line
    assert re.search(r"--proxy-server=http://127\.0\.0\.1:\d+", line)


SCRIPT = """
import asyncio, sys
from scanners.web.browser.rendering import open_browser
from scanners.web.crawl.lead import Lead, Source
from scanners.web.visitor import Nobody
from tests.lab.sites import loopback_client

async def story():
    async with loopback_client() as client, open_browser(client) as browser:
        reading = await browser.render(Lead(sys.argv[1], Source.SEED), Nobody())
        print(*(lead.url for lead in reading.leads))

asyncio.run(story())
"""


@pytest.mark.skipif(os.getuid() != 0, reason="the other tests run as an ordinary user then")
def test_an_ordinary_user_has_a_browser_with_walls(site: Site) -> None:
    packages = Path(playwright.__file__).parents[1]
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3"]
    reach = subprocess.run([*as_nobody, "-c", f"open({playwright.__file__!r})"], capture_output=True)
    version = subprocess.run([as_nobody[-1], "-V"], capture_output=True, text=True).stdout
    if reach.returncode or version.split()[1].split(".")[:2] != list(map(str, sys.version_info[:2])):
        pytest.skip("an ordinary user cannot read these packages, or has another Python")
    done = subprocess.run(
        [*as_nobody, "-B", "-c", SCRIPT, f"{site.url}/"],
        capture_output=True, text=True, timeout=90, cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{packages}", "HOME": "/nonexistent"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{site.url}/poll" in done.stdout.split()
