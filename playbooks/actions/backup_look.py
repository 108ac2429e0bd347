"""Look into the vaults: what is there, in which repository, how large."""

from collections.abc import Mapping
from typing import Any

from backup.catalogue import Look
from backup.engine import engine_named
from backup.vaults import beside
from playbooks.action import Action, Context, Options, Touches
from playbooks.ledgers import enter_look, points_of, present_moment
from secops.model.city import Keeping
from secops.model.step import Procedure, under
from secops.model.text import Text


class LookOptions(Options):
    """Options of `backup.look`."""

    asset: str
    """The asset whose copies are looked for."""


class BackupLook(Action[LookOptions]):
    """See `describes`."""

    name = "backup.look"
    title = Text("核对备份库", "Look into the vaults")
    describes = Text(
        "查看每个备份库实际有该资产的哪些备份、存储标识与大小,登记后与目录核对:缺失、来历不明、存储被更换都会成为发现。",
        "Looks at which copies of the asset each vault really has, in which repository and how large; what is missing or "
        "replaced becomes a finding.",
    )
    touches = Touches.ADDS
    options = LookOptions
    gives = frozenset({"missing"})

    def plan(self, options: LookOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One vault after the other; media that lie in a cupboard are passed over."""
        source = context.inventory.asset(options.asset)
        points = yield from points_of(source.id)
        missing: list[str] = []
        for name in sorted({point.vault for point in points}):
            vault = context.inventory.vault(name)
            if vault.keeping is Keeping.OFFLINE:
                continue
            mine = [point for point in points if point.vault == name]
            # Before the vault is asked: a copy that comes meanwhile is not missing.
            looked = yield from present_moment(f" before {name}")
            engine = engine_named(mine[0].engine)
            stock = yield from under(name, engine.stock(*beside(source, vault), context.keys))
            look = Look(source.id, name, looked, stock.archives, stock.identity, stock.size_bytes)
            yield from enter_look(look)
            missing += [point.id for point in mine if point.archive not in stock.archives]
        return {"missing": missing}


action = BackupLook()
