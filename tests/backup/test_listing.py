"""Manifests of real trees, by the programs of a real host."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from backup import listing
from backup.listing import parse, parts_of, take_manifest
from backup.manifest import Entry, Kind, Manifest, path_text
from secops.model.step import LOCAL, ProcedureFailed
from tests.backup.performing import Performing
from tests.backup.trees import make_tree

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK, stat.S_IFIFO: Kind.PIPE}


def by_python(root: Path) -> Manifest:
    """The same manifest without find, stat and sha256sum."""
    entries = []
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in (*folders, *files):
            path = folder + b"/" + name
            seen = os.lstat(path)
            kind = _KINDS[stat.S_IFMT(seen.st_mode)]
            is_file = kind is Kind.FILE
            content = open(path, "rb").read() if is_file else b""  # noqa: PTH123, SIM115
            target = path_text(os.fsencode(Path(os.fsdecode(path)).readlink())) if kind is Kind.LINK else ""
            shown = path_text(os.path.relpath(path, os.fsencode(root)))
            digest = hashlib.sha256(content).hexdigest() if is_file else ""
            entries.append(Entry(shown, kind, stat.S_IMODE(seen.st_mode), len(content), digest, target))
    return Manifest.of(entries)


def taken(performing: Performing, root: Path) -> Manifest:
    return performing.run(take_manifest(LOCAL, str(root), "list"))


def test_every_name_mode_link_and_content_is_seen(performing: Performing, tmp_path: Path) -> None:
    root = make_tree(tmp_path / "a tree")
    assert taken(performing, root) == by_python(root)


def test_the_manifest_does_not_depend_on_where_the_tree_stands(performing: Performing, tmp_path: Path) -> None:
    one, other = make_tree(tmp_path / "one"), make_tree(tmp_path / "elsewhere" / "other")
    assert taken(performing, one).digest == taken(performing, other).digest


def test_an_empty_tree_has_an_empty_manifest(performing: Performing, tmp_path: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    assert taken(performing, root).entries == ()


def test_a_large_tree_is_read_in_parts(performing: Performing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "large"
    for number in range(40):
        folder = root / f"folder {number % 7} 津" / str(number)
        folder.mkdir(parents=True)
        (folder / "-n").write_text(str(number))
    whole = taken(performing, root)
    monkeypatch.setattr(listing, "ENTRIES_PER_PART", 20)
    assert taken(performing, root) == whole == by_python(root)
    assert len(performing.performed) > 4


def test_a_file_that_cannot_be_read_is_no_manifest(performing: Performing, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "secret").write_text("x")
    (root / "secret").chmod(0)
    if os.access(root / "secret", os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(ProcedureFailed, match="cannot be read or is changing"):
        taken(performing, root)


def test_a_missing_root_is_a_sentence(performing: Performing, tmp_path: Path) -> None:
    with pytest.raises(ProcedureFailed, match=r"cannot walk through .*/nowhere"):
        taken(performing, tmp_path / "nowhere")


@pytest.mark.parametrize(
    "output",
    [
        '81a4 1 "./a"\n',
        f'81a4 1 "./a"\n{"0" * 64}  ./b\n',
        f"{'0' * 64}  ./a\n",
        '81a4 1 "./a"\nfind: something else\n',
        f'81a4 1 "./a"\n81a4 1 "./b"\n{"0" * 64}  ./b\n{"0" * 64}  ./a\n',
    ],
)
def test_two_programs_that_saw_different_trees_are_no_manifest(output: str) -> None:
    with pytest.raises(ProcedureFailed, match="changed while it was read"):
        parse(output, "/srv")


def test_a_list_that_was_cut_off_is_refused() -> None:
    with pytest.raises(ProcedureFailed, match="passes 4 MiB"):
        parse('41ed 1 "./a"\n' * (1 << 20), "/srv")


def test_parts_hold_whole_folders_and_no_more_than_their_share() -> None:
    counted = "".join(f"{3000 + number}\t./f{number}\0" for number in range(20))
    parts = parts_of(counted, "/srv")
    assert sorted(folder for part in parts for folder in part) == sorted(f"./f{number}" for number in range(20))
    assert {len(part) for part in parts} == {2}


def test_a_large_tree_with_an_unspeakable_folder_is_refused() -> None:
    with pytest.raises(ProcedureFailed, match="has a name that is not UTF-8"):
        parts_of("9000\t./a\0001\t./\ufffd\0", "/srv")
