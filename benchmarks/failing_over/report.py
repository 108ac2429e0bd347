"""What the rounds came to, and whether that is what was promised."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks.failing_over.faults import FAULTS, Grade
from benchmarks.failing_over.rounds import Seen

_SECONDS = {Grade.SUDDEN: (2.0, 4.0), Grade.GREY: (math.inf, 8.0), Grade.PLANNED: (1.0, 1.0)}
"""Most of the outage: p50, p99."""
_PROTECTED_SECONDS = 30.0
TIMES_DEFAULTS = 15.0
TIMES_FASTEST = 8.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one fault with one rig."""

    rounds: int
    p50: float
    p99: float
    """The worst one below a hundred rounds."""
    worst: float
    protected: float
    """The longest time until protection was back; infinite when it was not."""
    lost: int
    risen: int
    doubled: int


def figures(seen: Iterable[Seen], fault: str, rig: str) -> Figures | None:
    """None when the fault was not tried there."""
    those = [one for one in seen if one.fault.name == fault and one.rig == rig]
    if not those:
        return None
    took = sorted(one.outage_seconds for one in those)
    return Figures(
        len(those),
        statistics.median(took),
        took[math.ceil(0.99 * len(took)) - 1],
        took[-1],
        max(math.inf if one.protected_seconds is None else one.protected_seconds for one in those),
        sum(one.lost for one in those),
        sum(one.risen for one in those),
        sum(one.doubled for one in those),
    )


def ratios(seen: Sequence[Seen], ours: str, peer: str) -> dict[str, float]:
    """By fault that counts: how many times longer the peer's outage is at the median."""
    found = {}
    for fault in FAULTS:
        mine, theirs = figures(seen, fault.name, ours), figures(seen, fault.name, peer)
        if fault.compared and mine and theirs:
            found[fault.name] = theirs.p50 / mine.p50
    return found


def missed(seen: Sequence[Seen], ours: str, peers: Sequence[tuple[str, float]]) -> list[str]:
    """Every promise that was not kept, in words."""
    said = []
    for fault in FAULTS:
        if one := figures(seen, fault.name, ours):
            p50, p99 = _SECONDS[fault.grade]
            said += [f"{fault.name}: p50 {one.p50:.2f} s > {p50:g} s"] if one.p50 > p50 else []
            said += [f"{fault.name}: p99 {one.p99:.2f} s > {p99:g} s"] if one.p99 > p99 else []
            late = one.protected > _PROTECTED_SECONDS
            said += [f"{fault.name}: protected after {one.protected:.1f} s > {_PROTECTED_SECONDS:g} s"] if late else []
            said += [f"{fault.name}: {one.lost} acknowledged writes lost"] if one.lost else []
            said += [f"{fault.name}: {one.risen} refused writes are there"] if one.risen else []
            said += [f"{fault.name}: {one.doubled} acknowledged twice over"] if one.doubled else []
    for peer, times in peers:
        for name, ratio in ratios(seen, ours, peer).items():
            said += [f"{name}: {ratio:.1f} times faster than {peer} < {times:g}"] if ratio < times else []
    return said


def table(title: str, seen: Sequence[Seen], rigs: Sequence[str]) -> Table:
    """A row for each fault and rig that were tried."""
    made = Table(title=title)
    for column in ("fault", "who", "n", "p50 s", "p99 s", "max s", "lost", "doubled", "risen", "protected s", "times"):
        made.add_column(column, justify="left" if column in ("fault", "who") else "right")
    for fault in FAULTS:
        rows = [(rig, one) for rig in rigs if (one := figures(seen, fault.name, rig))]
        for number, (rig, one) in enumerate(rows):
            times = f"{one.p50 / rows[0][1].p50:.1f}" if number and rows[0][0] == rigs[0] else ""
            back = f"{one.protected:.1f}" if math.isfinite(one.protected) else "never"
            took = (f"{value:.2f}" for value in (one.p50, one.p99, one.worst))
            counts = map(str, (one.lost, one.doubled, one.risen))
            made.add_row("" if number else fault.name, rig, str(one.rounds), *took, *counts, back, times)
        if rows:
            made.add_section()
    return made
