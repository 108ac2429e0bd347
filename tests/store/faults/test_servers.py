"""Servers that are away, busy, read-only or half gone: nothing is lost, nothing doubled."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.model.finding import State
from secops.model.text import Text
from secops.store.edits import Move
from secops.store.elasticsearch_documents import Kind
from secops.store.elasticsearch_errors import Unreachable
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_store import ElasticsearchStore, Kept
from secops.store.event import Recorded
from secops.store.finding_store import FindingStore
from secops.support.errors import Incomplete
from tests.contracts.evaluations import evaluation, id_of, weakness
from tests.lab.elasticsearch import (
    MISSING,
    available,
    block_as_full,
    connect,
    restartable_elasticsearch,
    running_cluster,
    shared_elasticsearch,
)
from tests.lab.interposer import interposed
from tests.store.elasticsearch_lab import fresh_indices
from tests.store.faults.ledger import Clock, ledger, open_store, told
from tests.store.faults.scans import scan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("elasticsearch")]

AWAY_SECONDS = 60.0
SCANS_WHILE_AWAY = 12
BECAUSE = Text("因为", "because")
MOVED = id_of("/1", "a0")


@pytest.fixture
def indices() -> Iterator[Indices]:
    with fresh_indices(shared_elasticsearch()) as made:
        yield made


def feed(store: FindingStore, numbers: range) -> list[Recorded]:
    return [store.record(f"s{number:03}", scan(number)) for number in numbers]


def seen_last(number: int) -> bool:
    """Whether the last of so many scans saw what a person then moves: what is resolved cannot be triaged."""
    return any(one.locator == ("GET", "/1") for one in scan(number - 1)[0].weaknesses)


def check(store: ElasticsearchStore, right: FindingStore) -> None:
    """All is there, once."""
    assert store.waiting().depth == store.waiting().dead_letters == 0
    one, other = told(store), told(right)
    for part in other:
        assert one[part] == other[part], part


@pytest.mark.timeout(600)
def test_a_server_that_dies_and_comes_back(tmp_path: Path) -> None:
    if not available():
        pytest.skip(MISSING)
    clock = Clock()
    with restartable_elasticsearch() as server, ledger(tmp_path, clock) as right:
        with open_store(server.url, tmp_path, "t", clock) as store:
            feed(store, range(3))
            server.kill()
            started, number = time.monotonic(), 3
            while time.monotonic() - started < AWAY_SECONDS or not seen_last(number):
                recorded = store.record(f"s{number:03}", scan(number))
                assert recorded == Recorded(waiting=8)
                number += 1
                time.sleep(AWAY_SECONDS / SCANS_WHILE_AWAY)
            with pytest.raises(Kept, match="will be done when the server is back"):
                store.edit(Move(MOVED, BECAUSE, to=State.TRIAGED), actor="li")
            with pytest.raises(Unreachable):
                store.get(MOVED)
            assert store.waiting().depth == (number - 3) * 8 + 1
        feed(right, range(number))
        right.edit(Move(MOVED, BECAUSE, to=State.TRIAGED), actor="li")
        server.start()
        with open_store(server.url, tmp_path, "t", clock) as store:
            check(store, right)


def test_an_edit_that_somebody_else_overtakes_while_it_waits_is_a_dead_letter(indices: Indices, tmp_path: Path) -> None:
    clock, id = Clock(), id_of()
    with (
        interposed(indices.server.name) as way,
        open_store(way.url, tmp_path, indices.prefix, clock, patience_seconds=0.5) as store,
    ):
        store.record("s1", [evaluation(weakness())])
        way.refused_requests = 1.0
        clock.minutes = 1
        with pytest.raises(Kept):
            store.edit(Move(id, BECAUSE, 1, State.TRIAGED), actor="li")
        other = tmp_path / "other"
        other.mkdir()
        with open_store(indices.server.name, other, indices.prefix, clock) as another:
            another.edit(Move(id, BECAUSE, 1, State.FALSE_POSITIVE), actor="wang")
        way.refused_requests = 0.0
        store.ship()
        (letter,) = store._outbox.dead_letters()
        assert "changed meanwhile" in letter.reason.en
        assert [event.actor for event in store.history(id)] == ["scan:s1", "wang"]
        assert store.get(id).state is State.FALSE_POSITIVE


def test_a_third_of_all_documents_answered_429(indices: Indices, tmp_path: Path) -> None:
    clock = Clock()
    with interposed(indices.server.name) as way, ledger(tmp_path, clock) as right:
        way.refused_items, way.refused_requests = 0.3, 0.1
        with open_store(way.url, tmp_path, indices.prefix, clock) as store:
            got = feed(store, range(5))
            assert got == feed(right, range(5))
            check(store, right)
        assert way.told["items"] > 300
        assert way.told["requests"] > 0


@pytest.mark.parametrize("every", [2, 3, 5])
def test_answers_that_get_lost(indices: Indices, tmp_path: Path, every: int) -> None:
    """Every second one: each request is sent twice, and is refused as a conflict with itself."""
    clock = Clock()
    with interposed(indices.server.name) as way, ledger(tmp_path, clock) as right:
        with open_store(way.url, tmp_path, indices.prefix, clock) as store:
            way.lost_every = every
            assert feed(store, range(8)) == feed(right, range(8))
            way.lost_every = 0
            check(store, right)
        assert way.told["answers"] > 8 * 3 // every


def test_requests_that_are_too_large_become_smaller(indices: Indices, tmp_path: Path) -> None:
    clock = Clock()
    with interposed(indices.server.name) as way, ledger(tmp_path, clock) as right:
        way.largest_bytes = 40_000
        with open_store(way.url, tmp_path, indices.prefix, clock) as store:
            feed(store, range(3))
            feed(right, range(3))
            check(store, right)
        assert way.told["large"] > 0


@pytest.mark.parametrize(
    ("kind", "block"),
    [
        (Kind.FINDINGS, "read_only_allow_delete"),
        (Kind.COVERAGE, "write"),
        (Kind.EVENTS, "read_only"),
        (Kind.PLACES, "write"),
    ],
)
def test_an_index_that_is_read_only_for_a_while(indices: Indices, tmp_path: Path, kind: Kind, block: str) -> None:
    """As a full disk makes it, which costs a test eleven seconds, or as somebody does."""
    clock, pattern = Clock(), f"{indices.alias(kind)}-*"
    with (
        connect(shared_elasticsearch()) as administrator,
        ledger(tmp_path, clock) as right,
        open_store(indices.server.name, tmp_path, indices.prefix, clock, patience_seconds=0.3) as store,
    ):
        feed(store, range(2))
        if block == "read_only_allow_delete":
            block_as_full(administrator, pattern)
        else:
            administrator.indices.put_settings(index=pattern, settings={f"index.blocks.{block}": True})
        for number in range(2, 5):
            assert store.record(f"s{number:03}", scan(number)).waiting == 8
        assert store.get(id_of("/1", "a0")), "reading goes on"
        with pytest.raises(Incomplete, match="takes no writes now"):
            store.ship(patience_seconds=0.3)
        administrator.indices.put_settings(index=pattern, settings={f"index.blocks.{block}": None})
        feed(right, range(5))
        store.ship()
        check(store, right)


def test_one_of_three_nodes_is_killed(tmp_path: Path) -> None:
    if not available():
        pytest.skip(MISSING)
    clock = Clock()
    with (
        running_cluster(3) as cluster,
        ledger(tmp_path, clock) as right,
        open_store(cluster.urls, tmp_path, "t", clock) as store,
    ):
        feed(store, range(3))
        connect(cluster).cluster.health(wait_for_status="green", timeout="60s")
        cluster.nodes[1].kill()
        feed(store, range(3, 9))
        feed(right, range(9))
        store.ship(patience_seconds=100)
        check(store, right)
