"""`secops scan web` with two people logged in: rights, what shows elsewhere, what calls back late, templates inside."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from secops.model.outcome import Outcome
from tests.lab.members_city import members_city, session_yaml
from tests.lab.sites import running_flask
from tests.scanners.web.campaign.scanning import template

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def scan(folder: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """At full speed, without the templates that come with us."""
    told = {**os.environ, "PYTHONPATH": str(Path.cwd()), "XDG_CACHE_HOME": str(folder / "cache")}
    told.pop("JINDUN_HOME", None)
    usual = ("--scope", "127.0.0.0/8", "--approved-by", "test", "--rate", "3000", "--no-shipped")
    command = [sys.executable, "-m", "secops", "--lang", "en", "scan", "web", *map(str, arguments), *usual]
    return subprocess.run(command, capture_output=True, text=True, env=told, cwd=folder, timeout=280)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_two_people_and_what_shows_late_or_elsewhere(tmp_path: Path) -> None:
    with running_flask(members_city()) as site:
        for user in ("alice", "bob"):
            (tmp_path / f"{user}.yaml").write_text(session_yaml(site.url, user), encoding="utf-8")
        done = scan(
            tmp_path, site.url, "--session", "alice.yaml", "--session", "bob.yaml", "--output", "o.jsonl",
            "--journal", "j.jsonl", "--json",
        )  # fmt: skip
        told = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    found = {(line["class"], line["url"].removeprefix(site.url).partition("?")[0], line["parameter"])
             for line in lines_of(tmp_path / "o.jsonl")}  # fmt: skip
    assert ("idor", "/orders", "id") in found
    assert not any(kind == "idor" and path != "/orders" for kind, path, _ in found)
    assert ("auth", "/api/people", "") in found and not any(
        path == "/api/mine" for kind, path, _ in found if kind == "auth"
    )
    # The crawl has that cookie long since: it is given to strangers alone.
    assert ("securecookie", "/", "") in found
    assert {(path, field) for kind, path, field in found if kind == "xss"} == {("/sign", "note"), ("/profile", "nick")}
    assert {(path, field) for kind, path, field in found if kind == "ssrf"} == {("/subscribe", "to")}
    (late,) = [line for line in lines_of(tmp_path / "o.jsonl") if line["class"] == "ssrf"]
    assert late["rule"] == "ssrf.out-of-band" and "later" in late["evidence"]["because"]
    rows = {(row["site"], row["check"]): row for row in lines_of(tmp_path / "j.jsonl") if "check" in row}
    assert {Outcome(row["outcome"]) for row in rows.values()} <= set(Outcome)
    assert rows[site.url, "ssrf"]["outcome"] == "found" and rows[site.url, "object-reference"]["outcome"] == "found"
    (target,) = told["targets"]
    counted = Counter(row["outcome"] for row in rows.values())
    assert {name: target[name] for name in counted} == dict(counted)
    assert told["requests"] > 100


def test_templates_run_in_the_session_and_what_was_answered_to_a_stranger_is_done_again(tmp_path: Path) -> None:
    """Each template that logs out is known in the end, and the others are judged inside."""
    for number in range(20):
        template(tmp_path / "t", f"inside-{number}", f"/orders?id=1001&n={number}", "自来水")
    template(tmp_path / "t", "ends-it", "/logout", "see you")
    with running_flask(members_city()) as site:
        (tmp_path / "alice.yaml").write_text(session_yaml(site.url, "alice"), encoding="utf-8")
        arguments = (site.url, "--templates", "t", "--no-checks", "--journal", "j.jsonl", "--output", "o.jsonl")
        inside = scan(tmp_path, *arguments, "--session", "alice.yaml")
        found = {line["template_id"] for line in lines_of(tmp_path / "o.jsonl")}
        rows = {row["check"]: row for row in lines_of(tmp_path / "j.jsonl") if "check" in row}
        outside = scan(tmp_path, *arguments)
    assert found == {f"inside-{number}" for number in range(20)}, inside.stderr
    assert rows["template.ends-it"]["outcome"] == "unreachable"
    assert "end the session" in rows["template.ends-it"]["reason"][1]
    assert "sid=" not in (tmp_path / "o.jsonl").read_text() + (tmp_path / "j.jsonl").read_text()
    assert lines_of(tmp_path / "o.jsonl") == [] and outside.returncode == 0


def test_variables_of_templates(tmp_path: Path) -> None:
    text = (
        "id: asks-{name}\ninfo: {{name: n, author: t, severity: high, tags: test}}\nhttp:\n  - raw:\n      - |\n"
        "        POST /login HTTP/1.1\n        Host: {{{{Hostname}}}}\n"
        "        Content-Type: application/x-www-form-urlencoded\n\n"
        "        user={{{{{name}}}}}&pass={{{{password}}}}\n    matchers:\n      - type: status\n        status: [302]\n"
    )
    (tmp_path / "t").mkdir()
    (tmp_path / "secret").write_text("pass-a\n")
    (tmp_path / "secret").chmod(0o600)
    for name in ("username", "account"):
        (tmp_path / "t" / f"{name}.yaml").write_text(text.format(name=name))
    with running_flask(members_city()) as site:
        arguments = (site.url, "--templates", "t", "--no-checks", "--json", "--output", "o.jsonl")
        done = scan(tmp_path, *arguments, "--var", "username=alice", "--var", "password=${file:secret}")
        bad = scan(tmp_path, *arguments, "--var", "password:hunter2")
    told = json.loads(done.stdout)
    assert [line["template_id"] for line in lines_of(tmp_path / "o.jsonl")] == ["asks-username"], done.stderr
    ((reason,),) = ([one["reason"] for one in told["untested"] if one["outcome"] == "skipped"],)
    assert "account" in reason["en"] and "--var" in reason["en"] and "username" not in reason["en"]
    assert bad.returncode == 2 and "NAME=VALUE" in bad.stderr and "hunter2" not in bad.stderr
