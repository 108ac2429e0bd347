"""The examples of CONTRIBUTING.md, put into a copy of the source and held to the contracts of the shipped plugins."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks_of

pytestmark = pytest.mark.slow

_SOURCES = ("secops", "scanners", "backup", "playbooks", "dashboards", "tests")
_EXAMPLES = [block for block in blocks_of("CONTRIBUTING.md") if block.title]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source with the examples in it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in _SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "docs"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for block in _EXAMPLES:
        (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
        (folder / block.title).write_text(block.text, encoding="utf-8")
    return folder


def run(checkout: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "JINDUN_LANG": "en", "JINDUN_HOME": ""}
    return subprocess.run(
        [sys.executable, "-m", *argv], cwd=checkout, env=environment, capture_output=True, text=True, timeout=280
    )


def contract(checkout: Path, suite: str, only: str) -> tuple[int, list[str]]:
    """How many tests of a contract suite passed on one plugin, and the names of those that failed."""
    done = run(
        checkout, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"tests/contracts/{suite}", "-k", only
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout + done.stderr
    return int(passed[1]), re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE)


def test_there_is_one_example_for_each_kind_of_plugin() -> None:
    folders = {str(Path(block.title).parent) for block in _EXAMPLES if block.language == "python"}
    assert folders == {"scanners/web", "playbooks/actions", "backup/engines", "secops/cli"}


def test_the_examples_are_in_our_style(checkout: Path) -> None:
    files = [block.title for block in _EXAMPLES if block.language == "python"]
    for check in (("check",), ("format", "--check", "--diff")):
        done = run(checkout, "ruff", *check, "--no-cache", *files)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_keeps_its_contract(checkout: Path) -> None:
    passed, failed = contract(checkout, "test_check.py", "http-trace")
    assert (failed, passed >= 6) == ([], True)


def test_the_engine_keeps_its_contract(checkout: Path) -> None:
    passed, failed = contract(checkout, "test_engine.py", "tar")
    assert failed == []
    assert passed >= 15


def test_the_action_is_planned_and_run(checkout: Path) -> None:
    assert run(checkout, "secops", "init", "home").returncode == 0
    assert run(checkout, "secops", "playbook", "validate", "room.yaml").returncode == 0
    for verb in ("plan", "run"):
        done = run(checkout, "secops", "--home", "home", "playbook", verb, "room.yaml")
        assert done.returncode == 0, done.stdout + done.stderr
    too_much = (checkout / "room.yaml").read_text().replace("at_least_mib: 1", "at_least_mib: 999999999999")
    (checkout / "too_much.yaml").write_text(too_much)
    done = run(checkout, "secops", "--home", "home", "playbook", "run", "too_much.yaml")
    assert done.returncode == 1
    assert "MiB are left" in done.stdout


def test_the_verb_is_there(checkout: Path) -> None:
    done = run(checkout, "secops", "tiers", "secops/inventory/sample_city.yaml", "--json")
    assert sum(json.loads(done.stdout).values()) == 34
    assert "tiers" in run(checkout, "secops", "--help").stdout
