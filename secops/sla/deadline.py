"""By when one finding is to be mended. The clock stands while its risk is accepted."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from secops.sla.calendar import Calendar


@dataclass(frozen=True, slots=True)
class Deadline:
    """A deadline as it is stored; `due` is an absolute moment in UTC, worked out by the calendar of its day."""

    started: datetime
    business_days: float
    """The time there is."""
    due: datetime
    paused_days: float = 0.0
    """Business days of all pauses that are over; `due` is so much later."""
    paused_since: datetime | None = None
    """Present while the clock stands: then `due` does not count."""

    def moment(self, percent: float, calendar: Calendar) -> datetime:
        """When that much of the time is over, pauses left out; after a pause, marks before it move with the rest."""
        return calendar.add_business_days(self.started, self.paused_days + self.business_days * percent / 100)

    def used(self, at: datetime, calendar: Calendar) -> float:
        """The part of the time that is over, in percent; over 100 when it is late, 0 before the start."""
        until = min(at, self.paused_since) if self.paused_since else at
        passed = calendar.business_days_between(self.started, until) - self.paused_days
        return max(0.0, 100 * passed / self.business_days)

    def marks_passed(self, marks: Iterable[int], at: datetime, calendar: Calendar) -> tuple[int, ...]:
        """Those of the marks that lie behind; what was told already is for the caller to remember."""
        until = min(at, self.paused_since) if self.paused_since else at
        return tuple(mark for mark in marks if self.moment(mark, calendar) <= until)

    def pause(self, at: datetime) -> "Deadline":
        """Stop the clock; one that stands goes on standing from when it was stopped first."""
        return self if self.paused_since else replace(self, paused_since=max(at, self.started))

    def resume(self, at: datetime, calendar: Calendar) -> "Deadline":
        """Let the clock go on: `due` moves by the business time of the pause. A running clock stays as it is."""
        if self.paused_since is None:
            return self
        pause = max(0.0, calendar.business_days_between(self.paused_since, at))
        return replace(self, paused_days=self.paused_days + pause, paused_since=None).reckoned(calendar)

    def with_days(self, business_days: float, calendar: Calendar) -> "Deadline":
        """The same clock with another time, for a severity, level or exposure that changed."""
        return replace(self, business_days=business_days).reckoned(calendar)

    def reckoned(self, calendar: Calendar) -> "Deadline":
        """The same by another calendar, for a year whose holidays came to be known."""
        return replace(self, due=self.moment(100, calendar))


def deadline_from(started: datetime, business_days: float, calendar: Calendar) -> Deadline:
    """A clock that starts to run."""
    return Deadline(started, business_days, calendar.add_business_days(started, business_days))


def deadline_reopened(known: Deadline, at: datetime, calendar: Calendar, restart: bool) -> Deadline:
    """For a finding that came back: from now on when the policy restarts, else the clock that ran all along."""
    return deadline_from(at, known.business_days, calendar) if restart else known.resume(at, calendar)
