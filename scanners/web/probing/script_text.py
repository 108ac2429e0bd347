"""JavaScript cut into code, strings, comments and patterns, so that text can be told from code. Nothing is run."""

import re
from dataclasses import dataclass
from enum import StrEnum

_MOST_CHARACTERS = 400_000
_WORD_BEFORE = re.compile(r"(?:^|[^\w$.])(?:return|typeof|case|in|of|delete|void|throw|new|else|do)\s*$")
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(`|\$\{)", re.DOTALL)
_PLAIN = re.compile(r"[^\"'`/<{}]+")
_PAIRS = {")": "(", "]": "[", "}": "{"}


class Kind(StrEnum):
    """What a piece is."""

    CODE = "code"
    DOUBLE = '"'
    SINGLE = "'"
    TEMPLATE = "`"
    LINE_COMMENT = "//"
    COMMENT = "/*"
    PATTERN = "/"


_ENDS = {
    Kind.DOUBLE: re.compile(r'"(?:[^"\\\r\n]|\\.)*"', re.DOTALL),
    Kind.SINGLE: re.compile(r"'(?:[^'\\\r\n]|\\.)*'", re.DOTALL),
    Kind.LINE_COMMENT: re.compile(r"[^\r\n]*"),
    Kind.COMMENT: re.compile(r"/\*.*?\*/", re.DOTALL),
    Kind.PATTERN: re.compile(r"/(?:[^/\\\[\r\n]|\\.|\[(?:[^\]\\\r\n]|\\.)*\])+/"),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of one kind, quotes included."""

    kind: Kind
    start: int
    end: int


class BrokenScript(ValueError):
    """A browser would refuse it as a whole."""


def pieces_of(script: str) -> list[Piece]:
    """In order, covering everything; the code inside a template is code. Raises BrokenScript, also for a giant."""
    if len(script) > _MOST_CHARACTERS:
        raise BrokenScript("too long to be looked at")
    reader = _Reader(script)
    reader.read()
    return reader.pieces


def code_of(script: str) -> str:
    """What is code, everything else blanked. Raises BrokenScript, also when its brackets do not fit."""
    code = "".join(
        script[piece.start : piece.end] if piece.kind is Kind.CODE else " " * (piece.end - piece.start)
        for piece in pieces_of(script)
    )
    open_brackets: list[str] = []
    for sign in code:
        if sign in "([{":
            open_brackets.append(sign)
        elif sign in _PAIRS and (not open_brackets or open_brackets.pop() != _PAIRS[sign]):
            raise BrokenScript("a bracket that was not opened")
    if open_brackets:
        raise BrokenScript("a bracket that is not closed")
    return code


def kind_at(script: str, index: int) -> Kind:
    """What stands at a place; code, where the script is broken."""
    try:
        return next((piece.kind for piece in pieces_of(script) if piece.start <= index < piece.end), Kind.CODE)
    except BrokenScript:
        return Kind.CODE


class _Reader:
    def __init__(self, script: str) -> None:
        self._script = script
        self._at = 0
        self._begun = 0
        self._holes: list[int] = []
        """For each template that is open, how many braces are open in its hole."""
        self._last = ""
        """The end of the code before, which tells a pattern from a division."""
        self.pieces: list[Piece] = []

    def read(self) -> None:
        while self._at < len(self._script):
            kind = self._kind()
            if kind is Kind.CODE:
                self._code()
            else:
                self._close_code()
                self._take(kind, self._template_end() if kind is Kind.TEMPLATE else self._end(kind))
        self._close_code()
        if self._holes:
            raise BrokenScript("a template is not closed")

    def _kind(self) -> Kind:
        two, one = self._script[self._at : self._at + 2], self._script[self._at]
        if two == "//" or self._script.startswith("<!--", self._at):
            return Kind.LINE_COMMENT
        if two == "/*":
            return Kind.COMMENT
        if one in "\"'`":
            return Kind(one)
        return Kind.PATTERN if one == "/" and self._pattern_may_begin() else Kind.CODE

    def _pattern_may_begin(self) -> bool:
        before = self._last.rstrip()
        return not before or not (before[-1] in ")]}_$" or before[-1].isalnum()) or bool(_WORD_BEFORE.search(before))

    def _code(self) -> None:
        plain = _PLAIN.match(self._script, self._at)
        if plain:
            self._at = plain.end()
            self._last = (self._last + plain[0])[-12:]
            return
        sign = self._script[self._at]
        if self._holes and sign == "}" and self._holes[-1] == 0:
            self._holes.pop()
            self._close_code()
            self._take(Kind.TEMPLATE, self._template_end())
            return
        if self._holes and sign in "{}":
            self._holes[-1] += 1 if sign == "{" else -1
        self._last = (self._last + sign)[-12:]
        self._at += 1

    def _close_code(self) -> None:
        if self._at > self._begun:
            self.pieces.append(Piece(Kind.CODE, self._begun, self._at))
        self._begun = self._at

    def _take(self, kind: Kind, end: int) -> None:
        self.pieces.append(Piece(kind, self._at, end))
        self._at = self._begun = end
        if kind not in (Kind.COMMENT, Kind.LINE_COMMENT):
            self._last = "" if self._holes and self._script[end - 1] == "{" else ")"

    def _end(self, kind: Kind) -> int:
        found = _ENDS[kind].match(self._script, self._at)
        if not found:
            raise BrokenScript(f"{kind.value} is not closed")
        return found.end()

    def _template_end(self) -> int:
        """Behind the closing quote, or behind the `${` of a hole."""
        found = _TEMPLATE.match(self._script, self._at + 1)
        if not found:
            raise BrokenScript("a template is not closed")
        if found[1] != "`":
            self._holes.append(0)
        return found.end()
