"""Restore points as a person reads them."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text as Shown

from secops.cli.tables import fill, table
from secops.model.restore_point import Proof, RestorePoint
from secops.support.language import say, tell

_MARKS = {Proof.YES: "✔", Proof.NO: "✘", Proof.UNKNOWN: "?"}


def points_table(points: Iterable[RestorePoint]) -> Table:
    """A row per copy: what is proven of it, and why."""
    made = table(
        "",
        say(zh="恢复点", en="restore point"),
        say(zh="可读/可恢复/干净", en="readable/restorable/clean"),
        say(zh="理由", en="because"),
    )
    return fill(made, ((one.id, _answers(one), tell(one.verdict.because)) for one in points))


def _answers(point: RestorePoint) -> Shown:
    verdict = point.verdict
    answers = (verdict.readable, verdict.restorable, verdict.clean)
    style = "green" if verdict.proven_clean else "red" if Proof.NO in answers else "yellow"
    return Shown(" ".join(_MARKS[one] for one in answers), style=style)
