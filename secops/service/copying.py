"""Copies by hand: the shipped playbook for one asset, with what the inventory knows about it."""

from secops.inventory.inventory import Inventory
from secops.model.city import Asset, AssetKind, Place
from secops.model.restore_point import Rung
from secops.model.text import Text
from secops.service.home import Home
from secops.service.running import UNATTENDED, Ended, Watchers, start
from secops.support.errors import BadInput

PLAYBOOK = "backup-by-tier"
VERIFYING = "verify-copies"
RESTORING = "restore-copy"


def copy_and_verify(home: Home, asset: str, watchers: Watchers = UNATTENDED) -> Ended:
    """Copy an asset into the vaults of its tier and prove each copy. Raises BadInput for one that no engine copies."""
    source = home.inventory.asset(asset)
    page = page_of(home.inventory, source)
    inputs = {"asset": source.id, "place": place_of(home.inventory, source).id, "page": page.id if page else ""}
    if source.canary and source.kind is AssetKind.DATABASE:
        # The canaries in a database are read by starting it.
        inputs["upto"] = str(int(Rung.BUSINESS))
    return start(home, home.library.get(PLAYBOOK), inputs, watchers=watchers)


def verify_copies(
    home: Home, asset: str, place: str, upto: str, watchers: Watchers = UNATTENDED, until: str = ""
) -> Ended:
    """Prove the copies of an asset up to a rung of the ladder, in that place or the one on its host; with `until` as of
    that moment, which the log brings them to."""
    source = home.inventory.asset(asset)
    page = page_of(home.inventory, source)
    where = home.inventory.place(place) if place else place_of(home.inventory, source)
    # A rule that is wrong is told before anything is restored.
    home.trees.rules(source.id)
    inputs = {"asset": source.id, "place": where.id, "page": page.id if page else "", "upto": upto, "until": until}
    return start(home, home.library.get(VERIFYING), inputs, watchers=watchers)


def restore_copy(home: Home, point: str, place: str, watchers: Watchers = UNATTENDED) -> Ended:
    """Restore a copy that is proven clean into an isolated place. Raises UnknownPoint."""
    source = home.inventory.asset(home.catalogue.get(point).asset)
    where = home.inventory.place(place) if place else place_of(home.inventory, source)
    return start(home, home.library.get(RESTORING), {"point": point, "place": where.id}, watchers=watchers)


def place_of(inventory: Inventory, source: Asset) -> Place:
    """The isolated place on the asset's host. Raises BadInput when there is none."""
    for place in inventory.city.places:
        if place.host == source.host:
            return place
    raise BadInput(
        Text(
            f"资产 {source.id} 所在主机上没有隔离区(清单中的 places)",
            f"there is no isolated place (`places` in the inventory) on the host of asset {source.id}",
        )
    )


def page_of(inventory: Inventory, source: Asset) -> Asset | None:
    """The page that the tree serves, when its system has exactly one on its host: then a copy can be proven clean."""
    system = inventory.system_of(source.id).id
    pages = [page for page in inventory.assets(kind=AssetKind.PAGE, system=system) if page.host == source.host]
    return pages[0] if len(pages) == 1 else None
