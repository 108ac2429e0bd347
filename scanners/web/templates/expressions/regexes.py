"""Regular expressions with the syntax and the meaning that templates are written for.

RE2 takes time that grows with the page only, so no server can make one run for ever. Pages that are not valid UTF-8 are
searched through a copy in which each odd byte is one character of a private plane: there it matches `.` and never a letter.
"""

import re
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import re2

from scanners.web.templates.expressions.values import EvaluationError

_ODD_PLANE = 0x10FF00
_TO_ODD = {0xDC00 + byte: _ODD_PLANE + byte for byte in range(0x80, 0x100)}
_FROM_ODD = {odd: surrogate for surrogate, odd in _TO_ODD.items()}
_ODD_LEAD = chr(_ODD_PLANE + 0x80).encode()[:2]
_MEMORY = 64 * 1024 * 1024
_MOST_MATCHES = 10_000
_MOST_REPLACED = 200_000
_GROUP = re.compile(rb"\$(?:\$|\{(\w+)\}|(\w+))")


class BadPattern(EvaluationError):
    """Not a regular expression, or one that cannot be run in bounded time."""


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern.encode("utf-8", "surrogatepass"), options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise BadPattern(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)) from None


class Regex:
    """One pattern; compiled when it is used first."""

    __slots__ = ("literal", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.literal = required_literal(pattern)
        """A text without which the pattern cannot match; empty when none is known."""

    def check(self) -> None:
        """Raises BadPattern."""
        _compiled(self.pattern)

    def found_in(self, text: bytes) -> bool:
        """Whether it matches somewhere. Raises BadPattern."""
        if self.literal not in text:
            return False
        return _compiled(self.pattern).search(_searchable(text)) is not None

    def matches(self, text: bytes, group: int) -> Iterator[bytes]:
        """What a group caught in each match, from left to right; empty when it took no part. Raises BadPattern."""
        if self.literal not in text:
            return
        compiled = _compiled(self.pattern)
        if group > compiled.groups:
            return
        searched, last_end, count = _searchable(text), -1, 0
        for found in compiled.finditer(searched):
            start, end = found.span()
            if start == end == last_end:
                continue
            last_end, count = end, count + 1
            yield _original(found[group] or b"", searched is not text)
            if count >= _MOST_MATCHES:
                return

    def replaced(self, text: bytes, new: bytes) -> bytes:
        """Every match replaced; `$1`, `${1}` and `$name` stand for groups. Raises BadPattern."""
        compiled = _compiled(self.pattern)
        searched, done = _searchable(text), 0
        pieces: list[bytes] = []
        for count, found in enumerate(compiled.finditer(searched)):
            if count >= _MOST_REPLACED:
                raise EvaluationError("too many matches to replace")
            start, end = found.span()
            if start == end == done and pieces:
                continue
            pieces += [searched[done:start], _GROUP.sub(partial(_group, found), new)]
            done = end
        return _original(b"".join([*pieces, searched[done:]]), searched is not text)


def _group(found: Any, name: re.Match[bytes]) -> bytes:
    wanted = name[1] or name[2]
    if wanted is None:
        return b"$"
    try:
        caught = found[int(wanted)] if wanted.isdigit() else found[wanted.decode()]
    except (IndexError, KeyError):
        return b""
    return caught or b""


@lru_cache(maxsize=8)
def _without_odd_bytes(text: bytes) -> bytes:
    return text.decode("utf-8", "surrogateescape").translate(_TO_ODD).encode("utf-8", "replace")


def _searchable(text: bytes) -> bytes:
    if text.isascii():
        return text
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return _without_odd_bytes(text)
    return text


def _original(caught: bytes, translated: bool) -> bytes:
    if not translated or _ODD_LEAD not in caught:
        return caught
    return caught.decode("utf-8").translate(_FROM_ODD).encode("utf-8", "surrogateescape")


_TOKEN = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|\Z)|\\(?P<escape>x\{?[0-9a-fA-F]+\}?|[pP](?:\{[^}]*\}|.)|.)|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]"
    r"|(?P<repeat>[*+?]\??|\{\d*,?\d*\}\??)|(?P<open>\((?:\?P?<\w+>|\?[a-zA-Z]*:)?)|(?P<plain>[^\\\[\]().|^$*+?])",
    re.DOTALL,
)
_ALL_PLAIN = re.compile(r"[A-Za-z0-9/_ <>=:;,'\"-]*")
_SHORTEST = 3


@lru_cache(maxsize=16384)
def required_literal(pattern: str) -> bytes:
    """The longest plain text that every match contains, when it is seen without thought; else empty."""
    if _ALL_PLAIN.fullmatch(pattern):
        return pattern.encode() if len(pattern) >= _SHORTEST else b""
    if not pattern.isascii() or re.search(r"\(\?[a-zA-Z]*[ix]", pattern) or ("|" in pattern and _alternates(pattern)):
        return b""
    runs, run, position, depth = [], "", 0, 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        position = token.end() if token else position + 1
        text = _plain(token) if token else ""
        if token and token["repeat"]:
            runs.append(run if token["repeat"].startswith("+") else run[:-1])
            run = ""
        elif text and depth == 0:
            run += text
        else:
            runs.append(run)
            run = ""
        depth += (1 if token and token["open"] else 0) - (1 if not token and pattern[position - 1] == ")" else 0)
    best = max([*runs, run], key=len)
    return best.encode() if len(best) >= _SHORTEST else b""


def _plain(token: re.Match[str]) -> str:
    if token["plain"]:
        return token["plain"]
    escape = token["escape"] or ""
    return escape if len(escape) == 1 and not escape.isalnum() else ""


def _alternates(pattern: str) -> bool:
    """Whether a `|` stands outside of all groups and classes; unsure counts as yes."""
    depth = position = 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token:
            depth += 1 if token["open"] else 0
            position = token.end()
            continue
        if pattern[position] == "|" and depth == 0:
            return True
        depth -= pattern[position] == ")"
        position += 1
    return False
