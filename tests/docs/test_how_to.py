"""The how-to pages work from top to bottom, in both languages."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.lab.down import down, what_is_left
from secops.lab.places import Lab
from tests.docs.blocks import ROOT, blocks_of
from tests.lab.elasticsearch import connect, shared_elasticsearch
from tests.lab.three_centres import skip_where_no_lab_can_stand

PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs/how-to").glob("*.md"))
SEVERAL_HOSTS = "docs/how-to/three-centres.md"
"""Is tried by a test of its own."""
ENGLISH = [page for page in PAGES if not page.endswith(".zh.md") and page != SEVERAL_HOSTS]
ELASTICSEARCH = "127.0.0.1:9200"
_EXIT = re.compile(r"# exit (\d)")


def lines_of(page: str) -> list[str]:
    """What is typed at a shell."""
    return [line for block in blocks_of(page) if block.language == "sh" for line in block.text.splitlines() if line]


def typed(page: str) -> object:
    """What the shell gets to see of a page: commands, how they are to end, and files, all without remarks."""
    files = {block.title: re.sub(r"(?m) *#.*$", "", block.text) for block in blocks_of(page) if block.title}
    return [(line.partition(" #")[0].strip(), _EXIT.findall(line)) for line in lines_of(page)], files


def to_be_run() -> list[str]:
    """English pages, and the Chinese ones of which the shell would see anything else."""
    twins = ((page, page.replace(".md", ".zh.md")) for page in ENGLISH)
    return [page for pair in twins for page in (pair if typed(pair[0]) != typed(pair[1]) else pair[:1])]


def with_a_server(lines: list[str]) -> list[str]:
    """With a real Elasticsearch in place of the one that a page tells to have, and none of its indices yet."""
    if not any(ELASTICSEARCH in line for line in lines):
        return lines
    server = shared_elasticsearch()
    with connect(server) as client:
        for name in client.indices.get(index="jindun-*"):
            client.indices.delete(index=name)
    return [line.replace(ELASTICSEARCH, server.url.partition("//")[2]) for line in lines]


@pytest.fixture
def lab_of(request: pytest.FixtureRequest) -> Iterator[None]:
    """Pages that build a lab are skipped where none can stand, or somebody's stands already; theirs is gone in any case."""
    if not any(line.startswith("secops lab up") for line in lines_of(request.node.callspec.params["page"])):
        yield
        return
    skip_where_no_lab_can_stand()
    lab = Lab("jindun")
    if what_is_left(lab):
        pytest.skip("a lab of the default name stands already")
    yield
    down(lab)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("lab_of")
@pytest.mark.parametrize("page", to_be_run())
def test_the_commands_end_as_the_page_says(page: str, tmp_path: Path) -> None:
    """In one shell, for what is exported stays."""
    for block in blocks_of(page):
        if block.title:
            (tmp_path / block.title).write_text(block.text, "utf-8")
    lines = with_a_server(lines_of(page))
    script = "\n".join(f"echo {shlex.quote('$ ' + line)} >&2\n{line}\necho $? >> codes" for line in lines)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "JINDUN_HOME": "", "JINDUN_LANG": "en"}
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=880
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
