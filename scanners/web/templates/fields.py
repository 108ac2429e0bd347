"""Values of a parsed template by key, with every mistake noted at its place.

Templates are parsed without any guess at types, so that words are text as written: `no` is a word, `1.10` stays `1.10`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from scanners.web.templates.model import Unsupported

_TRUE, _FALSE = ("true", "yes", "on", "y"), ("false", "no", "off", "n", "", "null", "~")
Choice = TypeVar("Choice")


class Fields:
    """One mapping of a template."""

    def __init__(self, values: Mapping[str, Any], where: str, problems: list[Unsupported]) -> None:
        self._values, self._where, self._problems = values, where, problems
        self._known: set[str] = set()

    def problem(self, feature: str, key: str, detail: object = "") -> None:
        """Note why the template cannot be run."""
        where = f"{self._where}.{key}".strip(".") if key else self._where
        self._problems.append(Unsupported(feature, where, str(detail)[:200]))

    def has(self, key: str) -> bool:
        """Whether the key is there with a value."""
        self._known.add(key)
        return self._values.get(key) not in (None, "", [], {})

    def raw(self, key: str) -> Any:
        """The value as parsed: text, list or mapping; None when it is not there."""
        self._known.add(key)
        return self._values.get(key)

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, str):
            return value
        self.problem("value", key)
        return default

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; one text alone is a list too."""
        value = self.raw(key)
        if value is None or value == "":
            return ()
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.problem("value", key)
        return ()

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
            return value.lower() in _TRUE
        self.problem("value", key, value)
        return default

    def number(self, key: str, default: int = 0) -> int:
        """A whole number of 0 or more."""
        value = self.raw(key)
        if value is None or value == "":
            return default
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            return int(value)
        self.problem("value", key, value)
        return default

    def numbers(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        found = []
        for text in self.texts(key):
            if not text.strip().isdigit():
                self.problem("value", key, text)
                continue
            found.append(int(text))
        return tuple(found)

    def choice(self, key: str, choices: Mapping[str, Choice], default: Choice, feature: str = "value") -> Choice:
        """One of a closed list."""
        written = self.text(key).strip().lower()
        if not written:
            return default
        if written not in choices:
            self.problem(feature, key, written)
            return default
        return choices[written]

    def each(self, key: str) -> Iterator["Fields"]:
        """A list of mappings."""
        value = self.raw(key)
        if value in (None, ""):
            return
        if not isinstance(value, list):
            self.problem("value", key)
            return
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield Fields(item, f"{self._where}.{key}[{index}]".strip("."), self._problems)
            else:
                self.problem("value", f"{key}[{index}]")

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """A mapping of texts, in order."""
        value = self.raw(key)
        if value in (None, ""):
            return ()
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            self.problem("value", key)
            return ()
        return tuple((str(name), item) for name, item in value.items())

    def unknown(self) -> list[str]:
        """Keys that nobody asked for."""
        return sorted(str(key) for key in self._values if key not in self._known)
