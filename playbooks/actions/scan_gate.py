"""Let a restored copy through only when the checks that found the hole find nothing in it."""

from collections.abc import Mapping
from typing import Any

from playbooks.action import Action, Context, Options, Touches
from secops.model.step import Procedure, ProcedureFailed, Rescan, Step, require
from secops.model.text import Text
from secops.support.errors import BadInput

_TREE_SECONDS = 3600.0


class GateOptions(Options):
    """Options of `scan.gate`."""

    asset: str
    """The asset whose copy is looked at."""
    at: str = ""
    """URL of the isolated place that serves the copy; empty: it is not served."""
    checks: tuple[str, ...] = ()
    """Names of the checks for what is served."""
    directory: str = ""
    """The directory of the copy: read by the checks of trees, too."""
    place: str = ""
    """The isolated place that the directory is in; named together with it."""


class ScanGate(Action[GateOptions]):
    """See `describes`."""

    name = "scan.gate"
    title = Text("恢复闸门", "Restore gate")
    describes = Text(
        "在隔离区用发现问题的同一批检查复测恢复出的副本(给出目录时也扫描目录树),只要有一项未通过或未能测到就不放行。",
        "Runs the checks that found the hole on the restored copy in its isolated place, and those of trees on its "
        "directory when that is given; one that finds something, or could not be carried out, keeps the gate shut.",
    )
    touches = Touches.READS
    options = GateOptions

    def plan(self, options: GateOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One scan of the directory, one rescan of what is served. Having neither is no gate."""
        if not options.at and not options.directory:
            raise BadInput(Text("闸门须给出 at 或 directory", "a gate needs `at` or `directory`"))
        if options.directory:
            tree = Rescan(options.asset, (), tree=options.directory, host=context.inventory.place(options.place).host)
            read = yield Step("scan the copy", tree, assume="[{}]", timeout_seconds=_TREE_SECONDS)
            require(read, "恢复的副本未通过扫描", "the restored copy did not pass the scan")
            if not options.at and read.output == "[]":
                raise ProcedureFailed("没有配置可用于扫描目录的规则", "nothing is set up to scan the copy with")
        if not options.at:
            return {}
        effect = Rescan(options.asset, options.checks, at=options.at)
        seen = yield Step("rescan the copy", effect, assume="[]", timeout_seconds=60)
        require(seen, "恢复的副本未通过复测", "the restored copy did not pass the checks")
        return {}


action = ScanGate()
