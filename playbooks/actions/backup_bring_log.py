"""Bring the log of what changed since the last copy into the vaults."""

from collections.abc import Mapping
from typing import Any

from backup.engine import engine_for
from playbooks.action import Action, Context, Options, Touches
from playbooks.copies import vaults_by_tier
from playbooks.ledgers import enter_log, present_moment
from secops.model.step import Procedure, under
from secops.model.text import Text
from secops.support.clock import to_text


class LogOptions(Options):
    """Options of `backup.bring_log`."""

    asset: str
    """The asset, most often a database."""


class BackupBringLog(Action[LogOptions]):
    """See `describes`."""

    name = "backup.bring_log"
    title = Text("传送变更日志", "Bring the log")
    describes = Text(
        "把最近一份备份之后的变更日志(如 WAL、binlog)送入各备份库,登记到达的时刻;每个中心的 RPO 由此量出。",
        "Brings the log of what changed since the newest copy (WAL, binlog) into the vaults and enters until when: the "
        "RPO of each centre is measured by it.",
    )
    touches = Touches.ADDS
    options = LogOptions
    gives = frozenset({"until"})

    def plan(self, options: LogOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One vault after the other; engines that keep no log bring nothing."""
        source = context.inventory.asset(options.asset)
        taken = yield from present_moment()
        until: dict[str, str] = {}
        for vault in vaults_by_tier(context.inventory, source, context.policies):
            if vault.pulls_from:
                continue
            brought = yield from under(vault.id, engine_for(source).bring_log(source, vault, context.keys, taken))
            if brought:
                yield from enter_log(source.id, vault.id, brought)
                until[vault.id] = to_text(brought)
        return {"until": until}


action = BackupBringLog()
