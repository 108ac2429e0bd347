"""The SQLite store under the contract suite."""

from secops.store.sqlite_store import SqliteStore
from tests.contracts.store_maker import StoreMaker

maker = StoreMaker("sqlite", lambda where, clock: SqliteStore(where / "findings.db", clock=clock))
