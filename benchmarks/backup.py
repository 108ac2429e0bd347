"""What orchestration costs over the bare engine, how fast copies are read back and restored, and the catalogue at scale.

borg and restic copy the same tree, and the engine for PostgreSQL the same server, into fresh repositories: once by the
engine's own commands with the same options and the same guarantees, and once by `take_copy` through the executor with
its journal, which also lists the source with a hash of every file, and enters the point in the catalogue.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from backup.catalogue import Catalogue
from backup.copying import Copy, take_copy
from backup.engine import Engine, Keys, engines
from backup.ladder import bytes_for
from backup.listing import take_manifest
from backup.manifest import Manifest
from backup.policies import policy_for, shipped_policies
from backup.proof_schedule import schedule
from backup.retention import decide_retention
from secops.model.city import Asset, AssetKind, CopiedBy, Product, Tier, Vault
from secops.model.restore_point import Proof, RestorePoint, Rung, Verdict
from secops.model.step import LOCAL
from secops.model.text import Text
from tests.backup.performing import Performing
from tests.lab.databases.postgresql import ACCOUNT, PASSWORD, PROGRAMS, PostgresqlServer, running_postgresql

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

_LIST_ENTRIES = int(os.environ.get("BENCH_BACKUP_ENTRIES", "100000"))
_BORG = ("borg", "create", "--json", "--progress")
_BORG_INIT = ("borg", "init", "--make-parent-dirs", "--encryption", "repokey-blake2")


@dataclass(frozen=True, slots=True)
class Subject:
    """An engine, what it copies, and how anybody would have it done by hand."""

    engine: Engine
    asset: Asset
    megabytes: float
    initialise: Callable[[str], tuple[str, ...]]
    """Makes the repository there; not measured."""
    copy: Callable[[str], list[tuple[str, ...]]]
    """The engine's commands, one after the other, in the source's folder."""


def by_borg(tree: Asset, megabytes: float) -> Subject:
    """A tree."""
    return Subject(
        engines()["borg"],
        tree,
        megabytes,
        lambda repository: (*_BORG_INIT, repository),
        lambda repository: [(*_BORG, f"{repository}::one", ".")],
    )


def by_restic(tree: Asset, megabytes: float) -> Subject:
    """A tree."""
    return Subject(
        engines()["restic"],
        tree,
        megabytes,
        lambda repository: ("restic", "init", "--repo", repository),
        lambda repository: [("restic", "backup", "--json", "--repo", repository, tree.path)],
    )


def by_pg_basebackup(server: PostgresqlServer, megabytes: float) -> Subject:
    """A server; its copy is verified and, encrypted and deduplicated, kept by borg, as the engine does."""
    told = {
        "port": str(server.port),
        "programs": PROGRAMS,
        "account": ACCOUNT,
        "password": "${file:login}",
        "log": "no",
    }
    asset = Asset(
        "server",
        AssetKind.DATABASE,
        Text("数据库", "database"),
        "c1",
        path=str(server.data),
        host=LOCAL,
        address="127.0.0.1",
        product=Product.POSTGRESQL,
        copied_by=CopiedBy("postgresql", told),
    )
    how = ("-F", "plain", "-X", "stream", "--checkpoint=fast", "--manifest-checksums=SHA256", "--label=jindun", "-P")
    whence = f"host=127.0.0.1 port={server.port} user={ACCOUNT} dbname=postgres"

    def copy(repository: str) -> list[tuple[str, ...]]:
        folder = f"{repository}.staged"
        return [
            (f"{PROGRAMS}/pg_basebackup", "-D", folder, *how, "-d", whence),
            (f"{PROGRAMS}/pg_verifybackup", folder),
            ("env", "-C", folder, *_BORG, f"{repository}::one", "."),
            ("rm", "-rf", folder),
        ]

    return Subject(engines()["postgresql"], asset, megabytes, lambda where: (*_BORG_INIT, where), copy)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one engine; seconds, and megabytes a second."""

    engine: str
    pairs: tuple[tuple[float, float], ...]
    """Bare and ours of each round, next to each other in time."""
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
    every: list[Figures] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        catalogue = measure_catalogue(Path(folder)) | measure_listing(Path(folder))
        for subject in _subjects(Path(folder), stack):
            every.append(measure(subject, Path(folder) / subject.engine.name))
            shutil.rmtree(Path(folder) / subject.engine.name)
    show(every, catalogue)
    worst = max(every, key=lambda one: one.ratio, default=None)
    ok = bool(worst and worst.ratio <= MOST_OVERHEAD) and catalogue["list_p95_ms"] < MOST_LIST_MS
    ok = ok and catalogue["decision_seconds"] < MOST_DECISION_SECONDS and catalogue["within_budget"] == 1
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
                "bare_seconds": round(one.bare, 3),
                "verification_mb_per_second": round(one.reading, 1),
                "restore_mb_per_second": round(one.restoring, 1),
            }
            for one in every
        },
    }
    print(json.dumps(summary))
    return 0 if ok else 1


def _subjects(folder: Path, stack: ExitStack) -> Iterator[Subject]:
    """Those whose programs are installed; PostgreSQL's server runs as long as it is measured."""
    source = make_source(folder / "source")
    tree = Asset("tree", AssetKind.FILE_TREE, Text("树", "tree"), "c1", path=str(source), host=LOCAL)
    megabytes = sum(path.stat().st_size for path in source.iterdir()) / 1e6
    for make in (by_borg, by_restic):
        subject = make(tree, megabytes)
        if not [program for program in subject.engine.needs if not shutil.which(program)]:
            yield subject
    shutil.rmtree(source)
    if Path(PROGRAMS, "postgres").exists():
        server = stack.enter_context(running_postgresql())
        yield by_pg_basebackup(server, fill(server))


def fill(server: PostgresqlServer) -> float:
    """Rows that shrink to about half, in files of at most 1 GB; the megabytes that the server says it holds then."""
    server.ask("CREATE TABLE bulk (number bigint, told text, random text)")
    row = (
        "n, 'request ' || n || ' served from the cache of the near centre', md5(random()::text) || md5(random()::text)"
    )
    while (held := int(server.ask("SELECT pg_database_size('postgres')"))) < MEGABYTES << 20:
        server.ask(f"INSERT INTO bulk SELECT {row} FROM generate_series(1, 250000) n")
    server.ask("CHECKPOINT")
    return held / 1e6


def make_source(folder: Path) -> Path:
    """Half random, half text, in files of 16 MB."""
    folder.mkdir()
    line = b"2026-11-22T08:00:00Z portal request served in 12 ms from the cache of the near centre\n"
    for number in range(max(2, MEGABYTES // _FILE_MEGABYTES)):
        size = _FILE_MEGABYTES << 20
        text = b"".join(b"%08d " % (number * 100_000 + row) + line for row in range(size // (len(line) + 9)))
        (folder / f"file{number:04}").write_bytes(os.urandom(size) if number % 2 else text)
    return folder


def measure(subject: Subject, folder: Path) -> Figures:
    """In pairs, of which now the one and now the other goes first, so that the machine's moods hit both alike."""
    folder.mkdir()
    for name, secret in (("passphrase", _PASSPHRASE), ("login", PASSWORD)):
        (folder / name).write_text(secret)
        (folder / name).chmod(0o600)
    pairs: list[tuple[float, float]] = []
    copies: list[Copy] = []
    with Performing(folder) as performing, Catalogue(folder / "points.sqlite") as catalogue:
        if subject.asset.kind is AssetKind.FILE_TREE:
            # Brings the source into memory, so that nobody pays for its being read first.
            performing.run(take_manifest(LOCAL, subject.asset.path, "list"))
        for number in range(ROUNDS):
            vault = Vault(f"v{number}", "c1", str(folder / f"vault{number}"))
            keys = Keys("${file:passphrase}", str(folder / "state" / vault.id))
            performing.run(subject.engine.prepare(subject.asset, vault, keys))
            acts = (
                partial(_bare, subject, folder / f"bare{number}"),
                partial(_seconds, lambda v=vault, k=keys: copies.append(_ours(subject, v, k, performing, catalogue))),
            )
            first = number % 2
            seconds = {turn: acts[turn]() for turn in (first, 1 - first)}
            pairs.append((seconds[0], seconds[1]))
            shutil.rmtree(folder / f"bare{number}")
            if number < ROUNDS - 1:
                shutil.rmtree(folder / vault.id.replace("v", "vault"))
        copied = copies[-1]
        opened = (subject.asset, vault, keys)
        reading = _seconds(lambda: performing.run(subject.engine.read_check(*opened, copied.point.archive)))
        into = str(folder / "restored")
        restore = subject.engine.restore(subject.asset, copied.point, vault, keys, LOCAL, into)
        restoring = _seconds(lambda: performing.run(restore))
    rates = (subject.megabytes / reading, subject.megabytes / restoring)
    return Figures(subject.engine.name, tuple(pairs), *rates)


def _ours(subject: Subject, vault: Vault, keys: Keys, performing: Performing, catalogue: Catalogue) -> Copy:
    copied = performing.run(take_copy(subject.engine, subject.asset, vault, keys, _NOON))
    catalogue.add(copied.point, copied.manifest.text)
    return copied


def _bare(subject: Subject, repository: Path) -> float:
    home = str(repository) + ".state"
    environment = {
        **os.environ,
        "BORG_PASSPHRASE": _PASSPHRASE,
        "BORG_BASE_DIR": home,
        "RESTIC_PASSWORD": _PASSPHRASE,
        "RESTIC_CACHE_DIR": home,
        "PGPASSWORD": PASSWORD,
    }
    within = subject.asset.path if subject.asset.kind is AssetKind.FILE_TREE else "/"

    def act(command: tuple[str, ...]) -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True, cwd=within)

    act(subject.initialise(str(repository)))
    return _seconds(lambda: [act(command) for command in subject.copy(str(repository))])


def measure_listing(folder: Path) -> dict[str, float]:
    """A tree of many small files in one folder, listed with contents and attributes, compared, written and read."""
    tree = folder / "many"
    tree.mkdir()
    for number in range(_LIST_ENTRIES):
        with open(f"{tree}/case {number:07}.json", "wb") as file:  # noqa: PTH123 - very many of them
            file.write(b"%d" % number)
    with Performing(folder) as performing:
        taken: list[Manifest] = []
        listing = _seconds(lambda: taken.append(performing.run(take_manifest(LOCAL, str(tree), "list"))))
    text = taken[0].text
    reading = _seconds(lambda: Manifest.from_text(text))
    shutil.rmtree(tree)
    return {
        "entries": _LIST_ENTRIES,
        "entries_listed_per_second": _LIST_ENTRIES / listing,
        "manifest_bytes_per_entry": len(text) / _LIST_ENTRIES,
        "manifest_reading_seconds": reading,
    }


def measure_catalogue(folder: Path) -> dict[str, float]:
    """100,000 points of ten units, 500 assets and four vaults: pages, and the largest shelf that retention decides on."""
    manifest = Manifest(())
    with closing(Catalogue(folder / "restore_points.sqlite")) as catalogue:
        adding = _seconds(lambda: catalogue.add_all((point, manifest.text) for point in _points(manifest)))
        pages = sorted(_page_times(catalogue))
        tallying = _seconds(catalogue.tallies)
        deciding = _seconds(lambda: _decide(catalogue))
        scheduling, within = _schedule(catalogue)
    return {
        "list_p95_ms": pages[int(len(pages) * 0.95)] * 1000,
        "list_median_ms": statistics.median(pages) * 1000,
        "decision_seconds": deciding,
        "tallies_seconds": tallying,
        "scheduling_seconds": scheduling,
        "within_budget": within,
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


def _schedule(catalogue: Catalogue) -> tuple[float, int]:
    """100 points for which there is room for about a third: the seconds, and whether the budget was kept."""
    points = [
        replace(point, size_bytes=(1 + number % 9) * 10**8) for number, point in enumerate(catalogue.page(limit=100))
    ]
    budget = sum(bytes_for(Rung.SCAN, point.size_bytes) for point in points) // 3
    tiers = {point.asset: Tier.BUSINESS for point in points}
    began = time.perf_counter()
    planned = schedule(points, tiers, shipped_policies(), _NOON, budget)
    seconds = time.perf_counter() - began
    assert planned.jobs and planned.waiting
    return seconds, int(planned.read_bytes <= budget)


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def show(every: list[Figures], catalogue: dict[str, float]) -> None:
    """The tables."""
    table = Table("engine", "bare", "ours", "overhead", "reading", "restoring", title=f"{MEGABYTES} MB")
    for one in every:
        table.add_row(
            one.engine,
            f"{one.bare:.2f} s",
            f"{one.ours:.2f} s",
            f"{one.ratio - 1:+.1%}, at most {MOST_OVERHEAD - 1:.0%}",
            f"{one.reading:.0f} MB/s",
            f"{one.restoring:.0f} MB/s",
        )
    Console().print(table)
    figures = Table("catalogue", "", "target", title=f"{POINTS:,} restore points")
    figures.add_row("a page, p95", f"{catalogue['list_p95_ms']:.2f} ms", f"< {MOST_LIST_MS:g} ms")
    decided, most = catalogue["decision_seconds"], MOST_DECISION_SECONDS
    figures.add_row(f"retention of {POINTS // 2:,}", f"{decided:.2f} s", f"< {most:g} s")
    figures.add_row("tallies for the metrics", f"{catalogue['tallies_seconds']:.2f} s", "")
    figures.add_row("100 points within a budget", f"{catalogue['scheduling_seconds'] * 1000:.1f} ms", "kept")
    Console().print(figures)
    console = Console()
    console.print(
        f"{catalogue['entries']:,.0f} small files: {catalogue['entries_listed_per_second']:,.0f} listed a second, "
        f"{catalogue['manifest_bytes_per_entry']:.0f} bytes of manifest for each"
    )


if __name__ == "__main__":
    sys.exit(main())
