"""The catalogue keeps what it was told, once, through threads, processes and kill -9."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from backup.catalogue import Catalogue, Look, UnknownPoint
from backup.retention import Dated
from secops.model.restore_point import Proof, Rung, Verdict
from secops.model.text import Text
from secops.support.clock import to_text
from secops.support.errors import BadInput
from tests.backup.points import CLEAN, MANIFEST, NOON, at, point

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


VERSION_1 = """
CREATE TABLE manifest (digest TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE point (
    id TEXT PRIMARY KEY, asset TEXT NOT NULL, vault TEXT NOT NULL, engine TEXT NOT NULL, archive TEXT NOT NULL,
    taken TEXT NOT NULL, manifest TEXT NOT NULL REFERENCES manifest (digest), size_bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX point_of_asset ON point (asset, taken);
CREATE TABLE verdict (
    number INTEGER PRIMARY KEY, point TEXT NOT NULL REFERENCES point (id),
    readable TEXT NOT NULL, restorable TEXT NOT NULL, clean TEXT NOT NULL,
    because_zh TEXT NOT NULL, because_en TEXT NOT NULL, judged TEXT
) STRICT;
CREATE INDEX verdict_of_point ON verdict (point, number);
PRAGMA user_version = 1;
"""


def test_a_file_of_version_1_keeps_all_that_it_holds(path: Path) -> None:
    with sqlite3.connect(path) as old:
        old.executescript(VERSION_1)
        old.execute("INSERT INTO manifest VALUES (?, ?)", (MANIFEST.digest, MANIFEST.text))
        for name, minutes in (("a", 0), ("b", 1), ("c", 2)):
            taken = to_text(at(minutes))
            values = (f"v1/{name}", "site", "v1", "borg", name, taken, MANIFEST.digest, 1)
            old.execute("INSERT INTO point VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        for name, answers in (("a", "yes yes unknown"), ("a", "yes yes yes"), ("b", "yes no unknown")):
            row = (f"v1/{name}", *answers.split(), "干净", "clean", to_text(NOON))
            old.execute(
                "INSERT INTO verdict (point, readable, restorable, clean, because_zh, because_en, judged) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
    old.close()
    for _again in range(2):
        with Catalogue(path) as catalogue:
            third, second, first = catalogue.points("site")
            assert first == point("a", 0, replace(CLEAN, rung=Rung.SCAN, proven=NOON))
            assert (second.verdict.rung, second.verdict.failed) == (Rung.SAMPLE, Rung.RESTORE)
            assert third.verdict == Verdict()
            assert len(catalogue.verdicts("v1/a")) == 2
            assert catalogue.manifest("v1/a") == MANIFEST.text
            assert catalogue.tallies()[0].newest_clean == at(0)
            catalogue.add(point("a", 0), MANIFEST.text)


def test_a_page_goes_on_where_the_last_ended_and_shows_one_unit(catalogue: Catalogue) -> None:
    for number in range(25):
        # Two at each moment: the id decides between them.
        unit = "health" if number % 5 else "water"
        catalogue.add(replace(point(f"n{number:02}", number // 2), unit=unit), MANIFEST.text)
    seen: list[str] = []
    after = None
    while page := catalogue.page(unit="health", after=after, limit=7):
        seen += [each.archive for each in page]
        after = page[-1]
    assert seen == [f"n{number:02}" for number in reversed(range(25)) if number % 5]
    assert [each.archive for each in catalogue.page(unit="water")] == ["n20", "n15", "n10", "n05", "n00"]
    assert not catalogue.page(unit="nobody") and not catalogue.page(vault="v2") and not catalogue.page(asset="other")


def test_a_point_that_is_given_up_is_counted_and_listed_no_more(catalogue: Catalogue) -> None:
    for name, minutes in (("a", 1), ("b", 2)):
        catalogue.add(point(name, minutes, CLEAN), MANIFEST.text)
    catalogue.give_up(["v1/b"], at(3))
    catalogue.give_up(["v1/b"], at(9))
    assert [each.archive for each in catalogue.points("site")] == ["a"]
    assert [each.archive for each in catalogue.page()] == ["a"]
    assert catalogue.tallies()[0].points == 1
    assert catalogue.get("v1/b").archive == "b" and catalogue.verdicts("v1/b")
    with pytest.raises(UnknownPoint):
        catalogue.give_up(["v1/a", "v1/none"], at(3))
    assert [each.archive for each in catalogue.page()] == ["a"]


def test_use_is_what_was_seen_and_what_has_come_since(catalogue: Catalogue) -> None:
    for number, (asset, unit, added) in enumerate((("a", "u1", 10), ("a", "u1", 20), ("b", "u1", 5), ("c", "u2", 7))):
        each = replace(point(f"n{number}", number, asset=asset), unit=unit, added_bytes=added)
        catalogue.add(each, MANIFEST.text)
    assert catalogue.use("v1") == {"u1": 35, "u2": 7}
    catalogue.looked(Look("a", "v1", at(0.5), ("n0",), "key", 100))
    assert catalogue.use("v1") == {"u1": 100 + 20 + 5, "u2": 7}
    assert catalogue.use("v2") == {}


def test_retention_is_told_what_is_dated_and_proven(catalogue: Catalogue) -> None:
    catalogue.add(point("a", 1, CLEAN), MANIFEST.text)
    catalogue.add(point("b", 2), MANIFEST.text)
    assert catalogue.dated("site", "v1") == [Dated("v1/b", at(2), False), Dated("v1/a", at(1), True)]


def test_a_changed_identity_is_remembered_until_it_changes_again(catalogue: Catalogue) -> None:
    catalogue.looked(Look("site", "v1", at(1), ("a",), "key-1", 100))
    catalogue.looked(Look("site", "v1", at(2), ("a", "b"), "", 150))
    assert catalogue.looks() == [Look("site", "v1", at(2), ("a", "b"), "key-1", 150)]
    catalogue.looked(Look("site", "v1", at(3), ("c",), "key-2", 50))
    catalogue.looked(Look("site", "v1", at(4), ("c", "d"), "key-2", 60))
    catalogue.looked(Look("site", "v1", at(0), (), "key-0", 0))
    assert catalogue.looks() == [Look("site", "v1", at(4), ("c", "d"), "key-2", 60, "key-1", at(3))]


def test_a_log_only_grows(catalogue: Catalogue) -> None:
    for minutes in (3, 5, 4):
        catalogue.log_brought("db", "v1", at(minutes))
    assert catalogue.logs() == {("db", "v1"): at(5)}


def test_a_database_of_somebody_else_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE point (x)")
    connection.close()
    with pytest.raises(BadInput, match="cannot be used"):
        Catalogue(path)
