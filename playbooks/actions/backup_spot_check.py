"""Compare a sample of a source with its newest copy."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from backup.spot_checks import Tolerance, spot_check
from playbooks.action import Action, Context, Options, Touches
from playbooks.ledgers import manifest_of, points_of, present_moment
from secops.model.city import AssetKind
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text
from secops.support.clock import to_text

_Percent = Annotated[float, Field(ge=0, le=100)]


class SpotOptions(Options):
    """Options of `backup.spot_check`."""

    asset: str
    """The file tree."""
    count_percent: _Percent = 5.0
    """How far the number of files may be apart."""
    sample_percent: _Percent = 1.0
    """How many of the copy's files are compared, some hundreds at most."""
    data_percent: _Percent = 5.0
    """How many of those may differ."""


class BackupSpotCheck(Action[SpotOptions]):
    """See `describes`."""

    name = "backup.spot_check"
    title = Text("与源抽查比对", "Spot check against the source")
    describes = Text(
        "把源的文件数和抽样文件的 SHA-256 与最新恢复点的清单比对,超出容差即失败:源可能被卸载、漏备或正在被加密。",
        "Compares the number of files of the source, and the SHA-256 of a sample of them, with the manifest of the "
        "newest point. Beyond the tolerance it fails: the source may be unmounted, left out or being encrypted.",
    )
    touches = Touches.READS
    options = SpotOptions
    gives = frozenset({"point", "compared", "differing", "because"})

    def plan(self, options: SpotOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Read the manifest, count, hash."""
        source = context.inventory.asset(options.asset)
        if source.kind is not AssetKind.FILE_TREE:
            raise ProcedureFailed(f"{source.id} 不是文件树", f"{source.id} is no file tree")
        points = yield from points_of(source.id)
        if not points:
            raise ProcedureFailed(f"{source.id} 没有恢复点", f"{source.id} has no restore point")
        newest = points[0]
        manifest = yield from manifest_of(newest.id)
        moment = yield from present_moment()
        tolerance = Tolerance(options.count_percent, options.sample_percent, options.data_percent)
        spot = yield from spot_check(source, manifest, tolerance, to_text(moment))
        if not spot.ok:
            raise ProcedureFailed(f"与 {newest.id} 相差过大:{spot.because.zh}", f"{newest.id}: {spot.because.en}")
        because = {"zh": spot.because.zh, "en": spot.because.en}
        return {
            "point": newest.id,
            "compared": spot.compared,
            "differing": list(spot.differing),
            "because": because,
        }


action = BackupSpotCheck()
