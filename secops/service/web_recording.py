"""Web scans in the store: one evaluation for each (asset, check), each template a check of its own.

So a finding of a template closes only when that template was tested on that asset again.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from scanners.web.campaign.ledger import Entry
from scanners.web.message import Target
from scanners.web.templates.site import site_of
from secops.inventory.inventory import Inventory
from secops.model.city import Asset, AssetKind
from secops.model.finding import Weakness
from secops.model.outcome import Evaluation
from secops.service.web_wish import WebScanned
from secops.store.event import Recorded
from secops.store.finding_store import FindingStore

_AT_ONCE = 2000
"""Evaluations between two commits."""
_KINDS = (AssetKind.WEBSITE, AssetKind.PAGE)


def assets_by_site(inventory: Inventory, sites: Iterable[str]) -> dict[str, Asset]:
    """The asset of each site that the inventory knows: the same origin, and the longest path that holds it."""
    known = [(site_of(asset.url), asset) for kind in _KINDS for asset in inventory.assets(kind=kind) if asset.url]
    found = {}
    for site in sites:
        wanted = site_of(site)
        holding = [
            (len(at.path), asset.id, asset)
            for at, asset in known
            if _holds(at.target, at.path, wanted.target, wanted.path)
        ]
        if holding:
            found[site] = max(holding, key=lambda one: one[:2])[2]
    return found


def record(
    store: FindingStore, inventory: Inventory, scanned: WebScanned, assets: dict[str, Asset], started: datetime
) -> Recorded:
    """Write the ledger of a scan for the sites that are assets."""
    evaluations = _evaluations(inventory, scanned, assets, started)
    recorded = Recorded()
    while batch := list(islice(evaluations, _AT_ONCE)):
        recorded = _sum(recorded, store.record(scanned.id, batch))
    return recorded


def _evaluations(
    inventory: Inventory, scanned: WebScanned, assets: dict[str, Asset], started: datetime
) -> Iterator[Evaluation]:
    for entry in scanned.entries:
        asset = assets.get(entry.site)
        if asset is not None:
            yield _evaluation(entry, asset.id, inventory.system_of(asset.id).id, started)


def _evaluation(entry: Entry, asset: str, system: str, started: datetime) -> Evaluation:
    weaknesses: dict[tuple[str, tuple[str, ...]], Weakness] = {}
    for one in entry.found:
        weakness = one.as_weakness(entry.check)
        weaknesses.setdefault((weakness.rule, weakness.locator), weakness)
    return Evaluation(asset, system, entry.check, entry.outcome, started, 0.0, entry.reason, tuple(weaknesses.values()))


def _holds(target: Target, path: str, wanted: Target, below: str) -> bool:
    """Whether a site is an asset's, or lies below it."""
    folder = path.rstrip("/")
    return target == wanted and (below.rstrip("/") == folder or below.startswith(f"{folder}/"))


def _sum(one: Recorded, other: Recorded) -> Recorded:
    return Recorded(
        one.new + other.new,
        one.seen_again + other.seen_again,
        one.reopened + other.reopened,
        one.resolved + other.resolved,
        one.waiting + other.waiting,
    )
