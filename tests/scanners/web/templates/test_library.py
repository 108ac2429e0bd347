"""Loading from directories and archives, filters, and the cache."""

import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from scanners.web.templates import cache as cache_module
from scanners.web.templates.library import load
from scanners.web.templates.model import Severity
from scanners.web.templates.rows import row_of
from scanners.web.templates.selection import USUALLY_EXCLUDED, Selection, selected, words
from scanners.web.templates.sources import LARGEST_FILE
from secops.support.errors import BadInput


def text(identity: str, severity: str = "low", tags: str = "own", block: str = "") -> str:
    return (
        f"id: {identity}\ninfo:\n  name: {identity}\n  author: us\n  severity: {severity}\n  tags: {tags}\nhttp:\n"
        f'  - path: ["{{{{BaseURL}}}}/{identity}"]\n{block}    matchers:\n      - type: status\n        status: [200]\n'
    )


WITH_FILE = '    payloads:\n      x: lists/words.txt\n    headers:\n      X: "{{x}}"\n'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "templates"
    (root / "deep" / "deeper").mkdir(parents=True)
    (root / "lists").mkdir()
    (root / ".hidden").mkdir()
    (root / "one.yaml").write_text(text("one"))
    (root / "deep" / "two.yml").write_text(text("two", "high", "cve,dos"))
    (root / "deep" / "deeper" / "three.yaml").write_text(text("three", block=WITH_FILE))
    (root / "deep" / "again.yaml").write_text(text("one"))
    (root / "broken.yaml").write_text("id: broken\n  x: [\n")
    (root / "list.yaml").write_text("- no template\n")
    (root / "lists" / "words.txt").write_text("a\nb\n")
    (root / "README.md").write_text("# no")
    (root / ".hidden" / "four.yaml").write_text(text("four"))
    return root


def identities(*paths: Path, cache: Path | None = None) -> list[str]:
    return sorted(template.identity for template in load(paths, cache).templates)


def reasons(*paths: Path) -> dict[str, str]:
    return {refused.path: refused.reasons[0].feature for refused in load(paths).refused}


def test_a_directory(tree: Path) -> None:
    assert identities(tree) == ["one", "three", "two"]
    assert reasons(tree) == {"broken.yaml": "not-yaml", "one.yaml": "duplicate-id"}
    three = next(template for template in load([tree]).templates if template.identity == "three")
    assert three.blocks[0].payloads[0].values == ("a", "b")


def test_one_file_alone_reads_its_neighbours_below(tree: Path) -> None:
    (tree / "five.yaml").write_text(text("five", block=WITH_FILE))
    assert identities(tree / "five.yaml") == ["five"]
    assert reasons(tree / "deep" / "deeper" / "three.yaml") == {"three.yaml": "payload-file"}


def test_archives_hold_the_same(tree: Path, tmp_path: Path) -> None:
    files = [path for path in sorted(tree.rglob("*")) if path.is_file()]
    zipped, packed = tmp_path / "t.zip", tmp_path / "t.tar.gz"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(tree))
    with tarfile.open(packed, "w:gz") as tar:
        for path in files:
            tar.add(path, str(path.relative_to(tree)))
    rows = [[row_of(template) for template in load([source]).templates] for source in (tree, zipped, packed)]
    assert rows[0] == rows[1] == rows[2]
    assert reasons(zipped) == reasons(packed) == reasons(tree)


def test_names_that_leave_an_archive_are_not_there(tmp_path: Path) -> None:
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("../out.yaml", text("out"))
        made.writestr("/abs.yaml", text("abs"))
        made.writestr("in.yaml", text("in"))
    assert identities(archive) == ["in"]


def test_links_lead_nowhere_else(tree: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text(text("secret"))
    (tree / "link.yaml").symlink_to(secret)
    (tree / "lists" / "outside.txt").symlink_to(secret)
    (tree / "loop").symlink_to(tree)
    (tree / "six.yaml").write_text(text("six", block=WITH_FILE.replace("words", "outside")))
    assert identities(tree) == ["one", "three", "two"]
    assert reasons(tree)["six.yaml"] == "payload-file"


@pytest.mark.parametrize("name", ["/etc/hostname", "../words.txt", "lists/../../secret.txt", ""])
def test_payload_files_outside_are_not_read(tree: Path, name: str) -> None:
    (tree.parent / "secret.txt").write_text("secret")
    (tree.parent / "words.txt").write_text("secret")
    (tree / "seven.yaml").write_text(text("seven", block=WITH_FILE.replace("lists/words.txt", f'"{name}"')))
    assert "seven" not in identities(tree)


def test_what_is_too_large_or_cannot_be_read(tree: Path) -> None:
    (tree / "huge.yaml").write_bytes(b"#" * (LARGEST_FILE + 1))
    assert reasons(tree)["huge.yaml"] == "too-large"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"no archive at all"])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(BadInput):
        load([tmp_path / "x.bin"])
    with pytest.raises(BadInput):
        load([tmp_path / "not there"])


def test_the_cache_gives_the_same(tree: Path, tmp_path: Path) -> None:
    cold, warm = load([tree], tmp_path / "cache"), load([tree], tmp_path / "cache")
    assert [row_of(one) for one in warm.templates] == [row_of(one) for one in cold.templates]
    assert [row_of(one) for one in warm.refused] == [row_of(one) for one in cold.refused]
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_nothing_is_read_anew_when_nothing_changed(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load([tree], tmp_path / "cache")
    monkeypatch.setattr("scanners.web.templates.library.read_template", None)
    assert identities(tree, cache=tmp_path / "cache") == ["one", "three", "two"]


def test_what_changed_is_read_anew(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load([tree], cache)
    (tree / "deep" / "two.yml").write_text(text("changed"))
    (tree / "list.yaml").unlink()
    assert identities(tree, cache=cache) == ["changed", "one", "three"]
    (tree / "lists" / "words.txt").write_text("c\n")
    three = next(one for one in load([tree], cache).templates if one.identity == "three")
    assert three.blocks[0].payloads[0].values == ("c",)
    # A file nearer to the template comes first, also when it appears later.
    (tree / "deep" / "lists").mkdir()
    (tree / "deep" / "lists" / "words.txt").write_text("near\n")
    three = next(one for one in load([tree], cache).templates if one.identity == "three")
    assert three.blocks[0].payloads[0].values == ("near",)


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]\n[2]", b"\n\n\n", b"\xff" * 100])
def test_a_damaged_cache_is_none(tree: Path, tmp_path: Path, damage: bytes) -> None:
    load([tree], tmp_path / "cache")
    file = next((tmp_path / "cache").iterdir())
    file.write_bytes(damage)
    assert identities(tree, cache=tmp_path / "cache") == ["one", "three", "two"]
    assert file.read_bytes() != damage


def test_lines_that_are_damaged_are_read_anew(tree: Path, tmp_path: Path) -> None:
    load([tree], tmp_path / "cache")
    file = next((tmp_path / "cache").iterdir())
    whole = file.read_bytes()
    for place in range(40, len(whole), 97):
        file.write_bytes(whole[:place])
        assert identities(tree, cache=tmp_path / "cache") == ["one", "three", "two"]


def test_rows_of_another_shape_are_read_anew(tree: Path, tmp_path: Path) -> None:
    load([tree], tmp_path / "cache")
    file = next((tmp_path / "cache").iterdir())
    file.write_bytes(file.read_bytes().replace(b'"template"', b'"tornado",7'))
    assert identities(tree, cache=tmp_path / "cache") == ["one", "three", "two"]


def test_another_reader_takes_nothing_from_the_cache(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load([tree], tmp_path / "cache")
    monkeypatch.setattr(cache_module, "_reader_version", lambda: "another")
    found = cache_module.Cache.of(tmp_path / "cache", str(tree))
    assert found.entry("one.yaml", cache_module.digest_of((tree / "one.yaml").read_bytes())) is None


def test_a_cache_that_cannot_be_written_is_no_error(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    assert identities(tree, cache=tmp_path / "cache") == ["one", "three", "two"]


SELECTIONS = {
    Selection(): {"one", "two", "three"},
    Selection(tags=words("cve")): {"two"},
    Selection(exclude_tags=words("DOS, x")): {"one", "three"},
    Selection(exclude_tags=frozenset(USUALLY_EXCLUDED), include_tags=words("dos")): {"one", "two", "three"},
    Selection(severities=frozenset({Severity.HIGH})): {"two"},
    Selection(exclude_severities=frozenset({Severity.HIGH})): {"one", "three"},
    Selection(identities=words("T*")): {"two", "three"},
    Selection(identities=words("t*"), exclude_identities=words("two")): {"three"},
    Selection(authors=words("us")): {"one", "two", "three"},
    Selection(authors=words("them")): set(),
}


@pytest.mark.parametrize(("selection", "expected"), SELECTIONS.items())
def test_selections(tree: Path, selection: Selection, expected: set[str]) -> None:
    assert {one.identity for one in selected(load([tree]).templates, selection)} == expected


def test_a_file_without_permission(tree: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (tree / "one.yaml").chmod(0)
    assert reasons(tree)["one.yaml"] == "unreadable"


def _packed(tree: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tree, "tree")
    return archive


def test_an_archive_that_is_the_same_is_not_opened(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = _packed(tree, tmp_path / "all.tar.gz")
    cold = load([archive], tmp_path / "cache")
    monkeypatch.setattr("scanners.web.templates.library.source_at", None)
    warm = load([archive], tmp_path / "cache")
    assert [row_of(one) for one in warm.templates] == [row_of(one) for one in cold.templates]
    assert [row_of(one) for one in warm.refused] == [row_of(one) for one in cold.refused]


def test_an_archive_that_changed_or_whose_cache_lost_a_line_is_read_anew(tree: Path, tmp_path: Path) -> None:
    archive = _packed(tree, tmp_path / "all.tar.gz")
    load([archive], tmp_path / "cache")
    (tree / "deep" / "two.yml").write_text(text("changed"))
    _packed(tree, archive)
    assert identities(archive, cache=tmp_path / "cache") == ["changed", "one", "three"]
    file = next((tmp_path / "cache").iterdir())
    whole = file.read_bytes()
    for kept in range(1, len(whole.splitlines())):
        file.write_bytes(b"".join(whole.splitlines(keepends=True)[:kept]))
        assert identities(archive, cache=tmp_path / "cache") == ["changed", "one", "three"]
