"""SQLite by the online backup of the `sqlite3` program: the file is in use all the while."""

from datetime import datetime
from urllib.parse import quote

from backup.engine import EngineOptions, Keys, options_of
from backup.programs import probe
from backup.staging import Staged
from secops.model.city import Asset, AssetKind, Product
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require
from secops.model.text import Text

DATABASE = "database.sqlite"
"""The name of the database within a copy, whatever it is called at its source."""
_LONG_SECONDS = 24 * 3600.0
_COPY = """\
.timeout 60000
BEGIN;
SELECT count(*) FROM sqlite_master;
.backup main database.sqlite
"""
"""Within a transaction of its own: a copy that other writers interrupt would begin anew with every write of theirs."""


class SqliteOptions(EngineOptions):
    """Nothing to tell: the asset's path is the database."""


class Sqlite(Staged):
    """Copies one SQLite file as of one moment, whatever its journal mode, while others read it and write it.

    A database in WAL mode is written on meanwhile; in the other modes writers wait until the copy is made.
    """

    name = "sqlite"
    describes = Text("用 sqlite3 在线备份 SQLite 数据库", "copies SQLite databases with sqlite3 while they are in use")
    kinds = frozenset({AssetKind.DATABASE})
    products = frozenset({Product.SQLITE})
    needs = ("sqlite3", "borg", "env", "find", "mkdir")
    chosen = True
    options = SqliteOptions

    def stage(self, source: Asset, keys: Keys, folder: str, taken: datetime) -> Procedure[None]:
        host = source.host
        options_of(SqliteOptions, source)
        yield from probe(host, "sqlite3", "--version", package="sqlite3", least=(3, 27))
        # `mode=rw`: a database that is not there is not to be made.
        database = f"file:{quote(source.path)}?mode=rw"
        within = ("env", "-C", folder, "sqlite3", "-init", "/dev/null", "-batch", "-bail")
        copied = yield Step(
            "copy the database",
            Command(host, (*within, database), stdin=_COPY),
            changes=True,
            timeout_seconds=_LONG_SECONDS,
        )
        require(copied, f"无法备份 SQLite 数据库 {source.path}", f"the SQLite database {source.path} cannot be copied")
        checked = yield Step(
            "check the database that was copied",
            Command(host, (*within, f"file:{DATABASE}?immutable=1", "PRAGMA integrity_check")),
            assume="ok\n",
            timeout_seconds=_LONG_SECONDS,
        )
        require(checked, f"{source.path} 的副本无法读取", f"what was copied of {source.path} cannot be read")
        if checked.output.strip() != "ok":
            first = checked.output.strip()[:300]
            raise ProcedureFailed(
                f"SQLite 数据库 {source.path} 已损坏:{first}", f"the SQLite database {source.path} is damaged: {first}"
            )


sqlite = Sqlite()
