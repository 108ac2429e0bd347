"""Declared against open, on loopback."""

import asyncio
import socket
from dataclasses import replace

import pytest

from scanners.network.tcp_ports import COMMON, HIGH_RISK, TCP_PORTS
from scanners.reach import Reach
from secops.model.city import Asset, AssetKind
from secops.model.outcome import Outcome
from secops.model.text import Text
from tests.hostile.servers import listening, silent
from tests.lab.sshd import free_port
from tests.scanners.reaching import evaluate, guard

# An address of loopback that nothing else listens on.
ADDRESS = "127.83.7.9"
HOST = Asset(id="h", kind=AssetKind.HOST, name=Text("主机", "host"), centre="c1", address=ADDRESS)


def test_open_and_closed_ports_are_told_apart() -> None:
    async def work() -> None:
        closed = free_port()
        async with (
            listening(silent, host=ADDRESS) as declared,
            Reach(guard("127.0.0.0/8")) as reach,
        ):
            risky = await asyncio.start_server(lambda reader, writer: None, ADDRESS, 6379)
            async with risky:
                host = replace(HOST, ports=(declared.port, closed))
                (ended,) = await evaluate(TCP_PORTS, host, reach)
        assert [(one.rule, one.locator, one.severity.value) for one in ended.weaknesses] == [
            ("tcp-ports.undeclared-open", ("tcp", "6379"), "high"),
            ("tcp-ports.declared-not-open", ("tcp", str(closed)), "low"),
        ]

    asyncio.run(work())


def test_a_host_that_only_refuses_was_tested() -> None:
    async def work() -> None:
        async with Reach(guard("127.0.0.0/8")) as reach:
            (ended,) = await evaluate(TCP_PORTS, HOST, reach)
            assert ended.outcome is Outcome.TESTED_CLEAN

    asyncio.run(work())


def test_a_host_that_never_answers_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a firewall that drops: no connection ever comes to an end."""

    async def drop(loop: object, sock: socket.socket, address: object) -> None:
        await asyncio.sleep(3600)

    async def work() -> None:
        monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", drop)
        monkeypatch.setattr("scanners.network.tcp_ports._KNOCK_SECONDS", 0.05)
        async with Reach(guard("127.0.0.0/8")) as reach:
            (ended,) = await evaluate(TCP_PORTS, HOST, reach)
            assert ended.outcome is Outcome.UNREACHABLE

    asyncio.run(work())


def test_what_attackers_look_for_first_is_among_what_is_tried() -> None:
    assert {23, 445, 3389, 6379} <= HIGH_RISK
    assert not HIGH_RISK & COMMON
