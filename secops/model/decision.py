"""What was decided, and the sentence that explains it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from secops.model.text import Text

Action = TypeVar("Action")


@dataclass(frozen=True, slots=True)
class Decision(Generic[Action]):
    """An `action` and `because`: shown, logged and stored together."""

    action: Action
    because: Text
