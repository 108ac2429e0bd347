"""The SQLite store read and written whole."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from secops.store.documents import acceptance_from_document, from_document, to_document
from secops.store.moving import Item, Part, wanting
from secops.store.sqlite_file import SqliteFile
from secops.store.sqlite_findings import write_findings
from secops.store.sqlite_tables import SELECT_FINDING, finding_of
from secops.support.clock import to_text

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class _Table:
    """A part whose rows travel as they are."""

    name: str
    key: tuple[str, ...]
    others: tuple[str, ...]
    counted: tuple[str, ...] | None = None
    """What a row's number is counted within; None: it has none. In the file it is unique among all rows."""
    told: tuple[str, ...] = ()
    """What other tables say of it and other stores keep with it."""
    source: str = ""
    """Where all of that is read; empty: the table itself."""

    @property
    def select(self) -> str:
        """Rows by their key, under the names of its columns."""
        columns = [*self.key, *self.others, *self.told]
        keys = [f"CAST({name} AS TEXT)" for name in self.key]
        if self.counted is not None:
            within = f"PARTITION BY {', '.join(self.counted)} " if self.counted else ""
            columns.append(f"row_number() OVER ({within}ORDER BY number) AS number")
            keys.append("printf('%010d', number)")
        inner = f"SELECT {', '.join(columns)} FROM {self.source or self.name}"  # noqa: S608, names of ours
        return f"SELECT *, {' || char(31) || '.join(keys)} AS item_key FROM ({inner}) ORDER BY item_key"  # noqa: S608

    def item(self, row: sqlite3.Row) -> Item:
        """A row of `select` as it travels."""
        values = {name: row[name] for name in row.keys() if name != "item_key"}  # noqa: SIM118, not a dict
        return Item(row["item_key"], orjson.dumps(values, option=orjson.OPT_SORT_KEYS))

    @property
    def insert(self) -> str:
        """Takes what `values` gives."""
        columns = (*self.key, *self.others)
        return f"REPLACE INTO {self.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608

    def values(self, item: Item) -> tuple[Any, ...]:
        """What the row that `item` was made of held."""
        fields = orjson.loads(item.document)
        return tuple(fields[name] for name in (*self.key, *self.others))


_PLACE = ("asset", "check_name")
_ROW = ("scan", *_PLACE)
_WHY = ("reason_zh", "reason_en")
_ENDED = ("system", "outcome", *_WHY, "seconds")
_TABLES = {
    Part.OBSERVATIONS: _Table("observations", _ROW, ("at", "sha256", "size_bytes")),
    Part.COVERAGE: _Table("coverage", _ROW, (*_ENDED, "at")),
    Part.PLACES: _Table(
        *("places", _PLACE, ("newest_scan", "newest_at", "last_successful")),
        told=_ENDED,
        source="(SELECT p.*, c.scan, system, outcome, reason_zh, reason_en, seconds FROM places p "
        "LEFT JOIN coverage c ON c.scan = newest_scan AND c.asset = p.asset AND c.check_name = p.check_name)",
    ),
    Part.EVENTS: _Table("events", ("finding",), ("revision", "at", "actor", "change", *_WHY), counted=("finding",)),
    Part.BASELINES: _Table("baselines", _PLACE, ("sha256", "approved_by", "at"), counted=_PLACE),
    Part.AUDIT: _Table("audit", (), ("at", "actor", "action", "subject", "detail", *_WHY), counted=()),
}


def dump(file: SqliteFile, part: Part) -> Iterator[Item]:
    """All of a part as it is when the first is asked for."""
    with file.snapshot() as connection:
        match part:
            case Part.CONTENTS:
                for row in connection.execute("SELECT sha256, body FROM contents ORDER BY sha256"):
                    yield Item(row["sha256"], bytes(row["body"]))
            case Part.FINDINGS:
                for row in connection.execute(f"{SELECT_FINDING} ORDER BY f.id"):
                    finding = finding_of(row)
                    yield Item(finding.id, to_document(finding))
            case Part.ACCEPTANCES:
                for row in connection.execute("SELECT id, document FROM acceptances ORDER BY id"):
                    yield Item(row["id"], row["document"].encode())
            case _:
                yield from map(_TABLES[part].item, connection.execute(_TABLES[part].select))


def load(file: SqliteFile, part: Part, items: Iterable[Item]) -> int:
    """Write what is wanting, in transactions of a thousand."""
    missing, written = wanting(part, items, dump(file, part)), 0
    while batch := list(islice(missing, _AT_ONCE)):
        with file.writing() as connection:
            _write(connection, part, batch)
        written += len(batch)
    return written


def _write(connection: sqlite3.Connection, part: Part, items: list[Item]) -> None:
    match part:
        case Part.CONTENTS:
            rows = ((item.key, item.document) for item in items)
            connection.executemany("INSERT INTO contents VALUES (?, ?)", rows)
        case Part.FINDINGS:
            write_findings(connection, [from_document(item.document) for item in items])
        case Part.ACCEPTANCES:
            decided = ((acceptance_from_document(item.document), item.document.decode()) for item in items)
            rows_of = ((one.id, one.revision, to_text(one.requested), document) for one, document in decided)
            connection.executemany("REPLACE INTO acceptances VALUES (?, ?, ?, ?)", rows_of)
        case _:
            connection.executemany(_TABLES[part].insert, map(_TABLES[part].values, items))
