"""T0–T6 and what is measured between them; what does not fit is said, never mended."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secops.evidence.chain import Kind, Record, link, to_line
from secops.evidence.timings import MEASURES, MOMENTS, Timings, timing_body
from tests.evidence.conftest import BEGUN, timings


def at(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


def test_measures_of_a_whole_event() -> None:
    measured = {name: taken.total_seconds() for name, taken in timings().measures.items() if taken is not None}
    assert measured == {"rto": 9, "decision": 1, "technical": 6, "exposure": 21, "rpo": 300}
    assert timings().inconsistencies == ()


def test_a_moment_that_is_missing_leaves_its_measures_out() -> None:
    measured = Timings(t1=at(1), t2=at(2), t5=at(5)).measures
    assert (measured["rto"], measured["exposure"], measured["rpo"]) == (None, None, None)
    assert measured["technical"] == timedelta(seconds=3)


def test_the_loss_of_data_counts_from_the_last_acknowledged_write() -> None:
    event = Timings(t0=at(0), last_acknowledged=at(4), recovered_to=at(1))
    assert event.rpo == timedelta(seconds=3)
    assert Timings(t0=at(0), last_acknowledged=at(4), recovered_to=at(4)).rpo == timedelta(0)


def test_recovered_to_a_moment_too_late_is_said() -> None:
    event = Timings(t0=at(0), recovered_to=at(1))
    assert event.rpo is None
    assert "later than the last acknowledged write" in event.inconsistencies[0].en


def test_moments_out_of_order_are_named() -> None:
    event = Timings(t0=at(10), t1=at(2), t2=at(11), t5=at(5), t6=at(20))
    assert [sentence.en.split(";")[0] for sentence in event.inconsistencies] == [
        "the moments do not fit: T1 lies before T0",
        "the moments do not fit: T5 lies before T2",
    ]
    assert (event.rto, event.technical) == (None, None)
    assert event.decision == timedelta(seconds=9)


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        Timings(t3=datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="aware"):
        Timings(recovered_to=datetime(2026, 1, 1))


@given(
    st.lists(
        st.none()
        | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)),
        min_size=7,
        max_size=7,
    )
)
def test_no_measure_is_negative_and_disorder_is_always_said(moments: list[datetime | None]) -> None:
    event = Timings(*moments)
    assert all(taken is None or taken >= timedelta(0) for taken in event.measures.values())
    known = [moment for moment in moments if moment]
    assert bool(event.inconsistencies) == (known != sorted(known))


def test_everything_is_explained_in_both_languages() -> None:
    assert list(MOMENTS) == [f"T{number}" for number in range(7)]
    sentences = [*MOMENTS.values(), *(means for _, means in MEASURES.values())]
    assert all(sentence.zh and sentence.en and sentence.zh != sentence.en for sentence in sentences)


def test_the_body_says_all_of_it() -> None:
    record = Record(Kind.TIMING, BEGUN, timing_body(Timings(t0=at(0), t5=at(2.5))))
    line = to_line(link(record, None))
    assert b'"rto":{"is":"T5-T0","means":{"en":' in line
    assert b'"seconds":2.5' in line
    assert b'"T1":{"at":null' in line
