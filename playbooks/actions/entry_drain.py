"""Fence one centre behind an entry."""

from collections.abc import Mapping
from typing import Any

from backup.failover.entry import drain
from playbooks.action import Action, Context, Milestone, Touches
from playbooks.entries import CentreOptions, centre_id, entry_of
from secops.model.step import Procedure
from secops.model.text import Text


class EntryDrain(Action[CentreOptions]):
    """See `describes`."""

    name = "entry.drain"
    title = Text("隔离入口", "Drain a centre")
    describes = Text(
        "把一个中心的服务器从入口摘下并切断已有会话,读回确认后才算完成:被篡改或失效的一侧不再对外服务(fence)。",
        "Takes a centre's server off the entry, cuts its sessions and reads both back: what is damaged "
        "serves nobody any more (the fence).",
    )
    touches = Touches.FENCES
    options = CentreOptions
    milestone = Milestone.T3

    def plan(self, options: CentreOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Close, cut, read back."""
        entry = entry_of(context.inventory, options.system)
        yield from drain(entry, centre_id(context.inventory, options.centre))
        return {}


action = EntryDrain()
