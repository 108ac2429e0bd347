"""What an expression can look at: variables, chance and time."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Protocol

from scanners.web.templates.expressions.values import Value, as_text, lower


class Context:
    """Chance and time, fixed by the caller so that a run can be repeated; and how long the text asks to wait."""

    __slots__ = ("_random", "now", "seed", "wait_seconds")

    def __init__(self, seed: str = "", now: datetime | None = None) -> None:
        self.seed = seed
        self.now = now or datetime.fromtimestamp(0, UTC)
        self.wait_seconds = 0.0
        self._random: Random | None = None

    @property
    def random(self) -> Random:
        """The same sequence for the same seed."""
        if self._random is None:
            self._random = Random(self.seed)  # noqa: S311 - repeatable on purpose, no secret
        return self._random


class Scope(Protocol):
    """Variables by name."""

    @property
    def context(self) -> Context: ...

    def __getitem__(self, name: str) -> Value:
        """Raises KeyError when there is no such variable."""

    def lowered(self, name: str) -> bytes:
        """The text of a variable in lower case. Raises KeyError."""

    def remember(self, name: str, key: str, compute: Callable[[], Value]) -> Value:
        """`compute()`, which depends on variable `name` alone; may be kept under `key`."""


class Variables(dict[str, Value]):
    """A plain set of variables."""

    __slots__ = ("context",)

    def __init__(self, values: Mapping[str, Value] | Iterable[tuple[str, Value]] = (), context: Context | None = None):
        super().__init__(values)
        self.context = context or Context()

    def lowered(self, name: str) -> bytes:
        """The text of a variable in lower case. Raises KeyError."""
        return lower(as_text(self[name]))

    def remember(self, name: str, key: str, compute: Callable[[], Value]) -> Value:
        """`compute()`; nothing is kept, variables change."""
        return compute()
