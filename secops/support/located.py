"""Problems of a file that a person wrote, each with its place, the offending line and a caret; all at once."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.language import tell

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_EXCERPT_WIDTH = 120
_MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `line` and `column` count from 1; line 0 is the file as a whole."""

    file: str
    line: int
    column: int
    text: Text
    excerpt: str = ""
    """The offending line, cut to a window around the column, and a caret under it."""

    def in_language(self, language: str) -> str:
        """`file:line:column: sentence`, then the excerpt."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        sentence = f"{place}: {self.text.in_language(language)}"
        return f"{sentence}\n{self.excerpt}" if self.excerpt else sentence

    def __str__(self) -> str:
        return tell(Text(self.in_language("zh"), self.in_language("en")))


class BadFile(BadInput):
    """A file with problems; its text is all of them in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda each: (each.line, each.column, each.text.en)))
        super().__init__(Text(_all_of(self.problems, "zh"), _all_of(self.problems, "en")))


def _all_of(problems: tuple[Problem, ...], language: str) -> str:
    shown = [problem.in_language(language) for problem in problems[:_MOST_SHOWN]]
    hidden = len(problems) - len(shown)
    if hidden:
        shown.append(Text(f"……还有 {hidden} 处", f"… and {hidden} more").in_language(language))
    return "\n".join(shown)


def lines_of(text: str) -> list[str]:
    """The lines of a YAML text, by the line breaks that YAML counts."""
    return _LINE_BREAK.split(text)


def excerpt(lines: list[str], line: int, column: int) -> str:
    """The line and a caret under its column, as wide as a terminal shows it; nothing a terminal would obey."""
    if not 1 <= line <= len(lines):
        return ""
    whole = lines[line - 1]
    position = min(column - 1, len(whole))
    start = max(0, position - _EXCERPT_WIDTH // 2)
    shown = "".join(_harmless(character) for character in whole[start : start + _EXCERPT_WIDTH])
    indent = sum(_width(character) for character in shown[: position - start])
    return f"    {shown}\n    {' ' * indent}^"


def _harmless(character: str) -> str:
    if character == "\t":
        return " "
    return character if character.isprintable() else "\ufffd"


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
