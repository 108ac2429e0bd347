"""Restore a proven copy into an isolated place."""

from collections.abc import Mapping
from typing import Any

from backup.verdicts import unproven
from playbooks.action import Action, Context, Options, Touches
from playbooks.ledgers import point_named, points_of
from playbooks.moments import moment_of, refuse_beyond, refuse_tainted
from playbooks.proving import freshness_for
from playbooks.restoring import restore_into
from playbooks.schema import Duration
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text


class RestoreOptions(Options):
    """Options of `backup.restore`."""

    point: str
    """Id of the restore point. One that is not proven clean is refused."""
    place: str
    """Isolated place."""
    proof_lasts: Duration | None = None
    """How long proof counts; when left out, twice what the tier's policy puts between two scans."""
    until: str = ""
    """The moment (ISO 8601 with its zone) that the log brings the copy to; when left out, the copy as it is."""


class BackupRestore(Action[RestoreOptions]):
    """See `describes`."""

    name = "backup.restore"
    title = Text("恢复到隔离区", "Restore into isolation")
    describes = Text(
        "只恢复已证明干净且结论未过期的恢复点,先放到隔离区,再按文件哈希清单逐一比对;比对不符即失败。"
        "其余的恢复点须两人批准(backup.restore_unproven)。给出 until 时用日志前进到该时刻,途经不干净的副本即拒绝。",
        "Restores only a point that is proven clean by proof that still counts, into an isolated place first, and "
        "compares every file with the manifest; a difference fails the step. Any other point takes two people "
        "(backup.restore_unproven). With `until` the log takes it on to that moment, unless it runs through a copy that is "
        "not clean.",
    )
    touches = Touches.ADDS
    options = RestoreOptions
    gives = frozenset({"directory", "url"})

    def plan(self, options: RestoreOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Look the point up, restore, compare."""
        place = context.inventory.place(options.place)
        point = yield from point_named(options.point)
        source = context.inventory.asset(point.asset)
        freshness = yield from freshness_for(source, context, options.proof_lasts)
        if doubt := unproven(point.verdict, freshness):
            raise ProcedureFailed(f"{point.id} 未证明干净:{doubt.zh}", f"{point.id} is not proven clean: {doubt.en}")
        until = moment_of(options.until)
        refuse_beyond(point, until, freshness.moment)
        if until is not None:
            refuse_tainted(point, until, (yield from points_of(source.id)))
        return (yield from restore_into(point, place, context, until))


action = BackupRestore()
