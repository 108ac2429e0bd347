"""Queries into JSON answers: the part of jq that extractors use."""

import json
import re
from functools import lru_cache

from scanners.web.templates.json_steps import (
    COMPARISONS,
    CONSTANTS,
    FILTERS,
    PLAIN,
    WITH_ARGUMENT,
    Index,
    Query,
    Wrong,
    add,
    both,
    chosen,
    combined,
    constant,
    descend,
    field,
    indexed,
    is_true,
    itself,
    kept,
    mapped,
    or_else,
    piped,
    subtract,
    text_of,
    tolerant,
)

_TOKEN = re.compile(
    r"\s*(?:(?P<string>\"(?:\\.|[^\"\\])*\")|(?P<number>\d+(?:\.\d+)?)|(?P<field>\.[A-Za-z_]\w*)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<symbol>\.\.|//|==|!=|<=|>=|[][(){}.|,?:<>+*/-])|(?P<end>\Z))"
)
_DEEPEST = 50
_MOST_RESULTS = 10_000


class BadQuery(ValueError):
    """Not a query, or one that is not supported."""


@lru_cache(maxsize=1024)
def json_query(source: str) -> Query:
    """A query ready to run. Raises BadQuery."""
    return _Parser(source).whole()


def run_query(query: Query, document: bytes) -> list[bytes]:
    """What a query finds, as text; nothing when the document is not JSON. It stops where the shape is wrong."""
    found: list[bytes] = []
    try:
        for value in query(json.loads(document)):
            found.append(text_of(value))
            if len(found) >= _MOST_RESULTS:
                break
    except (ValueError, Wrong, RecursionError):
        pass
    return found


class _Parser:
    """Precedence from loose to tight: `|`, `,`, `//`, `or`, `and`, comparison, sum, path."""

    def __init__(self, source: str) -> None:
        self._source, self._position, self._depth = source, 0, 0
        self._kind, self._text = "", ""
        self._advance()

    def whole(self) -> Query:
        query = self._pipe()
        if self._kind != "end":
            raise BadQuery(f"unexpected {self._text}")
        return query

    def _advance(self) -> None:
        token = _TOKEN.match(self._source, self._position)
        if token is None or token.lastgroup is None:
            raise BadQuery(f"unexpected {self._source[self._position :][:20]}")
        self._kind, self._text, self._position = token.lastgroup, token[token.lastgroup], token.end()

    def _take(self, text: str) -> bool:
        if self._text != text or self._kind == "string":
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
            query = piped(query, self._comma())
        self._depth -= 1
        return query

    def _comma(self) -> Query:
        query = self._alternative()
        while self._take(","):
            query = both(query, self._alternative())
        return query

    def _alternative(self) -> Query:
        query = self._or()
        if self._take("//"):
            return or_else(query, self._alternative())
        return query

    def _or(self) -> Query:
        query = self._and()
        while self._take("or"):
            query = combined(query, self._and(), lambda left, right: is_true(left) or is_true(right))
        return query

    def _and(self) -> Query:
        query = self._comparison()
        while self._take("and"):
            query = combined(query, self._comparison(), lambda left, right: is_true(left) and is_true(right))
        return query

    def _comparison(self) -> Query:
        query = self._sum()
        operator = COMPARISONS.get(self._text) if self._kind == "symbol" else None
        if operator is None:
            return query
        self._advance()
        return combined(query, self._sum(), operator)

    def _sum(self) -> Query:
        query = self._postfix()
        while self._kind == "symbol" and self._text in ("+", "-"):
            operator = add if self._text == "+" else subtract
            self._advance()
            query = combined(query, self._postfix(), operator)
        return query

    def _postfix(self) -> Query:
        query = self._term()
        while True:
            if self._kind == "field":
                query = piped(query, field(self._text[1:]))
                self._advance()
            elif self._take("."):
                query = self._after_dot(query)
            elif self._take("["):
                query = indexed(query, self._index())
            elif self._take("?"):
                query = tolerant(query)
            else:
                return query

    def _after_dot(self, query: Query) -> Query:
        if self._kind == "string":
            name = self._string()
            return piped(query, field(name))
        self._expect("[")
        return indexed(query, self._index())

    def _index(self) -> Index:
        """What stands between brackets; None for all items, a pair for a slice."""
        if self._take("]"):
            return None
        first = None if self._text == ":" else self._pipe()
        if not self._take(":"):
            self._expect("]")
            return first
        last = None if self._text == "]" else self._pipe()
        self._expect("]")
        return first, last

    def _string(self) -> str:
        try:
            text = json.loads(self._text)
        except ValueError:
            raise BadQuery(f"bad string {self._text[:20]}") from None
        self._advance()
        return str(text)

    def _term(self) -> Query:
        kind, text = self._kind, self._text
        if kind == "string":
            return constant(self._string())
        if kind == "end":
            raise BadQuery("unexpected end")
        self._advance()
        if kind == "number":
            return constant(float(text) if "." in text else int(text))
        if kind == "field":
            return field(text[1:])
        if kind == "word":
            return self._word(text)
        return self._symbol(text)

    def _symbol(self, symbol: str) -> Query:
        if symbol == ".":
            if self._kind == "string":
                return field(self._string())
            return itself
        if symbol == "..":
            return descend
        if symbol == "-":
            return combined(constant(0), self._postfix(), subtract)
        if symbol == "(":
            query = self._pipe()
            self._expect(")")
            return query
        if symbol == "[":
            return self._collected()
        raise BadQuery(f"unexpected {symbol}")

    def _collected(self) -> Query:
        if self._take("]"):
            return constant([])
        query = self._pipe()
        self._expect("]")
        return lambda value: iter([list(query(value))])

    def _word(self, word: str) -> Query:
        if word == "if":
            return self._choice()
        if word in CONSTANTS:
            return constant(CONSTANTS[word])
        if word in PLAIN:
            return mapped(PLAIN[word])
        if word in FILTERS:
            return kept(FILTERS[word])
        if word == "empty":
            return lambda _: iter(())
        if word in WITH_ARGUMENT:
            self._expect("(")
            argument = self._pipe()
            self._expect(")")
            return WITH_ARGUMENT[word](argument)
        raise BadQuery(f"{word} is not supported")

    def _choice(self) -> Query:
        condition = self._pipe()
        self._expect("then")
        one = self._pipe()
        if self._take("elif"):
            return chosen(condition, one, self._choice())
        other = self._pipe() if self._take("else") else itself
        self._expect("end")
        return chosen(condition, one, other)
