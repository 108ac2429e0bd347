"""Prove that clients are served."""

from collections.abc import Mapping
from typing import Any

from backup.failover.entry import business_check
from playbooks.action import Action, Context, Milestone, Touches
from playbooks.entries import SystemOptions, entry_of
from secops.model.step import Procedure
from secops.model.text import Text


class EntryConfirm(Action[SystemOptions]):
    """See `describes`."""

    name = "entry.confirm"
    title = Text("确认业务", "Confirm the business")
    describes = Text(
        "像用户一样经入口完成一次最小业务,成功即为恢复时刻(T5)。",
        "Makes the smallest business transaction through the entry, as clients do; its success is the moment of "
        "recovery (T5).",
    )
    touches = Touches.READS
    options = SystemOptions
    milestone = Milestone.T5

    def plan(self, options: SystemOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One transaction through the entry."""
        entry = entry_of(context.inventory, options.system)
        yield from business_check(entry)
        return {}


action = EntryConfirm()
