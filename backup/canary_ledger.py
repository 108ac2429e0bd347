"""The ledger of canaries: which were written, which of them were acknowledged, and what copies were found to hold.

It lies beside the service, not beside the data: what is missing in a copy is known without asking anybody.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from pathlib import Path

from backup.canary import LOOKED_AT, Canary, signed_text
from secops.model.text import Text
from secops.support.clock import from_text, to_text
from secops.support.errors import BadInput

_BUSY_SECONDS = 10.0
_MOST = 500_000
"""Canaries of one asset that are remembered: five days of one a second."""
_CLOCKS_DIFFER = timedelta(seconds=1)
"""Between the service and what it writes into."""
_TABLES = """
CREATE TABLE IF NOT EXISTS canary (
    asset TEXT NOT NULL, counter INTEGER NOT NULL, moment TEXT NOT NULL, signature TEXT NOT NULL, acknowledged TEXT,
    PRIMARY KEY (asset, counter)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS canary_by_moment ON canary (asset, moment);
CREATE TABLE IF NOT EXISTS holding (
    subject TEXT PRIMARY KEY, asset TEXT NOT NULL, looked TEXT NOT NULL, wanted TEXT NOT NULL, newest INTEGER NOT NULL,
    moment TEXT, stale INTEGER NOT NULL, missing INTEGER NOT NULL, late INTEGER NOT NULL, forged INTEGER NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a restored copy, or a replica, was found to hold of the canaries of an asset."""

    subject: str
    """Id of the restore point or of the replica."""
    asset: str
    looked: datetime
    wanted: datetime
    """The moment that the copy was to stand at."""
    newest: int = 0
    """Number of the newest genuine one; 0: there is none."""
    moment: datetime | None = None
    """When that was written."""
    stale: int = 0
    """Acknowledged before the wanted moment, and newer than the newest: the copy is older than it says."""
    missing: int = 0
    """Acknowledged, older than the newest, and not there: rows were lost or removed."""
    late: int = 0
    """Written after the wanted moment."""
    forged: int = 0
    """Not ours."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The newest canary of an asset that is known to be committed."""

    counter: int
    moment: datetime
    acknowledged: datetime


class CanaryLedger:
    """One SQLite file. Safe for several threads and processes; what is written is on disk on return.

    Raises BadInput when the file cannot be used.
    """

    def __init__(self, path: Path, sign: Callable[[str], str]) -> None:
        """`sign` gives the same signature for the same text; an empty one means that there is no key."""
        self._path = path
        self._sign = sign
        self._lock = threading.Lock()
        with _explained(path):
            self._rows = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._rows.execute("PRAGMA journal_mode = WAL")
            self._rows.execute("PRAGMA synchronous = FULL")
            for statement in _TABLES.split(";"):
                self._rows.execute(statement)

    def close(self) -> None:
        with self._lock:
            self._rows.close()

    def begin(self, asset: str, moment: datetime) -> Canary:
        """The next canary of the asset, to be written now; the same moment again is the same canary.

        Raises BadInput when there is no key to sign it with.
        """
        if there := self.at(asset, moment):
            return there
        with self._transaction() as rows:
            newest = rows.execute("SELECT max(counter) FROM canary WHERE asset = ?", (asset,)).fetchone()[0] or 0
            signature = self._sign(signed_text(asset, newest + 1, moment))
            if not signature:
                raise BadInput(
                    Text(
                        "没有签署证据的密钥,不能写探针记录",
                        "no canary can be written without the key that seals evidence",
                    )
                )
            values = (asset, newest + 1, to_text(moment), signature)
            rows.execute("INSERT INTO canary VALUES (?, ?, ?, ?, NULL)", values)
            rows.execute("DELETE FROM canary WHERE asset = ? AND counter <= ?", (asset, newest + 1 - _MOST))
        return Canary(asset, newest + 1, moment, signature)

    def at(self, asset: str, moment: datetime) -> Canary | None:
        """The canary that was begun at that moment."""
        query = "SELECT counter, signature FROM canary WHERE asset = ? AND moment = ?"
        with self._reading() as rows:
            found = rows.execute(query, (asset, to_text(moment))).fetchone()
        return Canary(asset, found[0], moment, found[1]) if found else None

    def acknowledge(self, asset: str, counter: int, moment: datetime) -> None:
        """It is committed; saying so again changes nothing."""
        query = "UPDATE canary SET acknowledged = coalesce(acknowledged, ?) WHERE asset = ? AND counter = ?"
        with self._transaction() as rows:
            rows.execute(query, (to_text(moment), asset, counter))

    def newest(self, asset: str) -> Acknowledged | None:
        """The newest that was acknowledged."""
        query = """
            SELECT counter, moment, acknowledged FROM canary
            WHERE asset = ? AND acknowledged IS NOT NULL ORDER BY counter DESC LIMIT 1
        """
        with self._reading() as rows:
            found = rows.execute(query, (asset,)).fetchone()
        return Acknowledged(found[0], from_text(found[1]), from_text(found[2])) if found else None

    def acknowledged_after(self, asset: str, counter: int) -> int:
        """How many were acknowledged that are newer than this one: what a recovery to it would lose."""
        query = "SELECT count(*) FROM canary WHERE asset = ? AND counter > ? AND acknowledged IS NOT NULL"
        with self._reading() as rows:
            return int(rows.execute(query, (asset, counter)).fetchone()[0])

    def hold(self, subject: str, found: Sequence[Canary], holding: Holding, exact: bool = False) -> Holding:
        """Hold what was found against the ledger, and keep what comes of it. `holding` tells of what and as of when;
        `exact`, that the moment was met by the product's clock, which is not ours.
        """
        genuine = {one.counter: one for one in found if self._is_ours(one)}
        newest = max(genuine, default=0)
        # What holds fewer than are looked at holds all that it ever got.
        oldest = min(genuine) if genuine and len(found) >= LOOKED_AT else 1
        due = to_text(holding.wanted - (_CLOCKS_DIFFER if exact else timedelta()))
        late = [one for one in genuine.values() if one.moment > holding.wanted + _CLOCKS_DIFFER]
        counted = Holding(
            subject,
            holding.asset,
            holding.looked,
            holding.wanted,
            newest,
            genuine[newest].moment if newest else None,
            self._count("counter > ? AND acknowledged < ?", holding.asset, newest, due),
            self._missing(holding.asset, oldest, newest, set(genuine)),
            len(late),
            len({one.line for one in found}) - len(genuine),
        )
        self._keep(counted)
        return counted

    def holdings(self, asset: str) -> Sequence[Holding]:
        """What copies and replicas of the asset were found to hold when each was last looked at."""
        with self._reading() as rows:
            return [_holding(row) for row in rows.execute("SELECT * FROM holding WHERE asset = ?", (asset,))]

    def holding(self, subject: str) -> Holding | None:
        """What that one was found to hold; None: it was not looked at."""
        with self._reading() as rows:
            row = rows.execute("SELECT * FROM holding WHERE subject = ?", (subject,)).fetchone()
        return _holding(row) if row else None

    def _is_ours(self, one: Canary) -> bool:
        """By what was written down, else by the signature: an old canary outlives its line here."""
        query = "SELECT moment, signature FROM canary WHERE asset = ? AND counter = ?"
        with self._reading() as rows:
            row = rows.execute(query, (one.asset, one.counter)).fetchone()
        if row:
            return (to_text(one.moment), one.signature) == (row[0], row[1])
        return compare_digest(self._sign(signed_text(one.asset, one.counter, one.moment)), one.signature)

    def _missing(self, asset: str, oldest: int, newest: int, there: set[int]) -> int:
        query = "SELECT counter FROM canary WHERE asset = ? AND counter BETWEEN ? AND ? AND acknowledged IS NOT NULL"
        with self._reading() as rows:
            return sum(counter not in there for (counter,) in rows.execute(query, (asset, oldest, newest)))

    def _count(self, condition: str, asset: str, *values: object) -> int:
        query = f"SELECT count(*) FROM canary WHERE asset = ? AND {condition}"  # noqa: S608 - made of constants
        with self._reading() as rows:
            return int(rows.execute(query, (asset, *values)).fetchone()[0])

    def _keep(self, one: Holding) -> None:
        moments = (to_text(one.looked), to_text(one.wanted), one.newest, to_text(one.moment) if one.moment else None)
        values = (one.subject, one.asset, *moments, one.stale, one.missing, one.late, one.forged)
        with self._transaction() as rows:
            rows.execute("INSERT OR REPLACE INTO holding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _explained(self._path):
            yield self._rows

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as rows:
            rows.execute("BEGIN IMMEDIATE")
            try:
                yield rows
                rows.execute("COMMIT")
            except BaseException:
                if rows.in_transaction:
                    rows.execute("ROLLBACK")
                raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise BadInput(
            Text(f"探针台账 {path} 不可用:{error}", f"the ledger of canaries {path} cannot be used: {error}")
        ) from error


def _holding(row: tuple[str, str, str, str, int, str | None, int, int, int, int]) -> Holding:
    subject, asset, looked, wanted, newest, moment, *counts = row
    found = from_text(moment) if moment else None
    return Holding(subject, asset, from_text(looked), from_text(wanted), newest, found, *counts)
