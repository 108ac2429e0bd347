"""The catalogue of restore points: what copies there are, what they must equal, and what was proven of them when."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from backup.catalogue_tables import VERSION, bring_up_to_date
from backup.manifest import digest_of
from backup.retention import Dated
from secops.model.restore_point import Proof, RestorePoint, Rung, Verdict
from secops.model.text import Text
from secops.support.clock import from_text, to_text
from secops.support.errors import BadInput

_BUSY_SECONDS = 10.0
_POINT_FIELDS = (
    "id",
    "asset",
    "vault",
    "engine",
    "archive",
    "taken",
    "manifest",
    "size_bytes",
    "unit",
    "copied_from",
    "added_bytes",
    "packed_bytes",
    "seconds",
)
_VERDICT_FIELDS = (
    "readable",
    "restorable",
    "clean",
    "because_zh",
    "because_en",
    "judged",
    "rung",
    "failed",
    "proven",
    "rules",
    "rules_date",
    "seconds",
    "read_bytes",
)
_POINT_COLUMNS = ", ".join(f"point.{name}" for name in _POINT_FIELDS)
_VERDICT_COLUMNS = ", ".join(f"verdict.{name}" for name in _VERDICT_FIELDS)
_WITH_VERDICT = f"""
    SELECT {_POINT_COLUMNS}, {_VERDICT_COLUMNS} FROM point LEFT JOIN verdict ON verdict.number = point.newest_verdict
"""  # noqa: S608 - made of constants
_TALLIES = """
    SELECT asset, vault, count(*), max(taken),
        max(CASE WHEN readable = 'yes' AND restorable = 'yes' AND clean = 'yes' THEN taken END),
        max(CASE WHEN readable = 'yes' AND restorable = 'yes' THEN coalesce(proven, judged) END)
    FROM point LEFT JOIN verdict ON verdict.number = point.newest_verdict
    WHERE gone IS NULL GROUP BY asset, vault ORDER BY asset, vault
"""
PAGE_SIZE = 100


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


@dataclass(frozen=True, slots=True)
class Look:
    """What a vault held of one asset when it was last asked."""

    asset: str
    vault: str
    looked: datetime
    archives: tuple[str, ...]
    """Names of the complete copies."""
    identity: str = ""
    """What tells this repository and its key from any other; empty: the engine cannot say."""
    size_bytes: int = 0
    """What the repository takes; 0: not known."""
    former: str = ""
    """The identity before the last change; empty: it never changed."""
    changed: datetime | None = None
    """When the change was seen."""


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
        self.add_all([(point, manifest)])

    def add_all(self, points: Iterable[tuple[RestorePoint, str]]) -> None:
        """As `add`, all of them or none."""
        with self._transaction() as rows:
            for point, manifest in points:
                _add(rows, point, manifest)

    def points(self, asset: str) -> Sequence[RestorePoint]:
        """Every point of the asset with its newest verdict, newest point first; those that are gone are left out."""
        query = _WITH_VERDICT + "WHERE asset = ? AND gone IS NULL ORDER BY taken DESC, point.id DESC"
        with self._reading() as rows:
            return [_point(row) for row in rows.execute(query, (asset,))]

    def page(
        self,
        *,
        asset: str = "",
        vault: str = "",
        unit: str = "",
        after: RestorePoint | None = None,
        limit: int = PAGE_SIZE,
    ) -> Sequence[RestorePoint]:
        """The next points that match all that is given, newest first; `after` is the last one of the page before."""
        wanted = {"asset": asset, "vault": vault, "unit": unit}
        conditions = [f"point.{name} = ?" for name, value in wanted.items() if value]
        values: list[str | int] = [value for value in wanted.values() if value]
        if after:
            conditions.append("(taken, point.id) < (?, ?)")
            values += [to_text(after.taken), after.id]
        where = " AND ".join(["gone IS NULL", *conditions])
        query = f"{_WITH_VERDICT} WHERE {where} ORDER BY taken DESC, point.id DESC LIMIT ?"
        with self._reading() as rows:
            return [_point(row) for row in rows.execute(query, (*values, limit))]

    def get(self, point: str) -> RestorePoint:
        """The point with its newest verdict, also when it is gone. Raises UnknownPoint."""
        with self._reading() as rows:
            row = rows.execute(_WITH_VERDICT + "WHERE point.id = ?", (point,)).fetchone()
        if row is None:
            raise UnknownPoint(point)
        return _point(row)

    def give_up(self, points: Iterable[str], moment: datetime) -> None:
        """These copies are no longer in their vault: retention took them out. Again changes nothing.

        Raises UnknownPoint, and changes nothing then.
        """
        with self._transaction() as rows:
            for point in points:
                query = "UPDATE point SET gone = coalesce(gone, ?) WHERE id = ?"
                if not rows.execute(query, (to_text(moment), point)).rowcount:
                    raise UnknownPoint(point)

    def looked(self, look: Look) -> None:
        """Keep what a vault was seen to hold; what it was before a change of its identity is remembered from the rows.

        A look that is older than the one that is kept changes nothing.
        """
        key = (look.asset, look.vault)
        with self._transaction() as rows:
            query = "SELECT looked, identity, former, changed FROM look WHERE asset = ? AND vault = ?"
            before = rows.execute(query, key).fetchone() or ("", "", "", None)
            if to_text(look.looked) < before[0]:
                return
            former, changed = before[2], before[3]
            if look.identity and before[1] and look.identity != before[1]:
                former, changed = before[1], to_text(look.looked)
            told = (to_text(look.looked), orjson.dumps(look.archives).decode(), look.identity or before[1])
            values = (*key, *told, look.size_bytes, former, changed)
            rows.execute("INSERT OR REPLACE INTO look VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def looks(self) -> Sequence[Look]:
        """The newest look at each asset in each vault."""
        with self._reading() as rows:
            return [_look(row) for row in rows.execute("SELECT * FROM look ORDER BY asset, vault")]

    def use(self, vault: str) -> dict[str, int]:
        """About how many bytes each unit takes in the vault: as last seen, and what has come since."""
        query = """
            SELECT point.unit, max(coalesce(look.size_bytes, 0))
                + sum(CASE WHEN look.size_bytes > 0 AND taken <= looked THEN 0 ELSE added_bytes END)
            FROM point LEFT JOIN look ON look.asset = point.asset AND look.vault = point.vault
            WHERE point.vault = ? AND gone IS NULL GROUP BY point.unit, point.asset
        """
        used: dict[str, int] = {}
        with self._reading() as rows:
            for unit, taken in rows.execute(query, (vault,)):
                used[unit] = used.get(unit, 0) + taken
        return used

    def dated(self, asset: str, vault: str) -> Sequence[Dated]:
        """What retention looks at of the copies of the asset in the vault, newest first."""
        query = """
            SELECT id, taken, coalesce(readable = 'yes' AND restorable = 'yes' AND clean = 'yes', 0)
            FROM point LEFT JOIN verdict ON verdict.number = point.newest_verdict
            WHERE point.vault = ? AND asset = ? AND gone IS NULL ORDER BY taken DESC, id DESC
        """
        with self._reading() as rows:
            return [
                Dated(id_, from_text(taken), bool(clean)) for id_, taken, clean in rows.execute(query, (vault, asset))
            ]

    def log_brought(self, asset: str, vault: str, until: datetime) -> None:
        """The vault holds the log of the asset up to that moment; an earlier one changes nothing."""
        with self._transaction() as rows:
            rows.execute(
                "INSERT INTO log VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
                (asset, vault, to_text(until)),
            )

    def logs(self) -> dict[tuple[str, str], datetime]:
        """Until when the log of each asset is in each vault."""
        with self._reading() as rows:
            found = rows.execute("SELECT asset, vault, until FROM log")
            return {(asset, vault): from_text(until) for asset, vault, until in found}

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
        """The text of the point's manifest. Raises UnknownPoint, BadInput when it is not what was entered."""
        query = "SELECT text, digest FROM point JOIN manifest ON manifest.digest = point.manifest WHERE id = ?"
        with self._reading() as rows:
            row = rows.execute(query, (point,)).fetchone()
        if row is None:
            raise UnknownPoint(point)
        if not _is_of(row[0], row[1]):
            raise BadInput(
                Text(f"目录库中 {point} 的清单已损坏", f"the manifest of {point} in the catalogue is damaged")
            )
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
        with self._transaction() as rows:
            version = rows.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise BadInput(Text(f"{self._path} 来自更新的版本", f"{self._path} was written by a newer version"))
            bring_up_to_date(rows, version)

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


def _is_of(manifest: str, digest: str) -> bool:
    try:
        return digest_of(manifest) == digest
    except ValueError:
        return False


def _add(rows: sqlite3.Connection, point: RestorePoint, manifest: str) -> None:
    if not _is_of(manifest, point.manifest):
        raise BadInput(Text(f"{point.id} 的清单与摘要不符", f"the manifest of {point.id} does not match its digest"))
    rows.execute("INSERT OR IGNORE INTO manifest VALUES (?, ?)", (point.manifest, manifest))
    present = rows.execute(_WITH_VERDICT + "WHERE point.id = ?", (point.id,)).fetchone()
    if present is None:
        columns, places = ", ".join(_POINT_FIELDS), ", ".join("?" * len(_POINT_FIELDS))
        rows.execute(f"INSERT INTO point ({columns}) VALUES ({places})", _fields(point))  # noqa: S608
    elif _what(_point(present)) != _what(point):
        raise BadInput(Text(f"{point.id} 已存在且内容不同", f"{point.id} is there already and differs"))
    if present is None and point.verdict.judged:
        _append(rows, point.id, point.verdict)


def _tally(row: tuple[str, ...]) -> Tally:
    asset, vault, points, newest, clean, proven = row
    return Tally(
        asset,
        vault,
        int(points),
        from_text(newest),
        _moment(clean),
        _moment(proven),
    )


def _fields(point: RestorePoint) -> tuple[str | int | float, ...]:
    what = (point.id, point.asset, point.vault, point.engine, point.archive)
    sizes = (point.added_bytes, point.packed_bytes, point.seconds)
    return (*what, to_text(point.taken), point.manifest, point.size_bytes, point.unit, point.copied_from, *sizes)


def _what(point: RestorePoint) -> tuple[str | int | float, ...]:
    """What makes it this copy; how it came about may be told anew after an interruption."""
    return _fields(point)[:8]


def _append(rows: sqlite3.Connection, point: str, verdict: Verdict) -> None:
    columns, places = ", ".join(_VERDICT_FIELDS), ", ".join("?" * len(_VERDICT_FIELDS))
    proofs = (verdict.readable, verdict.restorable, verdict.clean, verdict.because.zh, verdict.because.en)
    climbed = (_moment_text(verdict.judged), verdict.rung, verdict.failed, _moment_text(verdict.proven))
    scanned = (verdict.rules, _moment_text(verdict.rules_date), verdict.seconds, verdict.read_bytes)
    written = rows.execute(
        f"INSERT INTO verdict (point, {columns}) VALUES (?, {places})",  # noqa: S608
        (point, *proofs, *climbed, *scanned),
    )
    rows.execute("UPDATE point SET newest_verdict = ? WHERE id = ?", (written.lastrowid, point))


def _verdicts(rows: sqlite3.Connection, point: str) -> list[Verdict]:
    query = f"SELECT {_VERDICT_COLUMNS} FROM verdict WHERE point = ? ORDER BY number"  # noqa: S608
    return [_verdict(row) for row in rows.execute(query, (point,))]


def _point(row: tuple[Any, ...]) -> RestorePoint:
    id_, asset, vault, engine, archive, taken, manifest, size, *more = row[: len(_POINT_FIELDS)]
    answers = row[len(_POINT_FIELDS) :]
    verdict = _verdict(answers) if answers[0] else Verdict()
    return RestorePoint(id_, asset, vault, engine, archive, from_text(taken), manifest, size, verdict, *more)


def _verdict(row: Sequence[Any]) -> Verdict:
    readable, restorable, clean, zh, en, judged, rung, failed, proven, rules, rules_date, seconds, read = row
    proofs = (Proof(readable), Proof(restorable), Proof(clean))
    return Verdict(
        *proofs,
        Text(zh, en),
        _moment(judged),
        Rung(rung),
        Rung(failed),
        _moment(proven),
        rules,
        _moment(rules_date),
        seconds,
        read,
    )


def _look(row: tuple[Any, ...]) -> Look:
    asset, vault, looked, archives, identity, size, former, changed = row
    named = tuple(orjson.loads(archives))
    return Look(asset, vault, from_text(looked), named, identity, size, former, _moment(changed))


def _moment(text: str | None) -> datetime | None:
    return from_text(text) if text else None


def _moment_text(moment: datetime | None) -> str | None:
    return to_text(moment) if moment else None
