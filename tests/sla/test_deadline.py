"""The clock of one finding: marks, pauses, other times."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secops.sla.calendar import SHANGHAI
from secops.sla.deadline import deadline_from, deadline_reopened
from secops.sla.holidays import shipped_calendar

CALENDAR = shipped_calendar()
MARKS = (50, 80, 100)
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC))
DAYS = st.floats(0.25, 200)


def here(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


MONDAY = deadline_from(here("2026-03-02T00:00"), 10, CALENDAR)


def test_marks_are_parts_of_the_time() -> None:
    assert MONDAY.due == MONDAY.moment(100, CALENDAR) == here("2026-03-14T00:00")
    assert MONDAY.moment(50, CALENDAR) == here("2026-03-07T00:00")
    assert MONDAY.moment(80, CALENDAR) == here("2026-03-12T00:00")
    assert MONDAY.marks_passed(MARKS, here("2026-03-06T23:59"), CALENDAR) == ()
    assert MONDAY.marks_passed(MARKS, here("2026-03-07T00:00"), CALENDAR) == (50,)
    assert MONDAY.marks_passed(MARKS, here("2026-04-01T00:00"), CALENDAR) == MARKS
    assert MONDAY.used(here("2026-03-04T00:00"), CALENDAR) == 20
    assert MONDAY.used(here("2026-03-28T00:00"), CALENDAR) == 200
    assert MONDAY.used(here("2026-01-01T00:00"), CALENDAR) == 0


def test_a_pause_moves_what_is_left_by_its_business_time() -> None:
    paused = MONDAY.pause(here("2026-03-05T12:00"))
    assert paused.pause(here("2026-03-06T00:00")) == paused
    assert paused.marks_passed(MARKS, here("2030-01-01T00:00"), CALENDAR) == ()
    assert paused.used(here("2030-01-01T00:00"), CALENDAR) == 35
    # Friday to Monday at noon are two business days, for a weekend lies between.
    resumed = paused.resume(here("2026-03-09T12:00"), CALENDAR)
    assert resumed.due == here("2026-03-18T00:00") and resumed.paused_since is None
    assert resumed.used(here("2026-03-09T12:00"), CALENDAR) == 35
    assert resumed.resume(here("2026-03-20T00:00"), CALENDAR) == resumed


def test_a_pause_over_a_holiday_alone_moves_nothing() -> None:
    resumed = MONDAY.pause(here("2026-03-07T09:00")).resume(here("2026-03-08T21:00"), CALENDAR)
    assert resumed.due == MONDAY.due


def test_another_severity_gives_another_time_from_the_same_start() -> None:
    paused = MONDAY.pause(here("2026-03-05T00:00")).resume(here("2026-03-06T00:00"), CALENDAR)
    assert paused.with_days(3, CALENDAR).due == here("2026-03-06T00:00")
    assert paused.with_days(10, CALENDAR) == paused


def test_a_finding_that_comes_back_keeps_its_clock_unless_the_policy_restarts_it() -> None:
    back = here("2026-03-20T00:00")
    assert deadline_reopened(MONDAY, back, CALENDAR, restart=False) == MONDAY
    assert deadline_reopened(MONDAY, back, CALENDAR, restart=True) == deadline_from(back, 10, CALENDAR)
    accepted = MONDAY.pause(here("2026-03-12T00:00"))
    assert deadline_reopened(accepted, back, CALENDAR, restart=False).used(back, CALENDAR) == 80


@given(MOMENTS, DAYS, st.lists(st.floats(0, 400), min_size=2, max_size=6))
def test_pauses_never_lose_nor_give_time(start: datetime, days: float, hours: list[float]) -> None:
    """Whatever is paused when, what was used before a pause is used after it, and nothing more."""
    clock, at = deadline_from(start, days, CALENDAR), start
    for running, pause in zip(hours[::2], hours[1::2], strict=False):
        at += timedelta(hours=running)
        used, marks = clock.used(at, CALENDAR), clock.marks_passed(MARKS, at, CALENDAR)
        clock = clock.pause(at)
        at += timedelta(hours=pause)
        clock = clock.resume(at, CALENDAR)
        assert clock.used(at, CALENDAR) == pytest.approx(used, abs=1e-6)
        assert set(marks) <= set(clock.marks_passed(MARKS, at + timedelta(microseconds=5), CALENDAR))
    assert clock.due == clock.moment(100, CALENDAR) >= deadline_from(start, days, CALENDAR).due


@given(MOMENTS, DAYS)
def test_marks_come_in_their_order(start: datetime, days: float) -> None:
    moments = [deadline_from(start, days, CALENDAR).moment(mark, CALENDAR) for mark in MARKS]
    assert start <= moments[0] <= moments[1] <= moments[2]
