"""What the backup actions share about proof: how long it counts, and how a restored copy is looked at."""

from backup.trial import trial_for
from backup.verdicts import Freshness, proof_lasts
from backup.verification import Looks
from playbooks.action import Context
from playbooks.ledgers import present_moment
from secops.inventory.inventory import Inventory
from secops.model.city import Asset, AssetKind, Place, Tier
from secops.model.restore_point import RestorePoint
from secops.model.step import Fetch, Procedure, Rescan


def freshness_for(asset: Asset, context: Context, lasts_seconds: float | None, label: str = "") -> Procedure[Freshness]:
    """How long proof counts now: as asked, else by the tier of the asset's system (the least for one without)."""
    moment = yield from present_moment(label)
    inventory = context.inventory
    tier = inventory.tier(inventory.system_of(asset.id)) or Tier.DATA
    lasts = proof_lasts(context.policies[tier]) if lasts_seconds is None else lasts_seconds
    return Freshness(moment, lasts)


def looks_at(
    point: RestorePoint, source: Asset, place: Place, inventory: Inventory, page: str, checks: tuple[str, ...]
) -> Looks:
    """Everything that a restored copy can be looked at with in that place."""
    folder = f"{place.path.rstrip('/')}/{point.archive}"
    scans = [Rescan(source.id, (), tree=folder, host=place.host)]
    at = f"{place.url.rstrip('/')}/{point.archive}/"
    if page:
        scans.append(Rescan(page, checks, at=at))
    if source.kind is AssetKind.DATABASE:
        return Looks(tuple(scans), trial=trial_for(source))
    entry = inventory.entry_of(inventory.system_of(source.id).id)
    if entry is None or not place.url:
        return Looks(tuple(scans))
    business = entry.business_check
    return Looks(tuple(scans), business=Fetch(f"{at}{business.path.lstrip('/')}", business.contains))
