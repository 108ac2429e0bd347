"""What is PostgreSQL's own about copying it: its log and its slot, what is missing, and names of segments."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup.engine import CopyBroken
from backup.engines.barman import barman
from backup.engines.postgresql import postgresql
from backup.postgresql import Segment, first_missing, restore_command, start_of
from secops.model.city import CopiedBy, Product
from secops.model.step import ProcedureFailed
from tests.backup.performing import Performing
from tests.contracts.test_database_engine import Bench, after_a_second, make_bench, moment
from tests.lab.databases.postgresql import PROGRAMS, PostgresqlServer, running_postgresql
from tests.lab.serving import folder_for_server

needs_server = pytest.mark.skipif(not Path(PROGRAMS, "postgres").exists(), reason="postgresql is not installed")
SIZE = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    with running_postgresql() as running:
        yield running


@pytest.fixture
def bench(server: PostgresqlServer) -> Iterator[Bench]:
    with folder_for_server("suite") as folder, Performing(folder) as performing:
        yield make_bench(postgresql, server, Product.POSTGRESQL, folder, performing)


def telling(bench: Bench, **options: str) -> Bench:
    """The same with other options."""
    told = CopiedBy("postgresql", {**bench.source.copied_by.options, **options})  # type: ignore[union-attr]
    return replace(bench, shelf=replace(bench.shelf, source=replace(bench.source, copied_by=told)))


@pytest.mark.slow
@needs_server
def test_a_missing_segment_of_the_log_is_found(bench: Bench, server: PostgresqlServer) -> None:
    copied = bench.copy()
    bench.write()
    until = after_a_second()
    for _ in range(3):
        bench.write()
        server.ask("SELECT pg_switch_wal()")
    assert bench.run("bring_log", moment())
    log = bench.shelf.folder / "state" / "wal" / bench.source.id
    second = sorted(path for path in log.iterdir() if Segment.of(path.name))[1]
    second.unlink()
    with pytest.raises(CopyBroken, match=f"lacks {second.name}"):
        bench.run("bring_log", moment())
    bench.restore(copied, until)


@pytest.mark.slow
@needs_server
def test_the_next_copy_begins_a_lost_log_anew(bench: Bench, server: PostgresqlServer) -> None:
    bench.copy()
    server.ask(f"SELECT pg_drop_replication_slot('jindun_{bench.source.id}')")
    with pytest.raises(ProcedureFailed, match="cannot be fetched"):
        bench.run("bring_log", moment())
    copied = bench.copy()
    note = bench.write()
    until = after_a_second()
    assert bench.run("bring_log", moment())
    assert note in bench.database.notes_in(bench.restore(copied, until))


@pytest.mark.slow
@needs_server
def test_only_what_follows_the_newest_copy_lies_on_the_host(bench: Bench, server: PostgresqlServer) -> None:
    bench.copy()
    log = bench.shelf.folder / "state" / "wal" / bench.source.id
    oldest = min(path.name for path in log.iterdir() if Segment.of(path.name))
    server.ask("SELECT pg_switch_wal()")
    bench.copy()
    assert oldest < min(path.name for path in log.iterdir() if Segment.of(path.name))


@pytest.mark.slow
@needs_server
def test_a_wrong_password_is_a_sentence(bench: Bench) -> None:
    (bench.shelf.folder / "wrong").write_text("not this one")
    (bench.shelf.folder / "wrong").chmod(0o600)
    with pytest.raises(ProcedureFailed, match="password authentication failed"):
        telling(bench, password="${file:wrong}").copy()
    assert not list((bench.shelf.folder / "state" / "staging").glob("*")), "what a failed try staged is cleared"


@pytest.mark.slow
@needs_server
def test_missing_programs_say_what_to_install(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ProcedureFailed, match="Debian package postgresql-client"):
        telling(bench, programs=str(tmp_path)).copy()


@pytest.fixture
def tablespace(server: PostgresqlServer) -> Iterator[Path]:
    """Where a tablespace `more` of the server lies, for the length of a test."""
    place = server.folder / "tablespace"
    place.mkdir()
    subprocess.run(["chown", "--reference", str(server.folder), str(place)], check=True)
    server.ask(f"CREATE TABLESPACE more LOCATION '{place}'")
    yield place
    server.ask("DROP TABLESPACE more")
    place.rmdir()


@pytest.mark.slow
@needs_server
def test_tablespaces_are_refused(bench: Bench, tablespace: Path) -> None:
    with pytest.raises(ProcedureFailed, match="tablespaces of its own"):
        bench.copy()


@pytest.mark.slow
@needs_server
@pytest.mark.skipif(not shutil.which("barman"), reason="barman is not installed")
def test_barman_refuses_tablespaces_and_says_where_they_are(bench: Bench, tablespace: Path) -> None:
    keys, vault = bench.shelf.keys, bench.shelf.vault
    with pytest.raises(ProcedureFailed, match=rf"more \({tablespace}\), which barman would restore in place"):
        bench.performing.run(barman.prepare(bench.source, vault, keys))


@pytest.mark.slow
@needs_server
def test_a_moment_before_the_copy_is_refused(bench: Bench) -> None:
    copied = bench.copy()
    with pytest.raises(ProcedureFailed, match="before that"):
        bench.restore(copied, datetime(2020, 1, 1, tzinfo=UTC))


def test_segments_are_ordered_by_their_place_in_the_log() -> None:
    names = ["0000000200000001000000FF", "000000010000000100000100", "000000010000000000000FFF"]
    segments = sorted(segment for name in names if (segment := Segment.of(name)))
    assert [segment.name for segment in segments] == [names[2], names[0], names[1]]
    assert Segment.of("000000010000000000000002.partial") == Segment.of("000000010000000000000002")
    assert Segment.of("00000002.history") is None


@pytest.mark.parametrize(
    ("places", "missing"),
    [
        ([2, 3, 4], ""),
        ([1, 2, 3], ""),
        ([3, 4], "000000010000000000000002"),
        ([2, 4], "000000010000000000000003"),
        ([], "000000010000000000000002"),
    ],
)
def test_a_gap_is_named(places: list[int], missing: str) -> None:
    files = [(Segment((0, place)).name, SIZE) for place in places] + [("00000002.history", 40), ("label", 200)]
    assert first_missing(Segment((0, 2)), files) == missing


def test_segments_go_over_into_the_next_log() -> None:
    assert Segment((0, 0xFF)).next(16 << 20) == (1, 0)
    assert Segment((0, 0xFFF)).next(1 << 20) == (1, 0)


def test_the_begin_of_a_copy_is_read_from_its_label() -> None:
    label = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nCHECKPOINT LOCATION: 0/2000060\n"
    assert start_of(label) == Segment((0, 2))
    assert start_of("nothing") is None


def test_odd_paths_stay_one_word() -> None:
    assert restore_command("/a b/50%").startswith("cp -- '/a b/50%%'/%f ")
