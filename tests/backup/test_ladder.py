"""Which fault is found by which rung, with real damage in real vaults; docs/explanation/verification.md shows the table.

The ledger: whatever was done to the vault, a copy is called good only when every byte of it came back.
"""

import functools
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from backup.copying import Copy, take_copy
from backup.engines.borg import borg
from backup.ladder import LADDER, bytes_for
from backup.manifest import Manifest
from backup.verification import Candidate, Looks, Scratch, Verified, verify
from scanners.files.check import Means
from secops.model.restore_point import Proof, Rung
from secops.model.step import LOCAL, Fetch, Rescan
from tests.backup.performing import Performing
from tests.backup.scanning import tree_scanner
from tests.backup.shelf import PASSPHRASE, Shelf, later, make_shelf
from tests.docs.blocks import ROOT
from tests.lab.clamd import eicar, marker, marker_rule, running_clamd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HIDDEN = '<div style="display:none"><a href="http://casino.example/">casino</a></div>'


@dataclass
class Bench:
    """A source, its vault, and everything that looks at copies."""

    folder: Path
    shelf: Shelf
    performing: Performing

    def copy(self, minutes: int = 0) -> Copy:
        return self.performing.run(
            take_copy(borg, self.shelf.source, self.shelf.vault, self.shelf.keys, later(minutes))
        )

    def climb(
        self, copied: Copy, upto: Rung = Rung.SCAN, shelf: Shelf | None = None, looks: Looks | None = None
    ) -> Verified:
        at = shelf or self.shelf
        candidate = Candidate(borg, at.source, copied.point, at.vault, at.keys, copied.manifest)
        scratch = Scratch(LOCAL, str(self.folder / "scratch"))
        tree = Rescan("site", (), tree=scratch.folder(copied.point))
        verified = self.performing.run(verify(candidate, scratch, later(60), looks or Looks((tree,)), upto))
        assert not Path(scratch.folder(copied.point)).exists()
        return verified

    def borg(self, *argv: str) -> str:
        environment = {
            **os.environ,
            "BORG_PASSPHRASE": PASSPHRASE,
            "BORG_BASE_DIR": str(self.folder / "by hand"),
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }
        done = subprocess.run(("borg", *argv), env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    @property
    def segments(self) -> list[Path]:
        """The segments of the repository, the oldest first."""
        found = [path for path in (self.shelf.repository / "data").rglob("*") if path.is_file()]
        return sorted(found, key=lambda path: int(path.name))

    @property
    def pack(self) -> Path:
        """The segment with the content."""
        return max(self.segments, key=lambda path: path.stat().st_size)


@pytest.fixture(scope="module")
def clamd() -> Iterator[str]:
    with running_clamd() as socket:
        yield socket


@pytest.fixture
def bench(tmp_path: Path, clamd: str) -> Iterator[Bench]:
    shelf = make_shelf(tmp_path)
    tree = shelf.tree
    (tree / "index.html").write_text("<h1>ok</h1>")
    (tree / "large").write_bytes(os.urandom(600_000))
    for number in range(20):
        (tree / f"file {number}").write_bytes(os.urandom(2000))
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "marker.yar").write_text(marker_rule())
    scanner = tree_scanner(tmp_path, Means(rules=rules, clamd=clamd))
    with Performing(tmp_path, scanner) as performing:
        yield Bench(tmp_path, shelf, performing)


def flip(path: Path, place: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_a_good_copy_climbs_to_the_top_and_says_by_what(bench: Bench) -> None:
    verified = bench.climb(bench.copy())
    verdict = verified.verdict
    assert verdict.proven_clean, verdict.because
    assert (verdict.rung, verdict.failed) == (Rung.SCAN, Rung.NONE)
    assert re.fullmatch(r"clamav@[0-9a-f]{16} hidden-links@1 yara-rules@[0-9a-f]{16}", verdict.rules)
    assert verdict.rules_date
    assert [each.rung for each in verified.climbed] == [1, 2, 3, 4]
    assert verdict.read_bytes == sum(each.read_bytes for each in verified.climbed)


def test_a_flipped_byte_in_a_pack_is_found_by_the_repository_check(bench: Bench) -> None:
    copied = bench.copy()
    flip(bench.pack)
    verified = bench.climb(copied)
    assert (verified.verdict.failed, verified.verdict.readable) == (Rung.REPOSITORY, Proof.NO)
    assert "checksum mismatch" in verified.verdict.because.en
    assert [each.rung for each in verified.climbed] == [Rung.REPOSITORY], "what is damaged is not climbed further"


@pytest.mark.parametrize("harm", [cut, Path.unlink])
def test_a_segment_that_is_cut_or_gone_is_found_by_the_repository_check(
    bench: Bench, harm: Callable[[Path], None]
) -> None:
    copied = bench.copy()
    harm(bench.pack)
    verdict = bench.climb(copied).verdict
    assert (verdict.failed, verdict.readable) == (Rung.REPOSITORY, Proof.NO)


def test_a_truncated_end_of_the_vaults_manifest_is_found_by_the_sample(bench: Bench) -> None:
    """Without its last commit the repository is whole again, as it was before the copy."""
    copied = bench.copy()
    cut(bench.segments[-1])
    verdict = bench.climb(copied).verdict
    assert (verdict.failed, verdict.readable) == (Rung.SAMPLE, Proof.UNKNOWN)
    assert "rolled back or replaced" in verdict.because.en
    shutil.rmtree(bench.shelf.keys.state_directory)
    verdict = bench.climb(copied).verdict
    assert (verdict.failed, verdict.readable) == (Rung.SAMPLE, Proof.NO), "who never saw it newer sees no copy"
    assert "does not exist" in verdict.because.en


def test_a_copy_that_was_deleted_is_found_by_the_sample(bench: Bench) -> None:
    copied = bench.copy()
    bench.borg("delete", f"{bench.shelf.repository}::{copied.point.archive}")
    verdict = bench.climb(copied).verdict
    assert (verdict.failed, verdict.readable) == (Rung.SAMPLE, Proof.NO)


def test_a_wrong_key_is_found_by_the_sample_and_proves_nothing(bench: Bench) -> None:
    copied = bench.copy()
    verdict = bench.climb(copied, shelf=bench.shelf.with_passphrase("not this one")).verdict
    assert (verdict.failed, verdict.readable, verdict.rung) == (Rung.SAMPLE, Proof.UNKNOWN, Rung.REPOSITORY)


def test_a_deleted_chunk_is_found_by_the_restore_at_the_latest(bench: Bench) -> None:
    """The repository hangs together without it. No sample takes a name with a line break in it."""
    (bench.shelf.tree / "line\nbreak").write_bytes(os.urandom(3000))
    copied = bench.copy()
    chunk = _chunk_of(bench, copied, "line\nbreak")
    bench.borg("debug", "delete-obj", str(bench.shelf.repository), chunk)
    verdict = bench.climb(copied).verdict
    assert (verdict.failed, verdict.readable) == (Rung.RESTORE, Proof.NO), verdict.because


def _chunk_of(bench: Bench, copied: Copy, path: str) -> str:
    dumped = bench.folder / "dump.json"
    bench.borg("debug", "dump-archive", f"{bench.shelf.repository}::{copied.point.archive}", str(dumped))
    items = json.loads(dumped.read_text())["_items"]
    (found,) = [item for item in items if item.get("path") == path]
    chunk: str = found["chunks"][0][0].removeprefix("\x7f")
    return chunk


def test_content_that_is_not_what_was_copied_is_found_by_the_restore(bench: Bench) -> None:
    copied = bench.copy()
    *entries, last = copied.manifest.entries
    forged = replace(copied, manifest=Manifest.of([*entries, replace(last, digest="0" * 64)]))
    verified = bench.climb(forged)
    assert (verified.verdict.failed, verified.verdict.restorable) == (Rung.RESTORE, Proof.NO)
    assert verified.verdict.readable is Proof.YES and verified.differences


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("upload.php", b"<?php /*" + marker() + b"*/", "yara-rules: "),
        ("upload.php", b"<?php /*" + marker() + b"*/", "clamav: "),
        ("eicar.com", eicar(), "clamav: "),
        ("old.html", HIDDEN.encode(), "hidden-links: "),
    ],
)
def test_what_was_infected_when_it_was_copied_is_found_by_the_scan(
    bench: Bench, name: str, content: bytes, rule: str
) -> None:
    (bench.shelf.tree / name).write_bytes(content)
    verdict = bench.climb(bench.copy()).verdict
    assert (verdict.failed, verdict.rung, verdict.clean) == (Rung.SCAN, Rung.RESTORE, Proof.NO)
    assert verdict.restorable is Proof.YES, "it is an honest copy of a bad source"
    assert rule in verdict.because.en and name in verdict.because.en


def test_what_does_not_do_its_business_is_found_by_the_trial(bench: Bench) -> None:
    """The restored tree is served, and asked what the business asks."""
    copied = bench.copy()
    (bench.folder / "scratch").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(bench.folder / "scratch"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{copied.point.archive}/index.html"
        good = bench.climb(copied, Rung.BUSINESS, looks=_asking(bench, copied, url, "<h1>ok"))
        bad = bench.climb(copied, Rung.BUSINESS, looks=_asking(bench, copied, url, "today's news"))
        server.shutdown()
    assert (good.verdict.rung, good.verdict.failed) == (Rung.BUSINESS, Rung.NONE), good.verdict.because
    assert good.verdict.proven_clean
    assert (bad.verdict.failed, bad.verdict.clean, bad.verdict.restorable) == (Rung.BUSINESS, Proof.YES, Proof.NO)
    away = bench.climb(copied, Rung.BUSINESS, looks=_asking(bench, copied, url, "<h1>ok"))
    assert (away.verdict.failed, away.verdict.restorable) == (Rung.BUSINESS, Proof.YES), "nobody served it"


def _asking(bench: Bench, copied: Copy, url: str, contains: str) -> Looks:
    tree = Rescan("site", (), tree=str(bench.folder / "scratch" / copied.point.archive))
    return Looks((tree,), business=Fetch(url, contains))


FILES = ("pack", "archive segment", "commit", "config", "index", "hints", "integrity", "nonce", "README")


def _file(bench: Bench, which: str) -> Path:
    repository = bench.shelf.repository
    if which in ("index", "hints", "integrity"):
        return next(path for path in repository.iterdir() if path.name.startswith(which + "."))
    segments = bench.segments
    places = {"pack": bench.pack, "archive segment": segments[-2], "commit": segments[-1]}
    return places.get(which, repository / which)


def test_whatever_is_done_to_a_file_of_the_vault_nothing_is_wrongly_called_good(bench: Bench) -> None:
    """Every kind of file of a repository, flipped, cut and deleted."""
    copied = bench.copy()
    kept = bench.folder / "kept"
    shutil.copytree(bench.shelf.repository, kept)
    ledger: dict[tuple[str, str], Verified] = {}
    for which in FILES:
        for harm in (flip, cut, Path.unlink):
            harm(_file(bench, which))  # type: ignore[operator]
            shutil.rmtree(bench.shelf.keys.state_directory, ignore_errors=True)
            ledger[which, harm.__name__] = bench.climb(copied, Rung.RESTORE)
            shutil.rmtree(bench.shelf.repository)
            shutil.copytree(kept, bench.shelf.repository)
    answers = {key: verified.verdict.restorable for key, verified in ledger.items()}
    for (which, harm), verified in ledger.items():
        if which in ("pack", "archive segment", "commit"):
            assert answers[which, harm] is not Proof.YES, f"{which} {harm}: {verified.verdict.because.en}"
            assert verified.verdict.readable is Proof.NO, f"{which} {harm}: {verified.verdict.because.en}"
        if which in ("hints", "nonce", "README"):
            assert answers[which, harm] is Proof.YES, f"{which} {harm} is not content: {verified.verdict.because.en}"


def test_a_vault_that_is_pruned_meanwhile_gives_a_proof_or_none(bench: Bench) -> None:
    """Another copy is taken out while this one is proven: borg's lock keeps them apart."""
    first = bench.copy()
    (bench.shelf.tree / "more").write_bytes(os.urandom(100_000))
    second = bench.copy(1)
    pruning = subprocess.Popen(
        ("borg", "delete", "--lock-wait", "60", f"{bench.shelf.repository}::{first.point.archive}"),
        env={
            **os.environ,
            "BORG_PASSPHRASE": PASSPHRASE,
            "BORG_BASE_DIR": str(bench.folder / "pruner"),
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    verdict = bench.climb(second).verdict
    assert pruning.wait(60) == 0
    assert verdict.proven_clean, verdict.because
    assert bench.climb(first).verdict.readable is Proof.NO


def test_strange_trees_are_proven(bench: Bench) -> None:
    """Names of any bytes, holes, hard links."""
    tree = os.fsencode(bench.shelf.tree)
    for name in (b"new\nline", b"\xff\xfe", b"tab\t", b"back\\slash"):
        with open(tree + b"/" + name, "wb") as file:  # noqa: PTH123 - a name of bytes
            file.write(name)
    with (bench.shelf.tree / "sparse").open("wb") as file:
        file.truncate(1_500_000)
        file.seek(700_000)
        file.write(b"in the middle")
    os.link(bench.shelf.tree / "sparse", bench.shelf.tree / "sparse too")
    verdict = bench.climb(bench.copy()).verdict
    assert verdict.proven_clean, verdict.because


def test_the_ladder_is_in_order_and_bilingual() -> None:
    assert list(LADDER) == [rung for rung in Rung if rung]
    for step in LADDER.values():
        for text in (step.name, step.does, step.finds):
            assert text.zh and text.en and text.zh != text.en
    costs = [bytes_for(rung, 1000) for rung in LADDER]
    assert costs == sorted(costs) and costs[0] == 0


def test_the_papers_show_every_rung_in_both_languages() -> None:
    for page in ("verification.md", "verification.zh.md"):
        text = (ROOT / "docs/explanation" / page).read_text("utf-8")
        assert [row[2:4] for row in text.splitlines() if row.startswith("| L")] == ["L1", "L2", "L3", "L4", "L5"]


def test_what_manifests_do_not_hold_is_kept_by_borg_nevertheless(bench: Bench) -> None:
    tree, into = bench.shelf.tree, bench.folder / "restored"
    os.link(tree / "large", tree / "large too")
    try:
        os.setxattr(tree / "large", "user.jindun", b"kept")
    except OSError:
        pytest.skip("the file system of this test keeps no extended attributes")
    copied, shelf = bench.copy(), bench.shelf
    bench.performing.run(borg.restore(shelf.source, copied.point, shelf.vault, shelf.keys, LOCAL, str(into)))
    assert (into / "large").stat().st_ino == (into / "large too").stat().st_ino
    assert os.getxattr(into / "large", "user.jindun") == b"kept"


def test_an_engine_that_is_killed_proves_nothing_and_the_next_climb_does(bench: Bench) -> None:
    """`kill -9` of borg itself, while it restores."""
    for number in range(40):
        (bench.shelf.tree / f"bulk {number}").write_bytes(os.urandom(1_000_000))
    copied = bench.copy()
    killer = threading.Thread(target=_kill_when_restoring, args=(str(bench.folder / "scratch"),))
    killer.start()
    verdict = bench.climb(copied, Rung.RESTORE).verdict
    killer.join(60)
    assert (verdict.failed, verdict.readable, verdict.restorable) == (Rung.RESTORE, Proof.UNKNOWN, Proof.UNKNOWN)
    verdict = bench.climb(copied).verdict
    assert verdict.proven_clean, verdict.because


def _kill_when_restoring(scratch: str) -> None:
    """Ends the borg that extracts below `scratch`: found by where it works, killed by its number."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                works_there = str((process / "cwd").readlink()).startswith(scratch)
                if works_there and b"extract" in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
                    return
        time.sleep(0.005)
