"""What orchestration costs over the bare engine, how fast copies are read back and restored, and the catalogue at scale.

Every engine for file trees that is installed and has a bare call here is measured: the same copy into a fresh repository,
once by the engine alone and once through the executor with its journal, and entered in the catalogue. The list of hashes
that a proof compares with is taken for the sake of the proof; it is timed apart.
"""

# ruff: noqa: E402
import sys
from pathlib import Path

# This file is called like the package that it measures, and its folder comes first when it is run.
sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != Path(__file__).resolve().parent]

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from random import Random

from rich.console import Console
from rich.table import Table

from backup.catalogue import Catalogue
from backup.engine import Engine, Keys, engines
from backup.listing import take_manifest
from backup.manifest import Manifest
from backup.policies import policy_for
from backup.retention import decide_retention
from secops.model.city import Asset, AssetKind, Tier, Vault
from secops.model.restore_point import Proof, RestorePoint, Rung, Verdict
from secops.model.step import LOCAL
from secops.model.text import Text
from tests.backup.performing import Performing

MEGABYTES = int(os.environ.get("BENCH_BACKUP_MB", "1024"))
ROUNDS = int(os.environ.get("BENCH_BACKUP_ROUNDS", "3"))
POINTS = 100_000
PAGES = 300
MOST_OVERHEAD = 1.05
MOST_LIST_MS = 100.0
MOST_DECISION_SECONDS = 1.0
_PASSPHRASE = "correct horse battery staple"
_NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_FILE_MEGABYTES = 16

BARE: dict[str, Callable[[Path, Path], list[list[str]]]] = {
    "borg": lambda repository, source: [
        ["borg", "init", "--make-parent-dirs", "--encryption", "repokey-blake2", str(repository)],
        ["borg", "create", "--json", f"{repository}::one", str(source)],
    ],
    "restic": lambda repository, source: [
        ["restic", "init", "--repo", str(repository)],
        ["restic", "backup", "--json", "--repo", str(repository), str(source)],
    ],
}
"""What anybody would type to make a repository and to copy; an engine without an entry is not measured."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one engine; seconds, and megabytes a second."""

    engine: str
    pairs: tuple[tuple[float, float], ...]
    """Bare and ours of each round, next to each other in time."""
    manifest: float
    reading: float
    restoring: float

    @property
    def ratio(self) -> float:
        """1 is free. Of the middle pair: a mood of the machine that hits one run of a pair shows in that pair alone."""
        return statistics.median(ours / bare for bare, ours in self.pairs)

    @property
    def bare(self) -> float:
        """The best."""
        return min(bare for bare, _ in self.pairs)

    @property
    def ours(self) -> float:
        """The best."""
        return min(ours for _, ours in self.pairs)


def main() -> int:
    """0 when every target is met."""
    with tempfile.TemporaryDirectory() as folder:
        catalogue = measure_catalogue(Path(folder))
        source = make_source(Path(folder) / "source")
        every = [measure(engine, Path(folder) / name, source) for name, engine in _measured()]
    show(every, catalogue)
    worst = max(every, key=lambda one: one.ratio, default=None)
    ok = bool(worst and worst.ratio <= MOST_OVERHEAD) and catalogue["list_p95_ms"] < MOST_LIST_MS
    ok = ok and catalogue["decision_seconds"] < MOST_DECISION_SECONDS
    summary = {
        "name": "backup",
        "ours": round(worst.ours, 3) if worst else None,
        "peer": round(worst.bare, 3) if worst else None,
        "ratio": round(worst.ratio, 4) if worst else None,
        "target": MOST_OVERHEAD,
        "ok": ok,
        "megabytes": MEGABYTES,
        "points": POINTS,
        **{name: round(value, 4) for name, value in catalogue.items()},
        "engines": {
            one.engine: {
                "ratio": round(one.ratio, 4),
                "ratios": [round(ours / bare, 4) for bare, ours in one.pairs],
                "manifest_seconds": round(one.manifest, 3),
                "verification_mb_per_second": round(one.reading, 1),
                "restore_mb_per_second": round(one.restoring, 1),
            }
            for one in every
        },
    }
    print(json.dumps(summary))
    return 0 if ok else 1


def _measured() -> Iterator[tuple[str, Engine]]:
    for name, engine in engines().items():
        missing = [program for program in engine.needs if not shutil.which(program)]
        if name in BARE and AssetKind.FILE_TREE in engine.kinds and not missing:
            yield name, engine


def make_source(folder: Path) -> Path:
    """Half random, half text, in files of 16 MB."""
    folder.mkdir()
    line = b"2026-11-22T08:00:00Z portal request served in 12 ms from the cache of the near centre\n"
    for number in range(max(2, MEGABYTES // _FILE_MEGABYTES)):
        size = _FILE_MEGABYTES << 20
        text = b"".join(b"%08d " % (number * 100_000 + row) + line for row in range(size // (len(line) + 9)))
        (folder / f"file{number:04}").write_bytes(os.urandom(size) if number % 2 else text)
    return folder


def measure(engine: Engine, folder: Path, source: Path) -> Figures:
    """In pairs, of which now the one and now the other goes first, so that the machine's moods hit both alike."""
    folder.mkdir()
    megabytes = sum(path.stat().st_size for path in source.iterdir()) / 1e6
    (folder / "passphrase").write_text(_PASSPHRASE)
    (folder / "passphrase").chmod(0o600)
    asset = Asset("tree", AssetKind.FILE_TREE, Text("树", "tree"), "c1", path=str(source), host=LOCAL)
    pairs = []
    with Performing(folder) as performing, Catalogue(folder / "points.sqlite") as catalogue:
        # Also brings the source into memory, so that nobody pays for its being read first.
        manifest = _seconds(lambda: performing.run(take_manifest(LOCAL, str(source), "list")))
        for number in range(ROUNDS):
            shelf = _Shelf(asset, Vault(f"v{number}", "c1", str(folder / f"vault{number}")), folder)
            performing.run(engine.prepare(asset, shelf.vault, shelf.keys))
            acts = (
                partial(_bare, engine.name, folder / f"bare{number}", source),
                partial(_seconds, partial(_ours, engine, shelf, performing, catalogue)),
            )
            first = number % 2
            seconds = {turn: acts[turn]() for turn in (first, 1 - first)}
            pairs.append((seconds[0], seconds[1]))
            shutil.rmtree(folder / f"bare{number}")
        keys, point = shelf.keys, catalogue.points("tree")[0]
        reading = _seconds(lambda: performing.run(engine.read_check(asset, shelf.vault, keys, point.archive)))
        into = str(folder / "restored")
        restoring = _seconds(lambda: performing.run(engine.restore(asset, point, shelf.vault, keys, LOCAL, into)))
    return Figures(engine.name, tuple(pairs), manifest, megabytes / reading, megabytes / restoring)


@dataclass(frozen=True, slots=True)
class _Shelf:
    asset: Asset
    vault: Vault
    folder: Path

    @property
    def keys(self) -> Keys:
        return Keys("${file:passphrase}", str(self.folder / "state" / self.vault.id))


def _ours(engine: Engine, shelf: _Shelf, performing: Performing, catalogue: Catalogue) -> None:
    copied = performing.run(engine.backup(shelf.asset, shelf.vault, shelf.keys, "one", _NOON))
    manifest = Manifest(())
    point = RestorePoint(
        f"{shelf.vault.id}/one",
        "tree",
        shelf.vault.id,
        engine.name,
        copied.archive,
        copied.taken,
        manifest.digest,
        0,
        added_bytes=copied.added_bytes,
        seconds=copied.seconds,
    )
    catalogue.add(point, manifest.text)


def _bare(name: str, repository: Path, source: Path) -> float:
    home = str(repository) + ".state"
    environment = {
        **os.environ,
        "BORG_PASSPHRASE": _PASSPHRASE,
        "BORG_BASE_DIR": home,
        "RESTIC_PASSWORD": _PASSPHRASE,
        "RESTIC_CACHE_DIR": home,
    }

    def act(command: list[str]) -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True)

    initialise, copy = BARE[name](repository, source)
    act(initialise)
    return _seconds(lambda: act(copy))


def measure_catalogue(folder: Path) -> dict[str, float]:
    """100,000 points of ten units, 500 assets and four vaults: pages, and the largest shelf that retention decides on."""
    manifest = Manifest(())
    with closing(Catalogue(folder / "restore_points.sqlite")) as catalogue:
        adding = _seconds(lambda: catalogue.add_all((point, manifest.text) for point in _points(manifest)))
        pages = sorted(_page_times(catalogue))
        tallying = _seconds(catalogue.tallies)
        deciding = _seconds(lambda: _decide(catalogue))
    return {
        "list_p95_ms": pages[int(len(pages) * 0.95)] * 1000,
        "list_median_ms": statistics.median(pages) * 1000,
        "decision_seconds": deciding,
        "tallies_seconds": tallying,
        "points_added_per_second": POINTS / adding,
    }


def _points(manifest: Manifest) -> Iterator[RestorePoint]:
    """Half of them are of one asset in one vault."""
    clean = Verdict(Proof.YES, Proof.YES, Proof.YES, Text("", ""), _NOON, Rung.SCAN, seconds=9.0)
    for number in range(POINTS):
        asset, vault = ("big", "v0") if number % 2 else (f"a{number % 500}", f"v{number % 4}")
        taken = _NOON - timedelta(minutes=number)
        point = RestorePoint(
            f"{vault}/{asset}-{number:06}", asset, vault, "borg", f"{asset}-{number:06}", taken, manifest.digest, 1
        )
        yield replace(point, unit=f"u{number % 10}", verdict=clean if number % 7 == 0 else point.verdict)


def _page_times(catalogue: Catalogue) -> Iterator[float]:
    """Pages from anywhere, by every filter."""
    random = Random(7)
    anywhere = catalogue.page(limit=POINTS)
    filters: list[dict[str, str]] = [
        {},
        {"asset": "big"},
        {"vault": "v2"},
        {"unit": "u3"},
        {"unit": "u3", "vault": "v0"},
    ]
    for number in count():
        if number == PAGES:
            return
        wanted, after = filters[number % len(filters)], random.choice(anywhere)
        yield _seconds(lambda wanted=wanted, after=after: catalogue.page(**wanted, after=after))


def _decide(catalogue: Catalogue) -> None:
    dated = catalogue.dated("big", "v0")
    assert len(dated) == POINTS // 2
    assert decide_retention(dated, policy_for(Tier.BUSINESS).keep, _NOON).action.dropped


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def show(every: list[Figures], catalogue: dict[str, float]) -> None:
    """The tables."""
    table = Table(
        "engine", "bare", "ours", "overhead", "list of hashes", "reading", "restoring", title=f"{MEGABYTES} MB"
    )
    for one in every:
        table.add_row(
            one.engine,
            f"{one.bare:.2f} s",
            f"{one.ours:.2f} s",
            f"{one.ratio - 1:+.1%}, at most {MOST_OVERHEAD - 1:.0%}",
            f"{one.manifest:.2f} s",
            f"{one.reading:.0f} MB/s",
            f"{one.restoring:.0f} MB/s",
        )
    Console().print(table)
    figures = Table("catalogue", "", "target", title=f"{POINTS:,} restore points")
    figures.add_row("a page, p95", f"{catalogue['list_p95_ms']:.2f} ms", f"< {MOST_LIST_MS:g} ms")
    decided, most = catalogue["decision_seconds"], MOST_DECISION_SECONDS
    figures.add_row(f"retention of {POINTS // 2:,}", f"{decided:.2f} s", f"< {most:g} s")
    figures.add_row("tallies for the metrics", f"{catalogue['tallies_seconds']:.2f} s", "")
    Console().print(figures)


if __name__ == "__main__":
    sys.exit(main())
