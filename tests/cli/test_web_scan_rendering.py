"""`secops scan web --render` and `secops crawl --render` as somebody types them: what only scripts reach is tested, too."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request

from tests.lab.sites import running_flask
from tests.scanners.web.browser.needing import needs_browser
from tests.scanners.web.sessions.script_site import PASSWORD, script_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), needs_browser]
ALLOWED = ("--scope", "127.0.0.0/8", "--approved-by", "test")
SCAN = ("scan", "web", "--no-shipped", "--rate", "1000", "--enough", "0", *ALLOWED)
FINDER = """<!doctype html><div id=app></div><script>
const api = ['', 'api', 'fi' + 'nd'].join('/');
app.innerHTML = '<form id=f><input name=name><button>find</button></form>';
f.onsubmit = event => {
  event.preventDefault();
  fetch(api, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({name: f.elements.name.value})});
};
</script>"""
MEMBERS = """<script>
const token = (JSON.parse(localStorage.getItem('auth') || '{}')).token;
if (token) fetch(['', 'mine', 'find'].join('/') + '?' + new URLSearchParams({name: 'a', page: 1}),
  {headers: {Authorization: 'Bearer ' + token}});
</script>"""


def secops(folder: Path, *arguments: object, **more: str) -> "subprocess.CompletedProcess[str]":
    told = {**os.environ, "PYTHONPATH": str(Path.cwd()), "XDG_CACHE_HOME": str(folder / "cache"), **more}
    told.pop("JINDUN_HOME", None)
    command = [sys.executable, "-m", "secops", "--lang", "en", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=told, cwd=folder, timeout=280)


def found_by_name(name: str) -> Response:
    """With the flaw: the name goes into the statement as it is."""
    with sqlite3.connect(":memory:") as database:
        database.execute("create table people (name text)")
        try:
            rows = database.execute(f"select name from people where name = '{name}'").fetchall()
        except sqlite3.Error as error:
            return Response(f"sqlite3.OperationalError: {error}", 500)
    return Response(json.dumps(rows), content_type="application/json")


def finder() -> Flask:
    app = Flask("finder")
    app.add_url_rule("/", "home", lambda: FINDER)

    @app.post("/api/find")
    def find() -> Response:
        said: Any = request.get_json(silent=True)
        return found_by_name(str(said.get("name", "")) if isinstance(said, dict) else "")

    return app


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rendering_finds_more_flaws(tmp_path: Path) -> None:
    with running_flask(finder()) as site:
        plain = secops(tmp_path, *SCAN, site.url, "--output", "plain.jsonl")
        shown = secops(tmp_path, *SCAN, site.url, "--output", "shown.jsonl", "--render")
    assert "Traceback" not in plain.stderr + shown.stderr
    assert shown.returncode == 1, shown.stderr
    assert not [line for line in lines_of(tmp_path / "plain.jsonl") if line["class"] == "sqli"]
    flaws = {
        (line["parameter"], line["in"], line["url"])
        for line in lines_of(tmp_path / "shown.jsonl")
        if line["class"] == "sqli"
    }
    assert flaws == {("name", "json", f"{site.url}/api/find")}


def test_what_lies_behind_a_login_in_the_browser_is_tested(tmp_path: Path) -> None:
    app, entered = script_site(cookies=False)
    app.add_url_rule("/members", "members", lambda: MEMBERS)

    @app.get("/mine/find")
    def find() -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return found_by_name(request.args.get("name", "")) if token in entered.sessions else Response("no", 403)

    with running_flask(app) as site:
        (tmp_path / "s.yaml").write_text(
            f"probe: {{url: '{site.url}/api/me', shows: alice}}\n"
            "browser:\n  steps:\n"
            "    - goto: /login\n"
            "    - {fill: '#user', value: alice}\n"
            "    - {fill: '#pass', value: '${env:PASS}'}\n"
            "    - {choose: '#where', value: city}\n"
            "    - click: '#go'\n"
            "    - wait: '#who'\n",
            "utf-8",
        )
        where = f"{site.url}/members"
        done = secops(tmp_path, *SCAN, where, "--render", "--session", "s.yaml", "--output", "o.jsonl", PASS=PASSWORD)
        wrong = secops(tmp_path, *SCAN, where, "--session", "s.yaml", PASS="wrong")
    assert done.returncode == 1, done.stderr
    assert ("name", "query") in {
        (line["parameter"], line["in"]) for line in lines_of(tmp_path / "o.jsonl") if line["class"] == "sqli"
    }
    assert wrong.returncode == 2
    assert "step 6 of the login in the browser (wait #who)" in " ".join(wrong.stderr.split())
    assert "wrong" not in wrong.stderr


def test_a_crawl_writes_what_the_browser_saw(tmp_path: Path) -> None:
    with running_flask(finder()) as site:
        done = secops(tmp_path, "crawl", f"{site.url}/", *ALLOWED, "--render")
        assert site.asked.count("POST /api/find") == 0
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in map(json.loads, done.stdout.splitlines()) if line["url"].endswith("/api/find")]
    assert (line["method"], line["parameters"], line["found_on"]) == ("POST", ["name"], f"{site.url}/")
    assert line["fields"] == [{"name": "name", "in": "json"}]


@pytest.mark.parametrize("verb", [("crawl", *ALLOWED), SCAN])
def test_without_a_browser_nothing_is_sent(tmp_path: Path, verb: tuple[str, ...]) -> None:
    with running_flask(finder()) as site:
        done = secops(tmp_path, *verb, f"{site.url}/", "--render", PATH=str(tmp_path))
        assert site.asked == []
    assert done.returncode == 2
    assert "apt-get install chromium" in " ".join(done.stderr.split())
