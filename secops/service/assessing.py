"""What is judged of the inventory itself, without touching a target: a DR tier set too low is a finding like any other."""

from collections.abc import Iterable, Iterator

from secops.inventory.inventory import Inventory
from secops.inventory.tiers import TierRuling, tier_weakness
from secops.model.city import Asset, AssetKind, CentreRole, System
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.support.clock import now

TIER_CHECK = "dr-tier"


def assess_tiers(inventory: Inventory, systems: Iterable[System]) -> Iterator[Evaluation]:
    """One evaluation of `dr-tier` per system."""
    for system in systems:
        yield _assess(inventory, system)


def bearer(inventory: Inventory, system: System) -> Asset | None:
    """The asset that a finding about the whole system is tied to: its first host in production, else its first asset."""
    production = inventory.centre_with(CentreRole.PRODUCTION)
    hosts = (
        asset
        for asset in system.assets
        if asset.kind is AssetKind.HOST and production and asset.centre == production.id
    )
    return next(hosts, system.assets[0] if system.assets else None)


def place_of(inventory: Inventory, system: System) -> str:
    """What coverage lists as the asset; `system:ID`, which is no asset, for a system without assets."""
    asset = bearer(inventory, system)
    return asset.id if asset else f"system:{system.id}"


def _assess(inventory: Inventory, system: System) -> Evaluation:
    ruling = inventory.tier_ruling(system)
    weakness = tier_weakness(system, ruling)
    outcome = Outcome.FOUND if weakness else Outcome.TESTED_CLEAN
    reason = weakness.reason if weakness else _why_fit(system, ruling)
    if not system.assets:
        outcome, weakness, reason = Outcome.SKIPPED, None, _only_said(reason)
    weaknesses = (weakness,) if weakness else ()
    return Evaluation(place_of(inventory, system), system.id, TIER_CHECK, outcome, now(), 0.0, reason, weaknesses)


def _why_fit(system: System, ruling: TierRuling) -> Text:
    effective, derived = ruling.effective.because, ruling.derived.because
    if system.tier is None:
        return derived
    return Text(f"{effective.zh};{derived.zh}", f"{effective.en}; {derived.en}")


def _only_said(reason: Text) -> Text:
    return Text(
        f"系统没有资产,发现无处可挂,只能在此说明:{reason.zh}",
        f"the system has no asset that a finding could be tied to, so it is only said here: {reason.en}",
    )
