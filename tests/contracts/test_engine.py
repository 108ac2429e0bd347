"""What every engine for file trees must do. A new engine is one file in `backup/engines/`; this suite finds it."""

import os
import random
import shutil
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from backup.comparison import compare
from backup.engine import Copied, CopyBroken, Engine, archive_name, engines
from backup.listing import take_manifest
from backup.manifest import Manifest
from secops.model.city import AssetKind, CopiedBy
from secops.model.step import LOCAL, ProcedureFailed
from tests.backup.performing import Performing
from tests.backup.shelf import FIRST, PASSPHRASE, Shelf, later, make_shelf
from tests.backup.trees import make_tree

pytestmark = pytest.mark.slow

_FOR_TREES = {name: engine for name, engine in engines().items() if AssetKind.FILE_TREE in engine.kinds}

_TOLD = {"command": {"dump": ("cp", "-a", "--", "{path}/.", "{folder}")}}
"""What the source tells the engines that must be told something."""


@pytest.fixture(params=sorted(_FOR_TREES))
def engine(request: pytest.FixtureRequest) -> Engine:
    found = _FOR_TREES[request.param]
    if missing := [program for program in found.needs if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def performing(tmp_path: Path, home: Path) -> Iterator[Performing]:
    with Performing(tmp_path) as opened:
        yield opened


@pytest.fixture
def shelf(tmp_path: Path, engine: Engine) -> Shelf:
    shelf = make_shelf(tmp_path)
    told = CopiedBy(engine.name, _TOLD.get(engine.name, {}))
    return replace(shelf, source=replace(shelf.source, copied_by=told))


def copy(performing: Performing, engine: Engine, shelf: Shelf, archive: str = "one", minutes: int = 0) -> Copied:
    performing.run(engine.prepare(shelf.source, shelf.vault, shelf.keys))
    return performing.run(engine.backup(shelf.source, shelf.vault, shelf.keys, archive, later(minutes)))


def restore(performing: Performing, engine: Engine, shelf: Shelf, archive: str, into: Path) -> None:
    point = shelf.point(engine, archive)
    performing.run(engine.restore(shelf.source, point, shelf.vault, shelf.keys, LOCAL, str(into)))


def listing(performing: Performing, root: Path) -> Manifest:
    return performing.run(take_manifest(LOCAL, str(root), "list"))


def test_it_says_what_it_is(engine: Engine) -> None:
    assert engine.name
    assert engine.describes.zh and engine.describes.en
    assert engine.needs


def test_what_is_restored_is_what_was_copied(
    engine: Engine, performing: Performing, shelf: Shelf, tmp_path: Path, home: Path
) -> None:
    shelf.tree.rmdir()
    make_tree(shelf.tree)
    shelf.tree.chmod(0o710)
    copied = copy(performing, engine, shelf)
    assert (copied.archive, copied.taken, copied.warnings) == ("one", FIRST, ())
    assert copied.added_bytes > 0
    assert listing(performing, shelf.tree).size_bytes >= 500 * len("<h1>津盾</h1>".encode())
    into = tmp_path / "place" / "restored here"
    restore(performing, engine, shelf, "one", into)
    lost = [one.path for one in compare(listing(performing, shelf.tree), listing(performing, into))]
    assert lost == (["dangling"] if engine.loses else []), "what is lost is a link to what is no UTF-8, and is told"
    assert into.stat().st_mode == shelf.tree.stat().st_mode
    assert list(home.iterdir()) == [], "an engine keeps its state where it is told"


def test_what_only_the_file_system_knows_is_kept_or_told_as_lost(
    engine: Engine, performing: Performing, shelf: Shelf, tmp_path: Path
) -> None:
    make_peculiar(shelf.tree)
    copy(performing, engine, shelf)
    restore(performing, engine, shelf, "one", tmp_path / "again")
    there, found = peculiarities(shelf.tree), peculiarities(tmp_path / "again")
    lost = {name for name, value in there.items() if found[name] != value}
    assert there["holes"] and lost == ({"holes"} if engine.loses else set())


def make_peculiar(tree: Path) -> None:
    """Hard links, a file with a hole, old times, and as far as this place allows attributes, an ACL and an owner."""
    (tree / "linked").write_text("one file")
    os.link(tree / "linked", tree / "odd\nname")
    with (tree / "holey").open("wb") as file:
        file.seek(64 << 20)
        file.write(b"end")
    (tree / "marked").write_text("津盾")
    with suppress(OSError):
        os.setxattr(tree / "marked", "user.origin", b"portal\x00\xff")
    with suppress(OSError):
        os.setxattr(tree / "marked", "system.posix_acl_access", _LET_NOBODY_READ)
    with suppress(PermissionError):
        os.chown(tree / "marked", 12345, 23456)
    os.utime(tree / "marked", ns=(1_000_000_000, 1_234_567_891_123_456_000))


_LET_NOBODY_READ = struct.pack(
    "<I" + "HHI" * 5,
    2,
    *(1, 6, 2**32 - 1),
    *(2, 4, 65534),
    *(4, 4, 2**32 - 1),
    *(16, 4, 2**32 - 1),
    *(32, 0, 2**32 - 1),
)
"""An ACL as the kernel takes it: owner rw, user 65534 r, group r, mask r, others nothing."""


def peculiarities(tree: Path) -> dict[str, object]:
    """What stands beside content and mode."""
    marked, holey = tree / "marked", (tree / "holey").stat()
    return {
        "links": (tree / "linked").samefile(tree / "odd\nname"),
        "holes": holey.st_blocks * 512 < holey.st_size // 2,
        "owner": (marked.stat().st_uid, marked.stat().st_gid),
        "time": marked.stat().st_mtime_ns,
        "attributes": {name: os.getxattr(marked, name) for name in os.listxattr(marked)},
    }


def test_every_copy_stays_what_it_was(engine: Engine, performing: Performing, shelf: Shelf, tmp_path: Path) -> None:
    for number in range(3):
        (shelf.tree / "page").write_text(f"version {number}")
        copy(performing, engine, shelf, f"n{number}", number)
    for number in range(3):
        restore(performing, engine, shelf, f"n{number}", tmp_path / f"r{number}")
        assert (tmp_path / f"r{number}" / "page").read_text() == f"version {number}"


def test_copies_are_listed_oldest_first(engine: Engine, performing: Performing, shelf: Shelf) -> None:
    for archive, minutes in (("b", 20), ("a", 30), ("c", 10)):
        copy(performing, engine, shelf, archive, minutes)
    assert performing.run(engine.points(shelf.source, shelf.vault, shelf.keys)) == ("c", "b", "a")


def test_doing_it_again_changes_nothing(engine: Engine, performing: Performing, shelf: Shelf, tmp_path: Path) -> None:
    (shelf.tree / "page").write_text("first")
    copy(performing, engine, shelf)
    (shelf.tree / "page").write_text("second")
    performing.run(engine.prepare(shelf.source, shelf.vault, shelf.keys))
    performing.run(engine.backup(shelf.source, shelf.vault, shelf.keys, "one", later(5)))
    assert performing.run(engine.points(shelf.source, shelf.vault, shelf.keys)) == ("one",)
    restore(performing, engine, shelf, "one", tmp_path / "again")
    assert (tmp_path / "again/page").read_text() == "first"


def test_a_directory_that_holds_something_is_not_restored_into(
    engine: Engine, performing: Performing, shelf: Shelf, tmp_path: Path
) -> None:
    copy(performing, engine, shelf)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").write_text("keep me")
    with pytest.raises(ProcedureFailed, match="is not empty"):
        restore(performing, engine, shelf, "one", tmp_path / "taken")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["mine"]


def test_a_good_copy_reads_back(engine: Engine, performing: Performing, shelf: Shelf) -> None:
    (shelf.tree / "page").write_text("good")
    copy(performing, engine, shelf)
    performing.run(engine.read_check(shelf.source, shelf.vault, shelf.keys, "one"))
    assert performing.changed == []


def test_a_good_repository_hangs_together_and_samples_read_back(
    engine: Engine, performing: Performing, shelf: Shelf
) -> None:
    shelf.tree.rmdir()
    make_tree(shelf.tree)
    copy(performing, engine, shelf)
    performing.run(engine.check_repository(shelf.source, shelf.vault, shelf.keys))
    for percent in (1, 50, 100):
        performing.run(engine.read_sample(shelf.source, shelf.vault, shelf.keys, "one", percent))
    assert performing.changed == []


def test_a_sample_of_a_copy_that_is_gone_is_damage(engine: Engine, performing: Performing, shelf: Shelf) -> None:
    copy(performing, engine, shelf)
    with pytest.raises(CopyBroken, match="does not exist"):
        performing.run(engine.read_sample(shelf.source, shelf.vault, shelf.keys, "two", 10))


def test_a_wrong_passphrase_makes_no_sample_damaged(engine: Engine, performing: Performing, shelf: Shelf) -> None:
    _require_encryption(engine)
    copy(performing, engine, shelf)
    other = shelf.with_passphrase("not this one")
    with pytest.raises(ProcedureFailed, match="the passphrase is wrong") as refusal:
        performing.run(engine.read_sample(other.source, other.vault, other.keys, "one", 10))
    assert not isinstance(refusal.value, CopyBroken)


def test_copies_are_taken_out_on_the_vaults_side_and_the_others_stay(
    engine: Engine, performing: Performing, shelf: Shelf, tmp_path: Path
) -> None:
    for number in range(3):
        (shelf.tree / "page").write_text(f"version {number}")
        copy(performing, engine, shelf, f"n{number}", number)
    doomed = ("n0", "n2", "never-was")
    for _again in range(2):
        performing.run(engine.expire(shelf.source, shelf.vault, shelf.keys, LOCAL, doomed))
        assert performing.run(engine.points(shelf.source, shelf.vault, shelf.keys)) == ("n1",)
    restore(performing, engine, shelf, "n1", tmp_path / "r")
    assert (tmp_path / "r" / "page").read_text() == "version 1"


def test_what_a_vault_holds_is_told_with_one_identity(engine: Engine, performing: Performing, shelf: Shelf) -> None:
    copy(performing, engine, shelf, "one")
    first = performing.run(engine.stock(shelf.source, shelf.vault, shelf.keys))
    copy(performing, engine, shelf, "two", 1)
    second = performing.run(engine.stock(shelf.source, shelf.vault, shelf.keys))
    assert (first.archives, second.archives) == (("one",), ("one", "two"))
    assert first.identity == second.identity
    assert performing.changed == []


def test_a_flipped_byte_is_damage(engine: Engine, performing: Performing, shelf: Shelf) -> None:
    (shelf.tree / "page").write_bytes(random.Random(1).randbytes(100_000))
    copy(performing, engine, shelf)
    flip_a_byte(shelf.repository)
    with pytest.raises(CopyBroken, match="the copy is damaged"):
        performing.run(engine.read_check(shelf.source, shelf.vault, shelf.keys, "one"))


def test_a_copy_that_is_gone_is_damage(engine: Engine, performing: Performing, shelf: Shelf) -> None:
    copy(performing, engine, shelf)
    with pytest.raises(CopyBroken, match="does not exist"):
        performing.run(engine.read_check(shelf.source, shelf.vault, shelf.keys, "two"))


def test_a_wrong_passphrase_says_nothing_about_the_copy(engine: Engine, performing: Performing, shelf: Shelf) -> None:
    _require_encryption(engine)
    copy(performing, engine, shelf)
    other = shelf.with_passphrase("not this one")
    with pytest.raises(ProcedureFailed, match="the passphrase is wrong") as refusal:
        performing.run(engine.read_check(other.source, other.vault, other.keys, "one"))
    assert not isinstance(refusal.value, CopyBroken)
    with pytest.raises(ProcedureFailed, match="the passphrase is wrong"):
        performing.run(engine.backup(other.source, other.vault, other.keys, "two", later(5)))
    performing.run(engine.read_check(shelf.source, shelf.vault, shelf.keys, "one"))


def test_a_missing_source_is_a_sentence(engine: Engine, performing: Performing, shelf: Shelf) -> None:
    performing.run(engine.prepare(shelf.source, shelf.vault, shelf.keys))
    shelf.tree.rmdir()
    with pytest.raises(ProcedureFailed, match=r"copying site failed.*No such file"):
        performing.run(engine.backup(shelf.source, shelf.vault, shelf.keys, "one", FIRST))


def test_a_rehearsal_changes_nothing(engine: Engine, performing: Performing, shelf: Shelf, tmp_path: Path) -> None:
    performing.rehearse(engine.prepare(shelf.source, shelf.vault, shelf.keys))
    performing.rehearse(engine.backup(shelf.source, shelf.vault, shelf.keys, "one", FIRST))
    point = shelf.point(engine, "one")
    into = tmp_path / "into"
    performing.rehearse(engine.restore(shelf.source, point, shelf.vault, shelf.keys, LOCAL, str(into)))
    assert not Path(shelf.vault.location).exists()
    assert not into.exists()


def test_the_passphrase_is_on_nobodys_list(engine: Engine, shelf: Shelf) -> None:
    """Neither in argv nor in an environment, and what the journal keeps is the reference."""
    procedures = (
        engine.prepare(shelf.source, shelf.vault, shelf.keys),
        engine.points(shelf.source, shelf.vault, shelf.keys),
        engine.read_check(shelf.source, shelf.vault, shelf.keys, "one"),
    )
    for procedure in procedures:
        step = next(procedure)
        assert shelf.keys.passphrase not in repr((step.effect, step.check)).replace(
            f"stdin={shelf.keys.passphrase!r}", ""
        )
        assert PASSPHRASE not in repr(step)


@pytest.mark.parametrize("archive", ["", "-x", "a b", "a::b", "../x", "${file:passphrase}"])
def test_a_bad_name_of_a_copy_is_refused(engine: Engine, performing: Performing, shelf: Shelf, archive: str) -> None:
    with pytest.raises(ProcedureFailed, match="cannot be the name of a copy"):
        performing.run(engine.backup(shelf.source, shelf.vault, shelf.keys, archive, FIRST))
    assert performing.changed == []


def test_names_of_copies_sort_by_time(tmp_path: Path) -> None:
    source = make_shelf(tmp_path).source
    names = [archive_name(source, later(minutes)) for minutes in (0, 1, 600, 6000)]
    assert names == sorted(names)
    assert names[0] == "site-20261122T080000Z"


def _require_encryption(engine: Engine) -> None:
    if not engine.encrypts:
        pytest.skip(f"{engine.name} leaves encryption to the vault's disk")


def flip_a_byte(repository: Path) -> None:
    """In the middle of the largest file of data."""
    files = [path for path in repository.rglob("*") if path.is_file() and not path.name.startswith("index")]
    largest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
