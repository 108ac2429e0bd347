"""How the contract suite opens a store: one file in `stores/` per implementation defines a `StoreMaker`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

import tests.contracts.stores
from secops.store.finding_store import FindingStore
from secops.support.plugins import plugins_in


@dataclass(frozen=True)
class StoreMaker:
    """`open(where, clock)` opens the store that belongs to the folder `where`, the same one each time."""

    name: str
    open: Callable[[Path, Callable[[], datetime]], FindingStore]
    slow: bool = False
    """Whether it needs a server of its own; its tests then run one after the other."""


def makers() -> dict[str, StoreMaker]:
    """Every implementation, by name."""
    return plugins_in(tests.contracts.stores, StoreMaker)


def names() -> list[ParameterSet]:
    """Of every implementation, as parameters of a test."""
    marks = (pytest.mark.slow, pytest.mark.timeout(900))
    return [
        pytest.param(name, marks=(*marks, pytest.mark.xdist_group(name)) if maker.slow else ())
        for name, maker in sorted(makers().items())
    ]
