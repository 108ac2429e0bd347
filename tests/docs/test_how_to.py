"""The how-to pages work from top to bottom, in both languages."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks_of

PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs/how-to").glob("*.md"))
ENGLISH = [page for page in PAGES if not page.endswith(".zh.md")]
_EXIT = re.compile(r"# exit (\d)")


def lines_of(page: str) -> list[str]:
    """What is typed at a shell."""
    return [line for block in blocks_of(page) if block.language == "sh" for line in block.text.splitlines() if line]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_end_as_the_page_says(page: str, tmp_path: Path) -> None:
    """In one shell, for what is exported stays."""
    for block in blocks_of(page):
        if block.title:
            (tmp_path / block.title).write_text(block.text, "utf-8")
    lines = lines_of(page)
    script = "\n".join(f"echo {shlex.quote('$ ' + line)} >&2\n{line}\necho $? >> codes" for line in lines)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "JINDUN_HOME": "", "JINDUN_LANG": "en"}
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280
    )
    codes = [int(code) for code in (tmp_path / "codes").read_text().split()]
    expected = [int(found[1]) if (found := _EXIT.search(line)) else 0 for line in lines]
    assert list(zip(lines, codes, strict=True)) == list(zip(lines, expected, strict=True)), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", ENGLISH)
def test_both_languages_tell_the_same_commands(page: str) -> None:
    def bare(page: str) -> list[str]:
        return [re.sub(r'(--(?:reason|control)) "[^"]*"', r"\1", line) for line in lines_of(page)]

    assert bare(page) == bare(page.replace(".md", ".zh.md"))
