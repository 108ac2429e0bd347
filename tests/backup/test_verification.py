"""A copy is trusted when it was restored, compared and scanned; what was not found out stays unknown."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backup.copying import Copy, take_copy
from backup.engine import Engine
from backup.engines.borg import borg
from backup.manifest import Manifest
from backup.verification import Candidate, Looks, Scratch, Verified, verify
from secops.execution.executor import Boundary
from secops.execution.runner import failure
from secops.model.restore_point import Proof, Rung
from secops.model.step import LOCAL, Procedure, ProcedureFailed, Rescan, Result, Trouble
from tests.backup.performing import Performing, Scanner
from tests.backup.shelf import FIRST, Shelf, later, make_shelf
from tests.backup.trees import make_tree
from tests.contracts.test_engine import flip_a_byte

pytestmark = pytest.mark.slow

RESCAN = Rescan("site", ("page-tamper",), at="http://127.0.0.1:1/x/")
LOOKS = Looks((RESCAN,))


@pytest.fixture
def scanner() -> Scanner:
    return Scanner(Result(ok=True, output="[]"))


@pytest.fixture
def performing(tmp_path: Path, scanner: Scanner) -> Iterator[Performing]:
    with Performing(tmp_path, scanner) as opened:
        yield opened


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    made = make_shelf(tmp_path)
    made.tree.rmdir()
    make_tree(made.tree)
    return made


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(LOCAL, str(tmp_path / "scratch"))


@pytest.fixture
def copied(performing: Performing, shelf: Shelf) -> Copy:
    return performing.run(take_copy(borg, shelf.source, shelf.vault, shelf.keys, FIRST))


def verified(
    performing: Performing,
    shelf: Shelf,
    copied: Copy,
    scratch: Scratch,
    looks: Looks | None = None,
    manifest: Manifest | None = None,
) -> Verified:
    expected = manifest or copied.manifest
    outcome = performing.run(
        verify(Candidate(borg, shelf.source, copied.point, shelf.vault, shelf.keys, expected), scratch, later(9), looks)
    )
    assert not Path(scratch.folder(copied.point)).exists(), "scratch is cleaned up"
    assert outcome.verdict.judged == later(9)
    return outcome


def proofs(outcome: Verified) -> tuple[Proof, Proof, Proof]:
    verdict = outcome.verdict
    return verdict.readable, verdict.restorable, verdict.clean


def test_a_new_copy_has_a_point_and_its_manifest(copied: Copy, shelf: Shelf) -> None:
    assert copied.point.id == "v1/site-20261122T080000Z"
    assert copied.point.manifest == copied.manifest.digest
    assert copied.point.verdict.readable is Proof.UNKNOWN
    assert copied.manifest.size_bytes > 7000


def test_a_good_copy_is_proven(
    performing: Performing, shelf: Shelf, copied: Copy, scratch: Scratch, scanner: Scanner
) -> None:
    outcome = verified(performing, shelf, copied, scratch, LOOKS)
    assert outcome.verdict.proven_clean
    assert scanner.asked == [RESCAN]
    verdict = outcome.verdict
    assert verdict.because.en == "restored, equal to its manifest, and clean"
    assert (verdict.rung, verdict.failed, verdict.proven, verdict.rules) == (
        Rung.SCAN,
        Rung.NONE,
        later(9),
        "page-tamper",
    )
    assert [each.rung for each in outcome.climbed] == [Rung.REPOSITORY, Rung.SAMPLE, Rung.RESTORE, Rung.SCAN]
    assert verdict.seconds > 0.1
    assert verdict.read_bytes > copied.point.size_bytes


def test_without_a_scan_clean_stays_unknown(
    performing: Performing, shelf: Shelf, copied: Copy, scratch: Scratch
) -> None:
    assert proofs(verified(performing, shelf, copied, scratch)) == (Proof.YES, Proof.YES, Proof.UNKNOWN)


def test_an_infected_copy_is_not_clean(
    performing: Performing, shelf: Shelf, copied: Copy, scratch: Scratch, scanner: Scanner
) -> None:
    scanner.result = failure(Trouble.FAILED, zh="隐藏链接", en="hidden link to casino.example")
    outcome = verified(performing, shelf, copied, scratch, LOOKS)
    assert proofs(outcome) == (Proof.YES, Proof.YES, Proof.NO)
    assert "casino.example" in outcome.verdict.because.en


def test_a_scan_that_did_not_run_proves_nothing(
    performing: Performing, shelf: Shelf, copied: Copy, scratch: Scratch, scanner: Scanner
) -> None:
    scanner.result = failure(Trouble.UNREACHABLE, zh="连不上", en="no answer")
    assert proofs(verified(performing, shelf, copied, scratch, LOOKS)) == (Proof.YES, Proof.YES, Proof.UNKNOWN)


def test_a_flipped_byte_in_the_vault_is_seen(
    performing: Performing, shelf: Shelf, copied: Copy, scratch: Scratch
) -> None:
    flip_a_byte(shelf.repository)
    outcome = verified(performing, shelf, copied, scratch, LOOKS)
    assert proofs(outcome) == (Proof.NO, Proof.UNKNOWN, Proof.UNKNOWN)
    assert "the copy is damaged" in outcome.verdict.because.en


class Altering:
    """Borg, but one thing is changed on disk as soon as the copy is restored."""

    def __init__(self, alter: object) -> None:
        self._alter = alter

    def __getattr__(self, name: str) -> object:
        return getattr(borg, name)

    def restore(self, *arguments: object) -> Iterator[object]:
        yield from borg.restore(*arguments)  # type: ignore[arg-type, misc]
        self._alter(Path(str(arguments[5])))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("alter", "sentence"),
    [
        (lambda root: (root / "page.html").write_text("x" * 7500), "page.html has other content"),
        (lambda root: (root / "empty").rmdir(), "empty is missing"),
        (lambda root: (root / "shell.php").write_text("<?php"), "shell.php is extra"),
        (lambda root: (root / "page.html").chmod(0o666), "page.html had mode 0640, has 0666"),
    ],
)
def test_a_restored_tree_that_differs_is_seen(
    performing: Performing, shelf: Shelf, copied: Copy, scratch: Scratch, scanner: Scanner, alter: object, sentence: str
) -> None:
    engine: Engine = Altering(alter)  # type: ignore[assignment]
    outcome = performing.run(
        verify(
            Candidate(engine, shelf.source, copied.point, shelf.vault, shelf.keys, copied.manifest),
            scratch,
            later(9),
            LOOKS,
        )
    )
    assert proofs(outcome) == (Proof.YES, Proof.NO, Proof.UNKNOWN)
    assert sentence in outcome.verdict.because.en
    assert outcome.differences
    assert scanner.asked == [], "what does not match is not scanned"
    assert not Path(scratch.folder(copied.point)).exists()


def test_no_connection_proves_nothing(performing: Performing, shelf: Shelf, copied: Copy, scratch: Scratch) -> None:
    outcome = verified(performing, shelf.with_passphrase("wrong"), copied, scratch)
    assert proofs(outcome) == (Proof.UNKNOWN, Proof.UNKNOWN, Proof.UNKNOWN)
    assert "the passphrase is wrong" in outcome.verdict.because.en


def test_no_room_to_restore_proves_nothing(performing: Performing, shelf: Shelf, copied: Copy, tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("a file, not a directory")
    outcome = performing.run(
        verify(
            Candidate(borg, shelf.source, copied.point, shelf.vault, shelf.keys, copied.manifest),
            Scratch(LOCAL, str(tmp_path / "scratch" / "x")),
            later(9),
        )
    )
    assert proofs(outcome) == (Proof.UNKNOWN, Proof.UNKNOWN, Proof.UNKNOWN)
    assert (outcome.verdict.rung, outcome.verdict.failed) == (Rung.SAMPLE, Rung.RESTORE)
    assert (tmp_path / "scratch").read_text() == "a file, not a directory"


def test_somebody_elses_folder_is_left_alone(
    performing: Performing, shelf: Shelf, copied: Copy, scratch: Scratch
) -> None:
    folder = Path(scratch.folder(copied.point))
    folder.mkdir(parents=True)
    (folder / "mine").write_text("keep me")
    with pytest.raises(ProcedureFailed, match="is there already"):
        verified(performing, shelf, copied, scratch)
    assert (folder / "mine").read_text() == "keep me"


def test_a_folder_that_forbids_its_owner_is_cleaned_up(performing: Performing, shelf: Shelf, scratch: Scratch) -> None:
    closed = shelf.tree / "closed" / "within"
    closed.mkdir(parents=True)
    (closed / "page").write_text("x")
    closed.chmod(0o500)
    closed.parent.chmod(0o500)
    copied = performing.run(take_copy(borg, shelf.source, shelf.vault, shelf.keys, later(1)))
    assert verified(performing, shelf, copied, scratch).verdict.restorable is Proof.YES
    closed.parent.chmod(0o700)
    closed.chmod(0o700)


def test_what_changed_while_it_was_copied_is_not_held_against_the_copy(
    performing: Performing, shelf: Shelf, scratch: Scratch
) -> None:
    class Busy:
        def __getattr__(self, name: str) -> object:
            return getattr(borg, name)

        def backup(self, *arguments: object) -> Iterator[object]:
            (shelf.tree / "access.log").write_text("one more line")
            copied = yield from borg.backup(*arguments)  # type: ignore[arg-type, misc]
            (shelf.tree / "access.log").write_text("one more line\nand another")
            return copied

    (shelf.tree / "access.log").write_text("")
    copied = performing.run(take_copy(Busy(), shelf.source, shelf.vault, shelf.keys, FIRST))  # type: ignore[arg-type]
    assert verified(performing, shelf, copied, scratch).verdict.restorable is Proof.YES


def test_a_rehearsal_ends_well_and_changes_nothing(performing: Performing, tmp_path: Path, scratch: Scratch) -> None:
    shelf = make_shelf(tmp_path)
    (shelf.tree / "page").write_text("x")
    copied = performing.rehearse(take_copy(borg, shelf.source, shelf.vault, shelf.keys, FIRST))
    outcome = performing.rehearse(
        verify(
            Candidate(borg, shelf.source, copied.point, shelf.vault, shelf.keys, copied.manifest),
            scratch,
            later(9),
            LOOKS,
        )
    )
    assert not Path(shelf.vault.location).exists()
    assert not Path(scratch.directory).exists()
    assert outcome.verdict.restorable is not Proof.NO


@pytest.mark.parametrize("boundary", [Boundary.AFTER_INTENT, Boundary.AFTER_EFFECT])
@pytest.mark.parametrize(
    "step",
    [
        "check the repository",
        "read a sample back",
        "restore the copy",
        "scan the restored copy",
        "remove the scratch folder",
    ],
)
def test_a_verification_that_was_killed_is_resumed(
    performing: Performing, shelf: Shelf, copied: Copy, scratch: Scratch, boundary: Boundary, step: str
) -> None:
    def plan() -> Procedure[Verified]:
        return verify(
            Candidate(borg, shelf.source, copied.point, shelf.vault, shelf.keys, copied.manifest),
            scratch,
            later(9),
            LOOKS,
        )

    outcome = performing.interrupt_and_resume(plan, boundary, step)
    assert outcome.verdict.proven_clean
    assert not Path(scratch.folder(copied.point)).exists()


@pytest.mark.parametrize("boundary", [Boundary.AFTER_INTENT, Boundary.AFTER_EFFECT])
@pytest.mark.parametrize("step", ["make the repository", "copy the source"])
def test_a_copy_that_was_killed_is_resumed(
    performing: Performing, shelf: Shelf, scratch: Scratch, boundary: Boundary, step: str
) -> None:
    def plan() -> Procedure[Copy]:
        return take_copy(borg, shelf.source, shelf.vault, shelf.keys, FIRST)

    copied = performing.interrupt_and_resume(plan, boundary, step)
    assert performing.run(borg.points(shelf.source, shelf.vault, shelf.keys)) == (copied.point.archive,)
    assert verified(performing, shelf, copied, scratch).verdict.restorable is Proof.YES
