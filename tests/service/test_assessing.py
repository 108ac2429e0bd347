"""A DR tier set too low is a finding, with the life of any other, seen through the store."""

from dataclasses import replace
from pathlib import Path

import pytest

from secops.inventory.inventory import Inventory
from secops.model.city import AssetKind, Tier
from secops.model.finding import Severity, State, WeaknessClass
from secops.model.outcome import Evaluation, Outcome
from secops.service.assessing import TIER_CHECK, assess_tiers, bearer, place_of
from secops.service.home import Home
from secops.service.scanning import Eyes, Scanned
from secops.store.query import Query
from secops.support.errors import BadInput
from tests.service.homes import HOST, SYSTEM, city_with, new_home, set_tier


def assess(inventory: Inventory) -> Evaluation:
    (evaluation,) = assess_tiers(inventory, [inventory.system(SYSTEM)])
    return evaluation


def scan_tiers(folder: Path) -> Scanned:
    """As `secops scan --check dr-tier` does, on the home as its files are now."""
    with Home(folder) as home:
        return home.eyes.scan([], assessed=assess_tiers(home.inventory, home.inventory.systems))


def test_set_too_low_it_is_found_and_corrected_it_resolves_by_itself(tmp_path: Path) -> None:
    folder = new_home(tmp_path, "data")
    (name,) = scan_tiers(folder).recorded.new
    with Home(folder) as home:
        finding = home.store.get(name)
        assert (finding.asset, finding.system, finding.check) == (HOST, SYSTEM, TIER_CHECK)
        assert (finding.state, finding.weakness.severity) == (State.NEW, Severity.HIGH)
        assert finding.weakness.weakness_class is WeaknessClass.RESILIENCE
        assert finding.weakness.rule.startswith(TIER_CHECK + ".")
        assert "9.1.4.9 d" in finding.weakness.reason.en
    assert scan_tiers(folder).recorded.seen_again == (name,)
    set_tier(folder, "")
    assert scan_tiers(folder).recorded.resolved == (name,)
    set_tier(folder, "application")
    assert scan_tiers(folder).recorded.reopened == (name,)
    with Home(folder) as home:
        assert home.store.get(name).weakness.severity is Severity.MEDIUM


def test_coverage_shows_every_system_under_the_scan(tmp_path: Path) -> None:
    folder = new_home(tmp_path)
    with Home(folder) as home:
        before = {(system, check) for system, _, check in home.eyes.everything() if check == TIER_CHECK}
    scanned = scan_tiers(folder)
    with Home(folder) as home:
        rows = home.store.coverage(scanned.id)
        assert {(row.system, row.check) for row in rows} == before
        assert len(rows) == len(home.inventory.systems) == len(scanned.evaluations)
        assert {row.outcome for row in rows} == {Outcome.TESTED_CLEAN}
        assert not home.store.find(Query()).findings


def test_the_reason_cites_the_ruling() -> None:
    derived = assess(city_with())
    assert derived.outcome is Outcome.TESTED_CLEAN
    assert "decided by city.business" in derived.reason.en
    assert "city.business" in derived.reason.zh
    by_hand = assess(city_with(Tier.BUSINESS))
    assert "set by hand to business, the same as the derived tier business" in by_hand.reason.en
    assert "手工设为业务级" in by_hand.reason.zh
    low = assess(city_with(Tier.DATA))
    assert low.outcome is Outcome.FOUND
    assert "lower than the derived tier" in low.reason.en


@pytest.mark.parametrize("tier", [None, Tier.DATA])
def test_a_system_without_assets_is_skipped_and_says_why(tier: Tier | None) -> None:
    inventory = city_with(tier, bare=True)
    evaluation = assess(inventory)
    assert (evaluation.asset, evaluation.outcome) == (f"system:{SYSTEM}", Outcome.SKIPPED)
    assert not evaluation.weaknesses
    assert evaluation.reason.en.startswith("the system has no asset")
    assert ("lower than the derived tier" in evaluation.reason.en) is (tier is Tier.DATA)


def test_who_bears_the_finding() -> None:
    inventory = city_with()
    system = inventory.system(SYSTEM)
    assert place_of(inventory, system) == HOST
    remote_first = replace(system, assets=tuple(reversed(system.assets)))
    assert bearer(inventory, remote_first) == next(
        asset for asset in remote_first.assets if asset.kind is AssetKind.HOST and asset.centre == "production"
    )
    no_host = replace(system, assets=tuple(one for one in system.assets if one.kind is not AssetKind.HOST))
    assert bearer(inventory, no_host) == no_host.assets[0]


def test_it_is_a_name_of_a_check_among_the_others(tmp_path: Path) -> None:
    with Home(new_home(tmp_path)) as home:
        eyes: Eyes = home.eyes
        host = home.inventory.asset(HOST)
        assert eyes.pairs([host], [TIER_CHECK]) == ()
        assert [pair.check.name for pair in eyes.pairs([host], [TIER_CHECK, "tcp-ports"])] == ["tcp-ports"]
        with pytest.raises(BadInput) as error:
            eyes.pairs([host], ["dr-teir"])
        assert "did you mean dr-tier?" in error.value.text.en
        with pytest.raises(BadInput):
            eyes.pairs([host], [TIER_CHECK, "no-such-check"])
