"""Old points are judged anew by what their manifests say; what was known stays on record."""

from dataclasses import replace

import pytest

from backup.manifest import Entry, Kind, Manifest
from backup.rescoring import Indicator, Rescored, rescore
from secops.model.restore_point import Proof, RestorePoint, Rung, Verdict
from secops.support.errors import BadInput
from tests.backup.points import CLEAN, at, point

BAD = "b" * 64
GOOD = Manifest.of([Entry("page", Kind.FILE, 0o644, 1, "a" * 64)])
INFECTED = Manifest.of([*GOOD.entries, Entry("img/x.php", Kind.FILE, 0o644, 9, BAD)])
BUSY = Manifest.of([*GOOD.entries, Entry("access.log", Kind.CHANGING)])
SCANNED = replace(CLEAN, rung=Rung.SCAN, proven=at(0))


def of(name: str, minutes: float, manifest: Manifest, verdict: Verdict = SCANNED) -> RestorePoint:
    return replace(point(name, minutes, verdict), manifest=manifest.digest)


def rescored(points: list[RestorePoint], indicator: Indicator) -> Rescored:
    known = {each.digest: each for each in (GOOD, INFECTED, BUSY)}
    read: list[str] = []

    def manifest_of(wanted: RestorePoint) -> Manifest:
        read.append(wanted.manifest)
        return known[wanted.manifest]

    outcome = rescore(points, indicator, manifest_of, at(100))
    assert len(read) == len(set(read)), "equal manifests are looked through once"
    return outcome


@pytest.mark.parametrize(
    "indicator",
    [
        Indicator("case 7", hashes=frozenset({BAD})),
        Indicator("case 7", paths=("*.php",)),
        Indicator("case 7", paths=("img/x.php",)),
        Indicator("case 7", paths=("x.php",)),
    ],
)
def test_the_first_infected_and_the_last_clean_point_are_named(indicator: Indicator) -> None:
    points = [of("d", 40, INFECTED), of("a", 10, GOOD), of("c", 30, INFECTED), of("b", 20, GOOD)]
    outcome = rescored(points, indicator)
    assert outcome.first_infected and outcome.first_infected.archive == "c"
    assert outcome.last_clean and outcome.last_clean.archive == "b"
    assert sorted(outcome.verdicts) == ["v1/c", "v1/d"]
    verdict = outcome.verdicts["v1/c"]
    assert (verdict.clean, verdict.restorable, verdict.failed, verdict.rung) == (
        Proof.NO,
        Proof.YES,
        Rung.SCAN,
        Rung.RESTORE,
    )
    assert verdict.because.en == "holds img/x.php, known from case 7" and verdict.judged == at(100)
    assert outcome.because.en == (
        "case 7 was held against 4 points and changed the verdict on 2; the first infected is v1/c "
        "(2026-11-22T12:30:00.000000Z); the last clean one is v1/b (2026-11-22T12:20:00.000000Z)."
    )


def test_a_moment_makes_later_points_suspect_until_they_are_scanned_again() -> None:
    outcome = rescored([of("a", 10, GOOD), of("b", 20, GOOD)], Indicator("case 7", first_seen=at(15)))
    assert list(outcome.verdicts) == ["v1/b"]
    assert outcome.verdicts["v1/b"].clean is Proof.UNKNOWN
    assert outcome.first_infected is None and outcome.last_clean and outcome.last_clean.archive == "a"


def test_what_was_changing_is_named_as_unsure() -> None:
    outcome = rescored([of("a", 10, BUSY), of("b", 20, GOOD)], Indicator("case 7", hashes=frozenset({BAD})))
    assert outcome.unsure == ("v1/a",) and outcome.verdicts == {}


def test_again_changes_nothing() -> None:
    indicator = Indicator("case 7", hashes=frozenset({BAD}))
    first = rescored([of("a", 10, INFECTED)], indicator)
    second = rescored([of("a", 10, INFECTED, first.verdicts["v1/a"])], indicator)
    assert second.verdicts == {} and second.first_infected


def test_an_infection_known_before_counts_as_the_first() -> None:
    before = replace(CLEAN, clean=Proof.NO)
    outcome = rescored([of("a", 10, GOOD, before), of("b", 20, GOOD)], Indicator("x", hashes=frozenset({BAD})))
    assert outcome.first_infected and outcome.first_infected.archive == "a" and outcome.last_clean is None


@pytest.mark.parametrize("wrong", ["", "B" * 64, "md5:1234", "b" * 63])
def test_a_wrong_indicator_is_refused(wrong: str) -> None:
    with pytest.raises(BadInput, match="SHA-256"):
        Indicator("x", hashes=frozenset({wrong}))
    with pytest.raises(BadInput, match="name a hash"):
        Indicator("x")
