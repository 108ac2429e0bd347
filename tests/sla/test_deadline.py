"""The clock of one finding: marks, pauses, other times."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secops.model.finding import Deadline
from secops.sla.calendar import SHANGHAI
from secops.sla.deadline import deadline_from, marks_passed, moment, told, used, worked_out
from secops.sla.holidays import shipped_calendar

CALENDAR = shipped_calendar()
MARKS = (50, 80, 100)
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC))
DAYS = st.floats(0.25, 200)


def here(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


MONDAY = deadline_from(here("2026-03-02T00:00"), 10, MARKS, CALENDAR)


def anew(deadline: Deadline, at: datetime, days: float = 10, restart: bool = False) -> Deadline:
    return worked_out(deadline, days, MARKS, at, CALENDAR, restart)


def paused(deadline: Deadline, start: str, end: str) -> Deadline:
    """As the life of a finding leaves it after a pause."""
    return replace(deadline, paused=here(start), resumed=here(end))


def test_marks_are_parts_of_the_time() -> None:
    assert MONDAY.due == moment(MONDAY, 100, CALENDAR) == here("2026-03-14T00:00")
    assert MONDAY.next_mark == moment(MONDAY, 50, CALENDAR) == here("2026-03-07T00:00")
    assert moment(MONDAY, 80, CALENDAR) == here("2026-03-12T00:00")
    assert marks_passed(MONDAY, MARKS, here("2026-03-06T23:59"), CALENDAR) == ()
    assert marks_passed(MONDAY, MARKS, here("2026-03-07T00:00"), CALENDAR) == (50,)
    assert marks_passed(MONDAY, MARKS, here("2026-04-01T00:00"), CALENDAR) == MARKS
    assert used(MONDAY, here("2026-03-04T00:00"), CALENDAR) == 20
    assert used(MONDAY, here("2026-03-28T00:00"), CALENDAR) == 200
    assert used(MONDAY, here("2026-01-01T00:00"), CALENDAR) == 0


def test_what_was_told_is_not_told_again() -> None:
    half = told(MONDAY, 50, MARKS, CALENDAR)
    assert (half.told, half.next_mark, half.standing) == (50, here("2026-03-12T00:00"), "running")
    assert marks_passed(half, MARKS, here("2026-04-01T00:00"), CALENDAR) == (80, 100)
    near = told(half, 80, MARKS, CALENDAR)
    assert (near.next_mark, near.standing) == (near.due, "near")
    late = told(near, 100, MARKS, CALENDAR)
    assert (late.next_mark, late.standing) == (None, "overdue")


def test_a_pause_moves_what_is_left_by_its_business_time() -> None:
    # Friday to Monday at noon are two business days, for a weekend lies between.
    resumed = anew(paused(MONDAY, "2026-03-05T12:00", "2026-03-09T12:00"), here("2026-03-09T13:00"))
    assert (resumed.due, resumed.paused, resumed.standing) == (here("2026-03-18T00:00"), None, "running")
    assert used(resumed, here("2026-03-09T12:00"), CALENDAR) == 35
    assert anew(resumed, here("2026-03-20T00:00")) == resumed


def test_while_the_clock_stands_nothing_passes() -> None:
    standing = replace(MONDAY, paused=here("2026-03-05T12:00"))
    assert marks_passed(standing, MARKS, here("2030-01-01T00:00"), CALENDAR) == ()
    assert used(standing, here("2030-01-01T00:00"), CALENDAR) == 35


def test_a_pause_over_a_holiday_alone_moves_nothing() -> None:
    assert anew(paused(MONDAY, "2026-03-07T09:00", "2026-03-08T21:00"), here("2026-03-09T00:00")).due == MONDAY.due


def test_another_severity_gives_another_time_from_the_same_start() -> None:
    moved = anew(paused(MONDAY, "2026-03-05T00:00", "2026-03-06T00:00"), here("2026-03-06T00:00"))
    assert anew(replace(moved, stale=True), here("2026-03-06T00:00"), days=3).due == here("2026-03-06T00:00")
    assert anew(replace(moved, stale=True), here("2026-03-06T00:00"), days=10) == moved


def test_what_was_told_of_a_short_time_is_told_again_of_a_long_one() -> None:
    at = here("2026-03-12T00:00")
    near = told(told(MONDAY, 50, MARKS, CALENDAR), 80, MARKS, CALENDAR)
    longer = anew(near, at, days=20)
    assert (longer.told, longer.next_mark) == (0, moment(longer, 50, CALENDAR))
    assert anew(near, at, days=5).told == 80


def test_a_finding_that_comes_back_keeps_its_clock_unless_the_policy_restarts_it() -> None:
    back = "2026-03-20T00:00"
    resumed = paused(MONDAY, "2026-03-12T00:00", back)
    assert used(anew(resumed, here(back)), here(back), CALENDAR) == 80
    assert anew(resumed, here(back), restart=True) == deadline_from(here(back), 10, MARKS, CALENDAR)


@given(MOMENTS, DAYS, st.lists(st.floats(0, 400), min_size=2, max_size=6))
def test_pauses_never_lose_nor_give_time(start: datetime, days: float, hours: list[float]) -> None:
    """Whatever is paused when, what was used before a pause is used after it, and nothing more."""
    clock, at = deadline_from(start, days, MARKS, CALENDAR), start
    for running, pause in zip(hours[::2], hours[1::2], strict=False):
        at += timedelta(hours=running)
        before, marks = used(clock, at, CALENDAR), marks_passed(clock, MARKS, at, CALENDAR)
        clock = replace(clock, paused=at)
        at += timedelta(hours=pause)
        clock = anew(replace(clock, resumed=at), at, days)
        assert used(clock, at, CALENDAR) == pytest.approx(before, abs=1e-6)
        assert set(marks) <= set(marks_passed(clock, MARKS, at + timedelta(microseconds=5), CALENDAR))
    assert clock.due == moment(clock, 100, CALENDAR) >= deadline_from(start, days, MARKS, CALENDAR).due


@given(MOMENTS, DAYS)
def test_marks_come_in_their_order(start: datetime, days: float) -> None:
    moments = [moment(deadline_from(start, days, MARKS, CALENDAR), mark, CALENDAR) for mark in MARKS]
    assert start <= moments[0] <= moments[1] <= moments[2]
