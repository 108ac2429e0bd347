"""The catalogue keeps what it was told, once, through threads, processes and kill -9."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from backup.catalogue import Catalogue, UnknownPoint
from secops.model.restore_point import Proof, Verdict
from secops.model.text import Text
from secops.support.errors import BadInput
from tests.backup.points import CLEAN, MANIFEST, at, point

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "restore_points.sqlite"


@pytest.fixture
def catalogue(path: Path) -> Iterator[Catalogue]:
    with Catalogue(path) as opened:
        yield opened


def test_what_is_added_is_kept(catalogue: Catalogue, path: Path) -> None:
    kept = point("a", 3.25, CLEAN)
    catalogue.add(kept, MANIFEST.text)
    catalogue.close()
    with Catalogue(path) as again:
        assert again.points("site") == [kept]
        assert again.get("v1/a") == kept
        assert again.manifest("v1/a") == MANIFEST.text


def test_points_come_newest_first_and_by_asset(catalogue: Catalogue) -> None:
    for name, minutes, asset in (("b", 2, "site"), ("a", 3, "site"), ("c", 1, "site"), ("d", 9, "other")):
        catalogue.add(point(name, minutes, asset=asset), MANIFEST.text)
    assert [each.archive for each in catalogue.points("site")] == ["a", "b", "c"]
    assert [each.archive for each in catalogue.points("other")] == ["d"]
    assert catalogue.points("none") == []


def test_adding_again_changes_nothing(catalogue: Catalogue) -> None:
    catalogue.add(point("a"), MANIFEST.text)
    catalogue.judge("v1/a", CLEAN)
    catalogue.add(point("a"), MANIFEST.text)
    assert catalogue.get("v1/a").verdict == CLEAN
    assert len(catalogue.points("site")) == 1


def test_another_point_of_the_same_id_is_refused(catalogue: Catalogue) -> None:
    catalogue.add(point("a"), MANIFEST.text)
    with pytest.raises(BadInput, match="v1/a is there already and differs"):
        catalogue.add(point("a", 1), MANIFEST.text)
    assert catalogue.get("v1/a") == point("a")


def test_a_manifest_that_is_not_the_points_own_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(BadInput, match="the manifest of v1/a does not match its digest"):
        catalogue.add(point("a"), MANIFEST.text + "file\t0644\t1\t-\tmore\n")
    assert catalogue.points("site") == []


def test_every_verdict_is_kept_and_the_newest_counts(catalogue: Catalogue) -> None:
    catalogue.add(point("a"), MANIFEST.text)
    readable = Verdict(readable=Proof.YES, because=Text("可读", "readable"), judged=at(1))
    infected = replace(CLEAN, clean=Proof.NO, judged=at(5))
    for verdict in (readable, CLEAN, CLEAN, infected):
        catalogue.judge("v1/a", verdict)
    assert catalogue.get("v1/a").verdict == infected
    assert catalogue.points("site")[0].verdict == infected
    assert catalogue.verdicts("v1/a") == [readable, CLEAN, infected]


def test_an_unknown_point_is_a_sentence(catalogue: Catalogue) -> None:
    for ask in (catalogue.get, catalogue.manifest, lambda name: catalogue.judge(name, CLEAN)):
        with pytest.raises(UnknownPoint, match="there is no restore point v1/none"):
            ask("v1/none")
    assert catalogue.verdicts("v1/none") == []


def test_threads_and_a_second_opening_agree(catalogue: Catalogue, path: Path) -> None:
    with Catalogue(path) as other, ThreadPoolExecutor(8) as pool:

        def write(number: int) -> None:
            whom = (catalogue, other)[number % 2]
            whom.add(point(f"n{number // 2}", number // 2), MANIFEST.text)
            whom.judge(f"v1/n{number // 2}", CLEAN)

        list(pool.map(write, range(120)))
        assert len(other.points("site")) == 60
        assert all(each.verdict.proven_clean for each in catalogue.points("site"))
        assert all(len(other.verdicts(f"v1/n{number}")) == 1 for number in range(60))


def test_kill_minus_nine_loses_nothing_that_was_told(path: Path) -> None:
    told = -1
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-m", "tests.backup.catalogue_writer", str(path)], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert writer.stdout
        for line in writer.stdout:
            told = max(told, int(line))
            if int(line) >= 25:
                writer.kill()
                break
        rest = writer.stdout.read().split()
        told = max([told, *map(int, rest)])
        writer.wait()
        with Catalogue(path) as catalogue:
            kept = {each.archive: each for each in catalogue.points("site")}
            assert all(kept[f"n{number}"].verdict == CLEAN for number in range(told + 1))
            assert all(catalogue.manifest(each.id) == MANIFEST.text for each in kept.values())


@pytest.mark.parametrize("content", [b"not a database at all, and long enough to be one" * 40, b"\x00" * 5000])
def test_a_broken_file_is_a_sentence_and_stays(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"the catalogue .*restore_points.sqlite cannot be used"):
        Catalogue(path)
    assert path.read_bytes() == content


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be used"):
        Catalogue(tmp_path / "nowhere" / "x.sqlite")


def test_a_file_of_a_newer_version_is_refused_and_stays(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BadInput, match="was written by a newer version"):
        Catalogue(path)


def test_a_database_of_somebody_else_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE point (x)")
    connection.close()
    with pytest.raises(BadInput, match="cannot be used"):
        Catalogue(path)
