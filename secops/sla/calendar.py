"""Business days in China. All 24 hours of a working day count, so that days may be fractions.

The days are data (holidays.yaml); look-ups are a table within its years and arithmetic outside of them.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import accumulate

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Without summer time since 1991."""
_DAY = 86_400_000_000
"""Microseconds; everything is counted in them, so that adding and subtracting are exact."""
_MIDNIGHT_OF_DAY_1 = datetime(1, 1, 1, tzinfo=SHANGHAI)
_MICROSECOND = timedelta(microseconds=1)


class Calendar:
    """Which days are worked. `known_from` to `known_until` is by the published notices, the rest is Monday to Friday."""

    def __init__(self, first: date, last: date, days_off: Collection[date], working_days: Collection[date]) -> None:
        """`first` to `last` is what is known; a date in either collection is an exception from Monday to Friday."""
        self.known_from = first
        self.known_until = last
        span = range(min([first, *days_off]).toordinal(), max([last, *days_off]).toordinal() + 1)
        off, worked = ({day.toordinal() for day in days} for days in (days_off, working_days))
        works = [day in worked or (day not in off and _is_weekday(day)) for day in span]
        self._span = span
        self._working = [day for day, work in zip(span, works, strict=True) if work]
        offset = _weekdays_before(span.start)
        self._before = list(accumulate(works, initial=offset))
        """For each day of the span and the one after it, the working days before it."""
        self._shift = self._before[-1] - _weekdays_before(span.stop)

    def is_working_day(self, day: date) -> bool:
        return self._works(day.toordinal())

    def add_business_days(self, start: datetime, days: float) -> datetime:
        """The earliest moment, not before `start`, by which that many business days have passed; in UTC.

        Raises ValueError for less than none, OverflowError past the year 9999.
        """
        if days < 0:
            raise ValueError("a deadline is not before its start")
        wanted, rest = divmod(self._position(start) + round(days * _DAY), _DAY)
        # What falls on the end of a working day is its midnight, not that of the next working day.
        ordinal, rest = (self._working_day(wanted), rest) if rest else (self._working_day(wanted - 1), _DAY)
        reached = _MIDNIGHT_OF_DAY_1 + timedelta(days=ordinal - 1, microseconds=rest)
        return max(reached, start).astimezone(UTC)

    def business_days_between(self, start: datetime, end: datetime) -> float:
        """How many business days pass from one moment to the other; negative when they are the other way round."""
        return (self._position(end) - self._position(start)) / _DAY

    def _position(self, moment: datetime) -> int:
        """Microseconds of working days before the moment."""
        days, rest = divmod((moment - _MIDNIGHT_OF_DAY_1) // _MICROSECOND, _DAY)
        ordinal = days + 1
        return self._days_before(ordinal) * _DAY + (rest if self._works(ordinal) else 0)

    def _works(self, ordinal: int) -> bool:
        return self._days_before(ordinal + 1) > self._days_before(ordinal)

    def _days_before(self, ordinal: int) -> int:
        if ordinal < self._span.start:
            return _weekdays_before(ordinal)
        if ordinal < self._span.stop:
            return self._before[ordinal - self._span.start]
        return _weekdays_before(ordinal) + self._shift

    def _working_day(self, number: int) -> int:
        """The ordinal of the working day that has so many before it."""
        if number < self._before[0]:
            return _weekday(number)
        if number < self._before[-1]:
            return self._working[number - self._before[0]]
        return _weekday(number - self._shift)


def _is_weekday(ordinal: int) -> bool:
    return ordinal % 7 not in (6, 0)  # day 1 was a Monday


def _weekdays_before(ordinal: int) -> int:
    weeks, rest = divmod(ordinal - 1, 7)
    return 5 * weeks + min(rest, 5)


def _weekday(number: int) -> int:
    """The ordinal of the weekday that has so many before it."""
    weeks, rest = divmod(number, 5)
    return 7 * weeks + rest + 1
