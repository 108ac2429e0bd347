"""The newest copy is held against its source: a source that is gone, emptied or encrypted is seen."""

import os
from pathlib import Path

import pytest

from backup.listing import take_manifest
from backup.manifest import Manifest
from backup.spot_checks import Spot, Tolerance, choose, judge, spot_check
from secops.model.step import LOCAL, ProcedureFailed
from tests.backup.performing import Performing
from tests.backup.shelf import Shelf, make_shelf
from tests.backup.trees import make_tree

FULL = Tolerance(sample_percent=100)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    made = make_shelf(tmp_path)
    made.tree.rmdir()
    make_tree(made.tree)
    for number in range(30):
        (made.tree / f"page {number}").write_text(f"page {number}")
    return made


@pytest.fixture
def manifest(performing: Performing, shelf: Shelf) -> Manifest:
    return performing.run(take_manifest(LOCAL, str(shelf.tree), "list"))


def checked(performing: Performing, shelf: Shelf, manifest: Manifest, tolerance: Tolerance = FULL) -> Spot:
    return performing.run(spot_check(shelf.source, manifest, tolerance, "today"))


def test_a_source_like_its_copy_is_fine(performing: Performing, shelf: Shelf, manifest: Manifest) -> None:
    spot = checked(performing, shelf, manifest)
    assert spot.ok and spot.files_in_source == spot.files_in_copy and spot.differing == (), spot.because
    assert spot.compared > 30
    assert performing.changed == []


def test_files_that_are_being_encrypted_are_seen(performing: Performing, shelf: Shelf, manifest: Manifest) -> None:
    for number in range(30):
        (shelf.tree / f"page {number}").write_bytes(os.urandom(20))
    spot = checked(performing, shelf, manifest)
    assert not spot.ok and len(spot.differing) == 30
    assert "30 differ (page" in spot.because.en


def test_renamed_and_emptied_sources_are_seen(performing: Performing, shelf: Shelf, manifest: Manifest) -> None:
    for number in range(10):
        (shelf.tree / f"page {number}").rename(shelf.tree / f"page {number}.locked")
    spot = checked(performing, shelf, manifest)
    assert not spot.ok and spot.files_in_source == spot.files_in_copy
    for path in shelf.tree.glob("page *"):
        path.unlink()
    spot = checked(performing, shelf, manifest)
    assert not spot.ok and spot.files_in_source < spot.files_in_copy


def test_a_source_that_is_gone_cannot_be_checked(performing: Performing, shelf: Shelf, manifest: Manifest) -> None:
    shelf.tree.rename(shelf.tree.with_name("elsewhere"))
    with pytest.raises(ProcedureFailed, match="cannot walk"):
        checked(performing, shelf, manifest)


def test_little_change_is_tolerated(performing: Performing, shelf: Shelf, manifest: Manifest) -> None:
    (shelf.tree / "page 3").write_text("edited")
    (shelf.tree / "page 31").write_text("new")
    assert checked(performing, shelf, manifest).ok


def test_another_turn_takes_other_files(manifest: Manifest) -> None:
    few = [choose(manifest.entries, 10, turn) for turn in "abcdef"]
    assert len({tuple(entry.path for entry in sample) for sample in few}) > 1
    assert all(1 <= len(sample) <= 6 for sample in few)
    assert choose((), 100, "x") == ()


def test_an_empty_copy_of_an_empty_source_is_fine() -> None:
    assert judge(0, 0, 0, (), FULL).ok
    assert not judge(10, 0, 0, (), FULL).ok
