"""Copies by hand: the shipped playbook for one asset, with what the inventory knows about it."""

from datetime import datetime

from backup.engine import engine_named
from secops.inventory.inventory import Inventory
from secops.model.city import Asset, AssetKind, Place
from secops.model.restore_point import Rung
from secops.model.text import Text
from secops.service.home import Home
from secops.service.running import UNATTENDED, Ended, Watchers, start
from secops.support.clock import now, to_text
from secops.support.errors import BadInput

PLAYBOOK = "backup-by-tier"
VERIFYING = "verify-copies"
RESTORING = "restore-copy"
RESTORING_CLEAN = "restore-clean"


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


def restore_copy(home: Home, point: str, place: str, watchers: Watchers = UNATTENDED, until: str = "") -> Ended:
    """Restore a copy that is proven clean into an isolated place, with `until` as of that moment, which the log brings
    it to. Raises UnknownPoint."""
    source = home.inventory.asset(home.catalogue.get(point).asset)
    where = home.inventory.place(place) if place else place_of(home.inventory, source)
    inputs = {"point": point, "asset": source.id, "place": where.id, "until": until}
    return start(home, home.library.get(RESTORING), inputs, watchers=watchers)


def restore_clean(
    home: Home, asset: str, place: str, watchers: Watchers = UNATTENDED, before: str = "", until: str = ""
) -> Ended:
    """Restore the newest clean copy of an asset from before a moment into an isolated place that the scans open."""
    source = home.inventory.asset(asset)
    where = home.inventory.place(place) if place else place_of(home.inventory, source)
    inputs = {"asset": source.id, "place": where.id, "before": before, "until": until}
    return start(home, home.library.get(RESTORING_CLEAN), inputs, watchers=watchers)


def refuse_moment_for(home: Home, asset: str, until: datetime, point: str = "") -> None:
    """Raises BadInput for a moment that no log can bring a copy of the asset to (that copy, when it is named)."""
    copies = [home.catalogue.get(point)] if point else list(home.catalogue.points(asset))
    able = [one for one in copies if engine_named(one.engine).point_in_time]
    if copies and not able:
        engines = ", ".join(sorted({one.engine for one in copies}))
        raise BadInput(
            Text(
                f"{asset} 由 {engines} 备份,只能恢复到备份时刻,不能用 --until",
                f"{asset} is copied by {engines}, which restores to the moments of its copies only: no --until",
            )
        )
    if until > now():
        raise BadInput(Text(f"{to_text(until)} 还没有到(--until)", f"{to_text(until)} is in the future (--until)"))
    if able and until < (oldest := min(able, key=lambda one: one.taken)).taken:
        raise BadInput(
            Text(
                f"--until {to_text(until)} 早于最早的副本 {oldest.id}({to_text(oldest.taken)})",
                f"--until {to_text(until)} is before the oldest copy, {oldest.id} ({to_text(oldest.taken)})",
            )
        )


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
