"""By when one finding is to be mended. The clock stands while its risk is accepted, or it is closed."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from secops.model.finding import Deadline
from secops.sla.calendar import Calendar


@lru_cache(maxsize=4096)  # all that one evaluation saw began at once
def deadline_from(started: datetime, business_days: float, marks: tuple[int, ...], calendar: Calendar) -> Deadline:
    """A clock that starts to run; `marks` are the percent of the time that somebody is to be told of."""
    due = calendar.add_business_days(started, business_days)
    return _expecting(Deadline(started, due, business_days=business_days), marks, calendar)


def moment(deadline: Deadline, percent: float, calendar: Calendar) -> datetime:
    """When that much of the time is over, pauses left out; after a pause, marks before it move with the rest."""
    passed = deadline.paused_days + deadline.business_days * percent / 100
    return calendar.add_business_days(deadline.started, passed)


def used(deadline: Deadline, at: datetime, calendar: Calendar) -> float:
    """The part of the time that is over, in percent; over 100 when it is late, 0 before the start."""
    passed = calendar.business_days_between(deadline.started, _running_until(deadline, at)) - deadline.paused_days
    return max(0.0, 100 * passed / deadline.business_days)


def marks_passed(deadline: Deadline, marks: Iterable[int], at: datetime, calendar: Calendar) -> tuple[int, ...]:
    """Those of the marks that lie behind and were not told yet."""
    until = _running_until(deadline, at)
    if deadline.next_mark is None or deadline.next_mark > until:
        return ()
    return tuple(mark for mark in marks if mark > deadline.told and moment(deadline, mark, calendar) <= until)


def worked_out(
    deadline: Deadline, business_days: float, marks: tuple[int, ...], at: datetime, calendar: Calendar, restart: bool
) -> Deadline:
    """The same clock by what is known now: a pause that is over moves it, and the time may be another one.

    Args:
        restart: a clock that runs again has its full time from then on.
    """
    if deadline.resumed and restart:
        return deadline_from(deadline.resumed, business_days, marks, calendar)
    pause = 0.0
    if deadline.paused and deadline.resumed:
        pause = max(0.0, calendar.business_days_between(deadline.paused, deadline.resumed))
        deadline = replace(deadline, paused=None, resumed=None)
    now = replace(deadline, business_days=business_days, paused_days=deadline.paused_days + pause, stale=False)
    now = replace(now, due=moment(now, 100, calendar))
    # What was told of less time is told again when as much of more time is over.
    behind = [mark for mark in marks if mark <= now.told and moment(now, mark, calendar) <= _running_until(now, at)]
    return _expecting(replace(now, told=max(behind, default=0)), marks, calendar)


def told(deadline: Deadline, mark: int, marks: Iterable[int], calendar: Calendar) -> Deadline:
    """The deadline after somebody was told of that mark."""
    return _expecting(replace(deadline, told=mark), marks, calendar)


def _expecting(deadline: Deadline, marks: Iterable[int], calendar: Calendar) -> Deadline:
    left = [mark for mark in marks if mark > deadline.told]
    return replace(deadline, next_mark=moment(deadline, min(left), calendar) if left else None)


def _running_until(deadline: Deadline, at: datetime) -> datetime:
    return min(at, deadline.paused) if deadline.paused else at
