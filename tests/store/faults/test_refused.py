"""What the server refuses for good, one among thousands: it is kept aside with the reason, and the rest goes on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from secops.model.finding import Severity, Weakness, WeaknessClass, finding_id
from secops.model.text import Text
from secops.store.elasticsearch_documents import Kind
from secops.store.elasticsearch_indices import Indices, definition
from secops.store.query import Equals, Query
from secops.support.clock import now
from tests.contracts.evaluations import evaluation, id_of, weakness
from tests.lab.elasticsearch import connect, shared_elasticsearch
from tests.store.elasticsearch_lab import fresh_indices
from tests.store.faults.ledger import Clock, open_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("elasticsearch")]

GOOD = 10_000


@pytest.fixture
def indices() -> Iterator[Indices]:
    with fresh_indices(shared_elasticsearch()) as made:
        yield made


def test_evaluations_that_cannot_be_written_among_ten_thousand(indices: Indices, tmp_path: Path) -> None:
    """One lasts longer than a long can say, one for a time that is no number."""
    batch = [evaluation(weakness(f"/{n}"), asset=f"a{n}") for n in range(GOOD)]
    batch[4321:4321] = [
        replace(evaluation(weakness("/x"), asset="bad-1"), seconds=1e12),
        replace(evaluation(weakness("/x"), asset="bad-2"), seconds=float("nan")),
    ]
    with open_store(indices.server.name, tmp_path, indices.prefix, Clock()) as store:
        recorded = store.record("s1", batch)
        assert (len(recorded.new), recorded.waiting) == (GOOD, 0)
        assert store.count(Query()) == {(): GOOD}
        assert len(store.coverage()) == GOOD
        letters = store._outbox.dead_letters()
        assert [letter.again for letter in letters] == [None, None]
        assert "out of range of long" in letters[0].reason.en
        assert letters[1].reason.en
        assert store.waiting().depth == 0
        assert store.record("s2", [evaluation(weakness(), asset="after", minutes=2)]).new == (id_of(asset="after"),)


def port(number: int) -> Weakness:
    return Weakness(
        WeaknessClass.PORT,
        "tcp-ports.open",
        ("tcp", str(number)),
        Severity.LOW,
        Text(f"端口 {number} 开放", f"port {number} is open"),
        Text("在听", "it listens"),
        Text("关", "close it"),
    )


def test_a_finding_that_the_mapping_refuses_is_replayed_when_that_is_mended(indices: Indices, tmp_path: Path) -> None:
    """Of the findings of one evaluation the others are written, and counted once, also after the replay."""
    indices.set_up(now())
    with connect(shared_elasticsearch()) as administrator:
        name = indices.name(Kind.FINDINGS, 1)
        made = definition(Kind.FINDINGS, now())
        made["mappings"]["properties"]["destination"] = {"properties": {"port": {"type": "byte"}}}
        administrator.indices.delete(index=name)
        aliases = {indices.own(name): {}, indices.alias(Kind.FINDINGS): {"is_write_index": True}}
        administrator.indices.create(index=name, aliases=aliases, **made)
        bad = finding_id(WeaknessClass.PORT, "site", "tcp-ports.open", ("tcp", "8443"))
        with open_store(indices.server.name, tmp_path, indices.prefix, Clock()) as store:
            recorded = store.record("s1", [evaluation(port(22), port(80), port(8443), check="tcp-ports", minutes=1)])
            assert len(recorded.new) == 2
            (letter,) = store._outbox.dead_letters()
            assert letter.again == frozenset({bad})
            assert store.record("s2", [evaluation(port(22), check="tcp-ports", minutes=2)]).seen_again
            mended = {"destination": {"properties": {"port": {"type": "byte", "ignore_malformed": True}}}}
            administrator.indices.put_mapping(index=name, properties=mended)
            store._outbox.replay()
            store.ship()
            assert store.waiting().depth == store.waiting().dead_letters == 0
            found = store.find(Query(Equals("asset", "site"))).findings
            assert {one.weakness.locator[1]: one.times_seen for one in found} == {"22": 2, "80": 1, "8443": 1}
            assert [len(store.history(one.id)) for one in found if one.weakness.locator[1] != "80"] == [1, 1]
