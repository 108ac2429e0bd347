"""`secops findings import` and `export` as somebody types it, on a home with the sample city and a real store."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from secops.model.finding import State
from secops.model.outcome import Outcome
from secops.store.finding_store import LARGEST_PAGE
from secops.store.query import Query
from secops.store.sqlite_store import SqliteStore
from secops.support import language
from tests.cli.typed import Done, Findings, typed

ROOT = Path(__file__).parents[2]
SITE = "convenience-01-site"
HOST = "convenience-01-web"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "secops/inventory/sample_city.yaml", tmp_path / "inventory.yaml")
    (tmp_path / "jindun.yaml").write_text("state: state\n")
    return tmp_path


@pytest.fixture
def findings(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Findings]:
    """Runs the command line as `secops` does, in this process for speed."""
    monkeypatch.setenv("JINDUN_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object, lang: str = "en") -> Done:
        return typed(monkeypatch, capsys, "--lang", lang, "findings", *arguments)

    yield run
    language.choose(None)


def store(home: Path) -> SqliteStore:
    return SqliteStore(home / "state" / "findings.sqlite")


def states(home: Path) -> dict[str, State]:
    """By the last part of the rule."""
    with store(home) as opened:
        return {one.weakness.rule.split(".")[2]: one.state for one in opened.find(Query()).findings}


def nuclei(template: str, minute: int = 0, host: str = "https://health.city.example/") -> str:
    line = {
        "template-id": template,
        "info": {"name": template, "severity": "high"},
        "type": "http",
        "matched-at": host,
        "timestamp": f"2026-03-01T08:{minute:02}:00Z",
    }
    return json.dumps(line) + "\n"


def report(home: Path, *lines: str, name: str = "report.jsonl") -> Path:
    path = home / name
    path.write_text("".join(lines))
    return path


# --- taking in


def test_a_report_becomes_findings_of_the_assets_that_it_names(home: Path, findings: Findings) -> None:
    done = findings("import", report(home, nuclei("a"), nuclei("b")), "--json")
    assert done.returncode == 0
    assert (done.json["format"], done.json["records"], len(done.json["new"])) == ("nuclei", 2, 2)
    with store(home) as opened:
        (row,) = opened.coverage()
        assert (row.asset, row.check, row.outcome, row.system) == (
            SITE,
            "tool.nuclei",
            Outcome.PARTIAL,
            "convenience-01",
        )
        assert row.last_successful is None, "what another tool saw is no proof that it saw all"


def test_with_the_store_away_a_report_is_kept_and_that_is_told(home: Path, findings: Findings) -> None:
    """Nothing is new, still there or resolved before it is merged; silence would read as an empty report."""
    with (home / "jindun.yaml").open("a") as settings:
        settings.write('store: {kind: elasticsearch, urls: ["http://127.0.0.1:1"]}\n')
    done = findings("import", report(home, nuclei("a"), nuclei("b")))
    assert (done.returncode, "1 result is kept on this machine" in done.stdout) == (0, True), done.stderr
    assert findings("import", report(home, nuclei("c")), "--json").json["waiting"] == 1


def test_with_the_store_away_an_export_writes_nothing(home: Path, findings: Findings) -> None:
    with (home / "jindun.yaml").open("a") as settings:
        settings.write('store: {kind: elasticsearch, urls: ["http://127.0.0.1:1"]}\n')
    done = findings("export", "--format", "csv")
    assert (done.returncode, done.stdout) == (3, "")
    done = findings("export", "--format", "csv", "--output", home / "new.csv")
    assert (done.returncode, (home / "new.csv").exists()) == (3, False)


def test_what_the_system_says_is_said_in_chinese(home: Path, findings: Findings) -> None:
    assert f"无法打开 {home / 'none'}:没有这个文件或目录" in findings("import", home / "none", lang="zh").stderr


def test_what_matches_no_asset_is_told_and_counted(home: Path, findings: Findings) -> None:
    strange = [nuclei("a", host=f"https://{number}.stranger.example/") for number in range(25)]
    path = report(home, nuclei("a"), *strange, nuclei("b", host="https://1.stranger.example/"))
    done = findings("import", path)
    assert done.returncode == 3
    assert "26 records match no asset" in done.stdout and "1.stranger.example" in done.stdout
    assert "and 5 more" in done.stdout
    again = findings("import", path, "--json")
    assert (again.returncode, again.json["unmatched_records"], len(again.json["unmatched"])) == (3, 26, 25)


def test_importing_again_changes_nothing(home: Path, findings: Findings) -> None:
    path = report(home, nuclei("a"))
    findings("import", path)
    os.utime(path, (1, 1))
    done = findings("import", path, "--json")
    assert (done.json["new"], done.json["seen_again"]) == ([], [])
    with store(home) as opened:
        (one,) = opened.find(Query()).findings
        assert one.times_seen == 1


@pytest.mark.slow
def test_standard_input_is_read(home: Path) -> None:
    done = secops(home, "import", "-", "--json", input=nuclei("a"))
    assert (done.returncode, len(json.loads(done.stdout)["new"])) == (0, 1)


# --- closing


def trivy(*flaws: str, day: int = 1) -> str:
    """Of one package of a host of the sample city."""
    of = [{"VulnerabilityID": flaw, "PkgName": "openssl", "Severity": "HIGH"} for flaw in flaws]
    result = {"Class": "os-pkgs", "Type": "debian", "Target": "db", "Vulnerabilities": of}
    report = {"SchemaVersion": 2, "ArtifactName": HOST, "CreatedAt": f"2026-03-0{day}T08:00:00Z", "Results": [result]}
    return json.dumps(report)


def test_a_report_closes_nothing_by_itself(home: Path, findings: Findings) -> None:
    findings("import", report(home, nuclei("a"), nuclei("b")))
    done = findings("import", report(home, nuclei("a", minute=30)), "--json")
    assert (len(done.json["seen_again"]), done.json["resolved"]) == (1, [])
    assert states(home) == {"a": State.NEW, "b": State.NEW}


def test_a_complete_report_closes_what_it_does_not_name_on_its_assets(home: Path, findings: Findings) -> None:
    elsewhere = nuclei("c", host="https://health.local-dr.city.example/")
    findings("import", report(home, nuclei("a"), nuclei("b"), elsewhere))
    path = report(home, nuclei("a", minute=30))
    findings("import", path)
    done = findings("import", path, "--complete", "--json")
    assert (done.json["resolved"], done.json["complete"]) == ([], True), "nuclei may have overlooked it"
    assert findings("import", path, "--complete", "--json").json["resolved"] == [], "that was the same report"
    done = findings("import", report(home, nuclei("a", minute=40)), "--complete", "--json")
    assert len(done.json["resolved"]) == 1
    assert states(home) == {"a": State.NEW, "b": State.RESOLVED, "c": State.NEW}


def test_a_complete_report_of_a_tool_that_overlooks_nothing_closes_at_once(home: Path, findings: Findings) -> None:
    findings("import", report(home, trivy("CVE-2021-1", "CVE-2021-2")))
    done = findings("import", report(home, trivy("CVE-2021-1", day=2)), "--complete", "--json")
    assert len(done.json["resolved"]) == 1


def test_a_complete_report_that_is_older_closes_nothing(home: Path, findings: Findings) -> None:
    findings("import", report(home, nuclei("a", minute=10), nuclei("b", minute=10)))
    findings("import", report(home, nuclei("a", minute=5)), "--complete")
    assert states(home) == {"a": State.NEW, "b": State.NEW}


def test_a_complete_report_whose_tool_failed_closes_nothing(home: Path, findings: Findings) -> None:
    def xccdf(result: str, minute: int) -> Path:
        rules = {"one": "fail", "two": result}
        results = "".join(
            f'<rule-result idref="{rule}" time="2026-03-01T08:{minute:02}:00Z"><result>{ended}</result></rule-result>'
            for rule, ended in rules.items()
        )
        body = f'<TestResult xmlns="http://checklists.nist.gov/xccdf/1.2"><target>{HOST}</target>{results}</TestResult>'
        return report(home, body, name="xccdf.xml")

    def rules() -> dict[str, State]:
        with store(home) as opened:
            return {one.weakness.rule: one.state for one in opened.find(Query()).findings}

    findings("import", xccdf("fail", 0))
    findings("import", xccdf("error", 1), "--complete")
    assert set(rules().values()) == {State.NEW}
    findings("import", xccdf("pass", 2), "--complete")
    assert rules() == {"tool.openscap.one": State.NEW, "tool.openscap.two": State.RESOLVED}


def test_alerts_are_never_complete(home: Path, findings: Findings) -> None:
    path = report(home, '{"version": "4", "groupKey": "x", "alerts": []}')
    done = findings("import", path, "--complete", lang="zh")
    assert (done.returncode, "事件流" in done.stderr) == (2, True)


def test_our_own_findings_come_back_without_closing_or_changing(home: Path, findings: Findings) -> None:
    findings("import", report(home, nuclei("a"), nuclei("b")))
    for name in ("sarif", "defectdojo"):
        path = home / f"out.{name}"
        assert findings("export", "--format", name, "--asset", SITE, "--output", path).returncode == 0
        with store(home) as opened:
            before = [(one.id, one.weakness, one.check, one.revision) for one in opened.find(Query()).findings]
        assert len(findings("import", path, "--json").json["seen_again"]) == 2
        with store(home) as opened:
            after = [(one.id, one.weakness, one.check, one.revision) for one in opened.find(Query()).findings]
        assert after == before


# --- bad reports


BAD = '{"template-id": "cut'


def test_all_or_nothing_is_nothing(home: Path, findings: Findings) -> None:
    findings("import", report(home, nuclei("old")))
    done = findings("import", report(home, nuclei("a", 5), nuclei("b", 5), BAD), "--complete")
    assert done.returncode == 2
    assert f"{home}/report.jsonl:3:" in done.stderr and "cut short" in done.stderr
    with store(home) as opened:
        assert len(opened.coverage()) == 1
    assert states(home) == {"old": State.NEW}


def test_keep_good_keeps_what_came_before_and_closes_nothing(home: Path, findings: Findings) -> None:
    findings("import", report(home, nuclei("old")))
    path = report(home, nuclei("a", 5), nuclei("b", 5), BAD, "\n", nuclei("after", 5))
    done = findings("import", path, "--keep-good", "--complete", "--json", lang="zh")
    assert done.returncode == 2
    assert (done.json["records"], len(done.json["new"]), done.json["complete"]) == (2, 2, False)
    assert "report.jsonl:3:" in done.json["stopped_at"] and "可能被截断" in done.stderr
    assert states(home) == {"old": State.NEW, "a": State.NEW, "b": State.NEW}


@pytest.mark.parametrize(
    ("name", "body", "arguments", "sentence"),
    [
        ("missing", None, (), "cannot open"),
        ("empty", b"", (), "the file is empty"),
        ("noise", bytes(range(256)), (), "cannot tell what kind of report"),
        ("named", b"{}", ("--format", "nucle"), 'did you mean "nuclei"'),
        ("nul", b'{"template-id":"a","matched-at":"\0"}', (), "nul:1:"),
        ("utf16", nuclei("a").encode("utf-16"), ("--format", "nuclei"), "UTF-16"),
        ("deep", b'{"runs":' + b"[" * 100_000, (), "nested too deeply"),
        ("bomb", b'<!DOCTYPE n [<!ENTITY a "x">]><nmaprun>&a;</nmaprun>', (), "defines entities"),
    ],
)
def test_a_bad_report_is_refused_with_a_sentence(
    home: Path, findings: Findings, name: str, body: bytes | None, arguments: tuple[str, ...], sentence: str
) -> None:
    if body is not None:
        (home / name).write_bytes(body)
    done = findings("import", home / name, *arguments)
    assert done.returncode == 2 and sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_gigabyte_of_one_line_costs_neither_time_nor_memory(home: Path) -> None:
    path = home / "huge.jsonl"
    with path.open("wb") as file:
        file.write(b'{"template-id":"a","matched-at":"')
        file.truncate(1 << 30)
    script = (
        f"ulimit -v 2000000; exec {sys.executable} -c 'from secops.cli.main import main; main()' findings import {path}"
    )
    done = subprocess.run(
        ["sh", "-c", script], env=environment(home), capture_output=True, text=True, timeout=280, cwd=ROOT
    )
    assert (done.returncode, "huge.jsonl:1:1: a line is larger than 8 MiB" in done.stderr) == (2, True), done.stderr


# --- giving out


def test_export_writes_what_the_filters_leave(home: Path, findings: Findings) -> None:
    lines = [nuclei("a"), nuclei("c", host="https://health.local-dr.city.example/")]
    findings("import", report(home, *lines))
    done = findings("export", "--format", "csv", "--asset", SITE, "--bom")
    assert done.returncode == 0
    assert done.stdout.startswith("\ufeffid,") and "tool.nuclei.a" in done.stdout and "nuclei.c" not in done.stdout


def test_export_overwrites_nothing(home: Path, findings: Findings) -> None:
    path = report(home, "mine", name="out.csv")
    done = findings("export", "--format", "csv", "--output", path)
    assert (done.returncode, path.read_text()) == (2, "mine")


def test_an_unknown_export_is_refused(home: Path, findings: Findings) -> None:
    done = findings("export", "--format", "sarf", lang="zh")
    assert (done.returncode, "sarif" in done.stderr) == (2, True)


# --- killed


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "JINDUN_HOME": str(home), "JINDUN_LANG": "en", "PYTHONPATH": str(ROOT)}


def start(home: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from secops.cli.main import main; main()", "findings", *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment(home), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def secops(home: Path, *arguments: object, input: str = "") -> Done:
    process = start(home, *arguments)
    out, error = process.communicate(input, timeout=280)
    return Done(process.returncode, out, error)


@pytest.mark.slow
def test_killed_at_any_moment_it_loses_and_doubles_nothing(home: Path) -> None:
    """20,000 records; killed later and later until one import gets through, then repeated."""
    number = 20_000
    sites = [f"https://health.city.example/p{one}" for one in range(number // 2)]
    path = report(home, *(nuclei(template, host=site) for site in sites for template in ("a", "b")))
    began = time.monotonic()
    assert secops(home, "import", path).returncode == 0
    whole_seconds = time.monotonic() - began
    shutil.rmtree(home / "state")
    for share in (0.2, 0.4, 0.55, 0.7, 0.8, 0.9, 0.97):
        process = start(home, "import", path, "--json")
        time.sleep(whole_seconds * share)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=280)
        assert len(times_seen(home)) in (0, number), "a report is there as a whole or not at all"
    assert secops(home, "import", path).returncode == 0
    assert times_seen(home) == [1] * number


def times_seen(home: Path) -> list[int]:
    """Of every finding; none before there is a store."""
    if not (home / "state" / "findings.sqlite").exists():
        return []
    with store(home) as opened:
        found: list[int] = []
        cursor = None
        while True:
            page = opened.find(Query(), LARGEST_PAGE, cursor)
            found += [one.times_seen for one in page.findings]
            if not (cursor := page.next_cursor):
                return found


def test_moments_of_reports_are_those_of_the_records(home: Path, findings: Findings) -> None:
    findings("import", report(home, nuclei("a", 7)))
    with store(home) as opened:
        (one,) = opened.find(Query()).findings
        assert one.first_seen == datetime.fromisoformat("2026-03-01T08:07:00+00:00")
