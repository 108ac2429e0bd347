"""The file of holidays, read strictly: `holidays.yaml`, or one that a city gives."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator

from secops.model.text import Text
from secops.sla.calendar import Calendar
from secops.support.strict_yaml import BadFile, BadValue, Document, KeyPath, Problem, read

SHIPPED = Path(__file__).with_name("holidays.yaml")
_STRICT = {"extra": "forbid", "use_attribute_docstrings": True}
_LONGEST_HOLIDAY = timedelta(days=31)
_AROUND = timedelta(days=15)
"""New Year's holiday may begin in December."""


def _day(written: object) -> date:
    try:
        return date.fromisoformat(str(written))
    except ValueError:
        raise BadValue(Text(f"“{written}”不是日期", f"“{written}” is not a date like 2027-10-01")) from None


Day = Annotated[date, PlainValidator(_day, json_schema_input_type=str)]


@dataclass(frozen=True, slots=True)
class Holiday:
    """Days off that follow one another."""

    __pydantic_config__ = _STRICT
    name: Text
    first: Day
    last: Day

    def days(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]


@dataclass(frozen=True, slots=True)
class Year:
    """What one notice says."""

    __pydantic_config__ = _STRICT
    year: int
    notice: str
    """Who published it, by its number."""
    days_off: tuple[Holiday, ...]
    working_days: tuple[Day, ...] = ()
    """Saturdays and Sundays that are worked (调休)."""


@dataclass(frozen=True, slots=True)
class Years:
    """The years that follow one another, the earliest first."""

    __pydantic_config__ = _STRICT
    years: tuple[Year, ...]


SCHEMA_KIND, SCHEMA_NAME = Years, "holidays"


def load_calendar(path: Path = SHIPPED) -> Calendar:
    """The calendar of a file; BadFile names every problem, with its place."""
    document = read(path)
    years = document.build(Years).years
    if problems := [*_of_order(document, years)] or [*_of_days(document, years)]:
        raise BadFile(problems)
    return Calendar(
        date(years[0].year, 1, 1),
        date(years[-1].year, 12, 31),
        {day for year in years for holiday in year.days_off for day in holiday.days()},
        {day for year in years for day in year.working_days},
    )


@cache
def shipped_calendar() -> Calendar:
    """The calendar of the published notices."""
    return load_calendar()


def _of_order(document: Document, years: tuple[Year, ...]) -> Iterator[Problem]:
    if not years:
        yield document.problem(("years",), Text("至少须有一年", "at least one year is needed"))
    for index, year in enumerate(years):
        if not 1991 < year.year < 9999:
            text = Text("年份须在 1992 至 9998 之间", "the year must be 1992 to 9998")
            yield document.problem(("years", index, "year"), text)
        elif index and year.year != years[index - 1].year + 1:
            text = Text(
                f"各年须连续:{years[index - 1].year} 之后不是 {year.year}",
                f"the years must follow one another; {year.year} does not follow {years[index - 1].year}",
            )
            yield document.problem(("years", index, "year"), text)


def _of_days(document: Document, years: tuple[Year, ...]) -> Iterator[Problem]:
    known: set[date] = set()
    for index, year in enumerate(years):
        for number, holiday in enumerate(year.days_off):
            place: KeyPath = ("years", index, "days_off", number, "last")
            if not timedelta(0) <= holiday.last - holiday.first < _LONGEST_HOLIDAY:
                text = Text(
                    "假期最后一天早于第一天,或超过 31 天", "the last day is before the first, or over 31 days after"
                )
                yield document.problem(place, text)
                continue
            yield from _of_dates(document, place, year.year, holiday.days(), known)
        for number, day in enumerate(year.working_days):
            place = ("years", index, "working_days", number)
            if day.isoweekday() < 6:
                text = Text(
                    f"{day} 本来就是工作日(周一至周五)", f"{day} is from Monday to Friday, a working day anyway"
                )
                yield document.problem(place, text)
            yield from _of_dates(document, place, year.year, [day], known)


def _of_dates(
    document: Document, place: KeyPath, year: int, days: Iterable[date], known: set[date]
) -> Iterator[Problem]:
    """Whether the days belong to the year and were not named before; adds them to the known ones."""
    earliest, latest = date(year, 1, 1) - _AROUND, date(year, 12, 31) + _AROUND
    for day in days:
        if not earliest <= day <= latest:
            yield document.problem(place, Text(f"{day} 不属于 {year} 年", f"{day} is not of the year {year}"))
        elif day in known:
            yield document.problem(place, Text(f"{day} 出现了两次", f"{day} is named twice"))
        known.add(day)
