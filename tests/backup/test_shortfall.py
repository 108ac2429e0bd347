"""What falls short of a tier, what a restore would take, and what the copies tell of an intruder."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from backup.anomalies import anomalies
from backup.catalogue import Look
from backup.forecast import forecasts, measured_rate, recovery_age_seconds
from backup.policies import policy_for
from backup.protection import Protected, Shelf, ThreeTwoOne, three_two_one, worst
from backup.shortfall import shortfalls
from secops.model.city import Asset, AssetKind, CentreRole, Keeping, Medium, Tenant, Tier, Vault
from secops.model.finding import Severity, Weakness
from secops.model.restore_point import Proof, RestorePoint, Rung, Verdict
from secops.model.text import Text
from tests.backup.points import CLEAN, NOON

DAY = timedelta(days=1)
TREE = Asset("site", AssetKind.FILE_TREE, Text("网", "site"), "c1")
PROVEN = replace(CLEAN, rung=Rung.BUSINESS, seconds=10.0)


def point(vault: str, taken: datetime, verdict: Verdict = PROVEN, size: int = 1000, **more: int) -> RestorePoint:
    archive = f"site-{taken:%Y%m%dT%H%M%SZ}"
    made = RestorePoint(f"{vault}/{archive}", "site", vault, "borg", archive, taken, "", size, verdict)
    return replace(made, **more)  # type: ignore[arg-type]


def shelf(name: str, role: CentreRole, site: str = "s1", *points: RestorePoint, vault: Vault | None = None) -> Shelf:
    return Shelf(vault or Vault(name, "c", f"/{name}"), role, site, points or (point(name, NOON),))


NEAR = shelf("near", CentreRole.PRODUCTION)
LOCAL = shelf("local", CentreRole.LOCAL_DR)
REMOTE = shelf("remote", CentreRole.REMOTE_DR, "s2")
TAPE = shelf("tape", CentreRole.LOCAL_DR, vault=Vault("tape", "c", "/t", medium=Medium.TAPE, keeping=Keeping.OFFLINE))
WELL = (NEAR, LOCAL, REMOTE, TAPE)


def protected(*shelves: Shelf, tier: Tier = Tier.BUSINESS) -> Protected:
    return Protected(TREE, "portal", "health", "s1", policy_for(tier), shelves)


def rules(found: Iterable[Weakness]) -> list[str]:
    return [f"{one.rule.removeprefix('copies.')} {'/'.join(one.locator)}" for one in found]


def short(*shelves: Shelf, moment: datetime = NOON) -> list[str]:
    return rules(shortfalls(protected(*shelves), moment))


def test_copies_that_are_as_the_tier_asks_are_no_finding() -> None:
    assert short(*WELL) == []


@pytest.mark.parametrize(
    ("shelves", "expected"),
    [
        ((LOCAL, REMOTE, TAPE), ["missing production"]),
        ((NEAR, REMOTE, TAPE), []),
        ((NEAR, LOCAL, TAPE), ["missing remote_dr"]),
        ((NEAR, LOCAL, REMOTE), ["not-apart apart"]),
        ((replace(NEAR, points=()), LOCAL, REMOTE, TAPE), ["missing production"]),
        ((), ["missing production", "missing local_dr", "missing remote_dr", "not-apart apart"]),
    ],
)
def test_each_way_to_fall_short_is_named(shelves: tuple[Shelf, ...], expected: list[str]) -> None:
    assert short(*shelves) == expected


def test_age_is_told_against_the_rpo_and_a_log_makes_it_younger() -> None:
    later = NOON + timedelta(minutes=11)
    old = short(*WELL, moment=later)
    assert old == ["too-old production", "too-old local_dr", "too-old remote_dr"]
    logged = tuple(replace(one, log_until=later) for one in WELL)
    assert short(*logged, moment=later) == []
    assert recovery_age_seconds(NEAR, later) == 660
    assert recovery_age_seconds(replace(NEAR, points=()), later) is None


def test_proof_ages_by_rung() -> None:
    def proven(rung: Rung, age: timedelta) -> list[str]:
        verdict = replace(PROVEN, rung=rung, judged=NOON - age, proven=NOON - age)
        shelves = (replace(one, points=(point(one.vault.id, NOON, verdict),)) for one in WELL)
        return short(*shelves)

    assert proven(Rung.BUSINESS, timedelta(hours=1)) == []
    assert proven(Rung.SCAN, timedelta(hours=1)) == ["unproven rung-5"]
    assert proven(Rung.BUSINESS, 3 * DAY) == ["unproven rung-2", "unproven rung-4", "unproven rung-5"]
    assert proven(Rung.NONE, timedelta()) == ["unproven rung-2", "unproven rung-4", "unproven rung-5"]


@pytest.mark.parametrize(("size", "severity"), [(280_000, None), (300_000, Severity.MEDIUM), (400_000, Severity.HIGH)])
def test_a_restore_that_grows_too_long_is_told_before_it_is(size: int, severity: Severity | None) -> None:
    """At 100 bytes a second the hour of the tier is 360,000 bytes."""
    measured = point("near", NOON - DAY, replace(PROVEN, seconds=10.0), size=1000)
    grown = tuple(replace(one, points=(point(one.vault.id, NOON, Verdict(), size), measured)) for one in WELL)
    found = [one for one in shortfalls(protected(*grown), NOON) if one.rule == "copies.rto-forecast"]
    assert [one.severity for one in found] == ([severity] if severity else [])


def test_the_forecast_is_size_over_the_last_measured_rate_and_replay() -> None:
    old = point("near", NOON - 2 * DAY, replace(PROVEN, seconds=1.0, judged=NOON - 2 * DAY))
    newer = point("near", NOON - DAY, replace(PROVEN, seconds=20.0, judged=NOON - DAY))
    unread = point("near", NOON, replace(PROVEN, rung=Rung.SAMPLE, seconds=0.1), size=5000)
    near = replace(NEAR, points=(unread, newer, old), log_until=NOON + timedelta(seconds=7))
    (one,) = forecasts(protected(near))
    assert one.rate == measured_rate(near.points)
    assert (one.rate.bytes_per_second, one.rate.point) == (50.0, newer.id)
    assert one.seconds == 5000 / 50 + 7
    assert "1m47s" in one.because.en and "1m47s" in one.because.zh
    assert forecasts(protected(replace(NEAR, points=(point("near", NOON, Verdict()),)))) == ()


def test_the_figures_of_three_two_one() -> None:
    assert three_two_one(protected(*WELL)) == ThreeTwoOne(5, 2, 1, 1, 0)
    assert three_two_one(protected(*WELL)).met and three_two_one(protected(*WELL)).text == "5-2-1-1-0"
    broken = replace(NEAR, points=(point("near", NOON, replace(PROVEN, restorable=Proof.NO)),))
    assert three_two_one(protected(broken, replace(LOCAL, points=()))) == ThreeTwoOne(2, 1, 0, 0, 1)
    assert not three_two_one(protected(NEAR, LOCAL, REMOTE)).met
    assert worst([ThreeTwoOne(5, 1, 1, 1, 0), ThreeTwoOne(3, 2, 0, 1, 2)]) == ThreeTwoOne(3, 1, 0, 1, 2)
    assert worst([]) is None


def test_a_quota_is_told_of_when_it_is_nearly_used_up() -> None:
    def used(used_bytes: int) -> list[tuple[str, Severity]]:
        tenant = replace(LOCAL.vault, tenants=(Tenant("health", "1K"),))
        full = replace(LOCAL, vault=tenant, used_bytes=used_bytes)
        return [(one.rule, one.severity) for one in shortfalls(protected(NEAR, full, REMOTE, TAPE), NOON)]

    assert used(900) == []
    assert used(950) == [("copies.quota", Severity.MEDIUM)]
    assert used(1024) == [("copies.quota", Severity.HIGH)]


def history(**newest: int) -> Shelf:
    """Ten copies alike, and a newest that differs."""
    alike = {"size": 100_000_000, "added_bytes": 1_000_000, "packed_bytes": 40_000_000}
    before = tuple(point("near", NOON - (number + 1) * DAY, PROVEN, **alike) for number in range(10))
    return replace(NEAR, points=(point("near", NOON, PROVEN, **(alike | newest)), *before))


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        ({}, []),
        ({"added_bytes": 9_000_000}, []),
        ({"added_bytes": 90_000_000}, ["churn near"]),
        ({"size": 60_000_000, "packed_bytes": 24_000_000}, []),
        ({"size": 40_000_000, "packed_bytes": 16_000_000}, ["shrunken near"]),
        ({"packed_bytes": 50_000_000}, []),
        ({"packed_bytes": 100_100_000}, ["entropy near"]),
        ({"packed_bytes": 0}, []),
    ],
)
def test_a_copy_unlike_those_before_it_is_odd(newest: dict[str, int], expected: list[str]) -> None:
    assert rules(anomalies(protected(history(**newest)), NOON)) == expected


def test_few_copies_say_nothing_of_what_is_usual() -> None:
    grown = history(added_bytes=90_000_000)
    assert rules(anomalies(protected(replace(grown, points=grown.points[:3])), NOON)) == []


def test_a_copy_of_the_future_is_odd_also_when_only_the_vault_knows_it() -> None:
    ahead = replace(NEAR, points=(point("near", NOON + timedelta(hours=1)),))
    assert rules(anomalies(protected(ahead), NOON)) == ["future-dated near"]
    archive = NEAR.points[0].archive
    forged = Look("site", "near", NOON, (archive, "site-20991231T000000Z", "notes"))
    assert rules(anomalies(protected(replace(NEAR, look=forged)), NOON)) == ["future-dated near"]
    soon = Look("site", "near", NOON, (archive, "site-20261122T120200Z"))
    assert rules(anomalies(protected(replace(NEAR, look=soon)), NOON)) == []


def test_copies_that_vanished_and_a_repository_that_was_replaced_are_odd() -> None:
    older = point("near", NOON - DAY)
    near = replace(NEAR, points=(point("near", NOON), older))
    after = NOON + timedelta(minutes=1)
    whole = Look("site", "near", after, tuple(one.archive for one in near.points), "id-1", 9)
    assert rules(anomalies(protected(replace(near, look=whole)), after)) == []
    robbed = replace(whole, archives=(near.points[0].archive,))
    assert rules(anomalies(protected(replace(near, look=robbed)), after)) == ["lost near"]
    # A copy that came after the look is not missing.
    fresh = replace(near, points=(point("near", NOON + DAY), *near.points), look=whole)
    assert rules(anomalies(protected(fresh), NOON + DAY)) == []
    replaced = replace(whole, identity="id-2", former="id-1", changed=NOON - timedelta(hours=1))
    assert rules(anomalies(protected(replace(near, look=replaced)), after)) == ["identity-changed near"]
    mended = replace(near, points=near.points[:1], look=replaced)
    assert rules(anomalies(protected(mended), after)) == [], "no copy is left from before the change"
