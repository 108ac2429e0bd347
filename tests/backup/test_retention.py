"""Retention goes by time and by the vault's clock; no forged copy pushes a good one out."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from backup.policies import Keep
from backup.retention import Dated, decide_retention

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR, DAY = 3600.0, 86400.0
KEEP = Keep(all=2 * HOUR, hourly=DAY, daily=7 * DAY, weekly=30 * DAY, monthly=365 * DAY, yearly=1000 * DAY)


def copy(age_hours: float, clean: bool = False, name: str = "") -> Dated:
    return Dated(name or f"{age_hours:+}", NOW - timedelta(hours=age_hours), clean)


def kept(points: list[Dated], keep: Keep = KEEP) -> dict[str, str]:
    return {point.id: rule for point, rule in decide_retention(points, keep, NOW).action.kept}


def test_each_rule_keeps_the_last_copy_of_its_slots() -> None:
    points = [copy(age / 2) for age in range(24 * 60 * 2)]
    found = kept(points)
    by_rule: dict[str, int] = {}
    for rule in found.values():
        by_rule[rule] = by_rule.get(rule, 0) + 1
    assert by_rule["newest"] == 1
    assert by_rule["all"] == 4, "0.5, 1, 1.5 and 2 hours old"
    assert 22 <= by_rule["hourly"] <= 24
    assert 5 <= by_rule["daily"] <= 7
    assert 3 <= by_rule["weekly"] <= 5
    assert by_rule["monthly"] >= 1


def test_a_rule_that_is_not_set_keeps_nothing() -> None:
    assert kept([copy(0), copy(30), copy(60)], Keep(all=HOUR)) == {"+0": "newest"}


def test_a_copy_of_the_future_takes_nobodys_place() -> None:
    good = [copy(age) for age in (1, 3, 25, 49, 200)]
    forged = [copy(-age, name=f"forged{age}") for age in range(1, 500)]
    found = kept(good + forged)
    assert {name: found[name] for name in kept(good)} == kept(good)
    assert all(found[point.id] == "future" for point in forged)
    assert "499 of them are dated in the future" in decide_retention(good + forged, KEEP, NOW).because.en


def test_an_unproven_copy_takes_no_proven_ones_place() -> None:
    clean, later = copy(50.0, clean=True, name="clean"), copy(49.9, name="later")
    assert set(kept([copy(0), clean, later, copy(1, clean=True)])) >= {"clean", "later"}


def test_the_newest_clean_copy_outlives_every_rule() -> None:
    points = [copy(0), copy(30 * 24 * 60, clean=True, name="old"), copy(31 * 24 * 60, clean=True, name="older")]
    found = kept(points, Keep(all=DAY))
    assert found == {"+0": "newest", "old": "clean"}


def test_nothing_is_nothing() -> None:
    assert decide_retention([], KEEP, NOW).action.dropped == ()


@given(
    st.lists(st.tuples(st.integers(-500, 20_000), st.booleans()), max_size=60, unique=True),
    st.lists(st.integers(1, 100_000), max_size=20, unique=True),
)
def test_forged_dates_never_cost_a_proven_copy(points: list[tuple[int, bool]], forged: list[int]) -> None:
    """Whatever an intruder adds, unproven, at whatever times: what was kept and proven clean is kept still."""
    good = [copy(age, clean, f"g{age}{clean}") for age, clean in points]
    bad = [copy(age / 5, False, f"b{age}") for age in forged] + [copy(-age, False, f"f{age}") for age in forged]
    clean = {point.id for point in good if point.proven_clean}
    assert kept(good).keys() & clean <= kept(good + bad).keys()


@given(st.lists(st.tuples(st.integers(0, 20_000), st.booleans()), max_size=60, unique=True))
def test_deciding_again_on_what_was_kept_drops_nothing(points: list[tuple[int, bool]]) -> None:
    first = decide_retention([copy(age, clean, f"{age}{clean}") for age, clean in points], KEEP, NOW).action
    again = decide_retention([point for point, _ in first.kept], KEEP, NOW).action
    assert again.dropped == ()
    assert len(first.kept) + len(first.dropped) == len(points)
