"""What the matchers of one template see at one moment: the page, earlier pages of the run, and the run's variables."""

import re
from collections.abc import Callable, Mapping

from scanners.web.templates.expressions.scope import Context
from scanners.web.templates.expressions.values import Value, as_text, lower
from scanners.web.templates.page import Page

_NUMBERED = re.compile(r"(.+)_(\d+)")
_BLOCK = re.compile(r"http_(\d+)_(.+)")


class Event:
    """A page and everything around it, as variables by name."""

    __slots__ = ("blocks", "context", "history", "own", "page", "variables")

    def __init__(
        self,
        page: Page,
        variables: Mapping[str, Value] | None = None,
        history: Mapping[int, Page] | None = None,
        blocks: Mapping[int, Page] | None = None,
        context: Context | None = None,
    ) -> None:
        self.page = page
        self.variables = variables or {}
        self.history = history or {}
        """The last answer to each request of the block, from 1; `body_2` looks here."""
        self.blocks = blocks or {}
        """The last answer of each block, from 1; `http_1_body` looks here."""
        self.own: dict[str, Value] = {}
        """What was extracted from this answer, or learned beside it."""
        self.context = context or Context()

    def __getitem__(self, name: str) -> Value:
        """Raises KeyError."""
        if name in self.own:
            return self.own[name]
        try:
            return self.page.value(name)
        except KeyError:
            return self._from_elsewhere(name)

    def _from_elsewhere(self, name: str) -> Value:
        if self.history and (numbered := _NUMBERED.fullmatch(name)) and int(numbered[2][:9]) in self.history:
            try:
                return self.history[int(numbered[2][:9])].value(numbered[1])
            except KeyError:
                pass
        if self.blocks and (block := _BLOCK.fullmatch(name)) and int(block[1][:9]) in self.blocks:
            return self.blocks[int(block[1][:9])].value(block[2])
        return self.variables[name]

    def part(self, name: str) -> bytes | None:
        """The text of a part; None when there is no such part."""
        if name not in self.own:
            found = self.page.part(name)
            if found is not None:
                return found
        try:
            return as_text(self[name])
        except KeyError:
            return None

    def lowered(self, name: str) -> bytes:
        """The text of a part in lower case. Raises KeyError."""
        if name not in self.own:
            found = self.page.lowered(name)
            if found is not None:
                return found
        return lower(as_text(self[name]))

    def remember(self, name: str, key: str, compute: Callable[[], Value]) -> Value:
        """`compute()`; kept with the page when `name` is a part of it."""
        if name in self.own or self.page.part(name) is None:
            return compute()
        return self.page.remember(name, key, compute)
