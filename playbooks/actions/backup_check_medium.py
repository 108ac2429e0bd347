"""Check a medium that was brought back."""

from collections.abc import Mapping
from typing import Any

from backup.engine import engine_for
from backup.offline import check_medium
from backup.relay import Hop
from playbooks.action import Action, Context, Touches
from playbooks.actions.backup_export import ExportOptions
from playbooks.ledgers import signature_of
from secops.model.step import Procedure
from secops.model.text import Text


class CheckMedium(Action[ExportOptions]):
    """See `describes`."""

    name = "backup.check_medium"
    title = Text("核对离线介质", "Check a medium")
    describes = Text(
        "核对取回的离线介质:清单的签名,以及每个文件的哈希;多出、缺少或改动的文件都算损坏。",
        "Checks an offline medium that was brought back: the signature of its list, and the hash of every file; extra, "
        "missing and altered files are damage.",
    )
    touches = Touches.READS
    options = ExportOptions
    gives = frozenset({"points"})

    def plan(self, options: ExportOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Read all of it."""
        source = context.inventory.asset(options.asset)
        vault = context.inventory.vault(options.vault)
        origin = context.inventory.vault(vault.pulls_from)
        hop = Hop(engine_for(source), source, origin, vault, context.keys)
        archives = yield from check_medium(hop, signature_of)
        return {"points": [f"{vault.id}/{archive}" for archive in archives]}


action = CheckMedium()
