"""The checks that there are: whatever the folders below `scanners/` define."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any

import scanners
from scanners.check import Check
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.plugins import plugins_in


def all_checks() -> dict[str, Check[Any]]:
    """Every check by its name, sorted: the files of the folders below `scanners/`. What lies deeper is machinery."""
    return plugins_in(scanners, Check, levels=2)


def checks_named(names: Iterable[str], others: Collection[str] = ()) -> tuple[Check[Any], ...]:
    """The named checks, each once, in the order named. Raises BadInput for a name that there is none of.

    `others` are names that mean something elsewhere: they may be named and give no check here.
    """
    found = all_checks()
    return tuple(_one(found, name, others) for name in dict.fromkeys(names) if name not in others)


def _one(found: dict[str, Check[Any]], name: str, others: Collection[str]) -> Check[Any]:
    if name in found:
        return found[name]
    close = get_close_matches(name, (*found, *others), n=1)
    zh, en = (f",是否想写 {close[0]}?", f"; did you mean {close[0]}?") if close else ("", "")
    raise BadInput(Text(f"没有名为 {name} 的检查{zh}", f"there is no check named {name}{en}"))
