"""What the steps of a JSON query do: each takes a value and gives none, one or many."""

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from scanners.web.templates.expressions.values import as_bytes, plain_number

Query: TypeAlias = Callable[[Any], Iterator[Any]]
Index: TypeAlias = Query | tuple[Query | None, Query | None] | None
"""What stands between brackets: None for all items, a pair for a slice."""


class Wrong(Exception):
    """The document is not shaped as the query wants."""


def text_of(value: Any) -> bytes:
    """Text as it is, all else as JSON without spaces."""
    if isinstance(value, str):
        return as_bytes(value) if value.isascii() else value.encode("utf-8", "replace")
    if isinstance(value, bool) or value is None:
        return json.dumps(value).encode()
    if isinstance(value, int | float):
        return plain_number(float(value)).encode() if isinstance(value, float) else str(value).encode()
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def itself(value: Any) -> Iterator[Any]:
    """The value as it is."""
    yield value


def constant(value: Any) -> Query:
    """Always the same value."""
    return lambda _: iter((value,))


def mapped(compute: Callable[[Any], Any]) -> Query:
    """One value computed from it."""
    return lambda value: iter((compute(value),))


def kept(wanted: Callable[[Any], bool]) -> Query:
    """The value, when it is wanted."""
    return lambda value: iter((value,) if wanted(value) else ())


def piped(left: Query, right: Query) -> Query:
    """The right step on each result of the left one."""
    return lambda value: (result for middle in left(value) for result in right(middle))


def both(left: Query, right: Query) -> Query:
    """All of the left, then all of the right."""

    def run(value: Any) -> Iterator[Any]:
        yield from left(value)
        yield from right(value)

    return run


def combined(left: Query, right: Query, compute: Callable[[Any, Any], Any]) -> Query:
    """Every pair of results, computed."""
    return lambda value: (compute(one, other) for other in right(value) for one in left(value))


def or_else(left: Query, right: Query) -> Query:
    """The left side's true results, else the right side."""

    def run(value: Any) -> Iterator[Any]:
        found = [result for result in tolerant(left)(value) if is_true(result)]
        yield from found or right(value)

    return run


def chosen(condition: Query, one: Query, other: Query) -> Query:
    """One step or the other by a condition."""
    return lambda value: (result for test in condition(value) for result in (one if is_true(test) else other)(value))


def tolerant(query: Query) -> Query:
    """As far as the shape allows, without complaint."""

    def run(value: Any) -> Iterator[Any]:
        try:
            yield from query(value)
        except Wrong:
            return

    return run


def field(name: str) -> Query:
    """A key of an object."""
    return mapped(lambda value: _item(value, name))


def _item(value: Any, key: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int | float):
        at = int(key)
        return value[at] if -len(value) <= at < len(value) else None
    raise Wrong


def indexed(query: Query, index: Index) -> Query:
    """An item, all items or a slice of what a step finds."""
    if index is None:
        return piped(query, _items)
    if isinstance(index, tuple):
        first, last = index
        return lambda value: (part for inner in query(value) for part in _sliced(inner, value, first, last))
    return lambda value: (_item(inner, key) for inner in query(value) for key in index(value))


def _sliced(inner: Any, value: Any, first: Query | None, last: Query | None) -> Iterator[Any]:
    if not isinstance(inner, list | str):
        raise Wrong
    for start in first(value) if first else (None,):
        for end in last(value) if last else (None,):
            yield inner[start:end]


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    if isinstance(value, list):
        return iter(value)
    raise Wrong


def descend(value: Any) -> Iterator[Any]:
    """The value and all that lies in it."""
    yield value
    if isinstance(value, dict | list):
        for below in _items(value):
            yield from descend(below)


def is_true(value: Any) -> bool:
    """Everything but null and false."""
    return value is not None and value is not False


def add(left: Any, right: Any) -> Any:
    """Sum, or texts, lists and objects joined."""
    if left is None or right is None:
        return right if left is None else left
    if isinstance(left, dict) and isinstance(right, dict):
        return left | right
    if type(left) is type(right) or (_is_number(left) and _is_number(right)):
        return left + right
    raise Wrong


def subtract(left: Any, right: Any) -> Any:
    """The difference of two numbers."""
    if not (_is_number(left) and _is_number(right)):
        raise Wrong
    return left - right


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _ordered(compute: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def run(left: Any, right: Any) -> bool:
        try:
            return compute(left, right)
        except TypeError:
            raise Wrong from None

    return run


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _same,
    "!=": lambda left, right: not _same(left, right),
    "<": _ordered(lambda left, right: bool(left < right)),
    ">": _ordered(lambda left, right: bool(left > right)),
    "<=": _ordered(lambda left, right: bool(left <= right)),
    ">=": _ordered(lambda left, right: bool(left >= right)),
}
CONSTANTS = {"true": True, "false": False, "null": None}


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return sorted(value)
    if isinstance(value, list):
        return list(range(len(value)))
    raise Wrong


def _entries(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        raise Wrong
    return [{"key": key, "value": value[key]} for key in value]


def _length(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, str | list | dict):
        return len(value)
    raise Wrong


def _kind(value: Any) -> str:
    kinds = {str: "string", bool: "boolean", list: "array", dict: "object", type(None): "null"}
    return kinds.get(type(value), "number")


def _number(value: Any) -> Any:
    try:
        return value if _is_number(value) else json.loads(value)
    except (TypeError, ValueError):
        raise Wrong from None


PLAIN: dict[str, Callable[[Any], Any]] = {
    "keys": _keys,
    "to_entries": _entries,
    "length": _length,
    "type": _kind,
    "tostring": lambda value: text_of(value).decode("utf-8", "replace"),
    "tonumber": _number,
    "not": lambda value: not is_true(value),
    "first": lambda value: _item(value, 0),
    "last": lambda value: _item(value, -1),
    "add": lambda value: _sum(value),
    "ascii_downcase": lambda value: _lowered(value),
}
FILTERS: dict[str, Callable[[Any], bool]] = {
    "objects": lambda value: isinstance(value, dict),
    "arrays": lambda value: isinstance(value, list),
    "strings": lambda value: isinstance(value, str),
    "numbers": _is_number,
    "booleans": lambda value: isinstance(value, bool),
    "nulls": lambda value: value is None,
    "values": lambda value: value is not None,
    "scalars": lambda value: not isinstance(value, dict | list),
}


def _sum(value: Any) -> Any:
    total = None
    for item in _items(value):
        total = add(total, item)
    return total


def _lowered(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong
    return value.lower()


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, str) and isinstance(part, str):
        return part in whole
    if isinstance(whole, list) and isinstance(part, list):
        return all(any(_holds(item, wanted) for item in whole) for wanted in part)
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and _holds(whole[key], part[key]) for key in part)
    if _kind(whole) == _kind(part):
        return _same(whole, part)
    raise Wrong


def _holds(whole: Any, part: Any) -> bool:
    return bool(_kind(whole) == _kind(part) and _contains(whole, part))


def _has(value: Any, key: Any) -> bool:
    if isinstance(value, dict) and isinstance(key, str):
        return key in value
    if isinstance(value, list) and _is_number(key):
        return bool(0 <= key < len(value))
    raise Wrong


def _text_test(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def run(value: Any, part: Any) -> bool:
        if not isinstance(value, str) or not isinstance(part, str):
            raise Wrong
        return test(value, part)

    return run


def _joined(value: Any, separator: Any) -> str:
    if not isinstance(value, list) or not isinstance(separator, str):
        raise Wrong
    return separator.join(text_of(item).decode("utf-8", "replace") for item in value)


def _asking(test: Callable[[Any, Any], Any]) -> Callable[[Query], Query]:
    return lambda argument: lambda value: (test(value, given) for given in argument(value))


WITH_ARGUMENT: dict[str, Callable[[Query], Query]] = {
    "select": lambda test: lambda value: (value for result in test(value) if is_true(result)),
    "map": lambda query: lambda value: iter([[result for item in _items(value) for result in query(item)]]),
    "contains": _asking(_contains),
    "has": _asking(_has),
    "startswith": _asking(_text_test(str.startswith)),
    "endswith": _asking(_text_test(str.endswith)),
    "join": _asking(lambda value, separator: _joined(value, separator)),
}
