"""What canaries tell of an asset's copies and replicas, and when that is a finding."""

from dataclasses import replace
from datetime import datetime, timedelta

from backup.canary_ledger import Acknowledged, Holding
from backup.measured import canary_weaknesses, measured
from backup.protection import Protected, Rhythm
from secops.model.city import CentreRole, Tier
from secops.model.finding import Severity
from secops.model.restore_point import Proof
from tests.backup.points import NOON
from tests.backup.test_shortfall import LOCAL, NEAR, REMOTE, WELL, point, protected, shelf

MINUTE = timedelta(minutes=1)


def holding(subject: str, written: datetime | None = NOON, **counts: int) -> Holding:
    return Holding(subject, "site", NOON + MINUTE, NOON, 7 if written else 0, written, **counts)


def with_canaries(*holdings: Holding, replicas: tuple[tuple[str, CentreRole], ...] = (), **lost: int) -> Protected:
    newest = Acknowledged(9, NOON, NOON)
    named = {one.subject: lost.get(one.subject.partition("/")[0], 0) for one in holdings}
    return replace(protected(*WELL), rhythm=Rhythm(60.0, newest, holdings, named, replicas))


def everywhere(written: datetime | None = NOON, **counts: int) -> list[Holding]:
    return [holding(one.points[0].id, written, **counts) for one in WELL]


def rules(asset: Protected, moment: datetime = NOON + MINUTE) -> dict[str, Severity]:
    found = canary_weaknesses(asset, moment)
    return {f"{one.rule.removeprefix('copies.')} {'/'.join(one.locator)}": one.severity for one in found}


def test_without_canaries_nothing_is_told() -> None:
    assert rules(protected(*WELL)) == {} and measured(protected(*WELL)) == ()


def test_fresh_canaries_in_every_copy_are_no_finding() -> None:
    assert rules(with_canaries(*everywhere())) == {}


def test_copies_whose_canaries_nobody_read_are_told_for_each_centre_of_the_tier() -> None:
    found = rules(with_canaries())
    assert found == {f"rpo-unmeasured {role}": Severity.LOW for role in protected(*WELL).policy.vaults}


def test_an_old_canary_is_a_missed_rpo_however_young_the_copy_is() -> None:
    allowed = timedelta(seconds=protected(*WELL).policy.from_copy.rpo)
    at = NOON + MINUTE
    just = with_canaries(*everywhere(at - allowed))
    assert rules(just, at) == {}
    late = with_canaries(*everywhere(at - allowed - MINUTE), local=3)
    assert rules(late, at) == {f"rpo-measured {role}": Severity.HIGH for role in late.policy.vaults}
    (said,) = (one for one in canary_weaknesses(late, at) if one.locator == ("local_dr",))
    assert "3 acknowledged since would be lost" in said.reason.en and "3 条" in said.reason.zh


def test_the_best_vault_of_a_centre_counts() -> None:
    second = shelf("second", CentreRole.LOCAL_DR)
    old = NOON - timedelta(days=30)
    asset = with_canaries(*(holding(one.points[0].id, old if one is LOCAL else NOON) for one in (*WELL, second)))
    assert rules(replace(asset, shelves=(*WELL, second))) == {}


def test_a_copy_that_is_known_to_be_bad_measures_nothing() -> None:
    bad = point("near", NOON + MINUTE)
    bad = replace(bad, verdict=replace(bad.verdict, restorable=Proof.NO))
    near = replace(NEAR, points=(bad, *NEAR.points))
    asset = with_canaries(*everywhere(), holding(bad.id, NOON + MINUTE))
    found = measured(replace(asset, shelves=(near, LOCAL, REMOTE)))
    assert [one.holding.subject for one in found if one.place == "near"] == [NEAR.points[0].id]


def test_canaries_that_are_no_longer_written_are_told() -> None:
    asset = with_canaries(*everywhere())
    assert rules(asset, NOON + 4 * MINUTE) == {}
    assert "canary-silent canary" in rules(asset, NOON + 6 * MINUTE)
    assert asset.rhythm
    never = replace(asset, rhythm=replace(asset.rhythm, newest=None))
    assert rules(never) == {"canary-silent canary": Severity.MEDIUM}


def test_missing_and_forged_ones_are_grave_wherever_they_are() -> None:
    asset = with_canaries(*everywhere(missing=2, forged=1))
    found = rules(asset)
    assert {found["canaries-missing near"], found["canaries-forged tape"]} == {Severity.HIGH}


def test_a_replica_is_judged_as_of_when_it_was_read() -> None:
    behind = holding("standby", NOON - timedelta(hours=5))
    asset = with_canaries(*everywhere(), behind, replicas=(("standby", CentreRole.LOCAL_DR),))
    assert asset.policy.from_replica, "tier business has one"
    assert rules(asset) == {"replica-behind standby": Severity.HIGH}
    near = replace(behind, moment=behind.looked)
    asset = with_canaries(*everywhere(), near, replicas=(("standby", CentreRole.LOCAL_DR),))
    assert rules(asset, NOON + 3 * MINUTE) == {}, "it goes on by itself"


def test_what_a_replica_has_not_got_yet_is_no_loss() -> None:
    waiting = holding("standby", NOON + MINUTE, stale=3)
    asset = with_canaries(*everywhere(), waiting, replicas=(("standby", CentreRole.LOCAL_DR),))
    assert rules(asset) == {}
    assert protected(*WELL, tier=Tier.DATA).policy.from_replica is None
