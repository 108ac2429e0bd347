"""The generated pages say what the code says now."""

import subprocess
import sys
from pathlib import Path

import pytest

from playbooks.action import all_actions
from playbooks.load import Library
from scanners.found import all_checks
from tests.docs.blocks import ROOT

_FOLDERS = ("reference", "schemas")


def files_in(docs: Path) -> dict[str, str]:
    """The generated files by their path below `docs`."""
    found = [path for folder in _FOLDERS for path in (docs / folder).iterdir()]
    return {str(path.relative_to(docs)): path.read_text(encoding="utf-8") for path in found}


@pytest.mark.slow
def test_the_committed_pages_are_fresh(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts/generate_docs.py", tmp_path], check=True, timeout=280)
    fresh, committed = files_in(tmp_path), files_in(ROOT / "docs")
    stale = sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))
    assert not stale, "run `make docs` and commit what it wrote"


@pytest.mark.parametrize("ending", [".md", ".zh.md"])
def test_every_plugin_has_its_section(ending: str) -> None:
    pages = {"actions": list(all_actions()), "checks": list(all_checks()), "playbooks": [p.spec.id for p in Library()]}
    for page, names in pages.items():
        text = (ROOT / f"docs/reference/{page}{ending}").read_text(encoding="utf-8")
        assert not [name for name in names if f"\n## {name}\n" not in text]
