"""Restore a copy that is not proven clean: only when two people say so."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from backup.verdicts import unproven
from playbooks.action import Action, Context, Options, Touches
from playbooks.ledgers import point_named, points_of, present_moment
from playbooks.moments import moment_of, refuse_beyond, refuse_tainted
from playbooks.restoring import restore_into
from secops.model.restore_point import RestorePoint
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text


class UnprovenOptions(Options):
    """Options of `backup.restore_unproven`."""

    point: str
    """Id of the restore point."""
    place: str
    """Isolated place."""
    until: str = ""
    """The moment (ISO 8601 with its zone) that the log brings the copy to; when left out, the copy as it is."""


class RestoreUnproven(Action[UnprovenOptions]):
    """See `describes`."""

    name = "backup.restore_unproven"
    title = Text("两人批准后恢复未证明干净的备份", "Restore an unproven copy by two people's word")
    describes = Text(
        "与 backup.restore 相同,但接受未证明干净的恢复点。步骤须由两名不同的人批准并写明理由,批准与理由记入日志和证据包;"
        "仍先恢复到隔离区,复测闸门(scan.gate)不因此放行。",
        "Like backup.restore, for a point that is not proven clean. Two different people must approve the step and say "
        "why; both reasons are in the journal and the evidence pack. It still goes into an isolated place first, and "
        "opens no gate (scan.gate).",
    )
    touches = Touches.ADDS
    options = UnprovenOptions
    people = 2
    gives = frozenset({"directory", "url", "overruled"})

    def plan(self, options: UnprovenOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Note what is overruled, restore, compare."""
        place = context.inventory.place(options.place)
        point = yield from point_named(options.point)
        doubt = unproven(point.verdict) or Text("已证明干净", "proven clean")
        until = moment_of(options.until)
        if until is not None:
            refuse_beyond(point, until, (yield from present_moment()))
            doubt = _tainted(point, until, (yield from points_of(point.asset))) or doubt
        restored = yield from restore_into(point, place, context, until)
        return {**restored, "overruled": {"zh": doubt.zh, "en": doubt.en}}


def _tainted(point: RestorePoint, until: datetime, points: Sequence[RestorePoint]) -> Text | None:
    """What the log would bring back, which is overruled too."""
    try:
        refuse_tainted(point, until, points)
    except ProcedureFailed as refused:
        return Text(refused.zh, refused.en)
    return None


action = RestoreUnproven()
