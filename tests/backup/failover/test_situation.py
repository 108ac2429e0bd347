"""What agents write into the store is what others read from it."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from backup.failover.situation import (
    Heard,
    MemberStatus,
    Policy,
    Post,
    Published,
    Report,
    Sight,
    Situation,
    Version,
    Wish,
)
from secops.model.cluster import MemberFence

NAMES = st.sampled_from(["m1", "m2", "m3", "津"])
SECONDS = st.floats(0, 1e9)
st.register_type_strategy(MemberFence, st.builds(MemberFence, timeout_seconds=SECONDS))  # JSON has no infinity
STATUS = st.builds(MemberStatus, unprotected_seconds=SECONDS)
SIGHTS = st.dictionaries(NAMES, st.builds(Sight, seconds=SECONDS), max_size=3)
REPORT = st.builds(
    Report, member=st.none() | STATUS, sights=SIGHTS, heard=st.dictionaries(NAMES, st.integers(0, 9), max_size=2)
)
PUBLISHED = st.builds(Published, since=SECONDS, failovers=st.lists(SECONDS, max_size=2).map(tuple))
SITUATION = st.builds(
    Situation,
    leading_seconds=SECONDS,
    unix_seconds=SECONDS,
    published=st.none() | PUBLISHED,
    reports=st.dictionaries(NAMES, st.builds(Heard, report=REPORT, age_seconds=SECONDS, echo_seconds=SECONDS)),
    policy=st.just(Policy()),
)
POST = st.builds(
    Post,
    report=REPORT,
    published=PUBLISHED,
    heard_seconds=SECONDS,
    published_seconds=SECONDS,
    down_seconds=SECONDS,
    others=st.dictionaries(NAMES, REPORT, max_size=1),
    policy=st.just(Policy()),
)


@given(REPORT | PUBLISHED | SITUATION | POST | st.from_type(Wish))
@settings(max_examples=60, deadline=None)
def test_every_value_survives_the_store(value: Any) -> None:
    adapter = TypeAdapter(type(value))
    assert adapter.validate_json(adapter.dump_json(value)) == value


def test_versions_only_grow() -> None:
    assert Version(1, 9) < Version(2, 3) < Version(2, 4)
