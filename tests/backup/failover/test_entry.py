"""Switching and fencing a real HAProxy in front of real servers."""

import http.client
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import pytest

from backup.failover.entry import business_check, drain, server_of, server_states, switch
from secops.execution.executor import How
from secops.model.city import BusinessCheck, Entry, EntryServer
from secops.model.step import ProcedureFailed
from tests.backup.failover.web import Centre, serving
from tests.backup.performing import Performing
from tests.lab.haproxy import HAPROXY, running_haproxy

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HAPROXY, reason="haproxy is not installed")]


@pytest.fixture
def centres() -> Iterator[dict[str, Centre]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving(name)) for name in ("prod", "dr", "far")}


@pytest.fixture
def entry(tmp_path: Path, centres: dict[str, Centre]) -> Iterator[Entry]:
    """Production open, local DR closed and checked by HAProxy too, remote DR closed and not checked."""
    lines = {
        "prod": f"{centres['prod'].address} check inter 100",
        "dr": f"{centres['dr'].address} check inter 100 disabled",
        "far": f"{centres['far'].address} disabled",
    }
    with running_haproxy(tmp_path / "haproxy", lines) as running:
        servers = tuple(EntryServer(f"centre-{name}", name, centre.url) for name, centre in centres.items())
        check = BusinessCheck("/health", "business is fine")
        yield Entry("site-entry", "site", running.url, running.socket, "web", servers, check)


def answering(entry: Entry) -> set[str]:
    """Which centres answer clients."""
    seen = set()
    for _ in range(6):
        with urlopen(entry.url) as answer:
            seen.add(answer.read().decode().split(" at ")[1])
    return seen


def statuses(performing: Performing, entry: Entry) -> dict[str, str]:
    return {state.name: state.status.split()[0] for state in performing.run(server_states(entry))}


START = {"prod": "UP", "dr": "MAINT", "far": "MAINT"}


def test_the_states_are_read(performing: Performing, entry: Entry) -> None:
    assert statuses(performing, entry) == START
    performing.run(business_check(entry))
    assert performing.changed == []


@pytest.mark.parametrize("name", ["dr", "far"])
def test_the_entry_is_switched_and_back(performing: Performing, entry: Entry, name: str) -> None:
    assert answering(entry) == {"prod"}
    after = performing.run(switch(entry, f"centre-{name}"))
    assert {state.name for state in after if state.open} == {name}
    assert {state.name for state in after if state.closed} == {"prod", "dr", "far"} - {name}
    assert answering(entry) == {name}
    performing.run(switch(entry, "centre-prod"))
    assert answering(entry) == {"prod"}


def test_switching_again_changes_nothing(performing: Performing, entry: Entry) -> None:
    performing.run(switch(entry, "centre-dr"))
    assert performing.changed[0] == "open dr"
    performing.run(switch(entry, "centre-dr"))
    assert performing.changed == []
    assert How.ALREADY_DONE in {each.how for each in performing.performed}


@pytest.mark.parametrize(("health", "status"), [("a stack trace", 200), ("business is fine", 503)])
def test_an_unhealthy_target_is_refused_and_nothing_changes(
    performing: Performing, entry: Entry, centres: dict[str, Centre], health: str, status: int
) -> None:
    centres["dr"].health, centres["dr"].status = health, status
    with pytest.raises(ProcedureFailed, match="centre-dr is not healthy; the entry was left as it was"):
        performing.run(switch(entry, "centre-dr"))
    assert performing.changed == []
    assert statuses(performing, entry) == START
    assert answering(entry) == {"prod"}


def test_a_target_that_does_not_answer_is_refused(performing: Performing, entry: Entry) -> None:
    gone = replace(server_of(entry, "centre-far"), url="http://127.0.0.1:1/")
    servers = (*entry.servers[:2], gone)
    with pytest.raises(ProcedureFailed, match="centre-far is not healthy"):
        performing.run(switch(replace(entry, servers=servers), "centre-far"))
    assert statuses(performing, entry) == START


def test_open_sessions_are_cut(performing: Performing, entry: Entry) -> None:
    """A client in the middle of a long answer from the old centre is let go at once."""
    where = entry.url.removeprefix("http://").strip("/")
    client = http.client.HTTPConnection(where, timeout=60)
    client.request("GET", "/slow")
    answer = client.getresponse()
    assert answer.read(2) == b".."
    [prod] = [state for state in performing.run(server_states(entry)) if state.name == "prod"]
    assert prod.sessions == 1 and not prod.closed
    after = performing.run(drain(entry, "centre-prod"))
    assert "cut the sessions of prod" in performing.changed
    assert [state.closed for state in after if state.name == "prod"] == [True]
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    client.close()


def test_a_fenced_centre_gets_no_request(performing: Performing, entry: Entry, centres: dict[str, Centre]) -> None:
    performing.run(drain(entry, "centre-prod"))
    before = centres["prod"].asked
    client = http.client.HTTPConnection(entry.url.removeprefix("http://").strip("/"), timeout=60)
    client.request("GET", "/")
    assert client.getresponse().status == 503
    client.close()
    assert centres["prod"].asked == before
    performing.run(drain(entry, "centre-prod"))
    assert performing.changed == []


def test_a_rehearsal_says_yes_and_changes_nothing(performing: Performing, entry: Entry) -> None:
    performing.rehearse(switch(entry, "centre-dr"))
    performing.rehearse(drain(entry, "centre-prod"))
    assert statuses(performing, entry) == START


def test_a_rehearsal_finds_the_sick_target(performing: Performing, entry: Entry, centres: dict[str, Centre]) -> None:
    centres["dr"].status = 500
    with pytest.raises(ProcedureFailed, match="not healthy"):
        performing.rehearse(switch(entry, "centre-dr"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"backend": "nowhere"}, "entry site-entry does not answer.*No such proxy"),
        ({"socket": "/nowhere/socket"}, "entry site-entry does not answer"),
        ({"servers": (EntryServer("centre-x", "ghost", "http://127.0.0.1:1/"),)}, "has no server ghost"),
    ],
)
def test_an_entry_that_is_not_as_the_inventory_says_is_a_sentence(
    performing: Performing, entry: Entry, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ProcedureFailed, match=re.compile(sentence, re.DOTALL)):
        performing.run(server_states(replace(entry, **change)))  # type: ignore[arg-type]


def test_an_unknown_centre_is_a_sentence(performing: Performing, entry: Entry) -> None:
    with pytest.raises(ProcedureFailed, match="has no server in centre-moon"):
        performing.run(switch(entry, "centre-moon"))
