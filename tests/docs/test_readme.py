"""What the READMEs tell a newcomer to type works, in both languages."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks_of

_PAGES = ("README.md", "README.zh.md")
_LINKS = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_EXIT = re.compile(r"# exit (\d)")
each_page = pytest.mark.parametrize("page", _PAGES)


def lines_of(page: str) -> list[str]:
    """What is typed at a shell."""
    return [line for block in blocks_of(page) if block.language == "sh" for line in block.text.splitlines() if line]


def harmless(line: str) -> bool:
    """Whether it starts no servers and needs nothing that the demo makes."""
    return line.startswith("secops ") and "proof" not in line


def secops(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one line of the page as its reader does."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "JINDUN_HOME": "", "JINDUN_LANG": "en"}
    return subprocess.run(["sh", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
def test_the_commands_end_as_the_page_says(tmp_path: Path) -> None:
    """Of one page: both tell the same, as the test below shows."""
    lines = [line for line in lines_of(_PAGES[0]) if harmless(line)]
    assert len(lines) >= 8
    for line in lines:
        expected = _EXIT.search(line)
        done = secops(line, tmp_path)
        assert done.returncode == int(expected[1] if expected else 0), f"{line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_commands_in_the_text_exist(tmp_path: Path) -> None:
    """Those that need the demo, and those in the table, are asked for their help."""
    texts = "".join((ROOT / page).read_text(encoding="utf-8") for page in _PAGES)
    typed = (line.split("#")[0].strip() for page in _PAGES for line in lines_of(page) if "proof" in line)
    for line in {*re.findall(r"`(secops [^`]+)`", texts), *typed}:
        words = shlex.split(line, comments=True)[1:]
        verbs = [word for word in words[:2] if re.fullmatch("[a-z]+", word)]
        done = secops(f"COLUMNS=200 secops {shlex.join(verbs)} --help", tmp_path)
        if done.returncode:
            done = secops(f"COLUMNS=200 secops {verbs[0]} --help", tmp_path)
        assert done.returncode == 0, line
        assert all(word in done.stdout for word in words if word.startswith("--")), line


@each_page
def test_the_make_targets_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets |= {f"bench-{path.stem.replace('_', '-')}" for path in (ROOT / "benchmarks").glob("*.py")}
    assert set(re.findall(r"\bmake ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8"))) <= targets


@pytest.mark.parametrize(
    "page", [*_PAGES, "CONTRIBUTING.md", "CONTRIBUTING.zh.md", "docs/design.md", "docs/design.zh.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    broken = [
        link for link in _LINKS.findall((ROOT / page).read_text(encoding="utf-8")) if not (folder / link).exists()
    ]
    assert not broken


def test_both_readmes_tell_the_same_commands() -> None:
    english, chinese = (
        [(line.split("#")[0].strip(), _EXIT.findall(line)) for line in lines_of(page)] for page in _PAGES
    )
    assert english == chinese


def test_the_packages_are_those_that_setup_installs() -> None:
    setup = (ROOT / "scripts/setup").read_text()
    packages = {*re.findall(r"^need \S+ (\S+)$", setup, re.MULTILINE), "python3-venv"}
    for page in _PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert not [package for package in packages if package not in text]
