"""A small, fixed share of the schedules; `make bench-failover-simulation` explores them by the hundred thousand."""

import pytest

from backup.failover.situation import Plan
from tests.simulation.mutations import MUTATIONS, Mutation, schedules_until_caught
from tests.simulation.schedule import run

SCHEDULES = 1200
HEALED = 40


def test_nothing_acknowledged_is_lost_and_nobody_serves_twice() -> None:
    plans: dict[Plan, int] = {}
    for seed in range(SCHEDULES):
        result = run(seed)
        assert not result.broken, f"seed {seed}: {result.broken}"
        for plan, count in result.plans.items():
            plans[plan] = plans.get(plan, 0) + count
    unseen = set(Plan) - set(plans) - {Plan.ADOPT, Plan.UNPROTECTED, Plan.HELD, Plan.TURN_BACK}
    assert not unseen, "the schedules do not reach what they are to try"


def test_mended_it_is_protected_again_or_says_why_not() -> None:
    healed = [run(seed, heal=True) for seed in range(HEALED)]
    assert [result.broken for result in healed if result.broken] == []
    assert sum(result.healed == "protected" for result in healed) > HEALED * 3 // 4


def test_the_same_seed_gives_the_same() -> None:
    assert run(7, heal=True, trace=True) == run(7, heal=True, trace=True)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.rule)
def test_a_missing_rule_is_noticed(mutation: Mutation) -> None:
    """From near where it is known to show, so that it takes moments; further when the rules have changed since."""
    count, why = schedules_until_caught(mutation, 20_000, first_seed=max(0, mutation.shows_at - 3))
    assert count, why
