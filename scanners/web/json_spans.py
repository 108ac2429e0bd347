"""Where each name and value of a JSON text stands. Bounded in depth; a text that is not JSON raises ValueError."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from json import JSONDecoder

DEEPEST = 64
_STRINGS = JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_LITERAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")


@dataclass(frozen=True, slots=True)
class Spot:
    """One name or scalar of a JSON text."""

    pointer: str
    """RFC 6901; of a name, the pointer to its value."""
    is_name: bool
    is_string: bool
    value: str
    start: int
    end: int
    """In characters, quotes included."""


def spots_of(text: str) -> tuple[Spot, ...]:
    """Every name and scalar, in the order of the text. Raises ValueError."""
    reader = _Reader(text)
    spots = tuple(reader.value("", 0))
    reader.skip_space()
    if reader.at != len(text):
        raise ValueError("text behind the value")
    return spots


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def value(self, pointer: str, depth: int) -> Iterator[Spot]:
        if depth > DEEPEST:
            raise ValueError("nested too deep")
        self.skip_space()
        opening = self._text[self.at : self.at + 1]
        if opening == "{":
            yield from self._members(pointer, depth)
        elif opening == "[":
            yield from self._elements(pointer, depth)
        elif opening == '"':
            yield self._string(pointer, is_name=False)
        else:
            yield self._literal(pointer)

    def _members(self, pointer: str, depth: int) -> Iterator[Spot]:
        if self._opened_and_closed("}"):
            return
        while True:
            self.skip_space()
            if self._text[self.at : self.at + 1] != '"':
                raise ValueError("a name is missing")
            start = self.at
            name, self.at = _STRINGS.raw_decode(self._text, start)
            below = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            yield Spot(below, True, True, name, start, self.at)
            self._take(":")
            yield from self.value(below, depth + 1)
            if self._take(",}") == "}":
                return

    def _elements(self, pointer: str, depth: int) -> Iterator[Spot]:
        if self._opened_and_closed("]"):
            return
        index = 0
        while True:
            yield from self.value(f"{pointer}/{index}", depth + 1)
            index += 1
            if self._take(",]") == "]":
                return

    def _string(self, pointer: str, is_name: bool) -> Spot:
        start = self.at
        value, self.at = _STRINGS.raw_decode(self._text, start)
        return Spot(pointer, is_name, True, value, start, self.at)

    def _literal(self, pointer: str) -> Spot:
        found = _LITERAL.match(self._text, self.at)
        if not found:
            raise ValueError("no value")
        self.at = found.end()
        return Spot(pointer, False, False, found.group(), found.start(), found.end())

    def _opened_and_closed(self, closing: str) -> bool:
        self.at += 1
        self.skip_space()
        if self._text[self.at : self.at + 1] != closing:
            return False
        self.at += 1
        return True

    def _take(self, allowed: str) -> str:
        self.skip_space()
        found = self._text[self.at : self.at + 1]
        if not found or found not in allowed:
            raise ValueError(f"none of {allowed}")
        self.at += 1
        return found

    def skip_space(self) -> None:
        found = _SPACE.match(self._text, self.at)
        self.at = found.end() if found else self.at
