"""What every check promises, asked of every check that is found, and its golden cases."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from scanners.check import Check, Safety
from scanners.found import all_checks
from scanners.observation import baseline_from, from_bytes, to_bytes
from secops.model.city import Asset
from secops.model.finding import Severity, Weakness
from secops.model.text import Text

GOLDEN = Path(__file__).parent.parent / "golden"
CHECKS = all_checks()
CASES = [path for name in CHECKS for path in sorted((GOLDEN / name).glob("*.json"))]
ASSET: TypeAdapter[Asset] = TypeAdapter(Asset)
each_check = pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
each_case = pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")


def judged(path: Path) -> tuple[dict[str, Any], list[Weakness]]:
    """The case and what the check says of it."""
    case = orjson.loads(path.read_bytes())
    check = CHECKS[path.parent.name]
    baseline = (orjson.dumps(case["baseline"]), "tester") if "baseline" in case else None
    observed = from_bytes(check, orjson.dumps(case["observed"]))
    asset = ASSET.validate_python(case["asset"])
    return case, list(check.judge(asset, observed, baseline_from(check, baseline)))


@each_case
def test_golden_case(path: Path) -> None:
    case, weaknesses = judged(path)
    found = [[weakness.rule, list(weakness.locator), weakness.severity.value] for weakness in weaknesses]
    assert sorted(found) == sorted(case["expect"])


@each_case
def test_every_weakness_is_explained_in_both_languages(path: Path) -> None:
    for weakness in judged(path)[1]:
        assert weakness.rule.startswith(path.parent.name + ".")
        assert weakness.clauses and all(re.fullmatch(r"\d+(\.\d+){3} [a-g]", clause) for clause in weakness.clauses)
        for text in (weakness.title, weakness.reason, weakness.mend):
            assert_bilingual(text)


@each_case
def test_judging_is_deterministic_and_observations_survive_storage(path: Path) -> None:
    assert judged(path) == judged(path)
    check = CHECKS[path.parent.name]
    observed = from_bytes(check, orjson.dumps(orjson.loads(path.read_bytes())["observed"]))
    stored = to_bytes(check, observed)
    assert from_bytes(check, stored) == observed
    assert to_bytes(check, from_bytes(check, stored)) == stored


@each_check
def test_the_check_introduces_itself(check: Check[Any]) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", check.name)
    assert_bilingual(check.title)
    assert_bilingual(check.describes)
    assert check.kinds and isinstance(check.safety, Safety)
    assert type(check).__doc__ and inspect.getmodule(type(check)).__doc__  # type: ignore[union-attr]
    assert check.observed_type.__dataclass_params__.frozen  # type: ignore[attr-defined]


@each_check
def test_every_rule_has_a_golden_case_and_so_has_cleanness(check: Check[Any]) -> None:
    source = Path(inspect.getfile(type(check))).read_text()
    cases = [orjson.loads(path.read_bytes())["expect"] for path in CASES if path.parent.name == check.name]
    seen = {rule for expect in cases for rule, _, _ in expect}
    assert [] in cases, "a case in which nothing is found"
    missing = {rule for rule in rules_in(source, check.name) if rule not in seen}
    assert not missing
    assert {severity for expect in cases for _, _, severity in expect} <= set(Severity)


def rules_in(source: str, name: str) -> set[str]:
    """The rules that a module names in full, or as the first plain word in a call that makes a weakness."""
    makers = ("_weakness", "_foreign", "Exposure")
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in makers]
    words = [[value.value for value in call.args if isinstance(value, ast.Constant)] for call in made]
    first = [constants[0] for constants in words if constants and re.fullmatch(r"[a-z0-9-]+", str(constants[0]))]
    return {f"{name}.{word}" for word in first} | set(re.findall(rf"\"({name}\.[a-z0-9-]+)\"", source))


def assert_bilingual(text: Text) -> None:
    """Both languages are there, and are what they claim to be."""
    assert text.zh.strip() and text.en.strip()
    assert text.zh != text.en
    assert re.search(r"[一-鿿]", text.zh), f"no Chinese in {text.zh!r}"
    assert re.search(r"[a-z]{2}", text.en)
