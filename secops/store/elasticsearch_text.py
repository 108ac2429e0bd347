"""Exact search for any piece of a text with what every Elasticsearch has: words between spaces, and phrases of them.

A text is written as its trigrams in order, each a word of its own: `abcd` as `abc bcd cdE dEE`, E for the end. A piece
of three characters and more is in the text exactly when its trigrams stand there one behind the other: a phrase. A
shorter one is the beginning of one of its trigrams. What could not stand in a word, spaces above all, is written as a
character that nobody uses; should somebody do so, that one is written as two.
"""

import codecs
import re
import sys
import unicodedata
from array import array
from collections.abc import Sequence
from operator import add

from secops.store.elasticsearch_json import Document
from secops.store.query import folded

_MARK = "\\"
_LAST_SPACE = 0x3000
_FIRST_OF_OURS = 0x10FF00
"""From here on characters are private to whoever writes, and stand for what may separate words."""
# Not by the name of the codec: looking it up takes longer than most texts.
_to_wide, _from_wide = (
    (codecs.utf_32_le_encode, codecs.utf_32_le_decode)
    if sys.byteorder == "little"
    else (codecs.utf_32_be_encode, codecs.utf_32_be_decode)
)
_SPACE = array("I", [ord(" ")])


def _codes() -> dict[int, str]:
    """For each character that may separate words, in any version of Unicode, the mark and the end: one of ours."""
    spaces = [
        one for one in map(chr, range(_LAST_SPACE + 1)) if one.isspace() or unicodedata.category(one).startswith("Z")
    ]
    return {ord(one): chr(_FIRST_OF_OURS + number) for number, one in enumerate([_MARK, "\u180e", *spaces])}


_CODES = _codes()
_END = chr(_FIRST_OF_OURS + len(_CODES))
_CODED_SPACE = _CODES[ord(" ")]
_RARE = re.compile(
    f"[{re.escape(''.join(map(chr, _CODES.keys() - {ord(' ')})))}{chr(_FIRST_OF_OURS)}-{chr(sys.maxunicode)}]"
)
"""What is written as something else, but for the space."""


def trigrams(text: str) -> str:
    """What is written to the index for a text."""
    characters = folded(text)
    if not characters:
        return ""
    if _RARE.search(characters):
        return _joined([*_apart(characters), _END, _END])
    # The same as joining them, four times as fast: a scan writes hundreds of thousands of texts.
    written = f"{characters.replace(' ', _CODED_SPACE)}{_END}{_END}"
    coded = array("I", _to_wide(written, "surrogatepass")[0])
    words = _SPACE * (4 * (len(coded) - 2))
    words[0::4], words[1::4], words[2::4] = coded[:-2], coded[1:-1], coded[2:]
    return _from_wide(words[:-1].tobytes(), "surrogatepass", True)[0]


def holds(field: str, sought: str) -> Document:
    """Whether the piece, which is not empty, stands in one of the texts of the field."""
    codes = _apart(folded(sought))
    if len(codes) < 3:
        return {"prefix": {field: "".join(codes)}}
    return {"match_phrase": {field: _joined(codes)}}


MAPPING: Document = {"type": "text", "analyzer": "whitespace", "norms": False}
"""Of a field that holds trigrams."""


def _apart(characters: str) -> list[str]:
    """Each character as it is written."""
    return [_MARK + one if ord(one) >= _FIRST_OF_OURS else _CODES.get(ord(one), one) for one in characters]


def _joined(codes: Sequence[str]) -> str:
    return " ".join(map(add, map(add, codes, codes[1:]), codes[2:]))
