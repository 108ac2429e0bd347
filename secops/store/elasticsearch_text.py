"""Exact search for any piece of a text with what every Elasticsearch has: words between spaces, and phrases of them.

A text is written as its trigrams in order, each a word of its own: `abcd` as `abc bcd cd\\z d\\z\\z`. A piece of three
characters and more is in the text exactly when its trigrams stand there one behind the other: a phrase. A shorter one
is the beginning of one of its trigrams. What could not stand in a word, spaces above all, is written with a backslash.
"""

import unicodedata
from operator import add

from secops.store.elasticsearch_json import Document
from secops.store.query import folded

_MARK = "\\"
_END = f"{_MARK}z"
_LAST_SPACE = 0x3000


def _codes() -> dict[str, str]:
    """For each character that may separate words, in any version of Unicode, and the mark: two that do not."""
    spaces = [
        one for one in map(chr, range(_LAST_SPACE + 1)) if one.isspace() or unicodedata.category(one).startswith("Z")
    ]
    apart = [_MARK, "\u180e", *spaces]
    assert len(apart) < ord("z") - ord("A")
    return {one: f"{_MARK}{chr(ord('A') + number)}" for number, one in enumerate(apart)}


_CODES = _codes()


def trigrams(text: str) -> str:
    """What is written to the index for a text."""
    return _joined([*_coded(text), _END, _END])


def holds(field: str, sought: str) -> Document:
    """Whether the piece, which is not empty, stands in one of the texts of the field."""
    codes = _coded(sought)
    if len(codes) < 3:
        return {"prefix": {field: "".join(codes)}}
    return {"match_phrase": {field: _joined(codes)}}


MAPPING: Document = {"type": "text", "analyzer": "whitespace", "norms": False}
"""Of a field that holds trigrams."""


def _coded(text: str) -> list[str]:
    characters = folded(text)
    return list(map(_CODES.get, characters, characters))


def _joined(codes: list[str]) -> str:
    return " ".join(map(add, map(add, codes, codes[1:]), codes[2:]))
