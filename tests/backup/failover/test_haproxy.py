"""What HAProxy 2.6 really answered, read."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.failover.haproxy import (
    NO_SERVERS,
    ServerState,
    Unexpected,
    every,
    is_closed,
    is_open,
    is_shut,
    parse_states,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "haproxy"


def golden(name: str) -> str:
    return (GOLDEN / name).read_text()


def test_every_state_is_read() -> None:
    assert parse_states(golden("show-stat.csv")) == (
        ServerState("prod", "UP", 1),
        ServerState("rising", "UP 1/3", 0),
        ServerState("unchecked", "no check", 0),
        ServerState("shut", "MAINT", 1),
        ServerState("closed", "MAINT", 0),
        ServerState("drained", "DRAIN", 0),
        ServerState("down", "DOWN", 0),
    )


@pytest.mark.parametrize(
    ("name", "opened", "shut", "closed"),
    [
        ("prod", True, False, False),
        ("rising", True, False, False),
        ("unchecked", True, False, False),
        ("shut", False, True, False),
        ("closed", False, True, True),
        ("drained", False, False, False),
        ("down", False, False, False),
        ("rod", False, False, False),
        ("clos.d", False, False, False),
    ],
)
def test_the_expressions_agree_with_the_reading(name: str, opened: bool, shut: bool, closed: bool) -> None:
    answer = golden("show-stat.csv")
    assert bool(re.search(is_open("web", name), answer)) is opened
    assert bool(re.search(is_shut("web", name), answer)) is shut
    assert bool(re.search(is_closed("web", name), answer)) is closed
    for state in parse_states(answer):
        if state.name == name:
            assert (state.open, state.closed) == (opened, closed)


def test_every_expression_must_be_found() -> None:
    answer = golden("show-stat.csv")
    assert re.search(every(is_open("web", "unchecked"), is_closed("web", "closed"), is_open("web", "prod")), answer)
    assert not re.search(every(is_open("web", "prod"), is_closed("web", "shut")), answer)
    assert re.search(every(), answer)


@pytest.mark.parametrize("name", ["no-such-proxy.txt", "no-such-server.txt", "servers-state.txt"])
def test_another_answer_is_not_a_table(name: str) -> None:
    with pytest.raises(Unexpected):
        parse_states(golden(name))


def test_a_table_that_was_cut_off_is_refused() -> None:
    answer = golden("show-stat.csv")
    with pytest.raises(Unexpected):
        parse_states(answer[: answer.rindex("MAINT")])


def test_no_servers_is_a_table() -> None:
    assert parse_states(NO_SERVERS) == ()


@given(st.text(max_size=200))
def test_nothing_else_breaks_the_reader(answer: str) -> None:
    try:
        parse_states("# pxname,svname,scur,status\n" + answer)
        parse_states(answer)
    except Unexpected:
        return
