"""Findings into the tables of the SQLite store and out again."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import itemgetter

import orjson

from secops.model.finding import Finding, Severity, State, WeaknessClass
from secops.store.cursor import from_cursor, to_cursor
from secops.store.documents import to_document
from secops.store.finding_store import Counts, Page
from secops.store.merge import relatives
from secops.store.query import FIELDS, Condition, Query
from secops.store.query_sql import Sql, bound, counts_of, page_of
from secops.store.refusals import the_one
from secops.store.sqlite_tables import (
    FINDING_COLUMNS,
    SELECT_FINDING,
    finding_of,
    row_of_finding,
    row_of_texts,
    storable,
)

_FEW = 5_000
"""Gathering and sorting so many takes about as long as walking past a million until a page of such findings is full."""
_FEW_TRIGRAMS = 200


def write_findings(connection: sqlite3.Connection, findings: Iterable[Finding]) -> None:
    """Insert those that are new, replace those that are known."""
    written = list(findings)
    known = _numbers(connection, written)
    rows = {finding.id: row_of_finding(finding) for finding in written}
    connection.executemany(_INSERT, (row for id, row in rows.items() if id not in known))
    # SQLite takes a row out of every index that has a column of an UPDATE and puts it back, also when nothing changes;
    # most findings are but seen once more, which no index tells.
    changed = [row for id, row in rows.items() if id in known]
    connection.executemany(_UPDATE_INDEXED, map(_OF_INDEXED, changed))
    connection.executemany(_UPDATE_OTHERS, map(_OF_OTHERS, changed))
    numbers = known if len(known) == len(rows) else _numbers(connection, written)
    connection.executemany(
        "INSERT INTO documents VALUES (?, ?) ON CONFLICT DO UPDATE SET document = excluded.document",
        ((numbers[finding.id], to_document(finding).decode()) for finding in written),
    )
    connection.executemany(
        """
        INSERT INTO texts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET title = excluded.title, reason = excluded.reason
        WHERE title <> excluded.title OR reason <> excluded.reason
        """,
        (row_of_texts(numbers[finding.id], finding) for finding in written),
    )


def _numbers(connection: sqlite3.Connection, findings: Iterable[Finding]) -> dict[str, int]:
    """By id, of those that are there."""
    query = "SELECT id, number FROM findings WHERE id IN (SELECT value FROM json_each(?))"
    return dict(map(tuple, connection.execute(query, (as_json(finding.id for finding in findings),))))


def _assigned(columns: Iterable[str]) -> str:
    return ", ".join(f"{name} = ?" for name in columns)


def _picked(columns: Iterable[str]) -> Callable[[tuple[str | int, ...]], tuple[str | int, ...]]:
    """Takes these columns out of a whole row."""
    return itemgetter(*map(FINDING_COLUMNS.index, columns))


# What an index holds and may change, and what changes besides; the rest is the finding's identity.
_INDEXED = ("severity", "first_seen", "state", "open", "system", "check_name")
_OTHERS = (
    *("last_seen", "state_since", "times_seen", "regressions", "clauses"),
    *("due", "mark", "deadline", "acceptance", "part_of", "exploited"),
)
_INSERT = f"INSERT INTO findings ({', '.join(FINDING_COLUMNS)}) VALUES ({', '.join('?' * len(FINDING_COLUMNS))})"  # noqa: S608
_UPDATE_INDEXED = (
    f"UPDATE findings SET {_assigned(_INDEXED)} "  # noqa: S608
    f"WHERE id = ? AND ({', '.join(_INDEXED)}) <> ({', '.join('?' * len(_INDEXED))})"
)
_UPDATE_OTHERS = f"UPDATE findings SET {_assigned(_OTHERS)} WHERE id = ?"  # noqa: S608
_OF_INDEXED, _OF_OTHERS = _picked((*_INDEXED, "id", *_INDEXED)), _picked((*_OTHERS, "id"))


def findings_named(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Finding]:
    """Those that are there, by id."""
    query = f"{SELECT_FINDING} WHERE f.id IN (SELECT value FROM json_each(?))"  # noqa: S608
    found = map(finding_of, connection.execute(query, (as_json(ids),)))
    return {finding.id: finding for finding in found}


def with_relatives(connection: sqlite3.Connection, found: dict[str, Finding]) -> dict[str, Finding]:
    """The findings and all that belong to the same groups."""
    known = dict(found)
    while missing := relatives(known.values()) - known.keys():
        known |= findings_named(connection, missing)
    return known


def one_finding(connection: sqlite3.Connection, beginning: str) -> Finding:
    """The one finding whose id begins so. Raises NotFound."""
    query = f"{SELECT_FINDING} WHERE f.id >= ?1 AND f.id < ?1 || char(0x10FFFF) ORDER BY f.id LIMIT 2"
    rows = connection.execute(query, (storable(beginning),)).fetchall() if beginning else []
    found = {finding.id: finding for finding in map(finding_of, rows)}
    return found[the_one(beginning, list(found))]


def page(connection: sqlite3.Connection, query: Query, resolved: Query, limit: int, cursor: str | None) -> Page:
    """One page; a row more than asked tells whether there is a next one. `resolved` is the query without ages."""
    after = None if cursor is None else from_cursor(cursor, query)
    sql = page_of(resolved, after, limit + 1, _Probe(connection))
    numbers = as_json(row[0] for row in connection.execute(sql.text, sql.values))
    select = SELECT_FINDING.replace("FROM findings f", "FROM json_each(?) wanted JOIN findings f ON f.number = value")
    found = [finding_of(row) for row in connection.execute(f"{select} ORDER BY wanted.key", (numbers,))]
    if len(found) <= limit:
        return Page(tuple(found), None)
    last = [bound(FIELDS[key.field].read(found[limit - 1])[0]) for key in query.keys]
    return Page(tuple(found[:limit]), to_cursor(last, query))


def count(connection: sqlite3.Connection, where: Condition | None, by: Sequence[str]) -> Counts:
    """How many findings meet the condition, for each of the values of the fields."""
    sql = counts_of(where, by, _Probe(connection))
    rows = connection.execute(sql.text, sql.values)
    return {tuple(_word(name, row[place]) for place, name in enumerate(by)): row[len(by)] for row in rows}


def as_json(values: Iterable[str | int]) -> str:
    """One parameter that holds many values, read by json_each."""
    return orjson.dumps(list(values)).decode()


class _Probe:
    """Looks into the file, once for each question."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.few = cache(self._few)
        self.trigrams = cache(self._trigrams)

    def _few(self, numbers: Sql) -> str | None:
        rows = self._connection.execute(f"{numbers.text} LIMIT {_FEW + 1}", numbers.values).fetchall()
        return as_json(row[0] for row in rows) if len(rows) <= _FEW else None

    def _trigrams(self, beginning: str, end: str) -> Sequence[str] | None:
        query = "SELECT term FROM trigram_words WHERE term >= ? AND term < ? LIMIT ?"
        found = [row[0] for row in self._connection.execute(query, (beginning, end, _FEW_TRIGRAMS + 1))]
        return found if len(found) <= _FEW_TRIGRAMS else None


def _word(field: str, value: str | int) -> str:
    """The value of a field as its column held it."""
    match FIELDS[field].type:
        case kind if kind is Severity:
            return list(Severity)[int(value)]
        case kind if kind is State:
            return State(str(value))
        case kind if kind is WeaknessClass:
            return WeaknessClass(str(value))
    return str(value)
