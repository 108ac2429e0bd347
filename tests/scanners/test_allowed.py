"""Paths and hours of an authorisation, however they are written."""

import asyncio
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanners.allowed import Window, lies_below
from scanners.endings import OutOfScope
from scanners.reach import Reach
from scanners.scope import Guard, scope_of
from secops.support.clock import now
from tests.hostile.servers import answering, listening
from tests.scanners.reaching import Trail

INSIDE = [
    "/app",
    "/app/",
    "/app/x?y=/../z",
    "/app/.hidden",
    "/app/a//b",
    "http://h/app/x",
    "/app/%E4%BD%A0",
    "/app/a;b=c",
]
OUTSIDE = [
    "/",
    "/apple",
    "/app/../x",
    "/app/%2e%2e/x",
    "/app/%252e%252e/x",
    "/app/..;/x",
    "/app/..%5cx",
    "/app\\..\\..\\x",
    "//app",
    "*",
    "",
    "app/x",
    "http://h/x",
    "/app/%25252525252e",
]


@pytest.mark.parametrize("target", INSIDE)
def test_a_target_below_the_path_is_allowed(target: str) -> None:
    assert lies_below(target, ("/app",))


@pytest.mark.parametrize("target", OUTSIDE)
def test_a_target_that_some_server_reads_as_outside_is_not(target: str) -> None:
    assert not lies_below(target, ("/app/",))


@given(st.text(alphabet="/.%25ef;\\apb?", max_size=40))
def test_what_lies_below_never_climbs_out(text: str) -> None:
    target = "/app/" + text
    if lies_below(target, ("/app",)):
        path = target.partition("?")[0]
        depth = 0
        for segment in path.removeprefix("/app/").split("/"):
            depth += -1 if segment == ".." else 0 if segment in ("", ".") else 1
            assert depth >= 0


NIGHT = Window(time(22), time(6), frozenset({4}), "Asia/Shanghai")


@pytest.mark.parametrize(
    "moment, holds",
    [
        ("2026-11-20T13:59:59", False),
        ("2026-11-20T14:00:00", True),  # Friday 22:00 in Shanghai
        ("2026-11-20T21:59:59", True),  # Saturday 05:59
        ("2026-11-20T22:00:00", False),
        ("2026-11-19T22:30:00", False),  # Friday 06:30
        ("2026-11-19T20:00:00", False),  # Friday 04:00: the night of Thursday
        ("2026-11-21T15:00:00", False),
    ],
)
def test_a_window_past_midnight_belongs_to_the_day_it_begins(moment: str, holds: bool) -> None:
    assert NIGHT.holds(datetime.fromisoformat(moment).replace(tzinfo=UTC)) is holds


def test_a_window_within_a_day() -> None:
    noon = Window(time(12), time(13))
    assert noon.holds(datetime(2026, 1, 1, 12, 30, tzinfo=UTC))
    assert not noon.holds(datetime(2026, 1, 1, 13, tzinfo=UTC))


def test_outside_its_hours_no_socket_is_opened() -> None:
    hour = now().hour
    window = Window(time((hour + 2) % 24), time((hour + 3) % 24))
    scope = scope_of(("127.0.0.0/8",), "tester", now() + timedelta(days=1), windows=(window,))
    with pytest.raises(OutOfScope, match="outside the hours"):
        asyncio.run(Guard(scope).open("127.0.0.1", 80, timeout_seconds=1))


def test_the_reach_of_checks_keeps_to_paths_and_methods() -> None:
    async def work() -> None:
        trail = Trail()
        scope = scope_of(
            ("127.0.0.0/8",), "tester", now() + timedelta(days=1), paths=("/app",), methods=frozenset({"get"})
        )
        async with (
            listening(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as server,
            Reach(Guard(scope, audit=trail.touches.append)) as reach,
        ):
            with pytest.raises(OutOfScope, match="outside /app"):
                await reach.get(server.url)
            with pytest.raises(OutOfScope, match="method HEAD"):
                await reach.get(server.url + "app", method="HEAD")
            assert server.connections == 0
            assert [touch.refused is None for touch in trail.touches] == [False, False]
            assert (await reach.get(server.url + "app/x")).body == b"ok"

    asyncio.run(work())
