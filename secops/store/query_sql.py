"""Queries as SQL of the SQLite store. Values are parameters, always; what is written into SQL is ours.

Which index serves a page is decided here, not by SQLite's planner, whose guesses without statistics are far off: a
column with a `+` before it is not looked up in an index. A page is *walked* in the order of an index until it is full,
or *gathered* by a condition that few findings meet and then sorted.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from secops.model.finding import Severity
from secops.store.query import (
    FIELDS,
    And,
    Comparison,
    Condition,
    Equals,
    Exists,
    In,
    Not,
    Or,
    Prefix,
    Query,
    Range,
    Sort,
    TextMatch,
    Value,
    folded,
    microseconds,
)
from secops.store.sqlite_tables import CLAUSE_MARK

Bound: TypeAlias = str | int
COLUMNS = {name: name for name, field in FIELDS.items() if field.sortable} | {"check": "check_name"}
"""By field, where its value lies in `findings`."""
_TEXT_COLUMNS = {"title": ("title",), "reason": ("reason",), "text": ("title", "reason")}
_FEW_BY_NATURE = frozenset({"id", "asset"})
_LAST = 0x10FFFF
_TRIGRAM = 3


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and the values of its parameters, in order."""

    text: str
    values: tuple[Bound, ...] = ()


Rare: TypeAlias = Callable[[str], bool]
"""Whether few findings hold this text, given as a query of the trigrams."""


def page_of(query: Query, after: Sequence[Bound] | None, limit: int, rare: Rare) -> Sql:
    """Selects the numbers of a page that starts behind a finding with these values of the keys."""
    few = any(_is_few(part, rare) for part in _conjuncts(query.where))
    parts = [_compile(part, rare, top=True) for part in _conjuncts(query.where)]
    if after is not None:
        parts.append(_behind(query.keys, after, "+" if few else ""))
    return _joined(
        Sql("SELECT f.number FROM findings f"),
        _where(parts),
        Sql("ORDER BY " + ", ".join(_order(key, "+" if few else "") for key in query.keys)),
        Sql("LIMIT ?", (limit,)),
    )


def counts_of(where: Condition | None, by: Sequence[str], rare: Rare) -> Sql:
    """Selects the values of the fields and how many findings have them."""
    columns = "".join(f"f.{COLUMNS[name]}, " for name in by)
    grouped = "GROUP BY " + columns.rstrip(", ") if by else ""
    parts = [_compile(part, rare, top=True) for part in _conjuncts(where)]
    return _joined(Sql(f"SELECT {columns}count(*) FROM findings f"), _where(parts), Sql(grouped))  # noqa: S608


def bound(value: Value) -> Bound:
    """The value as its column holds it."""
    if isinstance(value, Severity):
        return value.rank
    if isinstance(value, datetime):
        return microseconds(value)
    assert isinstance(value, str | int), "ages are replaced by moments before"
    return value


def trigram_query(text: str) -> str | None:
    """What finds candidates: all trigrams of the folded text. None when it is shorter than one."""
    wanted = folded(text)
    pieces = dict.fromkeys(wanted[start : start + _TRIGRAM] for start in range(len(wanted) - _TRIGRAM + 1))
    return " AND ".join('"' + piece.replace('"', '""') + '"' for piece in pieces) or None


def _conjuncts(where: Condition | None) -> tuple[Condition, ...]:
    return where.parts if isinstance(where, And) else (where,) if where else ()


def _is_few(condition: Condition, rare: Rare) -> bool:
    """Whether so few findings meet it that sorting them is quicker than walking an order."""
    match condition:
        case Equals(field, _) | In(field, _) | Prefix(field, _):
            return field in _FEW_BY_NATURE
        case TextMatch(_, text):
            candidates = trigram_query(text)
            return candidates is not None and rare(candidates)
    return False


def _compile(condition: Condition, rare: Rare, *, top: bool = False) -> Sql:
    """`top`: it holds for every row of the page, so that an index may serve it."""
    match condition:
        case Equals("clause", value):
            return Sql("instr(f.clauses, ?)", (f"{CLAUSE_MARK}{value}{CLAUSE_MARK}",))
        case Equals(field, value):
            return Sql(f"{_column(field, top)} = ?", (bound(value),))
        case In("clause", values):
            return _any(_compile(Equals("clause", value), rare) for value in values)
        case In(field, values):
            column = _column(field, top and field in _FEW_BY_NATURE)
            return Sql(f"{column} IN ({', '.join('?' * len(values))})", tuple(map(bound, values)))
        case Range(field, comparison, value):
            return Sql(f"{_column(field, top)} {comparison.value} ?", (bound(value),))
        case Prefix("clause", prefix):
            return Sql("instr(f.clauses, ?)", (f"{CLAUSE_MARK}{prefix}",))
        case Prefix(field, prefix):
            return _begins(_column(field, top and field in _FEW_BY_NATURE), prefix)
        case TextMatch(field, text):
            return _holds(field, text, rare)
        case Exists(field):
            return _exists(field)
        case And(parts):
            return _bracketed(" AND ", (_compile(part, rare) for part in parts))
        case Or(parts):
            return _any(_compile(part, rare) for part in parts)
        case Not(part):
            inner = _compile(part, rare)
            return Sql(f"NOT ({inner.text})", inner.values)


def _column(field: str, indexed: bool) -> str:
    return f"{'' if indexed else '+'}f.{COLUMNS[field]}"


def _begins(column: str, prefix: str) -> Sql:
    """At least the prefix, and less than the first text behind all that begin with it."""
    head = prefix.rstrip(chr(_LAST))
    if not head:
        return Sql(f"{column} >= ?", (prefix,))
    following = ord(head[-1]) + 1
    end = head[:-1] + chr(0xE000 if following == 0xD800 else following)
    return Sql(f"({column} >= ? AND {column} < ?)", (prefix, end))


def _holds(field: str, text: str, rare: Rare) -> Sql:
    """Candidates by their trigrams where that leaves few; in any case the text itself is looked at."""
    wanted, columns = folded(text), _TEXT_COLUMNS[field]
    either = " OR ".join(f"instr(t.{column}, ?)" for column in columns)
    looked_at = Sql(
        f"EXISTS (SELECT 1 FROM texts t WHERE t.number = f.number AND ({either}))",  # noqa: S608
        (wanted,) * len(columns),
    )
    candidates = trigram_query(text)
    if candidates is None or not rare(candidates):
        return looked_at
    narrowed = Sql("f.number IN (SELECT rowid FROM trigrams WHERE trigrams MATCH ?)", (candidates,))
    return _bracketed(" AND ", (narrowed, looked_at))


def _exists(field: str) -> Sql:
    if field in _TEXT_COLUMNS:
        # Both languages, a line each: nothing but the line break when both are empty.
        either = " OR ".join(f"t.{column} <> char(10)" for column in _TEXT_COLUMNS[field])
        return Sql(f"EXISTS (SELECT 1 FROM texts t WHERE t.number = f.number AND ({either}))")  # noqa: S608
    column = "clauses" if field == "clause" else COLUMNS[field]
    return Sql(f"+f.{column} <> ''")


def _order(key: Sort, plus: str) -> str:
    return f"{plus}f.{COLUMNS[key.field]}{' DESC' if key.descending else ''}"


def _behind(keys: Sequence[Sort], after: Sequence[Bound], plus: str) -> Sql:
    """Findings that stand behind these values in the order."""
    columns = [f"{plus}f.{COLUMNS[key.field]}" for key in keys]
    signs = [Comparison.LESS if key.descending else Comparison.MORE for key in keys]
    if len(set(signs)) == 1:
        marks = ", ".join("?" * len(keys))
        return Sql(f"({', '.join(columns)}) {signs[0]} ({marks})", tuple(after))
    return _any(
        Sql(
            " AND ".join([*(f"{column} = ?" for column in columns[:last]), f"{columns[last]} {signs[last]} ?"]),
            tuple(after[: last + 1]),
        )
        for last in range(len(keys))
    )


def _any(parts: Iterable[Sql]) -> Sql:
    return _bracketed(" OR ", parts)


def _bracketed(word: str, parts: Iterable[Sql]) -> Sql:
    listed = list(parts)
    text = word.join(f"({part.text})" for part in listed)
    return Sql(f"({text})", tuple(value for part in listed for value in part.values))


def _where(parts: Sequence[Sql]) -> Sql:
    text = " AND ".join(part.text for part in parts)
    return Sql(f"WHERE {text}" if parts else "", tuple(value for part in parts for value in part.values))


def _joined(*parts: Sql) -> Sql:
    return Sql(" ".join(part.text for part in parts), tuple(value for part in parts for value in part.values))
