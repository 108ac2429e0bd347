"""What is particular about copying MariaDB: its log, and moments between copies."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backup.copying import Copy
from backup.engine import CopyBroken, engine_for
from secops.model.city import Product
from secops.model.step import LOCAL, ProcedureFailed
from secops.support.clock import now
from tests.backup.engines.databases import Bench, make_bench, write_secret
from tests.backup.performing import Performing
from tests.lab.databases.mariadb import ACCOUNT, PASSWORD, MariadbServer, over_data, running_mariadb

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[MariadbServer]:
    with running_mariadb() as running:
        yield running


@pytest.fixture(scope="module")
def bench(server: MariadbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    server.ask("CREATE DATABASE city; CREATE TABLE city.people (n INT PRIMARY KEY, name TEXT)")
    server.ask("INSERT INTO city.people VALUES (1, '津')")
    folder = tmp_path_factory.mktemp("bench")
    with Performing(folder) as performing:
        yield make_bench(folder, performing, Product.MARIADB, told(server, folder))


def told(server: MariadbServer, folder: Path, password: str = PASSWORD) -> Mapping[str, str]:
    secret = write_secret(folder, "database", password)
    return {"socket": str(server.socket), "account": ACCOUNT, "password": secret}


def bring_log(bench: Bench, taken: datetime | None = None) -> datetime | None:
    engine, shelf = engine_for(bench.source), bench.shelf
    return bench.performing.run(engine.bring_log(bench.source, shelf.vault, shelf.keys, taken or now()))


def next_second() -> datetime:
    """Wait for a new second, which is the moment that is answered."""
    began = now().replace(microsecond=0)
    while (moment := now().replace(microsecond=0)) == began:
        time.sleep(0.01)
    return moment


def people(data: Path) -> str:
    with over_data(data) as restored:
        return restored.ask("SELECT GROUP_CONCAT(n ORDER BY n) FROM city.people")


@pytest.fixture(scope="module")
def logged(server: MariadbServer, bench: Bench) -> tuple[Copy, datetime]:
    """A copy with person 1, and the moment after which 3 came; 2 and an account came before, in another file."""
    copied = bench.copy()
    time.sleep(1)
    server.ask("INSERT INTO city.people VALUES (2, '盾')")
    server.ask("CREATE OR REPLACE USER late@localhost IDENTIFIED BY 'x'; FLUSH BINARY LOGS")
    time.sleep(1)
    moment = next_second()
    server.ask("INSERT INTO city.people VALUES (3, 'x'); UPDATE city.people SET name = 'gone'")
    next_second()
    bring_log(bench)
    return copied, moment


def test_a_copy_starts_and_holds_what_was_there(bench: Bench, logged: tuple[Copy, datetime], tmp_path: Path) -> None:
    bench.restore(logged[0], tmp_path / "back")
    assert people(tmp_path / "back") == "1"


def test_a_restore_to_a_moment_holds_what_was_before_it(
    bench: Bench, logged: tuple[Copy, datetime], tmp_path: Path
) -> None:
    copied, moment = logged
    bench.restore(copied, tmp_path / "back", until=moment)
    with over_data(tmp_path / "back") as restored:
        assert restored.ask("SELECT GROUP_CONCAT(n, name ORDER BY n) FROM city.people") == "1津,2盾"
        assert restored.ask("SELECT COUNT(*) FROM mysql.user WHERE user = 'late'") == "1"
    engine = engine_for(bench.source)
    bench.performing.run(engine.make_ready(bench.source, LOCAL, str(tmp_path / "back"), moment))
    assert bench.performing.changed == [], "what is ready is left as it is"


def test_a_later_state_of_the_log_goes_further(
    bench: Bench, server: MariadbServer, logged: tuple[Copy, datetime], tmp_path: Path
) -> None:
    copied, _ = logged
    server.ask("INSERT INTO city.people VALUES (4, 'y')")
    next_second()
    until = bring_log(bench)
    assert until is not None
    bench.restore(copied, tmp_path / "back", until)
    assert people(tmp_path / "back") == "1,2,3,4"


def test_a_moment_that_no_log_reaches_is_refused(bench: Bench, logged: tuple[Copy, datetime], tmp_path: Path) -> None:
    with pytest.raises(ProcedureFailed, match="the log in the vault does not reach"):
        bench.restore(logged[0], tmp_path / "back", until=now() + timedelta(minutes=5))


def test_a_moment_before_the_copy_ended_is_refused(bench: Bench, logged: tuple[Copy, datetime], tmp_path: Path) -> None:
    copied, _ = logged
    with pytest.raises(ProcedureFailed, match="before that"):
        bench.restore(copied, tmp_path / "back", until=copied.point.taken - timedelta(seconds=5))


def test_a_missing_file_of_the_log_is_found(bench: Bench, logged: tuple[Copy, datetime], tmp_path: Path) -> None:
    copied, moment = logged
    into, engine, shelf = tmp_path / "back", engine_for(bench.source), bench.shelf
    bench.performing.run(engine.restore(bench.source, copied.point, shelf.vault, shelf.keys, LOCAL, str(into), moment))
    first = (into / "xtrabackup_binlog_info").read_text().split()[0]
    (tmp_path / "back.log" / first).unlink()
    with pytest.raises(CopyBroken, match=f"the log lacks {first}"):
        bench.performing.run(engine.make_ready(bench.source, LOCAL, str(into), moment))


def test_a_cut_off_file_of_the_log_is_found(bench: Bench, logged: tuple[Copy, datetime], tmp_path: Path) -> None:
    copied, moment = logged
    into, engine, shelf = tmp_path / "back", engine_for(bench.source), bench.shelf
    bench.performing.run(engine.restore(bench.source, copied.point, shelf.vault, shelf.keys, LOCAL, str(into), moment))
    first = tmp_path / "back.log" / (into / "xtrabackup_binlog_info").read_text().split()[0]
    content = bytearray(first.read_bytes())
    content[-120] ^= 1
    first.write_bytes(content)
    with pytest.raises(ProcedureFailed, match="the log cannot be applied"):
        bench.performing.run(engine.make_ready(bench.source, LOCAL, str(into), moment))
    with pytest.raises(ProcedureFailed, match="an earlier try was cut off"):
        bench.performing.run(engine.make_ready(bench.source, LOCAL, str(into), moment))


def test_the_mirror_drops_what_the_server_dropped(bench: Bench, server: MariadbServer) -> None:
    bring_log(bench)
    server.ask("FLUSH BINARY LOGS")
    newest = server.ask("SHOW BINARY LOGS").splitlines()[-1].split("\t")[0]
    server.ask(f"PURGE BINARY LOGS TO '{newest}'")
    bring_log(bench, now() + timedelta(seconds=2))
    mirror = Path(bench.shelf.keys.state_directory) / "binlog" / "db"
    assert [path.name for path in mirror.iterdir()] == [newest]


def test_a_wrong_password_is_said_and_not_shown(server: MariadbServer, performing: Performing, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, performing, Product.MARIADB, told(server, tmp_path, "not this one"))
    with pytest.raises(ProcedureFailed, match=r"backing up MariaDB db failed.*Access denied") as refusal:
        bench.copy()
    assert "not this one" not in str(refusal.value)


def test_a_server_without_a_log_is_a_sentence(performing: Performing, tmp_path: Path) -> None:
    with running_mariadb(keeps_log=False) as server:
        bench = make_bench(tmp_path, performing, Product.MARIADB, told(server, tmp_path))
        with pytest.raises(ProcedureFailed, match="db keeps no binary log; set log_bin"):
            bring_log(bench)


def test_another_source_has_a_log_of_its_own(bench: Bench) -> None:
    vault = Path(bench.shelf.vault.location)
    other = replace(bench, shelf=replace(bench.shelf, source=replace(bench.source, id="other")))
    bring_log(other)
    assert "other.log" in [path.name for path in vault.iterdir()]
