"""How the contract suite opens a store: one file in `stores/` per implementation defines a `StoreMaker`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import tests.contracts.stores
from secops.store.finding_store import FindingStore
from secops.support.plugins import plugins_in


@dataclass(frozen=True)
class StoreMaker:
    """`open(where, clock)` opens the store that belongs to the folder `where`, the same one each time."""

    name: str
    open: Callable[[Path, Callable[[], datetime]], FindingStore]


def makers() -> dict[str, StoreMaker]:
    """Every implementation, by name."""
    return plugins_in(tests.contracts.stores, StoreMaker)
