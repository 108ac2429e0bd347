"""Look at an asset again where it stands, and record what is found."""

from collections.abc import Mapping
from typing import Any

from playbooks.action import Action, Context, Options, Touches
from secops.model.step import Procedure, Rescan, Step, require
from secops.model.text import Text


class RescanOptions(Options):
    """Options of `scan.rescan`."""

    asset: str
    checks: tuple[str, ...]
    """Names of the checks."""


class ScanRescan(Action[RescanOptions]):
    """See `describes`."""

    name = "scan.rescan"
    title = Text("复测", "Scan again")
    describes = Text(
        "在资产原处复测并记录结果;检查成功且未再发现时,相应的发现随之关闭。",
        "Scans the asset where it stands and records the result; a finding that a successful check no longer sees is "
        "resolved by it.",
    )
    touches = Touches.READS
    options = RescanOptions

    def plan(self, options: RescanOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One rescan."""
        seen = yield Step("rescan", Rescan(options.asset, options.checks), assume="[]", timeout_seconds=60)
        require(seen, "复测未通过", "the asset did not pass the checks")
        return {}


action = ScanRescan()
