"""Ask whether a centre could take over."""

from collections.abc import Mapping
from typing import Any

from backup.failover.entry import probe
from playbooks.action import Action, Context, Touches
from playbooks.entries import CentreOptions, centre_id, entry_of
from secops.model.step import Procedure
from secops.model.text import Text


class EntryProbe(Action[CentreOptions]):
    """See `describes`."""

    name = "entry.probe"
    title = Text("探测接管能力", "Probe a centre")
    describes = Text(
        "绕过入口直接对目标中心做一次业务检查,不改变任何状态。",
        "Makes one business check directly at the centre, past the entry; changes nothing.",
    )
    touches = Touches.READS
    options = CentreOptions

    def plan(self, options: CentreOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One transaction past the entry."""
        entry = entry_of(context.inventory, options.system)
        yield from probe(entry, centre_id(context.inventory, options.centre))
        return {}


action = EntryProbe()
