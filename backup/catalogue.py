"""The catalogue of restore points: what copies there are, what they must equal, and what was proven of them when."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from secops.model.restore_point import Proof, RestorePoint, Verdict
from secops.model.text import Text
from secops.support.clock import from_text, to_text
from secops.support.errors import BadInput

_SCHEMA_VERSION = 1
_BUSY_SECONDS = 10.0
_SCHEMA = """
CREATE TABLE manifest (digest TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE point (
    id TEXT PRIMARY KEY, asset TEXT NOT NULL, vault TEXT NOT NULL, engine TEXT NOT NULL, archive TEXT NOT NULL,
    taken TEXT NOT NULL, manifest TEXT NOT NULL REFERENCES manifest (digest), size_bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX point_of_asset ON point (asset, taken);
CREATE TABLE verdict (
    number INTEGER PRIMARY KEY, point TEXT NOT NULL REFERENCES point (id),
    readable TEXT NOT NULL, restorable TEXT NOT NULL, clean TEXT NOT NULL,
    because_zh TEXT NOT NULL, because_en TEXT NOT NULL, judged TEXT
) STRICT;
CREATE INDEX verdict_of_point ON verdict (point, number);
"""
_VERDICT_FIELDS = "readable, restorable, clean, because_zh, because_en, judged"
_NEWEST_VERDICT = f"""
    SELECT point.id, asset, vault, engine, archive, taken, manifest, size_bytes, {_VERDICT_FIELDS} FROM point
    LEFT JOIN verdict ON number = (SELECT max(number) FROM verdict WHERE verdict.point = point.id)
"""  # noqa: S608 - made of constants
_TALLIES = f"""
    SELECT asset, vault, count(*), max(taken),
        max(CASE WHEN readable = 'yes' AND restorable = 'yes' AND clean = 'yes' THEN taken END),
        max(CASE WHEN readable = 'yes' AND restorable = 'yes' THEN judged END)
    FROM ({_NEWEST_VERDICT}) GROUP BY asset, vault ORDER BY asset, vault
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Tally:
    """The points of one asset in one vault."""

    asset: str
    vault: str
    points: int
    newest: datetime
    """When the newest was taken."""
    newest_clean: datetime | None
    """When the newest that is proven clean was taken."""
    proven: datetime | None
    """When one was last restored and found equal to its manifest."""


class UnknownPoint(BadInput):
    """The catalogue has no restore point of that id."""

    def __init__(self, point: str) -> None:
        super().__init__(Text(f"没有备份点 {point}", f"there is no restore point {point}"))


class Catalogue:
    """Restore points in one SQLite file. Safe for several threads and processes; what is written is on disk on return.

    Raises BadInput when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with _explained(path):
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._open()
            except BaseException:
                self._connection.close()
                raise

    def add(self, point: RestorePoint, manifest: str) -> None:
        """Keep a new point and the text of its manifest; adding it again changes nothing.

        A point of the same id that differs is refused with BadInput. Its verdict is kept when it says anything.
        """
        if sha256(manifest.encode()).hexdigest() != point.manifest:
            raise BadInput(
                Text(f"{point.id} 的清单与摘要不符", f"the manifest of {point.id} does not match its digest")
            )
        with self._transaction() as rows:
            rows.execute("INSERT OR IGNORE INTO manifest VALUES (?, ?)", (point.manifest, manifest))
            present = rows.execute(_NEWEST_VERDICT + "WHERE point.id = ?", (point.id,)).fetchone()
            if present is None:
                rows.execute("INSERT INTO point VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _fields(point))
            elif _without_verdict(_point(present)) != _without_verdict(point):
                raise BadInput(Text(f"{point.id} 已存在且内容不同", f"{point.id} is there already and differs"))
            if present is None and point.verdict.judged:
                _append(rows, point.id, point.verdict)

    def points(self, asset: str) -> Sequence[RestorePoint]:
        """Every point of the asset with its newest verdict, newest point first."""
        query = _NEWEST_VERDICT + "WHERE asset = ? ORDER BY taken DESC, point.id DESC"
        with self._reading() as rows:
            return [_point(row) for row in rows.execute(query, (asset,))]

    def get(self, point: str) -> RestorePoint:
        """The point with its newest verdict. Raises UnknownPoint."""
        with self._reading() as rows:
            row = rows.execute(_NEWEST_VERDICT + "WHERE point.id = ?", (point,)).fetchone()
        if row is None:
            raise UnknownPoint(point)
        return _point(row)

    def tallies(self) -> Sequence[Tally]:
        """What there is of each asset in each vault, by newest verdicts."""
        with self._reading() as rows:
            return [_tally(row) for row in rows.execute(_TALLIES)]

    def judge(self, point: str, verdict: Verdict) -> None:
        """Append a verdict; the newest one counts. The same one again changes nothing. Raises UnknownPoint."""
        with self._transaction() as rows:
            if rows.execute("SELECT 1 FROM point WHERE id = ?", (point,)).fetchone() is None:
                raise UnknownPoint(point)
            if _verdicts(rows, point)[-1:] != [verdict]:
                _append(rows, point, verdict)

    def verdicts(self, point: str) -> Sequence[Verdict]:
        """Every verdict on the point, oldest first."""
        with self._reading() as rows:
            return _verdicts(rows, point)

    def manifest(self, point: str) -> str:
        """The text of the point's manifest. Raises UnknownPoint."""
        query = "SELECT text FROM point JOIN manifest ON manifest.digest = point.manifest WHERE id = ?"
        with self._reading() as rows:
            row = rows.execute(query, (point,)).fetchone()
        if row is None:
            raise UnknownPoint(point)
        return str(row[0])

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("BEGIN IMMEDIATE")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in _SCHEMA.split(";"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        self._connection.execute("COMMIT")
        if version > _SCHEMA_VERSION:
            raise BadInput(Text(f"{self._path} 来自更新的版本", f"{self._path} was written by a newer version"))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _explained(self._path):
            yield self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing."""
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
            Text(f"备份目录库 {path} 不可用:{error}", f"the catalogue {path} cannot be used: {error}")
        ) from error


def _tally(row: tuple[str, ...]) -> Tally:
    asset, vault, points, newest, clean, proven = row
    return Tally(
        asset,
        vault,
        int(points),
        from_text(newest),
        from_text(clean) if clean else None,
        from_text(proven) if proven else None,
    )


def _fields(point: RestorePoint) -> tuple[str | int, ...]:
    what = (point.id, point.asset, point.vault, point.engine, point.archive)
    return (*what, to_text(point.taken), point.manifest, point.size_bytes)


def _without_verdict(point: RestorePoint) -> RestorePoint:
    return replace(point, verdict=Verdict())


def _append(rows: sqlite3.Connection, point: str, verdict: Verdict) -> None:
    judged = to_text(verdict.judged) if verdict.judged else None
    because = (verdict.because.zh, verdict.because.en)
    rows.execute(
        f"INSERT INTO verdict (point, {_VERDICT_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (point, verdict.readable, verdict.restorable, verdict.clean, *because, judged),
    )


def _verdicts(rows: sqlite3.Connection, point: str) -> list[Verdict]:
    query = f"SELECT {_VERDICT_FIELDS} FROM verdict WHERE point = ? ORDER BY number"  # noqa: S608
    return [_verdict(row) for row in rows.execute(query, (point,))]


def _point(row: tuple[str, ...]) -> RestorePoint:
    id_, asset, vault, engine, archive, taken, manifest, size = row[:8]
    verdict = _verdict(row[8:]) if row[8] else Verdict()
    return RestorePoint(id_, asset, vault, engine, archive, from_text(taken), manifest, int(size), verdict)


def _verdict(row: Sequence[str]) -> Verdict:
    readable, restorable, clean, zh, en, judged = row
    moment = from_text(judged) if judged else None
    return Verdict(Proof(readable), Proof(restorable), Proof(clean), Text(zh, en), moment)
