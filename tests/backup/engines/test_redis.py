"""What is particular about copying Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.model.city import Product
from secops.model.step import ProcedureFailed
from tests.backup.engines.databases import make_bench, write_secret
from tests.backup.performing import Performing
from tests.lab.databases.redis import PASSWORD, RedisServer, running_redis

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        running.ask("SET", "greeting", "津盾")
        running.ask("HSET", "person", "name", "Li")
        yield running


def test_a_copy_is_a_snapshot_that_a_server_starts_from(
    server: RedisServer, performing: Performing, tmp_path: Path
) -> None:
    told = {"socket": str(server.socket), "password": write_secret(tmp_path, "redis", PASSWORD)}
    bench = make_bench(tmp_path, performing, Product.REDIS, told)
    copied = bench.copy()
    server.ask("SET", "greeting", "later")
    bench.restore(copied, tmp_path / "back")
    server.ask("SET", "greeting", "津盾")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["dump.rdb"]
    assert "津盾".encode() in (tmp_path / "back/dump.rdb").read_bytes()


def test_a_wrong_password_is_said_and_not_shown(server: RedisServer, performing: Performing, tmp_path: Path) -> None:
    told = {"socket": str(server.socket), "password": write_secret(tmp_path, "redis", "not this one")}
    bench = make_bench(tmp_path, performing, Product.REDIS, told)
    with pytest.raises(ProcedureFailed, match=r"Redis db gives no snapshot.*(WRONGPASS|NOAUTH)") as refusal:
        bench.copy()
    assert "not this one" not in str(refusal.value)


def test_a_server_that_is_away_is_a_sentence(performing: Performing, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, performing, Product.REDIS, {"socket": str(tmp_path / "none")})
    with pytest.raises(ProcedureFailed, match=r"Redis db gives no snapshot.*[Cc]ould not connect"):
        bench.copy()
