"""OSCAL assessment results: what compliance-trestle accepts, reads and writes again without a loss."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from trestle.oscal.assessment_results import AssessmentResults

from secops.exchange.exporter import all_exporters, exporter_names
from secops.exchange.exporters import oscal
from secops.exchange.exporters.oscal import control_id
from secops.model.finding import Deadline, Finding, Severity, State, WeaknessClass
from secops.model.text import Text
from tests.exchange.test_exporters import AROUND, MANY, SEEN, finding, written


def results(*findings: Finding) -> dict[str, Any]:
    (result,) = json.loads(written("oscal", findings))["assessment-results"]["results"]
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("findings", [MANY, MANY[:1], []], ids=["many", "one", "none"])
def test_trestle_reads_it_and_writes_the_same(tmp_path: Path, findings: list[Finding]) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(written("oscal", findings))
    read = AssessmentResults.oscal_read(path)
    assert read is not None
    read.oscal_write(tmp_path / "again.json")
    before, after = json.loads(path.read_bytes()), json.loads((tmp_path / "again.json").read_bytes())
    assert same_moments(after) == same_moments(before)


def same_moments(value: Any) -> Any:
    """Moments in whole seconds: trestle cuts them to milliseconds."""
    if isinstance(value, dict):
        return {key: same_moments(one) for key, one in value.items()}
    if isinstance(value, list):
        return [same_moments(one) for one in value]
    return re.sub(r"(?<=T\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00:00)$", "Z", value) if isinstance(value, str) else value


def test_each_finding_is_an_observation_and_a_risk_and_has_a_target_for_each_clause() -> None:
    one = finding(severity=Severity.HIGH)
    one = replace(one, weakness=replace(one.weakness, clauses=("8.1.4.8 a", "8.1.2.2 b")))
    bare = finding(rule="tool.nmap.open-port", locator=("tcp", "23"))
    bare = replace(bare, weakness=replace(bare.weakness, clauses=()))
    result = results(one, bare)
    assert [len(result[kind]) for kind in ("observations", "risks", "findings")] == [2, 2, 2]
    targets = {each["target"]["target-id"]: each for each in result["findings"]}
    assert targets.keys() == {"gbt22239-8.1.4.8.a", "gbt22239-8.1.2.2.b"}
    observation, risk = result["observations"][0], result["risks"][0]
    for each in result["findings"]:
        assert each["target"]["status"]["state"] == "not-satisfied"
        assert each["related-observations"] == [{"observation-uuid": observation["uuid"]}]
        assert each["related-risks"] == [{"risk-uuid": risk["uuid"]}]
    assert {"name": "finding", "ns": "urn:jindun", "value": one.id} in observation["props"]
    assert risk["characterizations"][0]["facets"][0]["value"] == "high"
    selected = result["reviewed-controls"]["control-selections"][0]["include-controls"]
    assert {each["control-id"] for each in selected} == targets.keys()
    items = {each["uuid"] for each in result["local-definitions"]["inventory-items"]}
    assert {each["subject-uuid"] for seen in result["observations"] for each in seen["subjects"]} == items


@pytest.mark.parametrize("state", State)
def test_states_are_told_in_the_words_of_oscal(state: State) -> None:
    result = results(finding(state=state))
    closed = state in (State.RESOLVED, State.FALSE_POSITIVE, State.OUT_OF_SCOPE)
    assert (result["risks"][0]["status"] == "closed") is closed
    assert (result["findings"][0]["target"]["status"]["state"] == "satisfied") is closed
    if state is State.RISK_ACCEPTED:
        assert result["risks"][0]["status"] == "deviation-approved"


def test_a_deadline_is_told() -> None:
    due = SEEN + timedelta(days=3)
    assert "deadline" not in results(finding())["risks"][0]
    assert results(replace(finding(), deadline=Deadline(SEEN, due)))["risks"][0]["deadline"].startswith("2026-03-04T")


def test_ids_are_the_same_tomorrow_and_no_two_alike() -> None:
    today = results(*MANY)
    tomorrow = json.loads(written("oscal", MANY, replace(AROUND, at=AROUND.at + timedelta(days=1))))
    later = tomorrow["assessment-results"]["results"][0]
    for kind in ("observations", "risks", "findings"):
        ids = [one["uuid"] for one in today[kind]]
        assert ids == [one["uuid"] for one in later[kind]]
        assert {UUID(one).version for one in ids} == {5}
    every = [one["uuid"] for kind in ("risks", "findings") for one in today[kind]]
    assert len(set(every)) == len({one.id for one in MANY}) + len(
        {(one.id, c) for one in MANY for c in one.weakness.clauses}
    )


def test_any_text_is_a_document() -> None:
    odd = ["", " ", "\n\n", "\0", "\ud800", "a\x1fb\u2028c", "=1+1", "x" * 5000]
    findings = [
        replace(one, weakness=replace(one.weakness, title=Text(text, text), reason=Text(text, text), clauses=(text,)))
        for text in odd
        for one in [finding(WeaknessClass.VULNERABILITY, text, (text,), words=text)]
    ]
    AssessmentResults.model_validate(json.loads(written("oscal", findings))["assessment-results"])


@pytest.mark.parametrize(
    ("clause", "control"),
    [
        ("8.1.4.8 a", "gbt22239-8.1.4.8.a"),
        (" 8.1.2.2  b ", "gbt22239-8.1.2.2.b"),
        ("附录 A", "gbt22239-.A"),
        ("", "gbt22239-"),
    ],
)
def test_a_clause_is_a_token(clause: str, control: str) -> None:
    assert control_id(clause) == control


def test_what_does_not_fit_into_memory_is_written_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = written("oscal", MANY)
    monkeypatch.setattr(oscal, "_IN_MEMORY", 10)
    assert written("oscal", MANY) == whole


# --- one file each, and only the one that is asked for


def test_each_exporter_lies_in_the_file_of_its_name() -> None:
    assert {name: one.name for name, one in all_exporters().items()} == {name: name for name in exporter_names()}


def after(script: str) -> str:
    """What a Python process of its own prints."""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_other_formats_do_not_wait_for_trestle() -> None:
    script = (
        "import sys\n"
        "import secops.cli.finding_exchange\n"
        "from secops.exchange.exporter import exporter_named\n"
        "assert exporter_named('csv').name == 'csv'\n"
        "print('trestle' in sys.modules)\n"
    )
    assert after(script) == "False\n"


def test_without_the_library_one_sentence_says_what_to_install() -> None:
    script = (
        "import sys\n"
        "sys.modules['trestle'] = None\n"
        "from secops.exchange.exporter import exporter_named\n"
        "from secops.support.errors import BadInput\n"
        "try: exporter_named('oscal')\n"
        "except BadInput as error: print(error.exit_code, error.text.en)\n"
    )
    sentence = "2 trestle, which the format oscal needs, is not installed: pip install 'jindun[oscal]'\n"
    assert after(script) == sentence
