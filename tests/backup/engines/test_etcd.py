"""What is particular about copying etcd."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backup.engine import engine_for
from secops.model.city import Product
from secops.model.step import LOCAL, ProcedureFailed
from tests.backup.engines.databases import Bench, make_bench
from tests.backup.performing import Performing
from tests.lab.databases.etcd import EtcdServer, running_etcd

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[EtcdServer]:
    with running_etcd() as running:
        running.ask("put", "/city/name", "Tianjin")
        yield running


@pytest.fixture
def bench(server: EtcdServer, performing: Performing, tmp_path: Path) -> Bench:
    return make_bench(tmp_path, performing, Product.ETCD, {"endpoint": server.endpoint})


def test_a_copy_made_ready_is_a_data_directory(bench: Bench, tmp_path: Path) -> None:
    bench.restore(bench.copy(), tmp_path / "back")
    assert (tmp_path / "back/data/member/snap/db").is_file()
    engine = engine_for(bench.source)
    bench.performing.run(engine.make_ready(bench.source, LOCAL, str(tmp_path / "back")))
    assert bench.performing.changed == [], "what is ready is left as it is"


def test_a_snapshot_with_a_flipped_byte_is_not_built_from(bench: Bench, tmp_path: Path) -> None:
    bench.restore(bench.copy(), tmp_path / "back")
    other = tmp_path / "other"
    other.mkdir()
    content = bytearray((tmp_path / "back/snapshot.db").read_bytes())
    content[len(content) // 2] ^= 1
    (other / "snapshot.db").write_bytes(content)
    with pytest.raises(ProcedureFailed, match="sha256"):
        bench.performing.run(engine_for(bench.source).make_ready(bench.source, LOCAL, str(other)))


def test_a_member_that_is_away_is_a_sentence(performing: Performing, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, performing, Product.ETCD, {"endpoint": "http://127.0.0.1:9"})
    with pytest.raises(ProcedureFailed, match="etcd db does not answer"):
        bench.copy()
