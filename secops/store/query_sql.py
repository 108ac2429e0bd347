"""Queries as SQL of the SQLite store. Values are parameters, always; what is written into SQL is ours.

Which index serves a page is decided here, not by SQLite's planner, whose guesses without statistics are far off: a
column with a `+` before it is not looked up in an index. When one of the conditions is met by few findings, these are
*gathered* by it and sorted; else the page is *walked* in the order of an index until it is full.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from secops.model.finding import Severity
from secops.store.query import (
    FIELDS,
    WORST_FIRST,
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
from secops.store.sqlite_tables import CLAUSE_MARK, TEXT_END

Bound: TypeAlias = str | int
COLUMNS = {name: name for name, field in FIELDS.items() if field.sortable} | {"check": "check_name"}
"""By field, where its value lies in `findings`."""
_TEXT_COLUMNS = {"title": ("title",), "reason": ("reason",), "text": ("title", "reason")}
_INDEXED = frozenset({"id", "asset", "system", "state", "rule"})
_RANKED = frozenset({"system", "state", "rule"})
"""Whose index holds the findings of each value worst first."""
_LAST = 0x10FFFF
_TRIGRAM = 3


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and the values of its parameters, in order."""

    text: str
    values: tuple[Bound, ...] = ()


class Probe(Protocol):
    """What a look into the file tells before a page is asked for."""

    def few(self, numbers: Sql) -> str | None:
        """The numbers, as JSON, if they are so few that sorting their findings is quicker than walking an order."""
        ...

    def trigrams(self, beginning: str, end: str) -> Sequence[str] | None:
        """Trigrams from `beginning` until before `end` that occur; None when there are many."""
        ...


def page_of(query: Query, after: Sequence[Bound] | None, limit: int, probe: Probe) -> Sql:
    """Selects the numbers of a page that starts behind a finding with these values of the keys."""
    conjuncts = _conjuncts(query.where)
    gathered = _gathered(conjuncts, probe)
    plus = "+" if gathered else ""
    walked = next((part for part in conjuncts if _walked(part, query)), None)
    parts = [
        _compile(part, probe, indexed=not gathered and (part is walked or _bounds_walk(part))) for part in conjuncts
    ]
    if gathered:
        parts.append(gathered)
    if after is not None:
        parts.append(_behind(query.keys, after, plus))
    return _joined(
        Sql("SELECT f.number FROM findings f"),
        _where(parts),
        Sql("ORDER BY " + ", ".join(_order(key, plus) for key in query.keys)),
        Sql("LIMIT ?", (limit,)),
    )


def counts_of(where: Condition | None, by: Sequence[str], probe: Probe) -> Sql:
    """Selects the values of the fields and how many findings have them."""
    conjuncts = _conjuncts(where)
    gathered = _gathered(conjuncts, probe)
    parts = [_compile(part, probe) for part in conjuncts] + ([gathered] if gathered else [])
    # Rows in the order of the file: an index in the order of the groups would lead to each row apart.
    columns = ", ".join(f"+f.{COLUMNS[name]}" for name in by)
    selected = f"{columns}, count(*)" if by else "count(*)"
    grouped = Sql(f"GROUP BY {columns}" if by else "")
    return _joined(Sql(f"SELECT {selected} FROM findings f"), _where(parts), grouped)  # noqa: S608


def bound(value: Value) -> Bound:
    """The value as its column holds it."""
    if isinstance(value, Severity):
        return value.rank
    if isinstance(value, datetime):
        return microseconds(value)
    assert isinstance(value, str | int), "ages are replaced by moments before"
    return value


def candidates_of(text: str, probe: Probe) -> Sql | None:
    """Selects the numbers of all findings that can hold the text, and some that do not; None when it cannot help.

    A text of two characters is held by those trigrams that begin with it. One character is in nearly every finding.
    """
    wanted = folded(text)
    pieces = list(dict.fromkeys(wanted[start : start + _TRIGRAM] for start in range(len(wanted) - _TRIGRAM + 1)))
    word = " AND "
    if len(wanted) == _TRIGRAM - 1:
        found = probe.trigrams(wanted, _behind_all(wanted))
        if found is None:
            return None
        pieces, word = list(found) or [wanted + "\x01"], " OR "
    asked = word.join('"' + piece.replace('"', '""') + '"' for piece in pieces)
    return Sql("SELECT rowid FROM trigrams WHERE trigrams MATCH ?", (asked,)) if pieces else None


def _conjuncts(where: Condition | None) -> tuple[Condition, ...]:
    return where.parts if isinstance(where, And) else (where,) if where else ()


def _gathered(conjuncts: Sequence[Condition], probe: Probe) -> Sql | None:
    """The first condition that few findings meet, as the numbers of these findings."""
    for part in conjuncts:
        numbers = _numbers(part, conjuncts, probe)
        if numbers and (few := probe.few(numbers)) is not None:
            return Sql("f.number IN (SELECT value FROM json_each(?))", (few,))
    return None


def _numbers(condition: Condition, conjuncts: Sequence[Condition], probe: Probe) -> Sql | None:
    """Selects what an index finds by the condition; severity narrows it where the index holds that, too."""
    match condition:
        case Equals(field, _) | In(field, _) | Prefix(field, _) if field in _INDEXED:
            parts: list[Condition] = [condition]
            if field in _RANKED and not isinstance(condition, Prefix):
                parts += [each for each in conjuncts if isinstance(each, Range) and each.field == "severity"]
            where = _where([_compile(part, probe, indexed=True) for part in parts])
            index = f"findings_by_{field}" if field in _RANKED else ""
            return _joined(Sql(f"SELECT f.number FROM findings f {index and 'INDEXED BY ' + index}"), where)  # noqa: S608
        case TextMatch(_, text):
            return candidates_of(text, probe)
    return None


def _walked(condition: Condition, query: Query) -> bool:
    """Whether an index has the findings that meet it in the order of the query."""
    return isinstance(condition, Equals) and condition.field in _RANKED and query.sort == WORST_FIRST


def _bounds_walk(condition: Condition) -> bool:
    """Whether it says where the walk in an order begins or ends."""
    return isinstance(condition, Range | Equals) and condition.field in ("severity", "first_seen")


def _compile(condition: Condition, probe: Probe, *, indexed: bool = False) -> Sql:
    """`indexed`: an index may serve it."""
    match condition:
        case Equals("clause", value):
            return Sql("instr(f.clauses, ?)", (f"{CLAUSE_MARK}{value}{CLAUSE_MARK}",))
        case Equals(field, value):
            return Sql(f"{_column(field, indexed)} = ?", (bound(value),))
        case In("clause", values):
            return _any(_compile(Equals("clause", value), probe) for value in values)
        case In(field, values):
            column = _column(field, indexed)
            return Sql(f"{column} IN ({', '.join('?' * len(values))})", tuple(map(bound, values)))
        case Range(field, comparison, value):
            return Sql(f"{_column(field, indexed)} {comparison.value} ?", (bound(value),))
        case Prefix("clause", prefix):
            return Sql("instr(f.clauses, ?)", (f"{CLAUSE_MARK}{prefix}",))
        case Prefix(field, prefix):
            return _begins(_column(field, indexed), prefix)
        case TextMatch(field, text):
            return _holds(field, text, probe)
        case Exists(field):
            return _exists(field)
        case And(parts):
            return _bracketed(" AND ", (_compile(part, probe) for part in parts))
        case Or(parts):
            return _any(_compile(part, probe) for part in parts)
        case Not(part):
            inner = _compile(part, probe)
            return Sql(f"NOT ({inner.text})", inner.values)


def _column(field: str, indexed: bool) -> str:
    return f"{'' if indexed else '+'}f.{COLUMNS[field]}"


def _begins(column: str, prefix: str) -> Sql:
    end = _behind_all(prefix)
    if not end:
        return Sql(f"{column} >= ?", (prefix,))
    return Sql(f"({column} >= ? AND {column} < ?)", (prefix, end))


def _behind_all(prefix: str) -> str:
    """The first text behind all that begin with the prefix; empty when there is none."""
    head = prefix.rstrip(chr(_LAST))
    following = ord(head[-1]) + 1 if head else 0
    return head and head[:-1] + chr(0xE000 if following == 0xD800 else following)


def _holds(field: str, text: str, probe: Probe) -> Sql:
    """Candidates by their trigrams where that leaves few; in any case the text itself is looked at."""
    wanted, columns = folded(text), _TEXT_COLUMNS[field]
    either = " OR ".join(f"instr(t.{column}, ?)" for column in columns)
    looked_at = Sql(
        f"EXISTS (SELECT 1 FROM texts t WHERE t.number = f.number AND ({either}))",  # noqa: S608
        (wanted,) * len(columns),
    )
    candidates = candidates_of(text, probe)
    few = probe.few(candidates) if candidates else None
    if few is None:
        return looked_at
    return _bracketed(" AND ", (Sql("f.number IN (SELECT value FROM json_each(?))", (few,)), looked_at))


def _exists(field: str) -> Sql:
    if field in _TEXT_COLUMNS:
        # Both languages, a line each: nothing but the line break when both are empty.
        columns = _TEXT_COLUMNS[field]
        either = " OR ".join(f"t.{column} <> ?" for column in columns)
        return Sql(
            f"EXISTS (SELECT 1 FROM texts t WHERE t.number = f.number AND ({either}))",  # noqa: S608
            ("\n" + TEXT_END,) * len(columns),
        )
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
