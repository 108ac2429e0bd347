"""Canaries in SQLite: rows of a table of their own in the file."""

from urllib.parse import quote

from backup.canary import KEPT, LOOKED_AT, TABLE, Canary, CanaryWriter, canary_options
from backup.engine import EngineOptions
from backup.programs import refuse_missing
from secops.model.city import Asset, AssetKind, Product
from secops.model.step import Command, Procedure, Step, require
from secops.model.text import Text

_SHORT_SECONDS = 90.0
_PATIENCE = ".timeout 60000\n"


class SqliteCanaryOptions(EngineOptions):
    """Nothing to tell: the asset's path is the database, and the user of the commands may write it."""


class SqliteCanaries(CanaryWriter):
    """It waits for other writers up to a minute."""

    name = "sqlite"
    describes = Text("写入 SQLite 数据库的一张表", "into a table of a SQLite database")
    kind = AssetKind.DATABASE
    product = Product.SQLITE
    needs = ("sqlite3",)
    options = SqliteCanaryOptions
    question = f"SELECT line FROM {TABLE} ORDER BY counter DESC LIMIT {LOOKED_AT}"  # noqa: S608

    def write(self, asset: Asset, canary: Canary) -> Procedure[None]:
        statements = (
            "BEGIN IMMEDIATE",
            f"CREATE TABLE IF NOT EXISTS {TABLE} (counter INTEGER PRIMARY KEY, line TEXT NOT NULL)",
            f"INSERT OR IGNORE INTO {TABLE} VALUES ({canary.counter}, '{canary.line}')",  # noqa: S608
            f"DELETE FROM {TABLE} WHERE counter <= {canary.counter - KEPT}",  # noqa: S608
            "COMMIT",
        )
        yield from _ask(asset, "write the canary", "".join(f"{each};\n" for each in statements), changes=True)

    def read(self, asset: Asset) -> Procedure[str]:
        return (yield from _ask(asset, "read the canaries", f"{self.question};\n"))


writer = SqliteCanaries()


def _ask(asset: Asset, name: str, statements: str, changes: bool = False) -> Procedure[str]:
    canary_options(SqliteCanaryOptions, asset)
    # `mode=rw`: a database that is not there is not to be made.
    database = f"file:{quote(asset.path)}?mode=rw"
    argv = ("sqlite3", "-init", "/dev/null", "-batch", "-bail", database)
    told = yield Step(
        name,
        Command(asset.host, argv, stdin=_PATIENCE + statements),
        changes=changes,
        timeout_seconds=_SHORT_SECONDS,
    )
    refuse_missing(told, asset.host, "sqlite3", "sqlite3")
    return require(
        told, f"无法使用 SQLite 数据库 {asset.path}", f"the SQLite database {asset.path} cannot be used"
    ).output
