"""The tier rule over every combination: the highest of the city's rules and GB/T 22239, never below either."""

from dataclasses import replace
from itertools import product

import pytest

from secops.inventory.inventory import Inventory
from secops.inventory.load import sample_inventory
from secops.inventory.tiers import DEMANDS, FLOOR, TierRuling, derive_tier, rank, tier_ruling, tier_weakness
from secops.model.city import Grade, Impact, ImpactDegree, ImpactObject, Importance, Level, System, Tier
from secops.model.finding import Severity, WeaknessClass
from secops.model.text import Text

RIGHTS, ORDER, SECURITY = ImpactObject
GENERAL, IMPORTANT, CORE = Importance
COMBINATIONS = list(product(Level, Importance, ImpactObject, ImpactObject))


def derived(level: Level, importance: Importance, *objects: ImpactObject) -> TierRuling:
    return derive_tier(level, importance, objects)


@pytest.mark.parametrize(
    ("level", "importance", "worst", "tier", "decided_by"),
    [
        (Level.L1, GENERAL, RIGHTS, None, None),
        (Level.L1, CORE, RIGHTS, None, None),
        (Level.L2, GENERAL, ORDER, Tier.DATA, "gb22239.level-2"),
        (Level.L2, IMPORTANT, ORDER, Tier.APPLICATION, "city.application"),
        (Level.L3, GENERAL, ORDER, Tier.DATA, "city.data"),
        (Level.L3, IMPORTANT, ORDER, Tier.APPLICATION, "city.application"),
        (Level.L3, CORE, ORDER, Tier.APPLICATION, "city.application"),
        (Level.L3, IMPORTANT, SECURITY, Tier.APPLICATION, "city.application"),
        (Level.L3, CORE, SECURITY, Tier.BUSINESS, "city.business"),
        (Level.L4, GENERAL, ORDER, Tier.APPLICATION, "gb22239.level-4"),
        (Level.L5, GENERAL, SECURITY, Tier.APPLICATION, "gb22239.level-5"),
        (Level.L5, CORE, SECURITY, Tier.BUSINESS, "city.business"),
    ],
)
def test_who_decides(
    level: Level, importance: Importance, worst: ImpactObject, tier: Tier | None, decided_by: str | None
) -> None:
    ruling = derived(level, importance, worst, RIGHTS)
    assert ruling.derived.action == tier
    assert (decided_by or "no rule") in ruling.derived.because.en


@pytest.mark.parametrize(("level", "importance", "information", "service"), COMBINATIONS)
def test_never_below_any_rule(
    level: Level, importance: Importance, information: ImpactObject, service: ImpactObject
) -> None:
    ruling = derived(level, importance, information, service)
    tier = ruling.derived.action
    assert rank(tier) == max(rank(each.decision.action) for each in ruling.rulings)
    assert rank(tier) >= rank(FLOOR[level])
    if level >= 3:
        assert rank(tier) >= Tier.DATA.rank
    if importance is not GENERAL and {information, service} & {ORDER, SECURITY}:
        assert rank(tier) >= Tier.APPLICATION.rank
    assert (tier is Tier.BUSINESS) == (importance is CORE and SECURITY in (information, service))
    assert ruling.derived.action == derived(level, importance, service, information).derived.action


@pytest.mark.parametrize(("level", "importance", "information", "service"), COMBINATIONS)
def test_more_never_means_less(
    level: Level, importance: Importance, information: ImpactObject, service: ImpactObject
) -> None:
    tier = rank(derived(level, importance, information, service).derived.action)
    higher_levels = [each for each in Level if each > level]
    graver = list(ImpactObject)[list(ImpactObject).index(information) :]
    weightier = list(Importance)[list(Importance).index(importance) :]
    assert all(rank(derived(each, importance, information, service).derived.action) >= tier for each in higher_levels)
    assert all(rank(derived(level, importance, each, service).derived.action) >= tier for each in graver)
    assert all(rank(derived(level, each, information, service).derived.action) >= tier for each in weightier)


def test_every_rule_is_cited_apart_in_both_languages() -> None:
    ruling = derived(Level.L4, IMPORTANT, ORDER, ORDER)
    assert [each.rule for each in ruling.rulings] == [
        "city.data",
        "city.application",
        "city.business",
        "gb22239.level-4",
    ]
    assert len({each.source.en for each in ruling.rulings}) == 2
    assert [each.binding for each in ruling.rulings] == [True, True, False, True]
    for each in ruling.rulings:
        assert each.decision.because.zh
        assert each.decision.because.en
    assert [demand.clause for demand in ruling.demands] == ["9.1.4.9 a", "9.1.4.9 b", "9.1.4.9 c", "9.1.4.9 d"]


def test_the_demands_only_grow() -> None:
    counts = [len(DEMANDS[level]) for level in Level]
    assert counts == [1, 2, 3, 4, 4]


def system(tier: Tier | None, importance: Importance = IMPORTANT) -> System:
    impact = Impact(ORDER, ImpactDegree.SERIOUS)
    name = Text("门诊", "Clinic")
    return System("clinic", name, name, ("health",), Grade(impact, impact), importance, tier=tier)


def test_a_tier_set_too_low_is_a_weakness() -> None:
    ruling = tier_ruling(system(Tier.DATA), Level.L3)
    assert (ruling.derived.action, ruling.effective.action) == (Tier.APPLICATION, Tier.DATA)
    weakness = tier_weakness(system(Tier.DATA), ruling)
    assert weakness is not None
    assert weakness.rule == "dr-tier.set-too-low"
    assert weakness.weakness_class is WeaknessClass.RESILIENCE
    assert weakness.severity is Severity.MEDIUM
    assert "lower than the derived tier application" in weakness.reason.en
    assert "低于" in weakness.reason.zh


def test_below_the_national_standard_is_worse() -> None:
    weakness = tier_weakness(system(Tier.DATA), tier_ruling(system(Tier.DATA), Level.L4))
    assert weakness is not None
    assert weakness.severity is Severity.HIGH
    assert "9.1.4.9 d" in weakness.clauses


@pytest.mark.parametrize("tier", [None, Tier.APPLICATION, Tier.BUSINESS])
def test_as_high_as_derived_or_higher_is_allowed_and_shown(tier: Tier | None) -> None:
    ruling = tier_ruling(system(tier), Level.L3)
    assert ruling.effective.action == (tier or Tier.APPLICATION)
    assert tier_weakness(system(tier), ruling) is None
    if tier is Tier.BUSINESS:
        assert "higher than the derived tier application" in ruling.effective.because.en


def test_a_hand_set_tier_counts_in_the_inventory() -> None:
    city = sample_inventory().city
    first = replace(city.systems[0], tier=Tier.BUSINESS)
    changed = Inventory(replace(city, systems=(first, *city.systems[1:])))
    assert changed.tier(changed.system(first.id)) is Tier.BUSINESS
