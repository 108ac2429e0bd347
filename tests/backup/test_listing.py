"""Manifests of real trees, by the programs of a real host."""

import gzip
import hashlib
import os
import pwd
import resource
import shutil
import stat
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from backup import listing
from backup.comparison import compare
from backup.listing import begin_manifest, drop_manifest, end_manifest, manifest_of, parse, take_manifest
from backup.manifest import About, Entry, Kind, Manifest, path_text
from secops.execution.executor import Boundary
from secops.model.step import LOCAL, Procedure, ProcedureFailed
from tests.backup.performing import Performing
from tests.backup.trees import make_tree
from tests.contracts.test_engine import make_peculiar
from tests.demo.standing import eventually

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK, stat.S_IFIFO: Kind.PIPE}


def by_python(root: Path) -> Manifest:
    """The same manifest without any of the programs."""
    seen: dict[bytes, os.stat_result] = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        seen |= {os.path.join(folder, name): os.lstat(os.path.join(folder, name)) for name in (*folders, *files)}  # noqa: PTH118 - names of bytes
    first: dict[int, str] = {}
    for path in sorted(seen, key=lambda each: path_text(os.path.relpath(each, os.fsencode(root)))):
        first.setdefault(seen[path].st_ino, path_text(os.path.relpath(path, os.fsencode(root))))
    return Manifest.of(_entry(root, path, told, first[told.st_ino]) for path, told in seen.items())


def _entry(root: Path, path: bytes, told: os.stat_result, first: str) -> Entry:
    kind = _KINDS[stat.S_IFMT(told.st_mode)]
    shown = path_text(os.path.relpath(path, os.fsencode(root)))
    about = About(
        f"{told.st_uid}:{_name(told.st_uid)}",
        f"{told.st_gid}:{_name(told.st_gid)}",
        f"{told.st_mtime_ns // 10**9}.{told.st_mtime_ns % 10**9:09}",
        first if kind is Kind.FILE and first != shown else "",
        kind is Kind.FILE and told.st_size >= 32 << 20 and told.st_blocks * 512 < told.st_size // 2,
        _attributes(path) if kind is not Kind.LINK else "",
    )
    mode = stat.S_IMODE(told.st_mode)
    if kind is Kind.FILE:
        content = open(path, "rb").read()  # noqa: PTH123, SIM115
        return Entry(shown, kind, mode, len(content), hashlib.sha256(content).hexdigest(), about=about)
    target = path_text(os.fsencode(Path(os.fsdecode(path)).readlink())) if kind is Kind.LINK else ""
    return Entry(shown, kind, mode, target=target, about=about)


def _name(number: int) -> str:
    """Owners of the trees here are this user, or nobody that has a name."""
    return pwd.getpwuid(number).pw_name if number == os.getuid() else str(number)


def _attributes(path: bytes) -> str:
    names = sorted(name for name in os.listxattr(path) if name.startswith(("user.", "system.posix_acl_")))
    if not names:
        return ""
    values = [(name.encode(), os.getxattr(path, name)) for name in names]
    held = b"\0".join(b"%d %s %s" % (len(value), name, value) for name, value in values)
    return f"{','.join(names)}@{hashlib.sha256(held).hexdigest()[:16]}"


def taken(performing: Performing, root: Path) -> Manifest:
    return performing.run(take_manifest(LOCAL, str(root), "list"))


def said(expected: Manifest, actual: Manifest) -> dict[str, str]:
    return {one.path: one.because.en for one in compare(expected, actual)}


@pytest.mark.parametrize("make", [make_tree, lambda root: root.mkdir() or make_peculiar(root) or root])
def test_all_that_the_file_system_knows_is_seen(
    performing: Performing, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    root = make(tmp_path / "a tree")
    assert taken(performing, root) == by_python(root)
    assert len(performing.performed) == 1


def test_without_openssl_the_manifest_is_the_same(
    performing: Performing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tree(tmp_path / "tree")
    whole = taken(performing, root)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/openssl").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "bin/openssl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert taken(performing, root) == whole


def test_the_manifest_does_not_depend_on_where_the_tree_stands(performing: Performing, tmp_path: Path) -> None:
    one, other = make_tree(tmp_path / "one"), tmp_path / "elsewhere"
    shutil.copytree(one, other / "deep", symlinks=True, copy_function=_copy_with_time, ignore=lambda *_: ["pipe"])
    first, second = taken(performing, one), taken(performing, other / "deep")
    lost = said(first, second)
    assert set(lost) == {"pipe", "page.html"}, lost
    assert lost["page.html"] == "page.html was one file with hard link and is no more"


def _copy_with_time(source: str, target: str) -> str:
    return str(shutil.copy2(source, target, follow_symlinks=False))


def test_an_empty_tree_has_an_empty_manifest(performing: Performing, tmp_path: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    assert taken(performing, root).lines == ()


def test_what_passes_a_result_is_fetched_in_pieces_and_nothing_is_left(
    performing: Performing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, temporary = tmp_path / "large", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    for number in range(400):
        folder = root / os.fsdecode(b"folder \xff\n%d" % (number % 7)) / str(number)
        folder.mkdir(parents=True)
        (folder / "-n").write_text(str(number))
    whole = taken(performing, root)
    assert len(performing.performed) == 1
    monkeypatch.setattr(listing, "PIECE_BYTES", 5000)
    assert taken(performing, root) == whole == by_python(root)
    assert len(performing.performed) > 4
    begun = performing.run(begin_manifest(LOCAL, str(root), "before"))
    assert performing.run(end_manifest(LOCAL, str(root), "after", begun)) == whole
    assert list(temporary.iterdir()) == []


COUNT = 1_000_000 if os.environ.get("JINDUN_LONG_TESTS") else 20_000


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_folder_of_very_many_small_files(performing: Performing, tmp_path: Path) -> None:
    """In one folder, which no part of a walk could divide."""
    root = tmp_path / "many"
    root.mkdir()
    for number in range(COUNT):
        with open(f"{root}/case {number:07}.json", "wb") as file:  # noqa: PTH123 - a million of them
            file.write(b"%d" % number)
    most_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = performing.run(begin_manifest(LOCAL, str(root), "before"))
    manifest = performing.run(end_manifest(LOCAL, str(root), "after", begun))
    assert len(manifest.lines) == COUNT
    assert all(entry.kind is Kind.FILE for entry in manifest.entries)
    assert compare(manifest, Manifest.from_text(manifest.text)) == ()
    assert len(manifest.text) < 120 * COUNT + 1000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most_before) * 1024
    assert grown < 100e6 + 1000 * COUNT, f"{grown / 1e6:.0f} MB"


def test_what_changes_or_goes_between_two_walks_is_changing(performing: Performing, tmp_path: Path) -> None:
    root = make_tree(tmp_path / "tree")
    for name in ("gone", "same size", "touched"):
        (root / name).write_text("before")
    begun = performing.run(begin_manifest(LOCAL, str(root), "before"))
    (root / "gone").unlink()
    (root / "new").write_text("new")
    kept = (root / "same size").stat()
    (root / "same size").write_text("behind")
    os.utime(root / "same size", ns=(kept.st_atime_ns, kept.st_mtime_ns))
    manifest = performing.run(end_manifest(LOCAL, str(root), "after", begun))
    assert not Path(begun.folder).exists()
    changing = {entry.path for entry in manifest.entries if entry.kind is Kind.CHANGING}
    assert changing == {"gone", "new", "same size"}, "whoever sets the time back is seen by the time of change"
    assert said(manifest, taken(performing, root)) == {}


def test_whoever_is_killed_while_a_tree_is_listed_goes_on(performing: Performing, tmp_path: Path) -> None:
    root = make_tree(tmp_path / "tree")

    def plan() -> Procedure[Manifest]:
        begun = yield from begin_manifest(LOCAL, str(root), "before")
        return (yield from end_manifest(LOCAL, str(root), "after", begun))

    for boundary in (Boundary.AFTER_INTENT, Boundary.AFTER_EFFECT, Boundary.AFTER_OUTCOME):
        assert performing.interrupt_everywhere(plan, boundary) == taken(performing, root)


def test_a_rehearsal_reads_the_tree_and_leaves_nothing(performing: Performing, tmp_path: Path) -> None:
    root = make_tree(tmp_path / "tree")

    def plan() -> Procedure[Manifest]:
        begun = yield from begin_manifest(LOCAL, str(root), "before")
        assert not begun.folder
        return (yield from end_manifest(LOCAL, str(root), "after", begun))

    assert performing.rehearse(plan()) == taken(performing, root)


def test_a_reading_that_was_lost_is_made_anew(performing: Performing, tmp_path: Path) -> None:
    """As when the host was started again meanwhile."""
    root = make_tree(tmp_path / "tree")
    (root / "changed").write_text("before")
    time.sleep(0.2)
    whole = taken(performing, root)
    begun = performing.run(begin_manifest(LOCAL, str(root), "before"))
    performing.run(drop_manifest(LOCAL, "drop", begun))
    assert not Path(begun.folder).exists()
    assert performing.run(end_manifest(LOCAL, str(root), "after", begun)) == whole
    time.sleep(0.2)
    (root / "changed").write_text("after")
    manifest = performing.run(end_manifest(LOCAL, str(root), "later", begun))
    assert [entry.path for entry in manifest.entries if entry.kind is Kind.CHANGING] == ["changed"]


def test_a_reading_that_ended_badly_is_no_manifest(performing: Performing, tmp_path: Path) -> None:
    root = make_tree(tmp_path / "tree")
    begun = performing.run(begin_manifest(LOCAL, str(root), "before"))
    folder = Path(begun.folder)
    assert eventually(lambda: (folder / "ended").exists(), 60)
    (folder / "whole").unlink()
    with pytest.raises(ProcedureFailed, match="did not end well"):
        performing.run(end_manifest(LOCAL, str(root), "after", begun))
    shutil.rmtree(folder)


def test_whatever_a_restore_may_lose_is_said(performing: Performing, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    make_peculiar(root)
    expected = taken(performing, root)
    marked = root / "marked"
    was = marked.stat()
    names = os.listxattr(marked)
    for name in names:
        os.removexattr(marked, name)
    os.utime(marked, ns=(0, 5_000_000_001))
    if was.st_uid != os.getuid():
        os.chown(marked, os.getuid(), os.getgid())
    content = (root / "linked").read_text()
    (root / "odd\nname").unlink()
    (root / "odd\nname").write_text(content)
    os.utime(root / "odd\nname", ns=(0, (root / "linked").stat().st_mtime_ns))
    lost = said(expected, taken(performing, root))
    assert set(lost) == {"marked", "odd\\x0aname"}
    assert lost["odd\\x0aname"] == "odd\\x0aname was one file with linked and is no more"
    assert "was modified at 1234567891.123456000, now says 5.000000001" in lost["marked"]
    if was.st_uid != os.getuid():
        assert f"had owner 12345:12345, has {os.getuid()}:" in lost["marked"]
    if names:
        assert "had the attributes system.posix_acl_access,user.origin, has -" in lost["marked"]


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


def packed(records: bytes, hashes: bytes = b"", attributes: bytes = b"attributes\0end\0") -> str:
    return (
        "\n".join(["0", *(b64encode(gzip.compress(each, mtime=0)).decode() for each in (records, hashes, attributes))])
        + "\n"
    )


RECORD = b"f 644 1 0 0 1:5 1 9.0000000000 9.0000000000 ./a\0=8\troot\troot\t\0"
HASH = b"0" * 64 + b"  ./a\0"


@pytest.mark.parametrize(
    "hashes",
    [b"", HASH[:-1], b"0" * 64 + b"  ./b\0", b"0" * 64 + b"  ./aa", HASH[:40]],
)
def test_a_file_without_its_own_hash_is_changing(hashes: bytes) -> None:
    [entry] = manifest_of(*parse(packed(RECORD, hashes), "/srv")).entries
    assert entry == Entry("a", Kind.CHANGING)


def test_without_python_attributes_are_not_known() -> None:
    for told in (b"", b"attributes\0", b"attributes\0./a\0user.x@0\0"):
        [entry] = manifest_of(*parse(packed(RECORD, HASH, told), "/srv")).entries
        assert entry.about and entry.about.attributes is None


@pytest.mark.parametrize("output", ["nonsense", "0\n!\n", "0\nA\n", packed(RECORD, HASH)[:40]])
def test_what_is_no_list_is_a_sentence(output: str) -> None:
    with pytest.raises(ProcedureFailed, match=r"the list of /srv (cannot be understood|is damaged)"):
        manifest_of(*parse(output, "/srv"))
