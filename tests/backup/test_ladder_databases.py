"""The ladder for a database: what is whole as files and lacks a segment of its log is found by starting it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from backup.copying import Copy
from backup.engine import engines
from backup.manifest import Manifest
from backup.trial import trial_for
from backup.verification import Candidate, Looks, Scratch, Verified, verify
from secops.model.city import Product
from secops.model.restore_point import Proof, RestorePoint, Rung
from secops.model.step import LOCAL, Procedure
from secops.support.clock import now
from tests.backup.performing import Performing
from tests.contracts.test_database_engine import Bench, labs, make_bench, moment
from tests.lab.processes import runs
from tests.lab.serving import folder_for_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass
class Losing:
    """The engine, but something is taken out of what it restores."""

    bench: Bench
    lose: Callable[[Path], None]

    def __getattr__(self, name: str) -> object:
        return getattr(self.bench.engine, name)

    def restore(self, *arguments: object) -> Procedure[None]:
        yield from self.bench.engine.restore(*arguments)  # type: ignore[arg-type]
        self.lose(Path(str(arguments[5])))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    lab, engine = labs()["postgresql"], engines()["postgresql"]
    with lab.running() as database, folder_for_server("ladder") as folder, Performing(folder) as performing:
        yield make_bench(engine, database, Product.POSTGRESQL, folder, performing)


@pytest.fixture(scope="module")
def copied(bench: Bench) -> Copy:
    bench.database.write("wanted")
    return bench.copy(moment())


def climb(bench: Bench, point: RestorePoint, manifest: Manifest, engine: object = None) -> Verified:
    shelf = bench.shelf
    candidate = Candidate(engine or bench.engine, bench.source, point, shelf.vault, shelf.keys, manifest)  # type: ignore[arg-type]
    scratch = Scratch(LOCAL, str(shelf.folder / "scratch"))
    looks = Looks(trial=trial_for(bench.source))
    verified = bench.performing.run(verify(candidate, scratch, now(), looks, Rung.BUSINESS))
    folder = scratch.folder(point)
    assert not Path(folder).exists() and not Path(f"{folder}.trial").exists() and not runs(folder)
    return verified


def test_a_good_copy_does_its_business(bench: Bench, copied: Copy) -> None:
    verified = climb(bench, copied.point, copied.manifest)
    verdict = verified.verdict
    assert (verdict.rung, verdict.failed) == (Rung.BUSINESS, Rung.NONE), verdict.because
    assert verdict.clean is Proof.UNKNOWN, "nothing was there to scan it with, and no business check makes up for that"
    assert "the business question was answered" in verdict.because.en
    assert [each.rung for each in verified.climbed] == [1, 2, 3, 5]


def test_a_segment_that_was_lost_since_is_found_by_the_restore(bench: Bench, copied: Copy) -> None:
    verdict = climb(bench, copied.point, copied.manifest, Losing(bench, _lose_log)).verdict
    assert (verdict.failed, verdict.restorable) == (Rung.RESTORE, Proof.NO)
    assert "pg_wal/" in verdict.because.en


def test_a_segment_that_was_never_copied_is_found_by_the_trial(bench: Bench, copied: Copy) -> None:
    """The manifest lacks it, too: as files the copy is what was copied."""
    manifest = Manifest.of(entry for entry in copied.manifest.entries if not _is_segment(entry.path))
    assert manifest != copied.manifest
    point = replace(copied.point, manifest=manifest.digest)
    verdict = climb(bench, point, manifest, Losing(bench, _lose_log)).verdict
    assert (verdict.failed, verdict.rung, verdict.restorable) == (Rung.BUSINESS, Rung.RESTORE, Proof.NO)
    assert "could not locate" in verdict.because.en or "invalid" in verdict.because.en, verdict.because


def _is_segment(path: str) -> bool:
    return path.startswith("pg_wal/0")


def _lose_log(folder: Path) -> None:
    """As if it had never been there: the directory keeps its time."""
    log = folder / "pg_wal"
    before = log.stat()
    for path in log.glob("0*"):
        path.unlink()
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
