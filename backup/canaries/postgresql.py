"""Canaries in PostgreSQL: rows of a table of their own, in the database that the options name."""

from backup.canary import KEPT, LOOKED_AT, TABLE, Canary, CanaryWriter, canary_options
from backup.postgresql import Login, ask, find_programs
from secops.model.city import Asset, AssetKind, Product
from secops.model.step import Procedure
from secops.model.text import Text

_MAKE = f"""
DO $$ BEGIN IF to_regclass('{TABLE}') IS NULL THEN
    CREATE TABLE {TABLE} (counter bigint PRIMARY KEY, line text NOT NULL);
END IF; END $$
"""
"""`IF NOT EXISTS` would ask for the right to make tables also when it is there."""


class PostgresqlCanaryOptions(Login):
    """How the server is logged in to. The account owns the table, or may insert, select and delete in it."""


class PostgresqlCanaries(CanaryWriter):
    """A transaction of its own for each, so that it is acknowledged as any other; by a standby too when it must be."""

    name = "postgresql"
    describes = Text("写入 PostgreSQL 的一张表", "into a table of PostgreSQL")
    kind = AssetKind.DATABASE
    product = Product.POSTGRESQL
    needs = ("psql",)
    options = PostgresqlCanaryOptions
    question = f"SELECT line FROM {TABLE} ORDER BY counter DESC LIMIT {LOOKED_AT}"  # noqa: S608 - made of constants

    def write(self, asset: Asset, canary: Canary) -> Procedure[None]:
        login = canary_options(PostgresqlCanaryOptions, asset)
        programs = yield from find_programs(asset.host, login.programs, "psql", "postgresql-client")
        insert = f"INSERT INTO {TABLE} VALUES ({canary.counter}, '{canary.line}') ON CONFLICT DO NOTHING"  # noqa: S608
        drop = f"DELETE FROM {TABLE} WHERE counter <= {canary.counter - KEPT}"  # noqa: S608
        yield from ask("write the canary", login, asset, programs, _MAKE, insert, drop, changes=True)

    def read(self, asset: Asset) -> Procedure[str]:
        login = canary_options(PostgresqlCanaryOptions, asset)
        programs = yield from find_programs(asset.host, login.programs, "psql", "postgresql-client")
        rows = yield from ask("read the canaries", login, asset, programs, self.question)
        return "\n".join(row[0] for row in rows)


writer = PostgresqlCanaries()
