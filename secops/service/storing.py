"""Where the settings keep findings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import secops.service.stores
from secops.execution.secrets import Secrets
from secops.service.store_settings import StoreSettings
from secops.store.finding_store import FindingStore
from secops.store.merge import DeadlineOf
from secops.store.outbox import OUTBOX_FILE, Outbox
from secops.support.plugins import modules_in


@dataclass(frozen=True, slots=True)
class Place:
    """What a home says of its store."""

    wanted: StoreSettings
    state: Path
    """Folder of what the service remembers."""
    path: Callable[[str], Path]
    """Finds what the settings name."""
    secrets: Secrets
    deadline_of: DeadlineOf


def _nothing(_place: Place) -> None:
    """A store that needs no care."""


@dataclass(frozen=True, slots=True)
class Opener:
    """One kind of store; a file of its name in `stores/` defines it."""

    name: str
    open: Callable[[Place], FindingStore]
    tend: Callable[[Place], None] = _nothing
    """Does what is due by the clock. Called after each recording, so it is cheap when nothing is due."""


def open_store(place: Place) -> FindingStore:
    """The store of a home."""
    return _opener(place).open(place)


def tend_store(place: Place) -> None:
    """Do what is due by the clock. Raises Incomplete and BadInput when that cannot be done now."""
    _opener(place).tend(place)


def _opener(place: Place) -> Opener:
    """Only what its kind needs is imported: the client of a server takes long."""
    (module,) = modules_in(secops.service.stores, only=place.wanted.kind)
    return next(value for value in vars(module).values() if isinstance(value, Opener))


def open_outbox(wanted: StoreSettings, state: Path) -> Outbox:
    """What waits for Elasticsearch."""
    return Outbox(state / OUTBOX_FILE, quota_bytes=wanted.outbox_bytes)
