"""`secops findings accept`, `merge`, `rekey`, `review` and their like, as somebody types them."""

import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from secops.inventory.load import sample_inventory
from secops.model.finding import Severity, State
from secops.store.query import FIELDS, Query
from tests.cli.typed import Findings, as_json, store
from tests.contracts.evaluations import RULE, evaluation, id_of, weakness

ROOT = Path(__file__).parents[2]
A, B = id_of(), id_of("/b")
NEXT_MONTH = (date.today() + timedelta(days=30)).isoformat()
ASK = ("accept", "rule:" + RULE, "--until", NEXT_MONTH, "--reason", "旧系统", "--control", "隔离网段", "--as", "Li")
HOST, RENAMED = "infrastructure-04-web", "infrastructure-04-db"


def asked(findings: Findings, *more: str) -> str:
    """The id of an acceptance that Li asked for."""
    acceptance: str = as_json(findings, *ASK, *more)["acceptance"]["id"]
    return acceptance


# --- accepting risks


def test_the_last_day_that_may_be_named_is_a_year_from_today(findings: Findings) -> None:
    today = datetime.now().astimezone().date()
    longest = [*ASK[:3], (today + timedelta(days=365)).isoformat(), *ASK[4:]]
    assert findings(*longest).returncode == 0
    longer = [*ASK[:3], (today + timedelta(days=366)).isoformat(), *ASK[4:]]
    assert findings(*longer).returncode == 2


def test_a_risk_is_asked_for_by_one_and_approved_by_another(home: Path, findings: Findings) -> None:
    done = findings(*ASK)
    assert done.returncode == 0, done.stderr
    assert "once approved it accepts 2 findings (matching: critical 1, medium 1), up to critical" in done.stdout
    assert "somebody else must approve it: secops findings approve risk-" in done.stdout
    (listed,) = as_json(findings, "acceptances")
    id = listed["acceptance"]["id"]
    assert (listed["standing"], listed["findings"]) == ("requested", 0)
    refused = findings("approve", id, "--as", " LI ")
    assert (refused.returncode, "somebody else must" in refused.stderr) == (2, True)
    agreed = findings("approve", id[:8], "--as", "Wang")
    assert agreed.returncode == 0, agreed.stderr
    assert f"{id}: approved; findings accepted 2, open again 0" in agreed.stdout
    assert as_json(findings, "list")["findings"] == []
    told = findings("show", A).stdout
    for words in ("risk accepted", "asked by Li, approved by Wang", "旧系统; control: 隔离网段", "policy:acceptance"):
        assert words in told
    row = findings("acceptances").stdout
    assert "approved" in row and "Wang" in row
    shown = findings("acceptances", id[:8], lang="zh").stdout
    for words in ("已批准", "Li,", "Wang,", "旧系统", "隔离网段"):
        assert words in shown


def test_an_id_that_none_or_several_have_is_told_apart(findings: Findings) -> None:
    assert "no acceptance has the id 'risk-'" in findings("approve", "risk-", "--as", "Wang").stderr
    ids = sorted(asked(findings) for _ in range(2))
    done = findings("approve", "risk-", "--as", "Wang")
    assert (done.returncode, all(id in done.stderr for id in ids)) == (2, True), done.stderr
    findings("withdraw", ids[0], "--reason", "x", "--as", "Li")
    done = findings("approve", "risk-", "--as", "Wang")
    assert (done.returncode, f"{ids[1]}: approved" in done.stdout) == (0, True), "one alone is left to be approved"


def test_a_withdrawn_acceptance_opens_everything_again(findings: Findings) -> None:
    id = asked(findings)
    findings("approve", id, "--as", "Wang")
    done = findings("withdraw", id, "--reason", "已替换", "--as", "Zhao", lang="zh")
    assert done.returncode == 0, done.stderr
    assert "已撤回;接受 0 个发现,重新打开 2 个" in done.stdout
    assert {one["state"] for one in as_json(findings, "list")["findings"]} == {"reopened"}
    assert as_json(findings, "acceptances") == []
    (over,) = as_json(findings, "acceptances", "--all")
    assert (over["standing"], over["acceptance"]["ended_because"]) == ("ended", "已替换")


def test_what_is_exploited_is_left_out_and_said(home: Path, findings: Findings) -> None:
    with store(home) as opened:
        opened.record("s3", [evaluation(weakness("/x", exploited=True), asset="far", system="tax", minutes=9)])
    told = as_json(findings, *ASK)
    assert (told["would_cover"], told["exploited_left_out"], told["matching"]) == (2, 1, {"critical": 1, "medium": 2})
    assert "attackers are known to use 1 of those that match" in findings(*ASK).stdout


def test_an_acceptance_may_name_a_saved_query_which_may_change_later(findings: Findings) -> None:
    findings("list", "asset:site", "--save", "mine")
    done = as_json(findings, "accept", "@mine", *ASK[2:])
    findings("list", "asset:other", "--save", "mine")
    assert done["acceptance"]["query"] == "asset:site"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("accept", "", *ASK[2:]), "it cannot be all"),
        (("accept", "state:new", *ASK[2:]), "cannot be scoped by state"),
        (("accept", "asset:nobody", *ASK[2:]), "say with --up-to"),
        (("accept", "severity>=hihg", *ASK[2:]), 'did you mean "high"'),
        ((*ASK[:3], "soon", *ASK[4:]), "is not a date"),
        ((*ASK[:3], "2020-01-01", *ASK[4:]), "ends in the future"),
        ((*ASK[:3], "9999-12-31", *ASK[4:]), "date"),
        ((*ASK[:3], "2199-12-31", *ASK[4:]), "at most 365 days"),
        ((*ASK[:5], " ", *ASK[6:]), "the reason is missing"),
        ((*ASK[:7], "", *ASK[8:]), "the control"),
        ((*ASK[:9], " "), "who asks"),
        ((*ASK[:9], "policy:acceptance"), "no person's name"),
        (("transition", A, "triaged", "--reason", "x", "--as", "scan:1"), "no person's name"),
        (("transition", A, "risk_accepted", "--reason", "x"), "two people accept a risk"),
        (("approve", "risk-nothing", "--as", "Wang"), "no acceptance"),
        (("withdraw", "risk-nothing", "--reason", "x"), "no acceptance"),
        (("acceptances", ""), "no acceptance"),
        (("merge", A, A, "--reason", "x"), "into itself"),
        (("merge", A, "1-nobody", "--reason", "x"), "no finding has the id"),
        (("merge", A, B, "--reason", " "), "say why"),
        (("split", A, "--reason", "x"), "was not merged"),
        (("rekey", "--reason", "x"), "say what is renamed"),
        (("rekey", "--asset", "site", "nowhere", "--reason", "x"), "nowhere"),
        (("rekey", A, "--asset", "other", HOST, "--reason", "x"), "is not of other"),
        (("rekey", "--rule", "a", "a", "--reason", "x"), "is no new name"),
        (("rekey", "--rule", "a", "b\udcff", "--reason", "x"), "is no new name"),
        (("history", "1-nobody"), "no finding has the id"),
    ],
)
def test_mistakes_end_with_2_and_change_nothing(
    home: Path, findings: Findings, arguments: tuple[str, ...], message: str
) -> None:
    with store(home) as opened:
        before = (opened.find(Query()), opened.acceptances(), opened.audit())
    done = findings(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    chinese = findings(*arguments, lang="zh")
    assert chinese.returncode == 2 and chinese.stderr != done.stderr
    with store(home) as opened:
        assert (opened.find(Query()), opened.acceptances(), opened.audit()) == before


# --- groups


def test_merged_findings_are_listed_once_and_split_again(findings: Findings) -> None:
    done = findings("merge", B[:12], A[:12], "--reason", "同一处", "--as", "Li")
    assert done.returncode == 0, done.stderr
    assert f"{B} now stands for: {A}" in done.stdout
    assert [one["id"] for one in as_json(findings, "list")["findings"]] == [B]
    assert len(as_json(findings, "list", "--parts")["findings"]) == 2
    assert [one["id"] for one in as_json(findings, "list", f"part_of:{B}")["findings"]] == [A]
    assert as_json(findings, "stats")["total"] == 1
    exported = json.loads(findings("export", "--format", "defectdojo").stdout)
    assert len(exported["findings"]) == 1
    shown = findings("show", B).stdout
    assert f"stands for  {A}" in " ".join(shown.split("\n")) or A in shown
    assert "4 times" in shown, "those of its parts, too"
    assert f"part of  {B}" in " ".join(findings("show", A).stdout.split("\n")) or B in findings("show", A).stdout
    apart = findings("split", A, "--reason", "不是", lang="zh")
    assert f"{A} 已从 {B} 拆出" in apart.stdout
    assert len(as_json(findings, "list")["findings"]) == 2
    told = findings("history", A, lang="zh").stdout
    assert "并入: " in told and "拆出自: " in told


# --- new identities


def test_a_renamed_asset_keeps_its_findings(home: Path, findings: Findings) -> None:
    with store(home) as opened:
        seen = [weakness(f"/{number}") for number in range(5)]
        opened.record("s3", [evaluation(*seen, asset=HOST, system="infrastructure-04", minutes=9)])
    findings("transition", id_of("/3", HOST), "in_progress", "--reason", "x")
    done = findings("rekey", "--asset", HOST, RENAMED, "--reason", "更名")
    assert done.returncode == 0, done.stderr
    assert "rekeyed 5, refused 0" in done.stdout
    listed = as_json(findings, "list", "--asset", RENAMED)["findings"]
    assert sorted(one["state"] for one in listed) == ["in_progress", *["new"] * 4]
    assert as_json(findings, "list", "--asset", HOST)["findings"] == []
    assert as_json(findings, "rekey", "--asset", HOST, RENAMED, "--reason", "again") == {"rekeyed": [], "refused": {}}
    findings("split", id_of("/3", HOST), "--reason", "错了")
    assert [one["id"] for one in as_json(findings, "list", "--asset", HOST)["findings"]] == [id_of("/3", HOST)]


def test_a_renamed_rule_keeps_its_findings_and_its_check(findings: Findings) -> None:
    done = as_json(findings, "rekey", A, "--rule", RULE, "http-headers.no-csp", "--reason", "x")
    assert done["rekeyed"] == [A]
    (one,) = as_json(findings, "list", "rule:http-headers.no-csp")["findings"]
    assert (one["check"], one["parts"]) == ("http-headers", [A])


def test_a_rule_is_renamed_after_the_asset_in_one_go(findings: Findings) -> None:
    findings("rekey", "--asset", HOST, RENAMED, "--reason", "更名")
    done = findings("rekey", "--rule", RULE, "http-headers.no-csp", "--reason", "改名")
    assert (done.returncode, "refused 0" in done.stdout) == (0, True), done.stderr
    left = as_json(findings, "list", f"rule:{RULE}", "--all")["findings"]
    assert [one for one in left if not one["part_of"]] == []


def test_what_cannot_be_rekeyed_is_told_and_the_rest_is_done(home: Path, findings: Findings) -> None:
    with store(home) as opened:
        both = [weakness("/1"), weakness("/2")]
        for asset in (HOST, RENAMED):
            opened.record(f"s-{asset}", [evaluation(*both, asset=asset, system="infrastructure-04", minutes=9)])
    findings("merge", id_of("/2", RENAMED), id_of("/1", RENAMED), "--reason", "x")
    done = findings("rekey", "--asset", HOST, RENAMED, "--reason", "x")
    assert done.returncode == 2
    assert "rekeyed 1, refused 1" in done.stdout
    assert "was merged into" in done.stderr


# --- reviews and deadlines


def test_a_review_sets_deadlines_and_tells_of_them(home: Path, findings: Findings) -> None:
    with store(home) as opened:
        opened.record("s3", [evaluation(weakness("/1", Severity.CRITICAL), asset=HOST, system="infrastructure-04")])
    (told,) = [as_json(findings, "review")]
    assert (told["deadlines"], told["told"]) == (1, {"50": 1, "80": 1, "100": 1})
    assert as_json(findings, "review") == {"accepted": [], "reopened": [], "deadlines": 0, "told": {}}
    overdue = as_json(findings, "list", "deadline:overdue sort due")["findings"]
    assert [one["id"] for one in overdue] == [id_of("/1", HOST)]
    shown = findings("show", id_of("/1", HOST), lang="zh").stdout
    for words in ("已逾期", "个工作日", "整改时间已过: 100 %", "policy:deadline"):
        assert words in shown
    assert "已逾期" in findings("stats", "--by", "deadline", lang="zh").stdout
    assert "accepted 0 · open again 0" in findings("review", "--anew").stdout


def test_an_import_is_followed_by_a_review(home: Path, findings: Findings) -> None:
    line = {
        "template-id": "CVE-2021-1",
        "info": {"name": "x", "severity": "high"},
        "type": "http",
        "matched-at": next(asset.url for asset in sample_inventory().assets() if asset.url),
        "timestamp": datetime.now(UTC).isoformat(),
    }
    report = home / "report.jsonl"
    report.write_text(json.dumps(line) + "\n")
    assert findings("import", str(report)).returncode == 0
    (one,) = as_json(findings, "list", "--check", "tool.nuclei")["findings"]
    assert one["deadline"]["business_days"] > 0


def test_a_policy_with_a_mistake_is_told_before_anything_is_recorded(home: Path, findings: Findings) -> None:
    (home / "jindun.yaml").write_text("state: state\nsla: {policy: sla.yaml}\n")
    (home / "sla.yaml").write_text("deadlines: []\nmarks: [80, 50]\n")
    report = home / "report.jsonl"
    report.write_text('{"template-id": "x", "matched-at": "http://a/", "info": {"severity": "low"}, "type": "http"}\n')
    for arguments in (("review",), ("import", str(report))):
        done = findings(*arguments)
        assert done.returncode == 2
        assert "sla.yaml" in done.stderr
    assert as_json(findings, "coverage", "--check", "tool.nuclei") == []


# --- conflicts


def test_a_conflict_shows_what_changed_meanwhile(findings: Findings) -> None:
    findings("transition", A, "triaged", "--reason", "看过", "--as", "Wang")
    done = findings("transition", A, "false_positive", "--reason", "x", "--revision", "1", "--as", "Li")
    assert done.returncode == 2
    for words in ("what changed since revision 1", "Wang", "new → triaged", "看过", "you saw revision 1"):
        assert words in done.stderr
    told = findings("transition", A, "false_positive", "--reason", "x", "--revision", "1", "--json")
    assert told.returncode == 2
    conflict = json.loads(told.stdout)
    assert [event["change"] for event in conflict["since"]] == ["state: new → triaged"]
    assert conflict["conflict"]["zh"]


def test_a_revision_that_is_still_to_come_is_no_change_of_somebody_else(findings: Findings) -> None:
    done = findings("transition", A, "triaged", "--reason", "x", "--revision", "99999")
    assert done.returncode == 2
    assert "has no revision 99999 yet: it is at revision 1 in state new" in done.stderr
    assert "what changed" not in done.stderr


def test_a_merge_with_a_slip_in_the_last_id_merges_nothing(findings: Findings) -> None:
    assert findings("merge", A, B, "nowhere", "--reason", "x").returncode == 2
    assert as_json(findings, "show", A)["finding"]["parts"] == []


def test_a_part_that_is_split_off_is_told_in_the_language_of_the_reader(findings: Findings) -> None:
    findings("merge", A, B, "--reason", "x")
    assert findings("split", B, "--reason", "x", lang="zh").stdout.endswith("拆出:新发现\n")


# --- names and words


@pytest.mark.parametrize(
    "name", ["L\u200bi", "L\u00adi", "L\ufe0fi", "L\u034fi", "L\u3164i", "L\ni", "\udcff", "L" * 201]
)
def test_a_name_that_does_not_look_like_what_it_is_approves_nothing(findings: Findings, name: str) -> None:
    done = findings("approve", asked(findings), "--as", name)
    assert (done.returncode, "a name is one line" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("name", ["scan:x", " Policy:acceptance", "ｓｃａｎ：x"])
def test_the_names_of_our_own_doings_are_nobodys(findings: Findings, name: str) -> None:
    done = findings("transition", A, "triaged", "--reason", "x", "--as", name)
    assert (done.returncode, "no person's name" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("reason", ["\udcff", "x" * 4001])
def test_a_reason_that_cannot_be_kept_or_read_is_refused(findings: Findings, reason: str) -> None:
    for arguments in (
        ("transition", A, "triaged", "--reason", reason),
        ("accept", "rule:" + RULE, "--until", NEXT_MONTH, "--reason", reason, "--control", "x", "--as", "Li"),
        ("accept", "rule:" + RULE, "--until", NEXT_MONTH, "--reason", "x", "--control", reason, "--as", "Li"),
        ("withdraw", asked(findings), "--reason", reason, "--as", "Li"),
        ("merge", A, B, "--reason", reason),
    ):
        done = findings(*arguments)
        assert done.returncode == 2, done.stderr
        assert "is no text" in done.stderr or "is longer than" in done.stderr


# --- words


def test_every_field_to_count_by_and_its_values_have_names(home: Path, findings: Findings) -> None:
    for field in FIELDS.values():
        if field.groupable:
            done = findings("stats", "--all", "--parts", "--by", field.name, lang="zh")
            assert done.returncode == 0, done.stderr
            heading = done.stdout.splitlines()[2]
            assert field.name not in heading or field.name == "id", heading


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_help_of_every_verb_is_in_one_language(home: Path, lang: str) -> None:
    """In processes of their own, since help is worded when the verb is imported."""
    for verb in ("accept", "approve", "withdraw", "acceptances", "merge", "split", "rekey", "review", "history"):
        done = subprocess.run(
            [sys.executable, "-m", "secops", "findings", verb, "--help"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "JINDUN_LANG": lang, "COLUMNS": "200", "PYTHONUTF8": "1"},
            timeout=280,
        )
        assert done.returncode == 0, done.stderr
        chinese = any("\u4e00" <= character <= "\u9fff" for character in done.stdout.replace("智慧医疗", ""))
        assert chinese is (lang == "zh") or verb == "accept"


def test_a_store_of_before_in_which_one_person_accepted_a_risk_is_put_right(home: Path, findings: Findings) -> None:
    with sqlite3.connect(home / "state" / "findings.sqlite") as connection:
        (number, document) = connection.execute(
            "SELECT number, document FROM documents JOIN findings USING (number) WHERE id = ?", (A,)
        ).fetchone()
        old = json.loads(document) | {"state": "risk_accepted"}
        connection.execute("UPDATE documents SET document = ? WHERE number = ?", (json.dumps(old), number))
        connection.execute("UPDATE findings SET state = 'risk_accepted', open = 0 WHERE number = ?", (number,))
    connection.close()
    assert as_json(findings, "review")["reopened"] == [A]
    assert as_json(findings, "show", A)["finding"]["state"] == State.REOPENED
