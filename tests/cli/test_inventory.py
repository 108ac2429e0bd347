"""`secops inventory` and `secops schema` as somebody types them."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
import yaml

from secops.cli.main import main
from secops.support import language

BAD = Path(__file__).parents[1] / "bad_input/inventory/several-mistakes.yaml"
SAMPLE = Path(__file__).parents[2] / "secops/inventory/sample_city.yaml"


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Secops = Callable[..., Done]


@pytest.fixture
def secops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Secops:
    """Run the command line in this process, in an empty folder without a home, in English."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("JINDUN_LANG", "en")
    monkeypatch.setenv("JINDUN_HOME", "")
    monkeypatch.setattr(language, "_chosen", None)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["secops", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        return Done(code, *capfd.readouterr())

    return run


def test_list_filters_and_both_languages(secops: Secops) -> None:
    done = secops("inventory", "list", "--level", "4", "--tier", "business")
    assert done.returncode == 0
    assert "Smart grid" in done.stdout
    assert "Smart water" not in done.stdout
    assert "sample city" in done.stderr
    assert "智能电网" in secops("--lang", "zh", "inventory", "list", "--tier", "business").stdout


def test_list_as_json(secops: Secops) -> None:
    listed = json.loads(secops("inventory", "list", "--json", "--unit", "power").stdout)
    assert [(system["id"], system["level"], system["tier"]) for system in listed] == [
        ("infrastructure-04", 4, "business")
    ]


def test_show_and_explain(secops: Secops) -> None:
    shown = secops("inventory", "show", "infrastructure-04").stdout
    assert "Electric Power Company" in shown
    assert "S3A4G4" in shown
    assert "https://grid.city.example/" in shown
    explained = secops("inventory", "explain", "infrastructure-04").stdout
    for part in ("GB/T 22240-2020", "city.data", "city.application", "city.business", "gb22239.level-4", "9.1.4.9 d"):
        assert part in explained
    as_json = json.loads(secops("inventory", "explain", "infrastructure-04", "--json").stdout)
    assert [ruling["rule"] for ruling in as_json["tier"]["rulings"]][-1] == "gb22239.level-4"
    assert as_json["grading"]["service"]["action"] == 4


def test_a_tier_set_too_low_is_shown(secops: Secops, tmp_path: Path) -> None:
    changed = SAMPLE.read_text("utf-8").replace(
        "  - id: infrastructure-04\n", "  - id: infrastructure-04\n    tier: data\n"
    )
    (tmp_path / "city.yaml").write_text(changed, "utf-8")
    explained = secops("inventory", "explain", "infrastructure-04", "--file", "city.yaml").stdout
    assert "DR tier set too low" in explained
    validated = secops("inventory", "validate", "city.yaml", "--json")
    assert validated.returncode == 0
    assert [each["rule"] for each in json.loads(validated.stdout)["weaknesses"]] == ["dr-tier.set-too-low"]


def test_assets(secops: Secops) -> None:
    done = secops("inventory", "assets", "--kind", "database", "--centre", "remote-dr", "--json")
    listed = json.loads(done.stdout)
    assert listed
    assert all((asset["kind"], asset["centre"]) == ("database", "remote-dr") for asset in listed)


def test_bad_files_are_refused_with_every_problem(secops: Secops) -> None:
    done = secops("inventory", "validate", str(BAD))
    assert done.returncode == 2
    for line, column in ((14, 18), (15, 25), (16, 33)):
        assert f"{BAD}:{line}:{column}: " in done.stderr
    assert "lead_units: [helth]" in done.stderr
    as_json = secops("inventory", "validate", str(BAD), "--json")
    assert as_json.returncode == 2
    assert len(json.loads(as_json.stdout)["problems"]) == 3


def test_unknown_names_are_bad_input(secops: Secops) -> None:
    for arguments in (
        ["show", "infrastructure-4"],
        ["list", "--centre", "x"],
        ["list", "--level", "9"],
        ["validate", "x"],
    ):
        done = secops("inventory", *arguments)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr


def test_the_home_has_its_own_inventory(secops: Secops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jindun.yaml").write_text("inventory: city.yaml\n")
    (tmp_path / "city.yaml").write_text(SAMPLE.read_text("utf-8").replace("Tianjin (sample)", "Our own town"), "utf-8")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for option, variable in ((["--home", str(tmp_path)], ""), ([], str(tmp_path))):
        monkeypatch.setenv("JINDUN_HOME", variable)
        done = secops(*option, "inventory", "list")
        assert "Our own town" in done.stdout
        assert "sample city" not in done.stderr


def test_the_schema_accepts_the_sample(secops: Secops) -> None:
    schema = json.loads(secops("schema", "inventory").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    sample = yaml.safe_load(SAMPLE.read_text("utf-8"))
    validator.validate(sample)
    sample["systems"][0]["importanse"] = "core"
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(sample)
    assert schema["$defs"]["Asset"]["properties"]["ports"]["description"]


def test_an_unknown_schema_names_the_known_ones(secops: Secops) -> None:
    done = secops("schema", "inventry")
    assert done.returncode == 2
    assert 'did you mean "inventory"' in done.stderr
    assert "settings" in done.stderr


def test_a_bad_file_as_the_shell_sees_it() -> None:
    arguments = [sys.executable, "-m", "secops", "inventory", "validate", str(BAD)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=280, encoding="utf-8")
    assert done.returncode == 2
    assert f"{BAD}:14:18: " in done.stderr
    assert done.stdout == ""
