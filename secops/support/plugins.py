"""Plugins are modules found in a folder; adding one is adding a file."""

from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import TypeVar

Plugin = TypeVar("Plugin")


def modules_in(package: ModuleType, only: str = "", levels: int = 100) -> list[ModuleType]:
    """Every module below `package`, imported, by name. A module that fails to import is an error, never skipped.

    When there is one called `only`, that one alone. `levels` tells how deep to look: 1 is the folder itself.
    """
    prefix = package.__name__ + "."
    found = [one.name for one in walk_packages(package.__path__, prefix) if not one.ispkg]
    names = [name for name in found if name.removeprefix(prefix).count(".") < levels]
    return [import_module(name) for name in ([prefix + only] if prefix + only in names else names)]


def plugins_in(package: ModuleType, kind: type[Plugin], levels: int = 100) -> dict[str, Plugin]:
    """The instances of `kind` that the modules below `package` define at top level, by their `name`, sorted.

    Raises ValueError when two carry one name.
    """
    found: dict[str, Plugin] = {}
    for module in modules_in(package, levels=levels):
        for value in vars(module).values():
            if not isinstance(value, kind):
                continue
            name: str = value.name  # type: ignore[attr-defined]
            if found.setdefault(name, value) is not value:
                raise ValueError(f"two plugins named {name!r}; the second is in {module.__name__}")
    return dict(sorted(found.items()))
