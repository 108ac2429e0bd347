"""The guard at the socket: what is refused, and that nothing is sent then."""

import asyncio
import socket
import threading
from datetime import timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanners.endings import OutOfScope, Stopped
from scanners.scope import Guard, scope_of
from secops.support.clock import now
from tests.scanners.reaching import Trail, guard

TOMORROW = now() + timedelta(days=1)


def refused(through: Guard, host: str, port: int = 80) -> str:
    with pytest.raises(OutOfScope) as refusal:
        asyncio.run(through.open(host, port, timeout_seconds=1))
    return refusal.value.reason.en


@pytest.mark.parametrize(
    "host",
    ["127.0.0.2", "::ffff:127.0.0.2", "0.0.0.0", "::1", "::", "10.0.0.1", "169.254.169.254", "127.1.1", "0x7f000002"],
)
def test_addresses_outside_are_refused_however_they_are_written(host: str) -> None:
    trail = Trail()
    reason = refused(guard(trail=trail), host)
    assert "outside the authorised networks" in reason
    assert trail.sent() == []
    assert trail.touches[0].refused is not None


def test_an_address_in_ipv6_dress_is_the_address() -> None:
    found = asyncio.run(guard().addresses("::ffff:127.0.0.1", 80))
    assert found == (ip_address("127.0.0.1"),)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_only_what_lies_in_a_network_passes(address: object) -> None:
    scope = scope_of(("10.0.0.0/8", "fd00::/8"), "tester", TOMORROW)
    parsed = ip_address(str(address))
    inside = any(parsed in network for network in scope.networks)
    assert (scope.refuse("h", parsed, 80, now()) is None) == inside


def test_ports_and_names_and_dates_limit_too() -> None:
    past = scope_of(("127.0.0.0/8",), "tester", now() - timedelta(seconds=1))
    assert "ended" in refused(Guard(past), "127.0.0.1")
    ports = scope_of(("127.0.0.0/8",), "tester", TOMORROW, ports=frozenset({443}))
    assert "port 80" in refused(Guard(ports), "127.0.0.1")
    names = scope_of(("127.0.0.0/8",), "tester", TOMORROW, hosts=frozenset({"WWW.example.org"}))
    assert "localhost" in refused(Guard(names), "localhost")


def test_a_name_that_is_not_listed_is_not_even_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*question: object, **more: object) -> None:
        raise AssertionError("the DNS was asked")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    refused(guard(hosts=frozenset({"www.example.org"})), "evil.example.org")


def test_one_address_outside_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *question, **more: answers)
    trail = Trail()
    assert "127.0.0.2" in refused(guard(trail=trail), "two.example.org")
    assert trail.sent() == []


def test_a_name_is_not_asked_for_at_every_port(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def answer(host: object, *question: object, **more: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    async def work() -> None:
        through = guard()
        for port in range(1, 50):
            await through.addresses("one.example.org", port)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    asyncio.run(work())
    assert asked == ["one.example.org"]


def test_a_second_answer_of_the_dns_cannot_lead_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is asked for once, and the socket goes to the address that was checked."""
    given_out: list[str] = []

    def answer(*question: object, **more: object) -> list[object]:
        address = "127.0.0.1" if not given_out else "127.0.0.2"
        given_out.append(address)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))]

    async def work() -> str:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            monkeypatch.setattr(socket, "getaddrinfo", answer)
            opened = await guard().open("rebinding.example.org", port, timeout_seconds=1)
            peer: str = opened.writer.get_extra_info("peername")[0]
            opened.writer.transport.abort()
            return peer

    assert asyncio.run(work()) == "127.0.0.1"
    assert given_out == ["127.0.0.1"]


def test_the_kill_switch_is_asked_before_every_socket() -> None:
    stop = threading.Event()
    trail = Trail()
    through = guard(stop=stop, trail=trail)
    stop.set()
    with pytest.raises(Stopped):
        asyncio.run(through.open("127.0.0.1", 9, timeout_seconds=1))
    with pytest.raises(Stopped):
        through.sending("GET /", "127.0.0.1", "127.0.0.1", 9)
    assert trail.touches == []
