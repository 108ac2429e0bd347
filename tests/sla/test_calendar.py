"""Business days by the published notices; adding and subtracting are each other's inverse, and never go back."""

import timeit
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secops.sla.calendar import SHANGHAI, Calendar
from secops.sla.holidays import SHIPPED, load_calendar, shipped_calendar

CALENDAR = shipped_calendar()
MOMENTS = st.datetimes(datetime(1992, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))
"""Apart so little that a number of days tells microseconds."""
NEAR = st.datetimes(datetime(2023, 12, 1), datetime(2027, 2, 1), timezones=st.just(UTC))
DAYS = st.floats(0, 4000)


def here(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def test_what_is_known_is_said() -> None:
    assert (CALENDAR.known_from, CALENDAR.known_until) == (date(2024, 1, 1), date(2026, 12, 31))


@pytest.mark.parametrize(("year", "worked"), [(2024, 251), (2025, 248), (2026, 248)])
def test_a_year_has_its_working_days(year: int, worked: int) -> None:
    days = (date(year, 1, 1) + timedelta(days=number) for number in range(366))
    assert sum(CALENDAR.is_working_day(day) for day in days if day.year == year) == worked
    start, end = here(f"{year}-01-01"), here(f"{year + 1}-01-01")
    assert CALENDAR.business_days_between(start, end) == worked


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2025-01-26T09:00", 1, "2025-01-27T09:00"),  # a Sunday that is worked
        ("2025-01-27T09:00", 1, "2025-02-05T09:00"),  # over Spring Festival
        ("2025-02-07T12:00", 0.5, "2025-02-08T00:00"),  # the end of a day is its midnight
        ("2025-02-07T12:00", 1, "2025-02-08T12:00"),  # a Saturday that is worked
        ("2025-02-08T12:00", 1, "2025-02-10T12:00"),
        ("2026-09-30T12:00", 1.25, "2026-10-08T18:00"),
        ("2026-10-03T12:00", 0.5, "2026-10-08T12:00"),  # found on a holiday, it counts from the next working day
        ("2026-10-03T12:00", 0, "2026-10-03T12:00"),
        ("2026-10-09T12:00", 1, "2026-10-10T12:00"),
        ("2024-12-31T00:00", 2, "2025-01-03T00:00"),
        ("2026-12-31T12:00", 1, "2027-01-01T12:00"),  # not known yet: a Friday like any other
        ("2030-10-04T12:00", 1, "2030-10-07T12:00"),
        ("2015-10-01T12:00", 2, "2015-10-05T12:00"),
    ],
)
def test_days_are_added_over_weekends_and_holidays(start: str, days: float, due: str) -> None:
    assert CALENDAR.add_business_days(here(start), days) == here(due)


@given(MOMENTS | NEAR, DAYS)
def test_what_was_added_lies_between(start: datetime, days: float) -> None:
    due = CALENDAR.add_business_days(start, days)
    assert due.tzinfo is UTC and due >= start
    assert CALENDAR.business_days_between(start, due) == pytest.approx(days, abs=1e-11)


@given(MOMENTS | NEAR, MOMENTS | NEAR)
def test_adding_what_lies_between_leads_there_or_to_the_end_of_the_last_working_day(
    one: datetime, other: datetime
) -> None:
    start, end = sorted((one, other))
    between = CALENDAR.business_days_between(start, end)
    reached = CALENDAR.add_business_days(start, between)
    assert between >= 0 and CALENDAR.business_days_between(end, start) == -between
    assert start <= reached <= end and CALENDAR.business_days_between(reached, end) == 0
    day = end.astimezone(SHANGHAI)
    if CALENDAR.is_working_day(day.date()) and day.time().isoformat() != "00:00:00":
        assert reached == end


@given(NEAR, NEAR, DAYS, DAYS)
def test_later_starts_and_longer_times_never_end_sooner(
    one: datetime, other: datetime, short: float, long: float
) -> None:
    (early, late), (short, long) = sorted((one, other)), sorted((short, long))
    assert CALENDAR.add_business_days(early, short) <= CALENDAR.add_business_days(late, short)
    assert CALENDAR.add_business_days(early, short) <= CALENDAR.add_business_days(early, long)


@given(NEAR, st.integers(0, 200), st.integers(0, 200))
def test_two_times_are_one_that_is_as_long(start: datetime, first: int, second: int) -> None:
    part_way = CALENDAR.add_business_days(start, first)
    assert CALENDAR.add_business_days(part_way, second) == CALENDAR.add_business_days(start, first + second)


@given(NEAR, st.integers(0, 300))
def test_the_table_says_what_counting_day_by_day_says(start: datetime, days: int) -> None:
    end = start + timedelta(days=days)
    first, last = (moment.astimezone(SHANGHAI).date() for moment in (start, end))
    whole = sum(CALENDAR.is_working_day(first + timedelta(days=one)) for one in range((last - first).days))
    midnights = (here(first.isoformat()), here(last.isoformat()))
    assert CALENDAR.business_days_between(*midnights) == whole


def test_years_that_are_not_known_are_monday_to_friday() -> None:
    plain = Calendar(date(2025, 1, 1), date(2025, 12, 31), (), ())
    for year in (1995, 2025, 2026, 2100):
        days = [date(year, 1, 1) + timedelta(days=number) for number in range(365)]
        assert [plain.is_working_day(day) for day in days] == [day.isoweekday() < 6 for day in days]


def test_a_city_may_give_its_own_file(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    holiday = "{name: {zh: 元旦, en: New Year}, first: 2026-12-31, last: 2027-01-03}"
    own.write_text(
        f"years:\n  - year: 2027\n    notice: own\n    days_off: [{holiday}]\n    working_days: [2027-01-09]\n"
    )
    calendar = load_calendar(own)
    assert calendar.known_until == date(2027, 12, 31)
    assert calendar.add_business_days(here("2026-12-30T12:00"), 1) == here("2027-01-04T12:00")
    assert calendar.is_working_day(date(2027, 1, 9)) and not calendar.is_working_day(date(2026, 12, 31))


def test_a_time_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="before its start"):
        CALENDAR.add_business_days(here("2025-01-01"), -0.1)


def test_a_look_up_is_fast() -> None:
    start = here("2024-03-01T10:00")
    added = min(timeit.repeat(lambda: CALENDAR.add_business_days(start, 600), number=1000, repeat=5)) / 1000
    end = here("2199-01-01")
    between = min(timeit.repeat(lambda: CALENDAR.business_days_between(start, end), number=1000, repeat=5)) / 1000
    assert max(added, between) < 20e-6


def test_the_shipped_file_is_the_one_that_is_read() -> None:
    assert load_calendar(SHIPPED).known_until == CALENDAR.known_until
