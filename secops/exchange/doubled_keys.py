"""Keys that stand twice in one JSON object: readers differ on which of them counts, so none is taken.

That there are none is told by counting, without a second parse; only where the count leaves a doubt is the text read again.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

_COLON = re.compile(rb'"[ \t\r\n]*:')
"""At least one for every key; more, when texts hold such a thing."""
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],]', re.DOTALL)


class TooDeep(Exception):
    """The text is nested too deeply to be looked at."""


def doubled_key(body: bytes, value: object) -> tuple[str, int] | None:
    """The first key that stands twice in an object, and its offset in bytes; None when there is none.

    `value` is what the body was parsed to. Raises TooDeep.
    """
    if len(_COLON.findall(body)) == _keys_in(value):
        return None
    try:
        json.loads(body, object_pairs_hook=_distinct)
    except _Doubled:
        return _first_doubled(body)
    except RecursionError:
        raise TooDeep from None
    return None


class _Doubled(Exception):
    """There is one."""


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise _Doubled


def _keys_in(value: object) -> int:
    """In all objects within; without recursion, for the nesting is the file's."""
    count, left = 0, [value] if isinstance(value, dict | list) else []
    while left:
        one = left.pop()
        inner: Iterable[Any] = one
        if type(one) is dict:
            count += len(one)
            inner = one.values()
        left += [each for each in inner if type(each) is dict or type(each) is list]
    return count


def _first_doubled(body: bytes) -> tuple[str, int]:
    """By walking over the marks of the text, with the keys of each object that is open."""
    open_ones: list[set[str] | None] = [None]
    key_follows = False
    for token in _TOKEN.finditer(body):
        mark = token[0]
        if mark in b"{[":
            open_ones.append(set() if mark == b"{" else None)
        elif mark in b"}]":
            open_ones.pop()
        keys = open_ones[-1]
        if mark[:1] == b'"' and key_follows and keys is not None:
            key: str = json.loads(mark)
            if key in keys:
                return key, token.start()
            keys.add(key)
        key_follows = mark in b"{,"
    raise AssertionError("a key was there twice, and is not found")
