"""Let a restored copy through only when the checks that found the hole find nothing in it."""

from collections.abc import Mapping
from typing import Any

from playbooks.action import Action, Context, Options, Touches
from secops.model.step import Procedure, Rescan, Step, require
from secops.model.text import Text


class GateOptions(Options):
    """Options of `scan.gate`."""

    asset: str
    """The asset whose copy is looked at."""
    at: str
    """URL of the isolated place that serves the copy."""
    checks: tuple[str, ...]
    """Names of the checks."""


class ScanGate(Action[GateOptions]):
    """See `describes`."""

    name = "scan.gate"
    title = Text("恢复闸门", "Restore gate")
    describes = Text(
        "在隔离区用发现问题的同一批检查复测恢复出的副本,只要有一项未通过或未能测到就不放行。",
        "Runs the checks that found the hole on the restored copy in its isolated place; one that finds something, "
        "or could not be carried out, keeps the gate shut.",
    )
    touches = Touches.READS
    options = GateOptions

    def plan(self, options: GateOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One rescan, elsewhere."""
        effect = Rescan(options.asset, options.checks, at=options.at)
        seen = yield Step("rescan the copy", effect, assume="[]", timeout_seconds=60)
        require(seen, "恢复的副本未通过复测", "the restored copy did not pass the checks")
        return {}


action = ScanGate()
