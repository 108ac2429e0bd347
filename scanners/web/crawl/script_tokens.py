"""JavaScript as tokens, and the values that stand in it: strings, templates, joined strings, lists and objects.

Nothing is run. What a script would only know when it runs is a placeholder.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

PLACEHOLDER = "1"
"""Stands for what is not known: an id, most often."""
_MOST_TOKENS = 400_000
_DEEPEST = 12
_MOST_MEMBERS = 200
_TOKEN = re.compile(
    # What is not closed ends with the line or the text, so that nothing is looked through twice.
    r"(?P<comment>//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/|\Z))"
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*(?:\"|(?=\n)|\\?\Z)|'(?:[^'\\\n]|\\.)*(?:'|(?=\n)|\\?\Z))"
    r"|(?P<template>`(?:[^`\\]|\\.)*(?:`|\\?\Z))"
    r"|(?P<number>\b\d[\w.]*)"
    r"|(?P<word>[A-Za-z_$\u4e00-\u9fff][\w$]*(?:\s?\.\s?[A-Za-z_$][\w$]*)*)"
    r"|(?P<sign>=>|===?|!==?|&&|\|\||[^\s\w])",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_HOLE = re.compile(r"\$\{\s*([^{}]*)\s*\}")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only running the script would tell; `name` is the variable, when it is one."""

    name: str = ""


Value: TypeAlias = "str | float | bool | Unknown | list[Value] | dict[str, Value] | None"


@dataclass(frozen=True, slots=True)
class Token:
    """One token; of a string `text` is what it stands for."""

    kind: str
    text: str


_SLASH = Token("sign", "/")
_PATTERN = re.compile(r"/(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.){0,200}\]){1,500}/[a-z]*")


@dataclass(slots=True)
class Tokens:
    """A script, and the constants that its words stand for."""

    items: list[Token]
    constants: dict[str, str] = field(default_factory=dict)
    patience: int = 2_000_000
    """How many tokens may yet be looked at: brackets that nobody closes are looked for again and again."""

    def sign(self, at: int, text: str) -> bool:
        """Whether this sign stands there."""
        return at < len(self.items) and self.items[at].kind == "sign" and self.items[at].text == text

    def value(self, at: int, depth: int = 0) -> tuple[Value, int]:
        """The value that begins there, joined with `+` to its end, and where it ends."""
        first, at = self._operand(at, depth)
        if not self.sign(at, "+"):
            return first, at
        parts = [first]
        while self.sign(at, "+") and len(parts) < 50:
            more, at = self._operand(at + 1, depth)
            parts.append(more)
        if not any(isinstance(part, str) for part in parts):
            return Unknown(), at
        return "".join(self.as_text(part) for part in parts), at

    def as_text(self, value: Value) -> str:
        """How the value reads inside a string."""
        if isinstance(value, Unknown):
            return self.constants.get(value.name, PLACEHOLDER)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return f"{value:g}"
        return value if isinstance(value, str) else PLACEHOLDER

    def past(self, at: int, depth: int = 0) -> int:
        """Behind the argument that begins there: at its comma, its closing bracket or the end of its statement."""
        level = 0
        furthest = min(at + 4000, len(self.items)) if self.patience > 0 else at
        for index in range(at, furthest):
            self.patience -= 1
            token = self.items[index]
            if token.kind != "sign":
                continue
            if token.text in "([{":
                level += 1
            elif token.text in ")]}":
                if not level:
                    return index
                level -= 1
            elif token.text in ",;" and not level:
                return index
        return max(furthest, at + 1)

    def _operand(self, at: int, depth: int) -> tuple[Value, int]:
        self.patience -= 1
        if at >= len(self.items) or depth > _DEEPEST or self.patience <= 0:
            return Unknown(), at + 1
        token = self.items[at]
        if token.kind == "string":
            return token.text, at + 1
        if token.kind == "template":
            return self._filled(token.text), at + 1
        if token.kind == "number":
            return _number(token.text), at + 1
        if token.kind == "word":
            return self._word(at, depth)
        if token.text == "{":
            return self._members(at + 1, depth + 1)
        if token.text == "[":
            return self._elements(at + 1, depth + 1)
        if token.text == "(":
            inner, at = self.value(at + 1, depth + 1)
            return inner, at + 1 if self.sign(at, ")") else at
        return Unknown(), at + 1

    def _word(self, at: int, depth: int) -> tuple[Value, int]:
        """A variable, or a call; of `JSON.stringify(x)` and its like, what is handed over."""
        word = self.items[at].text
        if word in ("true", "false", "null", "undefined"):
            return {"true": True, "false": False}.get(word), at + 1
        if word in ("new", "await", "return", "typeof", "void"):
            return self._operand(at + 1, depth + 1)
        if not self.sign(at + 1, "("):
            return self.constants.get(word, Unknown(word)), at + 1
        if word.endswith(("stringify", "URLSearchParams", "encodeURIComponent", "encodeURI", "assign", "URL", "param")):
            inner, end = self.value(at + 2, depth + 1)
            end = self.past(end) if not self.sign(end, ")") else end
            while self.sign(end, ","):
                end = self.past(end + 1)
            return inner, end + 1
        end = self.past(at + 2)
        while self.sign(end, ",") and end < len(self.items):
            end = self.past(end + 1)
        return Unknown(), end + 1

    def _members(self, at: int, depth: int) -> tuple[Value, int]:
        found: dict[str, Value] = {}
        while at < len(self.items) and not self.sign(at, "}") and len(found) < _MOST_MEMBERS:
            token = self.items[at]
            if token.kind in ("word", "string", "number", "template") and self.sign(at + 1, ":"):
                found[token.text], at = self.value(at + 2, depth)
                at = at if self.sign(at, ",") or self.sign(at, "}") else self.past(at)
            else:
                if token.kind == "word" and (self.sign(at + 1, ",") or self.sign(at + 1, "}")):
                    found[token.text.rpartition(".")[2]] = Unknown(token.text)
                at = self.past(at)
            at += self.sign(at, ",") or self.sign(at, ";")
            if self.sign(at, ")") or self.sign(at, "]"):
                break
        return found, at + 1

    def _elements(self, at: int, depth: int) -> tuple[Value, int]:
        found: list[Value] = []
        while at < len(self.items) and not self.sign(at, "]") and len(found) < _MOST_MEMBERS:
            if self.sign(at, ",") or self.sign(at, ";"):
                at += 1
                continue
            if self.sign(at, ")") or self.sign(at, "}"):
                break
            value, end = self.value(at, depth)
            found.append(value)
            at = end if self.sign(end, ",") or self.sign(end, "]") else self.past(end)
        return found, at + 1

    def _filled(self, template: str) -> str:
        return unescaped(_HOLE.sub(lambda hole: self.constants.get(hole[1], PLACEHOLDER), template))


def tokens_of(text: str) -> Tokens:
    """The tokens of a script, comments left out."""
    tokens = Tokens(list(islice(_tokens(text), _MOST_TOKENS)))
    items = tokens.items
    for at in range(len(items) - 2):
        name, sign, value = items[at : at + 3]
        if name.kind == "word" and sign.kind == "sign" and sign.text in ("=", ":") and value.kind in _TEXTS:
            joined, _ = tokens.value(at + 2)
            if isinstance(joined, str) and (sign.text == "=" or "/" in joined):
                tokens.constants.setdefault(name.text, joined)
                tokens.constants.setdefault("this." + name.text, joined)
    return tokens


_TEXTS = ("string", "template")


def unescaped(text: str) -> str:
    """What a string of a script stands for."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code:
        number = int(code, 16)
        return chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else "\ufffd"
    return _SHORT.get(found[4], found[4])


def _tokens(text: str) -> Iterator[Token]:
    at, before = 0, Token("sign", ";")
    while found := _TOKEN.search(text, at):
        at = found.end()
        token = _token(found)
        if token is None:
            continue
        if token == _SLASH and _begins_a_pattern(before):
            pattern = _PATTERN.match(text, found.start())
            at = pattern.end() if pattern else at
            token = Token("number", "")
        before = token
        yield token


def _token(found: re.Match[str]) -> Token | None:
    """None for a comment."""
    kind, written = found.lastgroup or "", found.group()
    if kind == "comment":
        return None
    if kind == "string":
        return Token(kind, unescaped(written[1:-1]))
    if kind == "template":
        return Token(kind, written[1:-1])
    return Token(kind, re.sub(r"\s", "", written) if kind == "word" else written)


def _begins_a_pattern(before: Token) -> bool:
    """A slash behind a value divides; elsewhere it begins a regular expression, which may hold quotes."""
    if before.kind == "sign":
        return before.text not in (")", "]", "}")
    return before.kind == "word" and before.text in ("return", "typeof", "case", "in", "of", "void", "delete")


def _number(text: str) -> float | Unknown:
    try:
        return float(text)
    except ValueError:
        return Unknown()
