"""The countdown and the steps of an outage."""

import time

from rich.table import Table
from rich.text import Text as Shown

from backup.failover.timeline import STEPS, Timeline
from secops.cli.tables import fill, plain, table
from secops.service.failover.watching import View
from secops.support.clock import from_unix, local
from secops.support.language import say, tell


def clock(view: View, timeline: Timeline, target: float | None) -> Shown:
    """One line: how long nobody has been able to write and what is left of the RTO, or that all is well."""
    began = timeline.outage_began
    if began is None:
        style = "bold green" if view.published and view.published.promotable else "bold yellow"
        return plain(tell(view.because), style)
    gone = time.time() - began
    left = "" if target is None else _left(target - gone)
    return plain(
        say(
            zh=f"中断已 {gone:.1f} 秒{left}:{tell(view.because)}",
            en=f"nobody can write for {gone:.1f} s{left}: {tell(view.because)}",
        ),
        "bold red",
    )


def steps_table(timeline: Timeline) -> Table:
    """T0 to T6 with their times, and what is not reached yet."""
    made = table("", "", say(zh="步骤", en="step"), say(zh="时刻", en="at"), say(zh="自 T0", en="since T0"))
    first = timeline.steps["T0"]
    rows = []
    for step, text in STEPS.items():
        at = timeline.steps.get(step)
        reached = (to_the_hundredth(at), f"{at - first:.2f} s") if at is not None else ("–", "–")
        rows.append((step, tell(text), *reached))
    return fill(made, rows)


def _left(seconds: float) -> str:
    sign, whole = ("-" if seconds < 0 else ""), int(abs(seconds))
    text = f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return say(zh=f",距 RTO {text}", en=f", {text} to the RTO")


def to_the_hundredth(at: float) -> str:
    """Local time."""
    return f"{local(from_unix(at))}.{int(at * 100) % 100:02}"
