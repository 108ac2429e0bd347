"""Lead clients to one centre."""

from collections.abc import Mapping
from typing import Any

from backup.failover.entry import switch
from playbooks.action import Action, Context, Milestone, Touches
from playbooks.entries import CentreOptions, centre_id, entry_of
from secops.model.step import Procedure
from secops.model.text import Text


class EntrySwitch(Action[CentreOptions]):
    """See `describes`."""

    name = "entry.switch"
    title = Text("切换入口", "Switch the entry")
    describes = Text(
        "先探测目标中心的业务是否健康,健康才切换;随后关闭其余服务器、读回状态并经入口做业务检查。",
        "Probes the business at the target centre first and switches only to a healthy one; then closes the "
        "others, reads the states back and checks the business through the entry.",
    )
    touches = Touches.CHANGES
    options = CentreOptions
    milestone = Milestone.T4

    def plan(self, options: CentreOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Probe, open, close, read back, check."""
        entry = entry_of(context.inventory, options.system)
        yield from switch(entry, centre_id(context.inventory, options.centre))
        return {}


action = EntrySwitch()
