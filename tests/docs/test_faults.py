"""The table of faults names tests that are there, and the same ones in both languages."""

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

PAGES = ("verification.md", "verification.zh.md")
HEADINGS = ("## Which fault is tried where", "## 各种故障在哪里试过")


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table below the heading, without its head."""
    text = (ROOT / "docs/explanation" / page).read_text("utf-8")
    table = text.partition(heading)[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(("page", "heading"), list(zip(PAGES, HEADINGS, strict=True)))
def test_every_fault_names_tests_that_are_there(page: str, heading: str) -> None:
    listed = rows(page, heading)
    assert len(listed) >= 14
    for fault, outcome, tests in listed:
        assert fault and outcome
        folder = Path()
        for name in tests.split(", "):
            path = Path(name)
            folder = path.parent if "/" in name else folder
            found = [ROOT / "tests" / folder / path.name, ROOT / "tests/backup" / folder / path.name]
            assert any(one.exists() for one in found), f"{page}: {fault}: {name}"


def test_both_languages_name_the_same_tests() -> None:
    english, chinese = (rows(page, heading) for page, heading in zip(PAGES, HEADINGS, strict=True))
    assert [row[2] for row in english] == [row[2] for row in chinese]
