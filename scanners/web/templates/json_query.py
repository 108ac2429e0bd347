"""Queries into JSON answers: the part of jq that extractors use."""

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias

from scanners.web.templates.expressions.values import as_bytes, plain_number

Query: TypeAlias = Callable[[Any], Iterator[Any]]
_TOKEN = re.compile(
    r"\s*(?:(?P<string>\"(?:\\.|[^\"\\])*\")|(?P<number>\d+(?:\.\d+)?)|(?P<field>\.[A-Za-z_]\w*)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<symbol>\.\.|//|==|!=|<=|>=|[][(){}.|,?:<>+*/-])|(?P<end>\Z))"
)
_DEEPEST = 50
_MOST_RESULTS = 10_000


class BadQuery(ValueError):
    """Not a query, or one that is not supported."""


class _Wrong(Exception):
    """The document is not shaped as the query wants."""


@lru_cache(maxsize=1024)
def json_query(source: str) -> Query:
    """A query ready to run. Raises BadQuery."""
    return _Parser(source).whole()


def run_query(query: Query, document: bytes) -> list[bytes]:
    """What a query finds, as text; nothing when the document is not JSON. It stops where the shape is wrong."""
    found: list[bytes] = []
    try:
        for value in query(json.loads(document)):
            found.append(_text(value))
            if len(found) >= _MOST_RESULTS:
                break
    except (ValueError, _Wrong, RecursionError):
        pass
    return found


def _text(value: Any) -> bytes:
    if isinstance(value, str):
        return as_bytes(value) if value.isascii() else value.encode("utf-8", "replace")
    if isinstance(value, bool) or value is None:
        return json.dumps(value).encode()
    if isinstance(value, int | float):
        return plain_number(float(value)).encode() if isinstance(value, float) else str(value).encode()
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


class _Parser:
    """Precedence from loose to tight: `|`, `,`, `//`, `or`, `and`, comparison, sum, path."""

    def __init__(self, source: str) -> None:
        self._source, self._position, self._depth = source, 0, 0
        self._kind, self._token = "", ""
        self._advance()

    def whole(self) -> Query:
        query = self._pipe()
        if self._kind != "end":
            raise BadQuery(f"unexpected {self._token}")
        return query

    def _advance(self) -> None:
        token = _TOKEN.match(self._source, self._position)
        if token is None or token.lastgroup is None:
            raise BadQuery(f"unexpected {self._source[self._position :][:20]}")
        self._kind, self._token, self._position = token.lastgroup, token[token.lastgroup], token.end()

    def _take(self, text: str) -> bool:
        if self._token != text or self._kind == "string":
            return False
        self._advance()
        return True

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise BadQuery(f"{text} is missing")

    def _pipe(self) -> Query:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise BadQuery("nested too deeply")
        query = self._comma()
        while self._take("|"):
            query = _piped(query, self._comma())
        self._depth -= 1
        return query

    def _comma(self) -> Query:
        query = self._alternative()
        while self._take(","):
            query = _both(query, self._alternative())
        return query

    def _alternative(self) -> Query:
        query = self._or()
        if self._take("//"):
            return _or_else(query, self._alternative())
        return query

    def _or(self) -> Query:
        query = self._and()
        while self._take("or"):
            query = _combined(query, self._and(), lambda left, right: _true(left) or _true(right))
        return query

    def _and(self) -> Query:
        query = self._comparison()
        while self._take("and"):
            query = _combined(query, self._comparison(), lambda left, right: _true(left) and _true(right))
        return query

    def _comparison(self) -> Query:
        query = self._sum()
        operator = _COMPARISONS.get(self._token) if self._kind == "symbol" else None
        if operator is None:
            return query
        self._advance()
        return _combined(query, self._sum(), operator)

    def _sum(self) -> Query:
        query = self._postfix()
        while self._kind == "symbol" and self._token in ("+", "-"):
            operator = _add if self._token == "+" else _subtract
            self._advance()
            query = _combined(query, self._postfix(), operator)
        return query

    def _postfix(self) -> Query:
        query = self._term()
        while True:
            if self._kind == "field":
                query = _piped(query, _field(self._token[1:]))
                self._advance()
            elif self._take("."):
                query = self._after_dot(query)
            elif self._take("["):
                query = _piped_index(query, self._index())
            elif self._take("?"):
                query = _tolerant(query)
            else:
                return query

    def _after_dot(self, query: Query) -> Query:
        if self._kind == "string":
            name = self._string()
            return _piped(query, _field(name))
        self._expect("[")
        return _piped_index(query, self._index())

    def _index(self) -> "Query | None | tuple[Query | None, Query | None]":
        """What stands between brackets; None for all items, a pair for a slice."""
        if self._take("]"):
            return None
        first = None if self._token == ":" else self._pipe()
        if not self._take(":"):
            self._expect("]")
            return first
        last = None if self._token == "]" else self._pipe()
        self._expect("]")
        return first, last

    def _string(self) -> str:
        try:
            text = json.loads(self._token)
        except ValueError:
            raise BadQuery(f"bad string {self._token[:20]}") from None
        self._advance()
        return str(text)

    def _term(self) -> Query:
        kind, token = self._kind, self._token
        if kind == "string":
            return _constant(self._string())
        if kind == "end":
            raise BadQuery("unexpected end")
        self._advance()
        if kind == "number":
            return _constant(float(token) if "." in token else int(token))
        if kind == "field":
            return _field(token[1:])
        if kind == "word":
            return self._word(token)
        return self._symbol(token)

    def _symbol(self, token: str) -> Query:
        if token == ".":
            if self._kind == "string":
                return _field(self._string())
            return _itself
        if token == "..":
            return _descend
        if token == "-":
            return _combined(_constant(0), self._postfix(), _subtract)
        if token == "(":
            query = self._pipe()
            self._expect(")")
            return query
        if token == "[":
            return self._collected()
        raise BadQuery(f"unexpected {token}")

    def _collected(self) -> Query:
        if self._take("]"):
            return _constant([])
        query = self._pipe()
        self._expect("]")
        return lambda value: iter([list(query(value))])

    def _word(self, word: str) -> Query:
        if word == "if":
            return self._choice()
        if word in _CONSTANTS:
            return _constant(_CONSTANTS[word])
        if word in _PLAIN:
            return _mapped(_PLAIN[word])
        if word in _FILTERS:
            return _kept(_FILTERS[word])
        if word == "empty":
            return lambda value: iter(())
        if word in _WITH_ARGUMENT:
            self._expect("(")
            argument = self._pipe()
            self._expect(")")
            return _WITH_ARGUMENT[word](argument)
        raise BadQuery(f"{word} is not supported")

    def _choice(self) -> Query:
        condition = self._pipe()
        self._expect("then")
        one = self._pipe()
        if self._take("elif"):
            return _chosen(condition, one, self._choice())
        other = self._pipe() if self._take("else") else _itself
        self._expect("end")
        return _chosen(condition, one, other)


def _itself(value: Any) -> Iterator[Any]:
    yield value


def _constant(constant: Any) -> Query:
    return lambda value: iter((constant,))


def _mapped(compute: Callable[[Any], Any]) -> Query:
    return lambda value: iter((compute(value),))


def _kept(wanted: Callable[[Any], bool]) -> Query:
    return lambda value: iter((value,) if wanted(value) else ())


def _piped(left: Query, right: Query) -> Query:
    return lambda value: (result for middle in left(value) for result in right(middle))


def _both(left: Query, right: Query) -> Query:
    def run(value: Any) -> Iterator[Any]:
        yield from left(value)
        yield from right(value)

    return run


def _combined(left: Query, right: Query, compute: Callable[[Any, Any], Any]) -> Query:
    return lambda value: (compute(one, other) for other in right(value) for one in left(value))


def _or_else(left: Query, right: Query) -> Query:
    def run(value: Any) -> Iterator[Any]:
        found = [result for result in _tolerant(left)(value) if _true(result)]
        yield from found or right(value)

    return run


def _chosen(condition: Query, one: Query, other: Query) -> Query:
    return lambda value: (result for test in condition(value) for result in (one if _true(test) else other)(value))


def _tolerant(query: Query) -> Query:
    def run(value: Any) -> Iterator[Any]:
        try:
            yield from query(value)
        except _Wrong:
            return

    return run


def _field(name: str) -> Query:
    return _mapped(lambda value: _item(value, name))


def _item(value: Any, key: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int | float):
        at = int(key)
        return value[at] if -len(value) <= at < len(value) else None
    raise _Wrong


def _piped_index(query: Query, index: "Query | None | tuple[Query | None, Query | None]") -> Query:
    if index is None:
        return _piped(query, _items)
    if isinstance(index, tuple):
        first, last = index
        return lambda value: (part for inner in query(value) for part in _sliced(inner, value, first, last))
    return lambda value: (_item(inner, key) for inner in query(value) for key in index(value))


def _sliced(inner: Any, value: Any, first: Query | None, last: Query | None) -> Iterator[Any]:
    if not isinstance(inner, list | str):
        raise _Wrong
    for start in first(value) if first else (None,):
        for end in last(value) if last else (None,):
            yield inner[start:end]


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    if isinstance(value, list):
        return iter(value)
    raise _Wrong


def _descend(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict | list):
        for below in _items(value):
            yield from _descend(below)


def _true(value: Any) -> bool:
    return value is not None and value is not False


def _add(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return right if left is None else left
    if isinstance(left, dict) and isinstance(right, dict):
        return left | right
    if type(left) is type(right) or (_is_number(left) and _is_number(right)):
        return left + right
    raise _Wrong


def _subtract(left: Any, right: Any) -> Any:
    if not (_is_number(left) and _is_number(right)):
        raise _Wrong
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
            raise _Wrong from None

    return run


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _same,
    "!=": lambda left, right: not _same(left, right),
    "<": _ordered(lambda left, right: bool(left < right)),
    ">": _ordered(lambda left, right: bool(left > right)),
    "<=": _ordered(lambda left, right: bool(left <= right)),
    ">=": _ordered(lambda left, right: bool(left >= right)),
}
_CONSTANTS = {"true": True, "false": False, "null": None}


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return sorted(value)
    if isinstance(value, list):
        return list(range(len(value)))
    raise _Wrong


def _entries(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        raise _Wrong
    return [{"key": key, "value": value[key]} for key in value]


def _length(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, str | list | dict):
        return len(value)
    raise _Wrong


def _kind(value: Any) -> str:
    kinds = {str: "string", bool: "boolean", list: "array", dict: "object", type(None): "null"}
    return kinds.get(type(value), "number")


def _number(value: Any) -> Any:
    try:
        return value if _is_number(value) else json.loads(value)
    except (TypeError, ValueError):
        raise _Wrong from None


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "keys": _keys,
    "to_entries": _entries,
    "length": _length,
    "type": _kind,
    "tostring": lambda value: _text(value).decode("utf-8", "replace"),
    "tonumber": _number,
    "not": lambda value: not _true(value),
    "first": lambda value: _item(value, 0),
    "last": lambda value: _item(value, -1),
    "add": lambda value: _sum(value),
    "ascii_downcase": lambda value: _lowered(value),
}
_FILTERS: dict[str, Callable[[Any], bool]] = {
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
        total = _add(total, item)
    return total


def _lowered(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong
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
    raise _Wrong


def _holds(whole: Any, part: Any) -> bool:
    return _kind(whole) == _kind(part) and _contains(whole, part)


def _has(value: Any, key: Any) -> bool:
    if isinstance(value, dict) and isinstance(key, str):
        return key in value
    if isinstance(value, list) and _is_number(key):
        return 0 <= key < len(value)
    raise _Wrong


def _text_test(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def run(value: Any, part: Any) -> bool:
        if not isinstance(value, str) or not isinstance(part, str):
            raise _Wrong
        return test(value, part)

    return run


def _asking(test: Callable[[Any, Any], Any]) -> Callable[[Query], Query]:
    return lambda argument: lambda value: (test(value, given) for given in argument(value))


_WITH_ARGUMENT: dict[str, Callable[[Query], Query]] = {
    "select": lambda test: lambda value: (value for result in test(value) if _true(result)),
    "map": lambda query: lambda value: iter([[result for item in _items(value) for result in query(item)]]),
    "contains": _asking(_contains),
    "has": _asking(_has),
    "startswith": _asking(_text_test(str.startswith)),
    "endswith": _asking(_text_test(str.endswith)),
    "join": _asking(lambda value, separator: separator.join(_text(item).decode("utf-8", "replace") for item in value)),
}
