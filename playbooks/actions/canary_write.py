"""Write a canary into an asset."""

from collections.abc import Mapping
from typing import Any

from backup.canary_steps import write_next
from playbooks.action import Action, Context, Options, Touches
from secops.model.step import Procedure
from secops.model.text import Text
from secops.support.clock import to_text


class CanaryWriteOptions(Options):
    """Options of `canary.write`."""

    asset: str
    """A database or file tree that has `canary` in the inventory."""


class CanaryWrite(Action[CanaryWriteOptions]):
    """See `describes`."""

    name = "canary.write"
    title = Text("写入探针记录", "Write a canary")
    describes = Text(
        "向资产写入一条带时刻、序号和签名的探针记录,提交后记入本地台账;恢复出的副本里有哪些,就量出了 RPO。",
        "Writes a record with its moment, number and signature into the asset and acknowledges it in the local ledger once "
        "it is committed; which of them a restored copy holds is what measures the RPO.",
    )
    touches = Touches.ADDS
    options = CanaryWriteOptions
    gives = frozenset({"counter", "moment"})

    def plan(self, options: CanaryWriteOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Begin, write, acknowledge."""
        canary = yield from write_next(context.inventory.asset(options.asset))
        return {"counter": canary.counter, "moment": to_text(canary.moment)}


action = CanaryWrite()
