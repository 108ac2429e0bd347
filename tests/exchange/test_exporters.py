"""What every format promises of what it writes; and round trips where a format can be read again."""

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secops.exchange.exporter import Around, all_exporters
from secops.exchange.exporters.csv import COLUMNS, defused
from secops.exchange.gathering import Gathering
from secops.exchange.importer import all_importers
from secops.model.finding import Finding, Severity, State, Weakness, WeaknessClass, finding_id
from secops.model.text import Text
from tests.exchange.city import NOW, index

SEEN = datetime(2026, 3, 1, 8, 0, 0, 123456, UTC)
AROUND = Around(NOW, "0.1.0", {"site": "https://health.city.example/", "web": "192.0.2.11"})
DOJO_KEYS = {
    *("title", "severity", "description", "date", "cwe", "cwes", "cve", "vulnerability_ids", "cvssv3", "cvssv3_score"),
    *("cvssv4", "cvssv4_score", "epss_score", "mitigation", "impact", "steps_to_reproduce", "references", "active"),
    *("verified", "is_mitigated", "mitigated", "risk_accepted", "false_p", "component_name", "component_version"),
    *("file_path", "line", "param", "payload", "service", "endpoints", "tags", "files", "unique_id_from_tool"),
    *("vuln_id_from_tool", "known_exploited", "kev_date", "fix_available", "fix_version"),
}
"""What DefectDojo knows; any other key makes it refuse the file."""


def finding(
    kind: WeaknessClass = WeaknessClass.WEB,
    rule: str = "http-headers.csp-missing",
    locator: tuple[str, ...] = ("GET", "/新闻"),
    asset: str = "site",
    state: State = State.NEW,
    severity: Severity = Severity.HIGH,
    words: str = "缺",
) -> Finding:
    weakness = Weakness(
        kind, rule, locator, severity, Text(words, words), Text(words, f"seen: {words}"), Text("加上", "add it"),
        {"header": words}, ("8.1.4.8 a",), severity is Severity.CRITICAL,
    )  # fmt: skip
    id = finding_id(kind, asset, rule, locator)
    return Finding(id, "health", asset, rule.partition(".")[0], weakness, state, SEEN, SEEN, SEEN, SEEN)


MANY = [
    *(finding(kind, f"check.{kind}", (kind,), severity=severity) for kind in WeaknessClass for severity in Severity),
    *(finding(rule="check.state", locator=(state,), state=state) for state in State),
    finding(asset="web", words='=cmd|" /C calc"!A0\n,";\x00'),
    finding(WeaknessClass.VULNERABILITY, "tool.trivy.CVE-2026-0001", ("debian", "x")),
    finding(asset="nowhere", locator=()),
]


def written(name: str, findings: Iterable[Finding], around: Around = AROUND) -> bytes:
    return b"".join(all_exporters()[name].write(findings, around))


@pytest.mark.parametrize("name", all_exporters())
def test_no_findings_are_a_file_too(name: str) -> None:
    body = written(name, []).decode()
    assert body == "" if name == "ocsf" else body.endswith("\n")


@pytest.mark.parametrize("name", sorted(all_exporters().keys() & all_importers().keys()))
def test_what_was_exported_comes_back_as_what_it_was(name: str) -> None:
    still_there = [one for one in MANY if one.state.open and one.asset != "nowhere"]
    gathering = Gathering(index(), NOW, NOW)
    report = written(name, MANY)
    assert [each for each, one in all_importers().items() if one.recognises(report[: 64 << 10])] == [name]
    for sighting in all_importers()[name].read(io.BytesIO(report)):
        gathering.take(sighting)
    assert dict(gathering.unmatched) == {"asset:nowhere": 1}
    back = {
        finding_id(each.weakness_class, one.asset, each.rule, each.locator): (one.check, one.started, each)
        for one in gathering.evaluations(complete=True)
        for each in one.weaknesses
    }
    worst = {one.id: one for one in sorted(still_there, key=lambda one: one.weakness.severity.rank)}
    assert back.keys() == worst.keys()
    for id, (check, started, weakness) in back.items():
        kept = worst[id].weakness
        assert (check, started) == (worst[id].check, SEEN)
        clean = {key: value.replace("\0", "\ufffd") for key, value in kept.evidence.items()}
        assert (weakness.locator, weakness.clauses, weakness.severity) == (kept.locator, kept.clauses, kept.severity)
        assert (
            weakness.mend == kept.mend and {k: v.replace("\0", "\ufffd") for k, v in weakness.evidence.items()} == clean
        )


@pytest.mark.parametrize("name", sorted(all_exporters().keys() & all_importers().keys()))
@given(locator=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), max_size=3))
@settings(max_examples=40, deadline=None)
def test_any_place_survives_the_round_trip(name: str, locator: list[str]) -> None:
    one = finding(locator=tuple(locator))
    (sighting,) = all_importers()[name].read(io.BytesIO(written(name, [one])))
    assert sighting.weakness and sighting.weakness.locator == one.weakness.locator


@pytest.mark.parametrize("name", all_exporters())
def test_halves_of_surrogate_pairs_stop_no_export(name: str) -> None:
    written(name, [finding(kind, locator=("\ud800",), words="\udcff") for kind in WeaknessClass]).decode()


# --- DefectDojo


def test_defectdojo_gets_only_keys_that_it_knows() -> None:
    report = json.loads(written("defectdojo", MANY))
    assert report.keys() == {"name", "type", "version", "findings"}
    assert len(report["findings"]) == len(MANY)
    for record in report["findings"]:
        assert record.keys() <= DOJO_KEYS
        assert record["severity"] in {"Critical", "High", "Medium", "Low", "Info"}
        assert all(isinstance(record[key], str) and record[key] for key in ("title", "severity", "description"))
    states = {record["unique_id_from_tool"]: record for record in report["findings"]}
    for one in MANY:
        assert states[one.id]["active"] is one.state.open


# --- SARIF


def test_sarif_keeps_the_rules_of_the_standard() -> None:
    report = json.loads(written("sarif", MANY))
    assert report["version"] == "2.1.0" and report["$schema"].endswith("sarif-2.1.0.json")
    (run,) = report["runs"]
    assert run.keys() <= {"tool", "results", "columnKind"}
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert len(rules) == len(run["tool"]["driver"]["rules"]), "ids of rules are unique"
    for rule in rules.values():
        assert rule["shortDescription"]["text"] and rule["help"]["text"]
        assert 0 <= float(rule["properties"]["security-severity"]) <= 10
    for result in run["results"]:
        assert_sound_result(result, rules)


def assert_sound_result(result: dict[str, Any], rules: dict[str, Any]) -> None:
    known = {"ruleId", "kind", "level", "message", "locations", "partialFingerprints", "properties", "suppressions"}
    assert result.keys() <= known and result["ruleId"] in rules
    assert result["level"] in {"none", "note", "warning", "error"}
    assert result["kind"] in {"pass", "fail"} and (result["kind"] == "fail" or result["level"] == "none")
    assert result["message"]["text"]
    (place,) = result["locations"]
    uri = place["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"(web|assets)/[A-Za-z0-9._~%/:-]+", uri)
    assert all(isinstance(value, str) for value in result["partialFingerprints"].values())
    for one in result.get("suppressions", []):
        assert one["kind"] in {"inSource", "external"} and one["status"] in {"accepted", "underReview", "rejected"}


# --- OCSF


def test_ocsf_events_have_what_their_class_asks_for() -> None:
    events = [json.loads(line) for line in written("ocsf", MANY).splitlines()]
    assert len(events) == len(MANY)
    kinds = {WeaknessClass.COMPLIANCE: 2003, WeaknessClass.RESILIENCE: 2003}
    kinds |= {WeaknessClass.TAMPER: 2004, WeaknessClass.DETECTION: 2004}
    for event, one in zip(events, MANY, strict=True):
        assert event["class_uid"] == kinds.get(one.weakness.weakness_class, 2002)
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert (event["category_uid"], event["severity_id"]) == (2, one.weakness.severity.rank + 1)
        assert event["finding_info"]["uid"] == one.id and event["metadata"]["product"]["name"]
        assert event["time"] == 1772352000123
        assert event["status_id"] in (1, 2, 3, 4) and (event["activity_id"] == 3) == (event["status_id"] in (3, 4))
        needed = {2002: "vulnerabilities", 2003: "compliance", 2004: "evidences"}[event["class_uid"]]
        assert event[needed]


# --- CSV


def test_csv_is_one_row_each_and_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(written("csv", MANY).decode(), newline="")))
    assert tuple(rows[0]) == COLUMNS and len(rows) == len(MANY) + 1
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert any("calc" in cell for row in rows for cell in row)


@given(st.text(st.characters(codec="utf-8")))
def test_a_cell_is_never_a_formula(cell: str) -> None:
    assert not defused(cell).lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("steering", ["\0", "\x1b[31m", "\x07", "\b", "\x7f", "\x9b"])
def test_a_cell_steers_no_terminal(steering: str) -> None:
    assert defused(f"a{steering}b") == f"a\ufffd{steering[1:]}b"


CONTROLS = "".join(map(chr, (*range(9), 11, 12, *range(14, 32), *range(127, 160))))


@given(st.text(st.characters(codec="utf-8", exclude_characters=CONTROLS)))
def test_a_cell_comes_back_without_its_apostrophe(cell: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([defused(cell)])
    ((read,),) = csv.reader(io.StringIO(text.getvalue(), newline=""))
    assert read.removeprefix("'") == cell


def test_the_mark_is_there_when_asked_for() -> None:
    assert written("csv", [], replace(AROUND, byte_order_mark=True)).startswith(b"\xef\xbb\xbfid,")
    assert written("csv", []).startswith(b"id,")
    assert not written("sarif", [], replace(AROUND, byte_order_mark=True)).startswith(b"\xef")


# --- STIX


def test_stix_has_one_indicator_for_each_foreign_domain() -> None:
    def tamper(rule: str, place: str, **others: Any) -> Finding:
        return finding(WeaknessClass.TAMPER, f"page-tamper.{rule}", (place,), **others)

    findings = [
        tamper("hidden-link", "bad.example"),
        tamper("hidden-link", "bad.example", asset="home"),
        tamper("redirected", "xn--fiqs8s.example"),
        tamper("hidden-link", "judged.example", state=State.FALSE_POSITIVE),
        tamper("new-external-link", "partner.example", severity=Severity.MEDIUM),
        tamper("hidden-link", "x' OR url:value = 'y"),
        tamper("name-changed", "title"),
        *MANY,
    ]
    bundle = json.loads(written("stix", findings))
    uuid = "[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    for one in (bundle, *bundle["objects"]):
        assert re.fullmatch(f"{one['type']}--{uuid}", one["id"])
    author, *indicators = bundle["objects"]
    assert [one["pattern"] for one in indicators] == [
        "[domain-name:value = 'bad.example']",
        "[domain-name:value = 'xn--fiqs8s.example']",
    ]
    assert len(indicators[0]["external_references"]) == 2
    for one in indicators:
        assert (one["created_by_ref"], one["spec_version"], one["pattern_type"]) == (author["id"], "2.1", "stix")
        assert one["created"] == one["valid_from"] == "2026-03-01T08:00:00.123Z" <= one["modified"]
    again = json.loads(written("stix", findings))
    assert again["objects"] == bundle["objects"], "the same domain has the same id tomorrow"
