"""Canaries in MariaDB: rows of a table of their own, in the database that the options name."""

from backup.canary import KEPT, LOOKED_AT, TABLE, Canary, CanaryWriter, canary_options
from backup.engines.mariadb import MariadbOptions, login_words
from backup.programs import refuse_missing, with_secret
from secops.model.city import Asset, AssetKind, Product
from secops.model.step import Procedure, Step, require
from secops.model.text import Text

_SHORT_SECONDS = 60.0
_SCHEMA = "jindun"


class MariadbCanaryOptions(MariadbOptions):
    """How the server is logged in to. The account may do all in the database `jindun`, which is made when missing."""


class MariadbCanaries(CanaryWriter):
    """One transaction for each, kept by InnoDB."""

    name = "mariadb"
    describes = Text("写入 MariaDB 的一张表", "into a table of MariaDB")
    kind = AssetKind.DATABASE
    product = Product.MARIADB
    needs = ("mariadb",)
    options = MariadbCanaryOptions
    question = f"SELECT line FROM {_SCHEMA}.{TABLE} ORDER BY counter DESC LIMIT {LOOKED_AT}"  # noqa: S608

    def write(self, asset: Asset, canary: Canary) -> Procedure[None]:
        columns = "(counter BIGINT PRIMARY KEY, line VARCHAR(200) NOT NULL) ENGINE=InnoDB"
        statements = (
            f"CREATE DATABASE IF NOT EXISTS {_SCHEMA}",
            f"CREATE TABLE IF NOT EXISTS {_SCHEMA}.{TABLE} {columns}",
            f"INSERT IGNORE INTO {_SCHEMA}.{TABLE} VALUES ({canary.counter}, '{canary.line}')",  # noqa: S608
            f"DELETE FROM {_SCHEMA}.{TABLE} WHERE counter <= {canary.counter - KEPT}",  # noqa: S608
        )
        yield from _ask(asset, "write the canary", "; ".join(statements), changes=True)

    def read(self, asset: Asset) -> Procedure[str]:
        return (yield from _ask(asset, "read the canaries", self.question))


writer = MariadbCanaries()


def _ask(asset: Asset, name: str, statements: str, changes: bool = False) -> Procedure[str]:
    login = canary_options(MariadbCanaryOptions, asset)
    client = ("mariadb", *login_words(asset, login), "--batch", "--raw", "--skip-column-names", "-e", statements)
    told = yield Step(
        name,
        with_secret(asset.host, "MYSQL_PWD", login.password, *client),
        changes=changes,
        timeout_seconds=_SHORT_SECONDS,
    )
    refuse_missing(told, asset.host, "mariadb", "mariadb-client-core")
    return require(told, f"MariaDB {asset.id} 没有回答", f"MariaDB {asset.id} does not answer").output
