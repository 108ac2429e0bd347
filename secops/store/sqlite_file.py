"""One SQLite file of ours: opened or refused, locked for writing, its errors told in a sentence."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TypeAlias

from secops.model.text import Text
from secops.support.errors import BadInput, Incomplete, JindunError

_READER_CACHE_KB = 64 * 1024
"""A page that is looked for in a large file touches far more than SQLite's own 2 MB."""
Upgrade: TypeAlias = Callable[[sqlite3.Connection], None]
"""Brings a file of one version to the next, inside a transaction."""


class SqliteFile:
    """A database that several threads and processes may use at once.

    Writers queue: threads at a lock of this object, processes at SQLite's own, for at most `wait_seconds`. A writing
    transaction takes SQLite's lock when it begins (IMMEDIATE), so that what it read is still true when it writes.
    Readers wait for nobody: they have a connection of their own, and WAL shows them the last committed state.
    """

    def __init__(
        self,
        path: Path,
        *,
        application: int,
        schema: str,
        version: int,
        upgrades: Mapping[int, Upgrade],
        wait_seconds: float = 30.0,
    ) -> None:
        """Open, create with `schema`, or bring to `version` by `upgrades`, each under the version that it starts from.

        Raises BadInput when the file is of another program or a newer version.
        """
        self.path = path
        self._upgrades = upgrades
        self._wait_seconds = wait_seconds
        self._write_lock = RLock()
        self._read_lock = RLock()
        with self._explained():
            self._reader = self._connect()
            self._reader.execute(f"PRAGMA cache_size = -{_READER_CACHE_KB}")
            try:
                self._writer = self._prepared(application, schema, version)
            except BaseException:
                self._reader.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        """A connection; every transaction is begun and ended by us."""
        connection = sqlite3.connect(
            self.path, timeout=self._wait_seconds, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _prepared(self, application: int, schema: str, version: int) -> sqlite3.Connection:
        # Look before touching anything: a file that is not ours must stay as it is, to the byte.
        # In one transaction, or half of another process's creation would look like a stranger's file.
        with _transaction(self._reader, "DEFERRED"):
            known = self._recognise(self._reader, application, version)
        writer = self._connect()
        try:
            self._switch_to_wal(writer)
            # FULL: with NORMAL the last transactions are lost when the power fails, and a caller was told that they
            # are on disk. It costs one fsync per transaction; scans are written in batches, so it hardly shows.
            writer.execute("PRAGMA synchronous = FULL")
            if known != version:
                self._create_or_upgrade(writer, application, schema, version)
            # Afterwards: an upgrade may replace a table that others refer to.
            writer.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            writer.close()
            raise
        return writer

    def _recognise(self, connection: sqlite3.Connection, application: int, version: int) -> int:
        """The version of a file of ours; 0 when it is empty. Raises BadInput when it is neither."""
        found_application = connection.execute("PRAGMA application_id").fetchone()[0]
        found_version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables == 0 and found_application in (0, application) and found_version == 0:
            return 0
        if found_application != application:
            raise BadInput(
                Text(
                    f"{self.path} 是其他程序的数据库,未作任何改动;请另选一个文件",
                    f"{self.path} is a database of another program; nothing was changed, choose another file",
                )
            )
        if found_version > version:
            raise BadInput(
                Text(
                    f"{self.path} 由更新版本的津盾写成(格式 {found_version},本程序只认到 {version});"
                    "未作任何改动,请升级本程序",
                    f"{self.path} was written by a newer Jindun (format {found_version}, this one knows up to "
                    f"{version}); nothing was changed, upgrade this one",
                )
            )
        return int(found_version)

    def _switch_to_wal(self, connection: sqlite3.Connection) -> None:
        """Two processes that create the file at once can find it busy here, where SQLite itself does not wait."""
        give_up = time.monotonic() + self._wait_seconds
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(0.02)

    def _create_or_upgrade(self, connection: sqlite3.Connection, application: int, schema: str, version: int) -> None:
        """In one transaction: a file is of one version or of the next, never between."""
        with _transaction(connection):
            # Another process may have been first while we waited for the lock.
            found = self._recognise(connection, application, version)
            if found == 0:
                execute_all(connection, schema)
                connection.execute(f"PRAGMA application_id = {application}")
            for step in range(found or version, version):
                self._upgrades[step](connection)
            connection.execute(f"PRAGMA user_version = {version}")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: on disk when the block ends, undone when it raises."""
        with self._write_lock, self._explained(), _transaction(self._writer):
            yield self._writer

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view for the whole block."""
        with self._read_lock, self._explained(), _transaction(self._reader, "DEFERRED"):
            yield self._reader

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own that sees the file as it is now, for reading much while others go on."""
        with self._explained():
            connection = self._connect()
            try:
                with _transaction(connection, "DEFERRED"):
                    yield connection
            finally:
                connection.close()

    def close(self) -> None:
        """Wait for what is running, then close. Closing twice is fine."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors that a user can mend into ours."""
        try:
            yield
        except (sqlite3.DatabaseError, sqlite3.Warning) as error:
            explanation = _explanation(self.path, error, self._wait_seconds)
            if explanation is None:
                raise
            raise explanation from error


def execute_all(connection: sqlite3.Connection, script: str) -> None:
    """Every statement of the script, inside the transaction that is open (`executescript` would end it)."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has already rolled back by itself after some errors, a full disk among them.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _code(error: Exception) -> int:
    """The primary result code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _explanation(path: Path, error: Exception, wait_seconds: float) -> JindunError | None:
    """The sentence for an error that is not a bug of ours."""
    match _code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Incomplete(
                Text(
                    f"{path} 被另一个进程锁住,等了 {wait_seconds:g} 秒;未写入任何内容,请稍后再试",
                    f"{path} is held by another process and stayed locked for {wait_seconds:g} s; "
                    "nothing was written, try again",
                )
            )
        case sqlite3.SQLITE_FULL:
            return Incomplete(
                Text(
                    f"{path} 所在的磁盘已满;这一批未写入,已有内容完好",
                    f"the disk that holds {path} is full; this batch was not written, what was there is intact",
                )
            )
        case sqlite3.SQLITE_IOERR:
            return Incomplete(
                Text(
                    f"读写 {path} 失败({error});这一批未写入",
                    f"{path} could not be read or written ({error}); this batch was not written",
                )
            )
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return BadInput(
                Text(
                    f"{path} 不是可用的数据库({error});未作任何改动,请从备份恢复它或另选一个文件",
                    f"{path} is not a usable database ({error}); nothing was changed, restore it from a copy or "
                    "choose another file",
                )
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return BadInput(
                Text(
                    f"无法打开 {path}:文件或所在目录不存在,或不可写;只是查看也须可写,因为锁就在它旁边({error})",
                    f"{path} cannot be opened for writing ({error}); check that its folder exists and may be written: "
                    "looking alone needs that as well, for a lock is kept beside it",
                )
            )
    return None
