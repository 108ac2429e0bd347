"""What is particular about copying Elasticsearch: snapshots, renamed indices, counts and sampled documents."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from backup.copying import Copy
from backup.elasticsearch import prefix_of
from backup.engine import Copied, CopyBroken, engine_for
from backup.manifest import Kind
from backup.trial import TrialFailed
from backup.trials.elasticsearch import trial
from backup.verification import Candidate, Looks, Scratch, verify
from secops.model.city import Product, Vault
from secops.model.restore_point import Proof, Rung
from secops.model.step import LOCAL, Procedure, ProcedureFailed
from secops.support.clock import now
from tests.backup.engines.databases import Bench, make_bench, write_secret
from tests.backup.performing import Performing
from tests.contracts.test_engine import flip_a_byte
from tests.lab.elasticsearch import PASSWORD, USER, Server, connect, shared_elasticsearch
from tests.lab.serving import folder_for_server, give_to_server

pytestmark = pytest.mark.slow
INDEX, EMPTY = "test-people", "test-empty"


@pytest.fixture(scope="module")
def server() -> Server:
    return shared_elasticsearch()


@pytest.fixture
def client(server: Server) -> Iterator[Elasticsearch]:
    """With two indices, one of 100 documents, which the test may change, and none that tests before it left."""
    with connect(server) as connected:
        for name in connected.indices.get(index="*"):
            connected.indices.delete(index=name)
        connected.indices.create(index=EMPTY)
        connected.bulk(index=INDEX, operations=[line for n in range(100) for line in _put(n)], refresh=True)
        yield connected
        left = [name for name in connected.indices.get(index="*") if name.startswith(("test-", "restored-"))]
        connected.indices.delete(index=",".join(left))


def _put(number: int) -> list[dict[str, object]]:
    return [{"index": {"_id": str(number)}}, {"n": number, "name": '李 "quoted" ${file:passphrase}'}]


@pytest.fixture
def folder() -> Iterator[Path]:
    """The nodes write the vault, and reach it."""
    with folder_for_server("snapshots") as made:
        yield made


@pytest.fixture
def bench(server: Server, client: Elasticsearch, folder: Path) -> Iterator[Bench]:
    with Performing(folder) as performing:
        yield prepared(make_bench(folder, performing, Product.ELASTICSEARCH, told(server)))


def told(server: Server) -> Mapping[str, str]:
    return {"url": server.url}


def prepared(bench: Bench) -> Bench:
    vault = Path(bench.shelf.vault.location)
    vault.mkdir(parents=True)
    give_to_server(vault.parent)
    return bench


def restored_names(client: Elasticsearch) -> list[str]:
    return [name for name in client.indices.get(index="*") if name.startswith("restored-")]


def test_a_restore_makes_renamed_indices_and_says_what_they_hold(
    bench: Bench, client: Elasticsearch, folder: Path
) -> None:
    copied = bench.copy()
    client.delete(index=INDEX, id="7", refresh=True)
    into = folder / "back"
    bench.restore(copied, into)
    assert sorted(path.name for path in into.iterdir()) == [EMPTY, INDEX]
    assert (into / INDEX / "count").read_text() == "100\n"
    assert 8 <= len(list((into / INDEX).iterdir())) - 1 < 16
    assert client.count(index=f"{prefix_of(str(into))}{INDEX}")["count"] == 100
    assert client.count(index=INDEX)["count"] == 99, "what is in use is left alone"
    bench.performing.run(engine_for(bench.source).discard(bench.source, LOCAL, str(into)))
    assert restored_names(client) == []


def test_what_was_restored_is_not_copied(bench: Bench, folder: Path) -> None:
    bench.restore(bench.copy(), folder / "back")
    again = bench.copy()
    assert {entry.path.split("/")[0] for entry in again.manifest.entries} == {INDEX, EMPTY}


def test_what_changed_under_the_copy_is_not_held_against_it(bench: Bench, client: Elasticsearch, folder: Path) -> None:
    procedure = engine_for(bench.source).backup(bench.source, bench.shelf.vault, bench.shelf.keys, "one", now())

    def changed_meanwhile() -> Procedure[Copied]:
        step = next(procedure)
        while True:
            if step.name == "take the snapshot":
                client.index(index=INDEX, id="64", document={"n": 1000}, refresh=True)
                client.index(index=INDEX, id="new", document={"n": 1001}, refresh=True)
            try:
                step = procedure.send((yield step))
            except StopIteration as stop:
                copied: Copied = stop.value
                return copied

    manifest = bench.performing.run(changed_meanwhile()).manifest
    assert manifest is not None
    kinds = {entry.path: entry.kind for entry in manifest.entries}
    assert kinds[f"{INDEX}/count"] is Kind.CHANGING
    assert list(kinds.values()).count(Kind.FILE) >= 8, "what did not change is still compared"


def test_a_climb_to_the_top_leaves_no_index_behind(bench: Bench, client: Elasticsearch, folder: Path) -> None:
    source = replace(bench.source, tried_with={"question": f"{INDEX}/_doc/7", "answer": '"n":7'})
    copied = bench.copy()
    candidate = Candidate(
        engine_for(source), source, copied.point, bench.shelf.vault, bench.shelf.keys, copied.manifest
    )
    scratch = Scratch(LOCAL, str(folder / "scratch"))
    verified = bench.performing.run(verify(candidate, scratch, now(), Looks(trial=trial), Rung.BUSINESS))
    assert verified.verdict.restorable is Proof.YES, verified.verdict.because
    assert verified.verdict.rung is Rung.BUSINESS
    assert restored_names(client) == []


def test_a_document_that_came_back_otherwise_is_found(bench: Bench, client: Elasticsearch, folder: Path) -> None:
    copied = bench.copy()
    into = folder / "back"
    bench.restore(copied, into)
    client.update(index=f"{prefix_of(str(into))}{INDEX}", id="0", doc={"name": "other"}, refresh=True)
    with pytest.raises(TrialFailed, match="differences from the manifest"):
        bench.performing.run(trial.run(bench.source, LOCAL, str(into), now()))


def test_a_flipped_byte_leaves_no_index_behind(bench: Bench, client: Elasticsearch) -> None:
    copied = bench.copy()
    flip_a_byte(bench.shelf.repository)
    engine, shelf = engine_for(bench.source), bench.shelf
    with pytest.raises(CopyBroken, match="the copy is damaged"):
        bench.performing.run(engine.read_check(bench.source, shelf.vault, shelf.keys, copied.point.archive))
    assert restored_names(client) == []


def test_a_vault_that_nodes_cannot_reach_is_refused(bench: Bench) -> None:
    vault = Vault("v2", "c1", "ssh://vault@10.0.0.1/copies")
    with pytest.raises(ProcedureFailed, match="a directory that all nodes reach"):
        bench.performing.run(engine_for(bench.source).prepare(bench.source, vault, bench.shelf.keys))


def test_a_directory_that_the_nodes_do_not_allow_is_said(bench: Bench) -> None:
    vault = replace(bench.shelf.vault, location="/var/nobody-allows-this")
    with pytest.raises(ProcedureFailed, match=r"path\.repo"):
        bench.performing.run(engine_for(bench.source).prepare(bench.source, vault, bench.shelf.keys))


def test_many_indices_are_sampled_together(bench: Bench, client: Elasticsearch, folder: Path) -> None:
    for number in range(25):
        client.index(index=f"test-many-{number}", document={"n": number}, refresh=True)
    copied: Copy = bench.copy()
    assert len([entry for entry in copied.manifest.entries if entry.path.endswith("/count")]) == 27
    bench.restore(copied, folder / "back")


def test_a_secured_cluster_is_logged_in_to(folder: Path) -> None:
    server = shared_elasticsearch(secured=True)
    with connect(server) as client:
        client.index(index=INDEX, id="1", document={"n": 1}, refresh=True)
    login = {"account": USER, "authority": str(server.authority), **told(server)}
    with Performing(folder) as performing:
        good = {**login, "password": write_secret(folder, "es", PASSWORD)}
        bench = prepared(make_bench(folder, performing, Product.ELASTICSEARCH, good))
        bench.restore(bench.copy(), folder / "back")
        assert not [each for each in performing.performed if PASSWORD in repr(each)]
        wrong = {**login, "password": write_secret(folder, "es", "not this one")}
        copied_by = bench.source.copied_by
        assert copied_by is not None
        source = replace(bench.source, copied_by=replace(copied_by, options=wrong))
        bad = replace(bench, shelf=replace(bench.shelf, source=source))
        with pytest.raises(ProcedureFailed, match="refuses the login"):
            bad.copy()
