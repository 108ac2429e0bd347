"""`secops findings` as somebody types it, on a home with the sample city and a real store."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from secops.model.finding import Severity, State
from secops.store.query import Query
from tests.cli.typed import Findings, as_json, store
from tests.contracts.evaluations import evaluation, id_of, weakness

ROOT = Path(__file__).parents[2]


def test_list_shows_what_is_open_worst_first_in_both_languages(findings: Findings) -> None:
    done = findings("list")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if "1-" in line]
    assert [("critical" in row, "medium" in row) for row in rows] == [(True, False), (False, True)]
    assert id_of("/b")[:12] in rows[0]
    assert "2026-03-01 08:05:00" in rows[0]
    chinese = findings("list", lang="zh").stdout
    assert "2 个发现" in chinese
    assert "严重" in chinese
    assert "新发现" in chinese


@pytest.mark.parametrize(
    ("arguments", "paths"),
    [
        (["--all"], {"/", "/b", "/gone"}),
        (["--state", "resolved"], {"/gone"}),
        (["--state", "resolved", "--state", "new"], {"/", "/b", "/gone"}),
        (["--severity", "critical"], {"/b"}),
        (["--system", "portal", "--asset", "site", "--check", "http-headers"], {"/", "/b"}),
        (["--system", "tax"], set()),
        (["--asset", "nobody"], set()),
        (["--check", "tls-certificate"], set()),
        (["severity>=high"], {"/b"}),
        (["state:resolved or severity:critical"], {"/b", "/gone"}),
        (["--severity", "critical", "state:*"], {"/b"}),
        (["缺少策略 and not severity:critical", "--all"], {"/", "/gone"}),
    ],
)
def test_list_filters(findings: Findings, arguments: list[str], paths: set[str]) -> None:
    listed = as_json(findings, "list", *arguments)
    assert {finding["id"] for finding in listed["findings"]} == {id_of(path) for path in paths}


def test_list_goes_on_where_the_page_before_ended(findings: Findings) -> None:
    first = as_json(findings, "list", "--all", "--limit", "2")
    rest = as_json(findings, "list", "--all", "--limit", "2", "--cursor", first["next_cursor"])
    ids = [finding["id"] for page in (first, rest) for finding in page["findings"]]
    assert sorted(ids) == sorted(id_of(path) for path in ("/", "/b", "/gone"))
    assert rest["next_cursor"] is None
    assert f"--cursor {first['next_cursor']}" in findings("list", "--all", "--limit", "2").stdout
    altered = findings("list", "--all", "--cursor", "x" + first["next_cursor"])
    assert (altered.returncode, altered.stdout) == (2, "")
    assert "this cursor cannot be used" in altered.stderr


def test_list_is_in_the_order_of_the_query(findings: Findings) -> None:
    listed = as_json(findings, "list", "--all", "sort severity, -state")
    assert [finding["weakness"]["severity"] for finding in listed["findings"]] == ["medium", "medium", "critical"]
    assert [finding["state"] for finding in listed["findings"]] == ["resolved", "new", "new"]
    assert listed["query"] == 'part_of:"" sort severity, -state'


def test_a_query_can_be_saved_and_named(home: Path, findings: Findings) -> None:
    assert findings("list", "severity:critical", "--save", "worst").returncode == 0
    assert findings("list", "--save", "关闭的", "@worst or state:resolved").returncode == 0
    ids = {finding["id"] for finding in as_json(findings, "list", "@关闭的 and system:portal")["findings"]}
    assert ids == {id_of("/b"), id_of("/gone")}
    assert json.loads((home / "state" / "queries.json").read_text())["worst"] == "severity:critical"
    for arguments, told in (
        (["@worts"], 'no query was saved as worts; did you mean "worst"?'),
        (["@worst", "--save", "worst"], "@worst refers to itself"),
        (["severity:critical", "--save", "a b"], "a name is made of"),
        (["", "--save", "nothing"], "holds no condition"),
    ):
        done = findings("list", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr
    (home / "state" / "queries.json").write_text("[1")
    assert "holds no saved queries" in findings("list", "@worst").stderr


def test_stats_count_by_fields(findings: Findings) -> None:
    told = as_json(findings, "stats", "--by", "severity,system", "--all")
    assert told["total"] == 3
    assert told["counts"] == [
        {"severity": "medium", "system": "portal", "count": 2},
        {"severity": "critical", "system": "portal", "count": 1},
    ]
    assert as_json(findings, "stats", "--by", "")["counts"] == [{"count": 2}]
    assert as_json(findings, "stats", "state:resolved", "--by", "state")["counts"] == [
        {"state": "resolved", "count": 1}
    ]
    chinese = findings("stats", lang="zh").stdout
    for word in ("2 个发现", "严重", "新发现", "数量"):
        assert word in chinese
    refused = findings("stats", "--by", "sevrity")
    assert refused.returncode == 2
    assert 'did you mean "severity"?' in refused.stderr


def test_a_mistake_in_a_query_is_shown_with_a_caret_in_both_languages(findings: Findings) -> None:
    done = findings("list", "severity>=hihg")
    assert (done.returncode, done.stdout) == (2, "")
    sentence, line, caret = done.stderr.splitlines()
    assert 'query:1:11: severity is never "hihg"; did you mean "high"?' in sentence
    assert caret.index("^") == line.index("hihg")
    assert "是不是" in findings("list", "severity>=hihg", lang="zh").stderr


def test_show_explains_the_finding(findings: Findings) -> None:
    done = findings("show", id_of()[:12])
    assert done.returncode == 0, done.stderr
    for told in (
        id_of(),
        "No policy, missing",
        "not in the answer: missing",
        "add it",
        "GB/T 22239 8.1.4.8 a",
        "GET /",
        "first seen",
        "scan:scan-1",
        "last carried out: 2026-03-01 08:05:00",
        "triaged, in_progress",
    ):
        assert told in done.stdout
    chinese = findings("show", id_of(), lang="zh").stdout
    for told in ("缺少策略", "响应里没有", "加上", "首次发现", "最近一次测成"):
        assert told in chinese
    shown = as_json(findings, "show", id_of("/gone"))
    assert shown["finding"]["state"] == "resolved"
    assert [event["change"] for event in shown["history"]] == ["seen", "resolved"]
    assert [row["scan"] for row in shown["coverage"]] == ["scan-2"]


def test_transition_moves_and_remembers_who(home: Path, findings: Findings) -> None:
    done = findings("transition", id_of()[:12], "triaged", "--reason", "看过了", "--as", "李雷")
    assert done.returncode == 0, done.stderr
    assert f"{id_of()}: new → triaged (revision 2)" in done.stdout
    with store(home) as opened:
        event = opened.history(id_of())[-1]
    assert (event.actor, event.reason.zh, event.change) == ("李雷", "看过了", "state: new → triaged")
    assert "人工改状态: 新发现 → 已研判" in findings("show", id_of(), lang="zh").stdout


def test_transition_is_in_the_name_of_the_user_unless_told(
    home: Path, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "wang")
    done = findings("transition", id_of(), "triaged", "--reason", "x")
    assert done.returncode == 0, done.stderr
    with store(home) as opened:
        assert opened.history(id_of())[-1].actor == "wang"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "1-nothing"], "no finding has the id '1-nothing'"),
        (["show", "1"], "several findings begin with '1'"),
        (["transition", "1-nothing", "triaged", "--reason", "x"], "no finding has the id"),
        (["transition", id_of(), "resolved", "--reason", "x"], "move it to pending_verification and scan"),
        (["transition", id_of(), "new", "--reason", "x"], "cannot go from new to new; allowed: triaged, in_progress"),
        (["transition", id_of(), "triaged", "--reason", "x", "--revision", "7"], "has no revision 7 yet"),
        (["transition", id_of(), "triaged", "--reason", " "], "say why"),
        (["transition", id_of(), "triaged", "--reason", "x", "--as", ""], "say who"),
        (["transition", id_of(), "triaged"], "--reason"),
        (["transition", id_of(), "mended", "--reason", "x"], "mended"),
        (["list", "--severity", "awful"], "awful"),
        (["list", "--limit", "0"], "--limit"),
    ],
)
def test_mistakes_end_with_2_and_change_nothing(
    home: Path, findings: Findings, arguments: list[str], message: str
) -> None:
    with store(home) as opened:
        before = opened.find(Query())
    done = findings(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    with store(home) as opened:
        assert opened.find(Query()) == before


def test_coverage_tells_what_was_not_tested_and_why(findings: Findings) -> None:
    done = findings("coverage", "--asset", "far", "--asset", "site")
    assert done.returncode == 0, done.stderr
    assert "2 in all: found 1, unreachable 1" in done.stdout
    assert "ended unreachable" in done.stdout
    (missing,) = as_json(findings, "coverage", "--missing", "--asset", "site", "--asset", "far")
    assert (missing["asset"], missing["outcome"], missing["last_successful"]) == ("far", "unreachable", None)
    assert [row["asset"] for row in as_json(findings, "coverage", "--scan", "scan-2")] == ["site"]
    assert as_json(findings, "coverage", "--system", "tax")[0]["check"] == "open-ports"


def test_coverage_of_a_scan_that_nobody_knows_is_refused(findings: Findings) -> None:
    done = findings("coverage", "--scan", "nope")
    assert (done.returncode, "no scan has the id 'nope'" in done.stderr) == (2, True)
    assert "没有编号为 'nope' 的扫描" in findings("coverage", "--scan", "nope", "--json", lang="zh").stderr


def test_coverage_lists_what_no_scan_has_looked_at(findings: Findings) -> None:
    never = [row for row in as_json(findings, "coverage") if row["outcome"] is None]
    assert never, "the sample city has assets, and nothing of it was scanned"
    assert {row["reason"]["en"] for row in never} == {"no scan has looked at it yet"}
    assert "never tested" in findings("coverage", "--missing").stdout
    assert all(row["outcome"] for row in as_json(findings, "coverage", "--scan", "scan-1"))


def test_what_a_target_said_cannot_steer_the_terminal(home: Path, findings: Findings) -> None:
    nasty = weakness("/x", Severity.HIGH, wording="\x1b]0;owned\x07 [red]not markup[/] \u202egnp")
    with store(home) as opened:
        opened.record("scan-3", [evaluation(nasty, asset="evil")])
    for arguments in (["list", "--asset", "evil"], ["show", id_of("/x", "evil")]):
        done = findings(*arguments)
        assert done.returncode == 0, done.stderr
        assert "\x1b]" not in done.stdout
        assert "\u202e" not in done.stdout
        assert "[red]not markup[/]" in done.stdout


def test_a_store_that_is_none_is_refused(home: Path, findings: Findings) -> None:
    (home / "state" / "findings.sqlite").write_text("this is no database at all")
    done = findings("list")
    assert done.returncode == 2
    assert "findings.sqlite is not a usable database" in done.stderr
    assert (home / "state" / "findings.sqlite").read_text() == "this is no database at all"


@pytest.mark.slow
@pytest.mark.parametrize(("lang", "told"), [("zh", "并未认证"), ("en", "not authenticated")])
def test_help_speaks_both_languages_and_says_that_names_are_claimed(home: Path, lang: str, told: str) -> None:
    """In a process of its own, since help is worded when the verb is imported."""
    done = subprocess.run(
        [sys.executable, "-m", "secops", "findings", "transition", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "JINDUN_LANG": lang, "COLUMNS": "200", "PYTHONUTF8": "1"},
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
    assert all(state.value in done.stdout for state in State)
