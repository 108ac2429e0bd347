"""Each trial finds what no manifest shows: data that were damaged before they were copied."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from backup.trial import TrialFailed, trials
from secops.model.city import Product
from secops.model.step import LOCAL
from secops.support.clock import now
from tests.backup.engines.databases import Bench, make_bench
from tests.backup.performing import Performing
from tests.lab.databases.etcd import running_etcd
from tests.lab.databases.mariadb import running_mariadb
from tests.lab.databases.redis import running_redis
from tests.lab.serving import folder_for_server

pytestmark = pytest.mark.slow


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place that the user of the server can enter."""
    with folder_for_server("trials") as made:
        yield made


@pytest.fixture
def performing(folder: Path) -> Iterator[Performing]:
    with Performing(folder) as opened:
        yield opened


def try_out(bench: Bench, into: Path) -> None:
    product = bench.source.product
    trial = next(each for each in trials().values() if each.product is product)
    bench.performing.run(trial.run(bench.source, LOCAL, str(into), now()))
    raise AssertionError("the trial found nothing")


def test_a_damaged_table_of_mariadb(performing: Performing, folder: Path) -> None:
    with running_mariadb() as server:
        server.ask("CREATE TABLE suite.old (n INT, text VARCHAR(200), KEY (n)) ENGINE=MyISAM")
        server.ask("USE suite; INSERT INTO suite.old SELECT seq, REPEAT('x', 150) FROM seq_1_to_500; FLUSH TABLES")
        bench = make_bench(folder, performing, Product.MARIADB, {"socket": str(server.socket), "account": "root"})
        bench.restore(bench.copy(), folder / "back")
    table = folder / "back/suite/old.MYD"
    content = bytearray(table.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = b"\xff" * 400
    table.write_bytes(content)
    with pytest.raises(TrialFailed, match=r"the table suite\.old is damaged"):
        try_out(bench, folder / "back")


def test_a_truncated_snapshot_of_redis(performing: Performing, folder: Path) -> None:
    with running_redis() as server:
        for number in range(50):
            server.write(f"note {number}")
        (folder / "login").write_text(server.password)
        (folder / "login").chmod(0o600)
        bench = make_bench(folder, performing, Product.REDIS, server.options("redis"))
        bench.restore(bench.copy(), folder / "back")
    snapshot = folder / "back/dump.rdb"
    snapshot.write_bytes(snapshot.read_bytes()[:-30])
    with pytest.raises(TrialFailed, match="do not start"):
        try_out(bench, folder / "back")


def test_an_etcd_that_stands_at_another_revision(performing: Performing, folder: Path) -> None:
    with running_etcd() as server:
        server.write("one")
        bench = make_bench(folder, performing, Product.ETCD, server.options("etcd"))
        early = bench.copy()
        server.write("two")
        bench.restore(bench.copy(now() + timedelta(seconds=2)), folder / "late")
    bench.restore(early, folder / "back")
    (folder / "late/snapshot.db").replace(folder / "back/snapshot.db")
    with pytest.raises(TrialFailed, match="the snapshot is of revision"):
        try_out(bench, folder / "back")


def test_a_damaged_database_of_sqlite(performing: Performing, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "source.db")) as connection, connection:
        connection.execute("CREATE TABLE note (text TEXT PRIMARY KEY)")
        connection.executemany("INSERT INTO note VALUES (?)", ((f"{n:0200}",) for n in range(500)))
    bench = make_bench(folder, performing, Product.SQLITE, path=str(folder / "source.db"))
    bench.restore(bench.copy(), folder / "back")
    database = folder / "back/database.sqlite"
    content = bytearray(database.read_bytes())
    content[4096 * 6 : 4096 * 6 + 50] = b"\xff" * 50
    database.write_bytes(content)
    with pytest.raises(TrialFailed, match="SQLite database is not well"):
        try_out(bench, folder / "back")
