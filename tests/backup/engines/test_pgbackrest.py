"""What is pgBackRest's own: archive_command, segments that are missing, full and incremental copies, its manifest."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backup.comparison import compare
from backup.engine import CopyBroken
from backup.engines.pgbackrest import manifest_of, pgbackrest
from backup.manifest import Entry, Kind, Manifest
from secops.model.city import CopiedBy, Product, Vault
from secops.model.step import ProcedureFailed
from tests.backup.performing import Performing
from tests.contracts.test_database_engine import Bench, after_a_second, make_bench, moment
from tests.lab.databases.postgresql import PROGRAMS, PostgresqlServer, running_postgresql
from tests.lab.serving import folder_for_server

needs_both = pytest.mark.skipif(
    not Path(PROGRAMS, "postgres").exists() or not shutil.which("pgbackrest"),
    reason="postgresql or pgbackrest is not installed",
)
TOLD = """[target:file]
pg_data/PG_VERSION={"size":3,"timestamp":1}
pg_data/base/1/112={"size":8192}
pg_data/closed={"mode":"0400","size":1,}

[target:file:default]
group="nogroup"
mode="0600"

[target:path]
pg_data={}
pg_data/base={}

[target:path:default]
mode="0700"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    with running_postgresql() as running:
        yield running


@pytest.fixture
def bench(server: PostgresqlServer) -> Iterator[Bench]:
    with folder_for_server("suite") as folder, Performing(folder) as performing:
        yield make_bench(pgbackrest, server, Product.POSTGRESQL, folder, performing)


@pytest.mark.slow
@needs_both
def test_a_missing_segment_of_the_log_is_found(bench: Bench, server: PostgresqlServer) -> None:
    copied = bench.copy()
    for _ in range(3):
        bench.write()
        server.ask("SELECT pg_switch_wal()")
    until = after_a_second()
    bench.write()
    bench.run("bring_log", moment())
    segments = sorted((bench.shelf.repository / "archive").rglob("0000*-*"))
    segments[-3].unlink()
    with pytest.raises(CopyBroken, match=f"lacks {segments[-3].name[:24]}"):
        bench.restore(copied, until)


@pytest.mark.slow
@needs_both
def test_a_server_that_brings_nothing_is_told_what_to_set(bench: Bench, server: PostgresqlServer) -> None:
    server.archive_by("true")
    with pytest.raises(ProcedureFailed, match="set archive_mode = on and archive_command = 'pgbackrest --config="):
        bench.copy()


@pytest.mark.slow
@needs_both
def test_a_full_copy_stays_while_another_builds_upon_it(bench: Bench) -> None:
    told = CopiedBy("pgbackrest", {**bench.source.copied_by.options, "full_every_days": "7"})  # type: ignore[union-attr]
    weekly = replace(bench, shelf=replace(bench.shelf, source=replace(bench.source, copied_by=told)))
    full, built_upon = weekly.copy(), weekly.copy()
    weekly.performing.run(
        pgbackrest.expire(weekly.source, weekly.shelf.vault, weekly.shelf.keys, "local", [full.point.archive])
    )
    assert weekly.run("points") == (full.point.archive, built_upon.point.archive)
    assert weekly.database.notes_in(weekly.restore(built_upon)) == weekly.database.notes()


@pytest.mark.slow
@needs_both
def test_a_vault_beyond_the_host_is_refused(bench: Bench) -> None:
    away = replace(bench, shelf=replace(bench.shelf, vault=Vault("v", "c", "ssh://a@b/c")))
    with pytest.raises(ProcedureFailed, match="must be a directory on local"):
        away.run("points")


def test_the_manifest_is_read_and_its_files_have_no_hashes() -> None:
    assert manifest_of(TOLD) == Manifest.of(
        [
            Entry("PG_VERSION", Kind.FILE, 0o600, 3),
            Entry("base", Kind.DIRECTORY, 0o700),
            Entry("base/1/112", Kind.FILE, 0o600, 8192),
            Entry("closed", Kind.FILE, 0o400, 1),
        ]
    )


def test_what_has_no_hash_is_compared_by_all_else() -> None:
    def differences(actual: Entry) -> list[str]:
        expected = Manifest.of([Entry("a", Kind.FILE, 0o600, 3)])
        return [each.because.en for each in compare(expected, Manifest.of([actual]))]

    assert differences(Entry("a", Kind.FILE, 0o600, 3, "f" * 64)) == []
    assert differences(Entry("a", Kind.FILE, 0o600, 4, "f" * 64)) == ["a had 3 bytes and has 4"]
    assert differences(Entry("a", Kind.FILE, 0o644, 3, "f" * 64)) == ["a had mode 0600, has 0644"]
