"""The moment that a restore goes on to by the log: what the actions that take one share."""

from collections.abc import Iterable
from datetime import UTC, datetime

from backup.engine import engine_named, refuse_moment
from secops.model.restore_point import Proof, RestorePoint
from secops.model.step import ProcedureFailed
from secops.support.clock import to_text


def moment_of(text: str) -> datetime | None:
    """The moment that a playbook was given; None for none. Raises ProcedureFailed for what is no moment with a zone."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ProcedureFailed(f"{text!r} 不是带时区的时刻", f"{text!r} is no moment with a zone")
    return moment.astimezone(UTC)


def newest_before(points: Iterable[RestorePoint], moment: datetime, asset: str) -> tuple[RestorePoint, ...]:
    """Of each vault the newest copy that was taken before the moment. Raises ProcedureFailed when there is none."""
    every = sorted(points, key=lambda point: point.taken)
    before = [point for point in every if point.taken < moment]
    if not before:
        oldest = f"{to_text(every[0].taken)} ({every[0].id})" if every else "-"
        raise ProcedureFailed(
            f"{to_text(moment)} 早于 {asset} 最早的副本:{oldest}",
            f"{to_text(moment)} is before the oldest copy of {asset}: {oldest}",
        )
    return tuple({point.vault: point for point in before}.values())


def refuse_beyond(point: RestorePoint, moment: datetime | None, present: datetime) -> None:
    """Raises ProcedureFailed for a moment that no log can bring this copy to; nothing is restored to find that out."""
    if moment is None:
        return
    if not (engine := engine_named(point.engine)).point_in_time:
        refuse_moment(engine, moment)
    if moment < point.taken:
        raise ProcedureFailed(
            f"{point.id} 取于 {to_text(point.taken)},不能恢复到更早的 {to_text(moment)}",
            f"{point.id} was taken at {to_text(point.taken)} and cannot be brought to {to_text(moment)} before that",
        )
    if moment > present:
        raise ProcedureFailed(f"{to_text(moment)} 还没有到", f"{to_text(moment)} is in the future")


def refuse_tainted(point: RestorePoint, moment: datetime | None, points: Iterable[RestorePoint]) -> None:
    """Raises ProcedureFailed when the log up to the moment runs through a copy that is not clean: what was let in by
    then comes back with it."""
    if moment is None:
        return
    between = (one for one in points if one.asset == point.asset and point.taken < one.taken <= moment)
    bad = sorted((one for one in between if one.verdict.clean is Proof.NO), key=lambda one: one.taken)
    if bad:
        first, why = bad[0], bad[0].verdict.because
        raise ProcedureFailed(
            f"{to_text(moment)} 之前的 {first.id}({to_text(first.taken)})已不干净,日志会把问题一并带回:{why.zh}",
            f"{first.id} ({to_text(first.taken)}), from before {to_text(moment)}, is not clean, and the log would bring "
            f"that back: {why.en}",
        )
