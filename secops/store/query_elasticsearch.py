"""Queries in the language of Elasticsearch, over the documents of findings; they mean what `matches` says."""

import base64
from collections.abc import Callable, Sequence

import orjson

from secops.model.text import Text
from secops.store.elasticsearch_documents import indexed, path_of, texts_of
from secops.store.elasticsearch_json import Document
from secops.store.elasticsearch_text import holds
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
    TextMatch,
)
from secops.store.query_sql import Bound
from secops.support.errors import BadInput

_WORDS = {Comparison.LESS: "lt", Comparison.AT_MOST: "lte", Comparison.MORE: "gt", Comparison.AT_LEAST: "gte"}
LONGEST_PREFIX_BYTES = 900
"""Elasticsearch fails at a thousand, in whatever way the prefix is written."""
_DEEPEST = 10
"""Elasticsearch refuses queries that are nested thirty deep."""


def filter_of(where: Condition | None) -> Document:
    """The condition, without ages. Raises BadInput for a prefix that is too long."""
    return {"bool": {"filter": [_compile(where, 0)]}} if where else {"match_all": {}}


def sort_of(query: Query) -> list[Document]:
    """The whole order, down to the id."""
    return [{path_of(FIELDS[key.field]): "desc" if key.descending else "asc"} for key in query.keys]


def after_of(position: Sequence[Bound]) -> list[Bound]:
    """What `search_after` takes for the values of the keys in the last finding of a page."""
    return [indexed(value) for value in position]


def _compile(condition: Condition, depth: int) -> Document:
    match condition:
        case Equals(field, value):
            return {"term": {_path(field): indexed(value)}}
        case In(field, values):
            return {"terms": {_path(field): [indexed(value) for value in values]}}
        case Range(field, comparison, value):
            return {"range": {_path(field): {_WORDS[comparison]: indexed(value)}}}
        case Prefix(field, prefix):
            return _begins(field, prefix)
        case TextMatch(field, text):
            return _any_text(field, lambda path: holds(path, text))
        case Exists(field):
            return _exists(field)
        case And(parts):
            return _bool("filter", parts, depth)
        case Or(parts):
            return _bool("should", parts, depth)
        case Not(part):
            return _bool("must_not", (part,), depth)


def _bool(word: str, parts: Sequence[Condition], depth: int) -> Document:
    compiled = {"bool": {word: [_compile(part, depth + 1) for part in parts]}}
    if depth % _DEEPEST != _DEEPEST - 1:
        return compiled
    # The server counts levels anew in what is handed to it as text.
    return {"wrapper": {"query": base64.b64encode(orjson.dumps(compiled)).decode()}}


def _begins(field: str, prefix: str) -> Document:
    if len(prefix.encode()) > LONGEST_PREFIX_BYTES:
        raise BadInput(
            Text(
                f"前缀过长:最多 {LONGEST_PREFIX_BYTES} 字节(UTF-8)",
                f"the prefix is too long: at most {LONGEST_PREFIX_BYTES} bytes of UTF-8",
            )
        )
    return {"prefix": {_path(field): prefix}}


def _exists(field: str) -> Document:
    kind = FIELDS[field].type
    if kind is Text:
        return _any_text(field, lambda path: {"exists": {"field": path}})
    return {"range": {_path(field): {"gt": ""}}} if kind is str else {"exists": {"field": _path(field)}}


def _any_text(field: str, compiled: Callable[[str], Document]) -> Document:
    return {"bool": {"should": [compiled(path_of(text)) for text in texts_of(FIELDS[field])]}}


def _path(field: str) -> str:
    return path_of(FIELDS[field])
