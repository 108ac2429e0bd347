"""The DR tier of a system: the city's rules and GB/T 22239 as a floor, each ruling apart; the highest holds."""

from collections.abc import Iterable
from dataclasses import dataclass

from secops.inventory.words import IMPORTANCES, LEVELS, OBJECTS, TIERS
from secops.model.city import ImpactObject, Importance, Level, System, Tier
from secops.model.decision import Decision
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

CITY_PLAN = Text("城市灾备规则", "the city's DR rule")
STANDARD = Text("GB/T 22239-2019 数据备份恢复", "GB/T 22239-2019, data backup and recovery")


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule asks of one system; None when it asks for no tier."""

    rule: str
    """Stable id, e.g. `city.application`."""
    source: Text
    decision: Decision[Tier | None]
    binding: bool = True
    """False: the rule does not apply; it is listed so that nobody wonders."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Something that GB/T 22239 asks of backup and recovery at a level, beside the tier."""

    clause: str
    text: Text


@dataclass(frozen=True, slots=True)
class TierRuling:
    """Everything about the tier of one system."""

    rulings: tuple[Ruling, ...]
    derived: Decision[Tier | None]
    effective: Decision[Tier | None]
    """The tier set by hand when there is one, else the derived."""
    demands: tuple[Demand, ...]


_LOCAL = Text("重要数据的本地备份与恢复", "local backup and restore of important data")
_BATCH = Text("异地定时批量备份", "off-site backup by scheduled batch transfer")
_REAL_TIME = Text("异地实时备份", "off-site backup in real time")
_REDUNDANT = Text("重要数据处理系统热冗余", "hot redundancy of important processing systems")
_DR_CENTRE = Text(
    "异地灾难备份中心,业务应用实时切换", "an off-site DR centre with real-time switch-over of applications"
)

_LEVEL_4 = (
    Demand("9.1.4.9 a", _LOCAL),
    Demand("9.1.4.9 b", _REAL_TIME),
    Demand("9.1.4.9 c", _REDUNDANT),
    Demand("9.1.4.9 d", _DR_CENTRE),
)
DEMANDS: dict[Level, tuple[Demand, ...]] = {
    Level.L1: (Demand("6.1.4.7 a", _LOCAL),),
    Level.L2: (Demand("7.1.4.8 a", _LOCAL), Demand("7.1.4.8 b", _BATCH)),
    Level.L3: (Demand("8.1.4.9 a", _LOCAL), Demand("8.1.4.9 b", _REAL_TIME), Demand("8.1.4.9 c", _REDUNDANT)),
    Level.L4: _LEVEL_4,
    Level.L5: _LEVEL_4,
}
"""Level 5 is not published (chapter 10): what level 4 asks is taken as the least."""

FLOOR: dict[Level, Tier | None] = {
    Level.L1: None,
    Level.L2: Tier.DATA,
    Level.L3: Tier.DATA,
    Level.L4: Tier.APPLICATION,
    Level.L5: Tier.APPLICATION,
}


def rank(tier: Tier | None) -> int:
    """0 for no tier, then as `Tier.rank`."""
    return tier.rank if tier else 0


def city_rulings(level: Level, importance: Importance, objects: Iterable[ImpactObject]) -> tuple[Ruling, ...]:
    """What each of the city's three rules asks."""
    gravest = max(objects, key=list(ImpactObject).index)
    named, weight, harmed = LEVELS[level], IMPORTANCES[importance], OBJECTS[gravest]
    facts = Text(
        f"系统{weight.zh},受侵害的最重客体为{harmed.zh}", f"the system is {weight.en} and at worst harms {harmed.en}"
    )
    vital = importance is not Importance.GENERAL and gravest is not ImpactObject.LEGAL_RIGHTS
    supreme = importance is Importance.CORE and gravest is ImpactObject.NATIONAL_SECURITY
    return (
        _city("data", level >= Level.L3, Tier.DATA, Text(f"系统为{named.zh}", f"the system is {named.en}")),
        _city("application", vital, Tier.APPLICATION, facts),
        _city("business", supreme, Tier.BUSINESS, facts),
    )


_CITY_RULES = {
    Tier.DATA: Text("第三级及以上系统做数据级灾备", "systems of level 3 and above get data-level DR"),
    Tier.APPLICATION: Text(
        "涉及社会秩序、公共利益的重要系统做应用级灾备",
        "important systems that touch social order or public interest get application-level DR",
    ),
    Tier.BUSINESS: Text(
        "涉及国家安全的核心系统做业务级灾备", "core systems of national security get business-level DR"
    ),
}


def _city(name: str, binding: bool, tier: Tier, facts: Text) -> Ruling:
    rule = _CITY_RULES[tier]
    verdict = Text("适用", "applies") if binding else Text("不适用", "does not apply")
    because = Text(f"{rule.zh};{facts.zh}:{verdict.zh}", f"{rule.en}; {facts.en}: {verdict.en}")
    return Ruling(f"city.{name}", CITY_PLAN, Decision(tier if binding else None, because), binding)


def standard_ruling(level: Level) -> Ruling:
    """The floor of GB/T 22239-2019 at a level."""
    tier, named = FLOOR[level], LEVELS[level]
    asked = DEMANDS[level][-1]
    least = (
        Text("未公布,至少按第四级;", "is not published, at least as level 4; ") if level is Level.L5 else Text("", "")
    )
    tier_zh = f",灾备不低于{TIERS[tier].zh}" if tier else ",不要求灾备等级"
    tier_en = f", so at least {TIERS[tier].en}-level DR" if tier else ", which is no DR tier"
    because = Text(
        f"{named.zh}{least.zh or '系统'}要求{asked.text.zh}({asked.clause}){tier_zh}",
        f"{named.en} {least.en}asks for {asked.text.en} ({asked.clause}){tier_en}",
    )
    return Ruling(f"gb22239.level-{level}", STANDARD, Decision(tier, because), binding=tier is not None)


def derive_tier(level: Level, importance: Importance, objects: Iterable[ImpactObject]) -> TierRuling:
    """The tier that the rules give; never below any of them."""
    rulings = (*city_rulings(level, importance, objects), standard_ruling(level))
    highest = max(rulings, key=lambda ruling: rank(ruling.decision.action))
    named = TIERS[highest.decision.action]
    if highest.decision.action is None:
        because = Text("没有规则要求灾备等级", "no rule asks for a DR tier")
    else:
        because = Text(
            f"各规则取最高:{named.zh},由 {highest.rule}({highest.source.zh})决定",
            f"the highest of all rules: {named.en}, decided by {highest.rule} ({highest.source.en})",
        )
    derived = Decision(highest.decision.action, because)
    return TierRuling(rulings, derived, derived, DEMANDS[level])


def tier_ruling(system: System, level: Level) -> TierRuling:
    """The tier of a system of that level, with a tier set by hand taken into account."""
    objects = (system.grade.information.object, system.grade.service.object)
    ruling = derive_tier(level, system.importance, objects)
    if system.tier is None:
        return ruling
    by_hand, derived = TIERS[system.tier], TIERS[ruling.derived.action]
    compared = _compared(rank(system.tier) - rank(ruling.derived.action))
    because = Text(
        f"手工设为{by_hand.zh},{compared.zh}推导结果{derived.zh}",
        f"set by hand to {by_hand.en}, {compared.en} the derived tier {derived.en}",
    )
    return TierRuling(ruling.rulings, ruling.derived, Decision(system.tier, because), ruling.demands)


def _compared(difference: int) -> Text:
    if difference < 0:
        return Text("低于", "lower than")
    return Text("高于", "higher than") if difference else Text("等于", "the same as")


def tier_weakness(system: System, ruling: TierRuling) -> Weakness | None:
    """The weakness of a tier set by hand lower than derived; graver when it is below the national standard too."""
    effective, derived = ruling.effective.action, ruling.derived.action
    if rank(effective) >= rank(derived):
        return None
    binding = [each for each in ruling.rulings if rank(each.decision.action) > rank(effective)]
    below_standard = any(each.source == STANDARD for each in binding)
    reasons = Text(
        ";".join(each.decision.because.zh for each in binding), "; ".join(each.decision.because.en for each in binding)
    )
    return Weakness(
        weakness_class=WeaknessClass.RESILIENCE,
        rule="dr-tier.set-too-low",
        locator=("tier",),
        severity=Severity.HIGH if below_standard else Severity.MEDIUM,
        title=Text(f"{system.name.zh}:灾备等级设得过低", f"{system.name.en}: DR tier set too low"),
        reason=Text(f"{ruling.effective.because.zh}。{reasons.zh}", f"{ruling.effective.because.en}; {reasons.en}"),
        mend=Text(
            f"把系统 {system.id} 的 tier 改为 {derived},或删去该键",
            f"set tier of {system.id} to {derived}, or drop the key",
        ),
        evidence={"tier": str(effective), "derived": str(derived)},
        clauses=tuple(demand.clause for demand in ruling.demands) if below_standard else (),
    )
