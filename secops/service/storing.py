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


@dataclass(frozen=True, slots=True)
class Opener:
    """One kind of store; a file of its name in `stores/` defines it."""

    name: str
    open: Callable[[Place], FindingStore]


def open_store(place: Place) -> FindingStore:
    """The store of a home. Only what its kind needs is imported: the client of a server takes long."""
    (module,) = modules_in(secops.service.stores, only=place.wanted.kind)
    opener = next(value for value in vars(module).values() if isinstance(value, Opener))
    return opener.open(place)


def open_outbox(wanted: StoreSettings, state: Path) -> Outbox:
    """What waits for Elasticsearch."""
    return Outbox(state / OUTBOX_FILE, quota_bytes=wanted.outbox_bytes)
