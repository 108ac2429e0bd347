"""Prove the restore points of an asset by restoring them."""

from collections.abc import Mapping
from typing import Any

from backup.engine import engine_named
from backup.verification import Candidate, Scratch, verify
from playbooks.action import Action, Context, Options, Touches
from playbooks.ledgers import enter_verdict, manifest_of, points_of, present_moment
from secops.model.city import Asset, Place
from secops.model.restore_point import Proof, RestorePoint, Verdict
from secops.model.step import Procedure, ProcedureFailed, Rescan, under
from secops.model.text import Text


class VerifyOptions(Options):
    """Options of `backup.verify`."""

    asset: str
    """The asset whose points are verified."""
    place: str
    """Isolated place that the copies are restored into."""
    page: str = ""
    """Page or website asset that the tree holds; looked at in the restored copy. Without it, clean stays unknown."""
    checks: tuple[str, ...] = ("page-tamper",)
    """Checks for the page."""
    only_unproven: bool = True
    """Leave points alone that have a verdict already."""


class BackupVerify(Action[VerifyOptions]):
    """See `describes`."""

    name = "backup.verify"
    title = Text("恢复验证", "Verify by restore")
    describes = Text(
        "把恢复点逐一恢复到隔离区:读回校验、按文件哈希清单比对、对恢复出的页面复测,写入结论(可读、可恢复、干净)。",
        "Restores each point into an isolated place: reads it back, compares it file by file with the manifest, looks "
        "at the restored page with the checks, and enters the verdict (readable, restorable, clean).",
    )
    touches = Touches.ADDS
    options = VerifyOptions
    gives = frozenset({"verified", "clean", "not_clean"})

    def plan(self, options: VerifyOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One point after the other; fails when one turns out broken, not when one turns out unclean."""
        source = context.inventory.asset(options.asset)
        place = context.inventory.place(options.place)
        points = yield from points_of(source.id)
        verdicts: dict[str, Verdict] = {}
        for point in points:
            if options.only_unproven and point.verdict.judged:
                continue
            proof = _prove(point, source, place, options, context)
            verdicts[point.id] = yield from under(point.id, proof)
        broken = [name for name, verdict in verdicts.items() if Proof.NO in (verdict.readable, verdict.restorable)]
        if broken:
            because = verdicts[broken[0]].because
            raise ProcedureFailed(f"{broken[0]} 无法恢复:{because.zh}", f"{broken[0]} does not restore: {because.en}")
        return {
            "verified": list(verdicts),
            "clean": [name for name, verdict in verdicts.items() if verdict.proven_clean],
            "not_clean": [name for name, verdict in verdicts.items() if verdict.clean is Proof.NO],
        }


def _prove(
    point: RestorePoint, source: Asset, place: Place, options: VerifyOptions, context: Context
) -> Procedure[Verdict]:
    manifest = yield from manifest_of(point.id)
    judged = yield from present_moment()
    vault = context.inventory.vault(point.vault)
    scratch = Scratch(place.host, place.path)
    at = f"{place.url.rstrip('/')}/{point.archive}/"
    rescan = Rescan(options.page, options.checks, at=at) if options.page else None
    candidate = Candidate(engine_named(point.engine), source, point, vault, context.keys, manifest)
    verified = yield from verify(candidate, scratch, judged, rescan)
    yield from enter_verdict(point.id, verified.verdict)
    return verified.verdict


action = BackupVerify()
