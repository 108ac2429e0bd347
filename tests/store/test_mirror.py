"""What is known of findings on this machine saves fetching them, and is never taken for more than it is."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from secops.model.finding import State
from secops.model.text import Text
from secops.store.edits import Move
from secops.store.elasticsearch_documents import FINDING_FIELDS, Kind
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_json import OURS
from secops.store.elasticsearch_reindexing import reindex
from secops.store.elasticsearch_server import ElasticsearchServer, Found
from secops.store.mirror import MIRROR_FILE, Mirror
from secops.support.clock import now
from secops.support.errors import Incomplete
from tests.contracts.evaluations import evaluation, id_of, weakness
from tests.lab.elasticsearch import connect, shared_elasticsearch
from tests.store.elasticsearch_lab import fresh_indices
from tests.store.faults.ledger import Clock, everything, ledger, open_store, told
from tests.store.faults.scans import scan

BECAUSE = Text("因为", "because")


def row(id: str, seq_no: int = 1, text: str = "{}") -> Found:
    return Found(id, {OURS: {"document": text, "extra": "{}"}}, "index", seq_no, 1)


def test_a_finding_is_known_in_that_version_of_that_index_alone(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / MIRROR_FILE)
    mirror.keep("u1", [row("a"), row("b", 2)])
    mirror.close()
    mirror = Mirror(tmp_path / MIRROR_FILE)
    assert mirror.known("u1", [row("a"), row("b", 2), row("c")]) == {"a": row("a"), "b": row("b", 2)}
    assert mirror.known("u1", [row("a", 2), Found("b", {}, "index", 2, 2)]) == {}
    assert mirror.known("u2", [row("a")]) == {}
    mirror.keep("u1", [row("a", 7, '{"newer": 1}')])
    assert mirror.known("u1", [row("a")]) == {}
    assert mirror.known("u1", [row("a", 7)])["a"].source == {OURS: {"document": '{"newer": 1}', "extra": "{}"}}
    mirror.close()


def test_it_stays_small(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / MIRROR_FILE, most_findings=10)
    for number in range(25):
        mirror.keep("u", [row(str(number))])
    mirror.keep("u", [row("huge", text="x" * 10_000)])
    assert set(mirror.known("u", [row(str(number)) for number in range(25)])) == {str(one) for one in range(15, 25)}
    assert mirror.known("u", [row("huge")]) == {}
    mirror.close()


def test_a_file_that_is_broken_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / MIRROR_FILE).write_bytes(b"SQLite format 3\0" + b"garbage" * 1000)
    mirror = Mirror(tmp_path / MIRROR_FILE)
    mirror.keep("u", [row("a")])
    assert set(mirror.known("u", [row("a")])) == {"a"}
    mirror.close()


def test_a_file_that_is_only_busy_is_left_to_whoever_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / MIRROR_FILE
    first = Mirror(path)
    first.keep("u", [row("a")])

    def busy(*_: object, **__: object) -> None:
        raise Incomplete(BECAUSE)

    with monkeypatch.context() as context:
        context.setattr("secops.store.mirror.SqliteFile", busy)
        other = Mirror(path)
    other.keep("u", [row("b")])
    assert other.known("u", [row("a")]) == {}
    assert set(first.known("u", [row("a"), row("b")])) == {"a"}
    other.close()
    first.close()


def test_where_no_file_can_be_it_is_done_without(tmp_path: Path) -> None:
    (tmp_path / MIRROR_FILE).mkdir()
    mirror = Mirror(tmp_path / MIRROR_FILE)
    mirror.keep("u", [row("a")])
    assert mirror.known("u", [row("a")]) == {}
    mirror.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("elasticsearch")
class TestBesideAServer:
    @pytest.fixture
    def indices(self) -> Iterator[Indices]:
        with fresh_indices(shared_elasticsearch()) as made:
            yield made

    @pytest.fixture
    def fetched(self, monkeypatch: pytest.MonkeyPatch, indices: Indices) -> list[str]:
        """Ids of the findings whose documents were asked for."""
        asked: list[str] = []
        get = ElasticsearchServer.get

        def noted(
            server: ElasticsearchServer, index: str, ids: Iterable[str], fields: tuple[str, ...] = ()
        ) -> dict[str, Found]:
            wanted = list(ids)
            found = get(server, index, wanted, fields)
            if index == indices.alias(Kind.FINDINGS) and fields == FINDING_FIELDS:
                asked.extend(found)
            return found

        monkeypatch.setattr(ElasticsearchServer, "get", noted)
        return asked

    def test_what_nobody_changed_is_not_fetched(self, indices: Indices, tmp_path: Path, fetched: list[str]) -> None:
        clock = Clock()
        with ledger(tmp_path, clock) as right:
            for number in range(3):
                right.record(f"s{number}", [evaluation(weakness(), weakness("/b"), minutes=number)])
                with open_store(indices.server.name, tmp_path, indices.prefix, clock) as store:
                    store.record(f"s{number}", [evaluation(weakness(), weakness("/b"), minutes=number)])
                    assert fetched == []
            with open_store(indices.server.name, tmp_path, indices.prefix, clock) as store:
                assert told(store) == told(right)

    @pytest.mark.parametrize("between", ["edited", "reindexed", "file lost", "file broken"])
    def test_what_happened_between_two_scans_counts(
        self, between: str, indices: Indices, tmp_path: Path, fetched: list[str]
    ) -> None:
        clock, name = Clock(), indices.server.name
        home, other = tmp_path / "home", tmp_path / "other"
        home.mkdir()
        other.mkdir()
        move = Move(id_of("/1", "a0"), BECAUSE, to=State.TRIAGED)
        with ledger(tmp_path, clock) as right:
            for number in range(2):
                right.record(f"s{number}", scan(number, 3))
                with open_store(name, home, indices.prefix, clock) as store:
                    store.record(f"s{number}", scan(number, 3))
            if between == "edited":
                right.edit(move, actor="li")
                with open_store(name, other, indices.prefix, clock) as store:
                    store.edit(move, actor="li")
            elif between == "reindexed":
                reindex(indices, Kind.FINDINGS, now())
            elif between == "file lost":
                (home / MIRROR_FILE).unlink()
            else:
                (home / MIRROR_FILE).write_bytes(b"nothing of ours")
            fetched.clear()
            right.record("s2", scan(2, 3))
            with open_store(name, home, indices.prefix, clock) as store:
                store.record("s2", scan(2, 3))
                assert fetched, "what is not known in this version is asked for"
                assert told(store) == told(right)

    def test_an_index_that_was_put_back_is_another_one(self, indices: Indices, tmp_path: Path) -> None:
        """A copy has the sequence numbers of what it was made of, and gives the next ones to something else."""
        clock, name = Clock(), indices.server.name
        home, other = tmp_path / "home", tmp_path / "other"
        home.mkdir()
        other.mkdir()
        with open_store(name, home, indices.prefix, clock) as store:
            store.record("s0", [evaluation(weakness())])
            with connect(shared_elasticsearch()) as administrator:
                index = indices.newest(Kind.FINDINGS)
                copy = f"{index}-copy"
                indices.server.block_writes(index)
                administrator.indices.clone(index=index, target=copy, wait_for_active_shards="1")
                indices.server.unblock_writes(index)
                store.record("s1", [evaluation(weakness(), minutes=1)])
                aliases = administrator.indices.get(index=index)[index]["aliases"]
                indices.server.delete_index(index)
                administrator.indices.clone(
                    index=copy,
                    target=index,
                    wait_for_active_shards="1",
                    aliases=aliases,
                    settings={"blocks.write": None},
                )
        with open_store(name, other, indices.prefix, clock) as store:
            store.edit(Move(id_of(), BECAUSE, to=State.TRIAGED), actor="li")
        with open_store(name, home, indices.prefix, clock) as store:
            store.record("s2", [evaluation(weakness(), minutes=2)])
            (found,) = everything(store)
            assert (found.state, found.times_seen) == (State.TRIAGED, 2), (
                "seen by s0 and s2, s1 was lost with the index"
            )
