"""What a helper function of the expression language is."""

from collections.abc import Callable
from dataclasses import dataclass

from scanners.web.templates.expressions.values import Value


@dataclass(frozen=True, slots=True)
class Function:
    """One helper; found by itself when it stands at top level of a module in this folder."""

    name: str
    """Snake case; the spelling without underscores means the same."""
    fewest: int
    most: int | None
    """None: any number."""
    call: Callable[..., Value]
    """Raises EvaluationError. When `wants_context`, the context comes before the arguments."""
    wants_context: bool = False
    costly: bool = False
    """Of one argument, and worth remembering for a page."""

    def takes(self, count: int) -> bool:
        """Whether it can be called with that many arguments."""
        return self.fewest <= count and (self.most is None or count <= self.most)


def helper(
    name: str, fewest: int, most: int | None = -1, *, wants_context: bool = False, costly: bool = False
) -> Callable[[Callable[..., Value]], Function]:
    """Make a helper of a Python function; without `most` it takes exactly `fewest` arguments."""
    highest = fewest if most == -1 else most

    def made(call: Callable[..., Value]) -> Function:
        return Function(name, fewest, highest, call, wants_context, costly)

    return made
