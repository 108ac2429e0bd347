"""Libraries that take long to import and that most commands do not need."""

from importlib import import_module
from typing import Any


class Lazy:
    """Stands for a library until something of it is asked for, which imports it. The type checker sees the library:

    if TYPE_CHECKING:
        import library
    else:
        library = Lazy("library")
    """

    def __init__(self, name: str) -> None:
        self._name = name
        _all.append(name)

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self._name), name)
        setattr(self, name, value)
        return value


_all: list[str] = []


def import_all() -> None:
    """Import what is stood for. A daemon does it at its start, not in the disaster."""
    for name in _all:
        import_module(name)
