"""The table of the life cycle, over every pair of states."""

from itertools import product

import pytest

from secops.model.finding import State
from secops.model.finding_names import STATE_NAMES
from secops.store.life_cycle import acceptable, allowed, allowed_by_scan, require_allowed, when_not_found, when_seen
from secops.store.refusals import ForbiddenTransition
from secops.support import language

BY_HAND = """
new                  -> triaged in_progress pending_verification false_positive out_of_scope
triaged              -> in_progress pending_verification false_positive out_of_scope
in_progress          -> triaged pending_verification false_positive out_of_scope
pending_verification -> in_progress false_positive out_of_scope
reopened             -> triaged in_progress pending_verification false_positive out_of_scope
resolved             -> reopened
false_positive       -> reopened
risk_accepted        -> reopened
out_of_scope         -> reopened
"""
BY_ACCEPTANCE = """
new                  -> risk_accepted
triaged              -> risk_accepted
in_progress          -> risk_accepted
pending_verification -> risk_accepted
reopened             -> risk_accepted
resolved             ->
false_positive       ->
risk_accepted        ->
out_of_scope         ->
"""
BY_SCAN = """
new                  -> resolved
triaged              -> resolved
in_progress          -> resolved
pending_verification -> resolved reopened
reopened             -> resolved
resolved             -> reopened
false_positive       ->
risk_accepted        ->
out_of_scope         ->
"""


def pairs(table: str) -> set[tuple[State, State]]:
    """The transitions that a table above draws."""
    return {
        (State(start.strip()), State(end))
        for start, ends in (line.split("->") for line in table.strip().splitlines())
        for end in ends.split()
    }


EVERY_PAIR = list(product(State, State))


@pytest.mark.parametrize(("start", "end"), EVERY_PAIR)
def test_by_hand(start: State, end: State) -> None:
    assert allowed(start, end) is ((start, end) in pairs(BY_HAND))


@pytest.mark.parametrize(("start", "end"), EVERY_PAIR)
def test_by_scan(start: State, end: State) -> None:
    assert allowed_by_scan(start, end) is ((start, end) in pairs(BY_SCAN))


@pytest.mark.parametrize("start", State)
def test_by_acceptance(start: State) -> None:
    assert acceptable(start) is ((start, State.RISK_ACCEPTED) in pairs(BY_ACCEPTANCE))


def test_every_state_is_reached_from_new() -> None:
    ways = pairs(BY_HAND) | pairs(BY_SCAN) | pairs(BY_ACCEPTANCE)
    reached, before = {State.NEW}, set[State]()
    while reached != before:
        before, reached = reached, reached | {end for start, end in ways if start in reached}
    assert reached == set(State)


def test_nobody_accepts_a_risk_alone() -> None:
    with pytest.raises(ForbiddenTransition, match="two people accept a risk"):
        require_allowed(State.NEW, State.RISK_ACCEPTED)


@pytest.mark.parametrize(("start", "end"), [pair for pair in EVERY_PAIR if pair not in pairs(BY_HAND)])
def test_a_refusal_lists_what_is_allowed_in_both_languages(start: State, end: State) -> None:
    with pytest.raises(ForbiddenTransition) as refusal:
        require_allowed(start, end)
    choices = [state for state in State if (start, state) in pairs(BY_HAND)]
    assert refusal.value.text.en.endswith(f"allowed: {', '.join(choices)}")
    # Called by its name, and by the word that a command takes.
    named = "、".join(f"{STATE_NAMES[state].zh}({state})" for state in choices)
    assert refusal.value.text.zh.endswith(f"允许转到:{named}")
    assert ("scan;" in refusal.value.text.en) == (end is State.RESOLVED)


def test_an_allowed_move_is_not_refused() -> None:
    for start, end in pairs(BY_HAND):
        require_allowed(start, end)


def test_no_state_is_a_dead_end() -> None:
    for state in State:
        assert any(allowed(state, other) for other in State)


def test_seen_means_open_unless_judged_away_and_not_found_means_closed() -> None:
    for state in State:
        judged_away = state in (State.FALSE_POSITIVE, State.RISK_ACCEPTED, State.OUT_OF_SCOPE)
        assert when_seen(state).open is not judged_away
        assert not when_not_found(state).open


def test_the_refusal_speaks_the_readers_language() -> None:
    language.choose("zh")
    try:
        with pytest.raises(ForbiddenTransition, match="不能从“新发现”转到“已解决”"):
            require_allowed(State.NEW, State.RESOLVED)
    finally:
        language.choose(None)
