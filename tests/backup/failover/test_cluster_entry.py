"""A real HAProxy before three listeners is led from one to another and closed; sessions of old ones end."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from backup.failover.entries.haproxy import hands
from secops.execution.executor import How
from secops.model.cluster import Cluster, ClusterEntry, Member
from secops.model.step import ProcedureFailed
from tests.backup.performing import Performing
from tests.lab.haproxy import HAPROXY, Haproxy, running_haproxy

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAPROXY, reason="haproxy is not installed")]

MEMBERS = tuple(Member(name, f"centre-{name}", "local", "127.0.0.1") for name in "abc")
CLUSTER = Cluster("orders", "s", MEMBERS, "a", ("a", "b"), (), ())


@pytest.fixture
def haproxy(tmp_path: Path) -> Iterator[Haproxy]:
    """Leads to the first of three listeners that accept and say nothing."""
    with ExitStack() as stack:
        lines = {}
        for name in "abc":
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            lines[name] = f"127.0.0.1:{listener.getsockname()[1]}{'' if name == 'a' else ' disabled'}"
        yield stack.enter_context(running_haproxy(tmp_path / "haproxy", lines, mode="tcp"))


def test_the_entry_leads_to_one_member_or_to_none(haproxy: Haproxy, tmp_path: Path) -> None:
    entry = ClusterEntry("centre-a", "127.0.0.1", 1, socket=haproxy.socket, backend="web")
    performing = Performing(tmp_path)
    assert performing.run(hands.leads_to(CLUSTER, entry)) == "a"
    with socket.create_connection(("127.0.0.1", int(haproxy.url.rsplit(":", 1)[1].strip("/")))) as client:
        performing.run(hands.lead(CLUSTER, entry, MEMBERS[1]))
        client.settimeout(10)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
    assert performing.run(hands.leads_to(CLUSTER, entry)) == "b"
    performing.run(hands.lead(CLUSTER, entry, MEMBERS[1]))
    assert performing.performed[0].how is How.ALREADY_DONE
    performing.run(hands.close(CLUSTER, entry))
    assert performing.run(hands.leads_to(CLUSTER, entry)) == ""


def test_an_entry_that_is_not_there_or_lacks_the_member_says_so(haproxy: Haproxy, tmp_path: Path) -> None:
    performing = Performing(tmp_path)
    gone = ClusterEntry("centre-a", "127.0.0.1", 1, socket=str(tmp_path / "none"), backend="web")
    with pytest.raises(ProcedureFailed, match="centre-a"):
        performing.run(hands.leads_to(CLUSTER, gone))
    entry = ClusterEntry("centre-a", "127.0.0.1", 1, socket=haproxy.socket, backend="web")
    with pytest.raises(ProcedureFailed, match="not moved"):
        performing.run(hands.lead(CLUSTER, entry, Member("z", "centre-z", "local", "127.0.0.1")))
