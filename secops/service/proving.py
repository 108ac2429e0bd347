"""What is known of copies, anew: indicators held against old points, and what is proven next within a budget."""

from backup.manifest import Manifest
from backup.proof_schedule import Schedule, schedule
from backup.rescoring import Indicator, Rescored, rescore
from backup.trial import trial_for
from secops.model.city import Asset, AssetKind, Tier
from secops.model.restore_point import Rung
from secops.service.home import Home
from secops.support.clock import now


def rescore_points(home: Home, asset: str, indicator: Indicator) -> Rescored:
    """Hold the indicator against every point of the asset and append what it makes of them.

    Raises BadInput for an unknown asset.
    """
    source = home.inventory.asset(asset)
    points = home.catalogue.points(source.id)
    outcome = rescore(points, indicator, lambda point: Manifest.from_text(home.catalogue.manifest(point.id)), now())
    for point, verdict in outcome.verdicts.items():
        home.catalogue.judge(point, verdict)
    return outcome


def proof_schedule(home: Home, budget_bytes: int) -> Schedule:
    """Which copies are proven next when so many bytes may be read, and how far."""
    inventory = home.inventory
    copied = [asset for asset in inventory.assets() if asset.kind in (AssetKind.FILE_TREE, AssetKind.DATABASE)]
    points = [point for asset in copied for point in home.catalogue.points(asset.id)]
    tiers = {asset.id: inventory.tier(inventory.system_of(asset.id)) or Tier.DATA for asset in copied}
    highest = {asset.id: _highest(home, asset) for asset in copied}
    return schedule(points, tiers, home.policies, now(), budget_bytes, highest)


def _highest(home: Home, asset: Asset) -> Rung:
    """How far copies of the asset can be proven here."""
    if asset.kind is AssetKind.DATABASE:
        return Rung.BUSINESS if trial_for(asset) else Rung.SCAN
    return Rung.BUSINESS if home.inventory.entry_of(home.inventory.system_of(asset.id).id) else Rung.SCAN
