"""Restore the newest copy for a drill."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from backup.verdicts import Freshness, select_clean
from playbooks.action import Action, Context, Milestone, Options, Touches
from playbooks.ledgers import points_of
from playbooks.proving import freshness_for
from playbooks.restoring import restore_into
from secops.inventory.inventory import Inventory
from secops.model.city import Asset
from secops.model.restore_point import RestorePoint
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text
from secops.support.clock import to_text


class DrillRestoreOptions(Options):
    """Options of `drill.restore`."""

    asset: str
    """The asset that is taken for lost."""
    place: str
    """Isolated place."""


class DrillRestore(Action[DrillRestoreOptions]):
    """See `describes`."""

    name = "drill.restore"
    title = Text("演练:恢复到隔离区", "Drill: restore into isolation")
    describes = Text(
        "把最新的已证明干净的恢复点恢复到隔离区并按清单比对;还没有这样的恢复点时用最新的一份,并说明。",
        "Restores the newest point that is proven clean into an isolated place and compares it with its manifest; the "
        "newest of all, and says so, when none is proven yet.",
    )
    touches = Touches.ADDS
    options = DrillRestoreOptions
    gives = frozenset({"point", "taken", "bytes", "because", "directory", "url", "definition"})
    milestone = Milestone.T4

    def plan(self, options: DrillRestoreOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Choose, restore, compare."""
        source = context.inventory.asset(options.asset)
        points = yield from points_of(source.id)
        freshness = yield from freshness_for(source, context, None)
        point, because = _chosen(source, points, freshness)
        restored = yield from restore_into(point, context.inventory.place(options.place), context)
        return {
            "point": point.id,
            "taken": to_text(point.taken),
            "bytes": point.size_bytes,
            "because": {"zh": because.zh, "en": because.en},
            "definition": definition(context.inventory, source),
            **restored,
        }


def definition(inventory: Inventory, asset: Asset) -> str:
    """SHA-256 of what the inventory says of the asset's system: when it changes, an older drill proves less."""
    said = json.dumps(asdict(inventory.system_of(asset.id)), sort_keys=True, default=str)
    return sha256(said.encode()).hexdigest()


def _chosen(source: Asset, points: Sequence[RestorePoint], freshness: Freshness) -> tuple[RestorePoint, Text]:
    if not points:
        raise ProcedureFailed(f"资产 {source.id} 没有任何恢复点", f"there is no restore point of asset {source.id}")
    decision = select_clean(points, freshness.moment, freshness)
    if decision.action:
        return decision.action, decision.because
    newest = max(points, key=lambda point: (point.taken, point.id))
    return newest, Text(
        f"尚无已证明干净的恢复点,演练用最新的 {newest.id}",
        f"no point is proven clean yet; the drill takes the newest, {newest.id}",
    )


action = DrillRestore()
