"""What an importer of other tools' reports promises; each is one file in `importers/`, found by its folder."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import secops.exchange.importers
from secops.model.finding import Weakness
from secops.model.text import Text
from secops.support.plugins import plugins_in


@dataclass(frozen=True, slots=True)
class Sighting:
    """One record of a report: what a tool says of one place."""

    tool: str
    """The check that it counts as: `tool.NAME`, or one of our own when a report that we wrote comes back."""
    addresses: tuple[str, ...]
    """Where it was seen, best first: URL, `host:port`, host name, IP address, or `asset:ID`."""
    weakness: Weakness | None = None
    """None: the place was looked at, and this record says nothing against it."""
    at: datetime | None = None
    """When the tool saw it, if the report says so."""
    open_port: int = 0
    """A TCP port that is a weakness only where the inventory does not declare it."""
    untested: bool = False
    """The tool could not carry out this test, so that nothing on the asset is proven absent."""


@dataclass(frozen=True, slots=True)
class Importer:
    """One format. Reading is lazy and bounded; it needs no network and never runs what it reads."""

    name: str
    describes: Text
    recognises: Callable[[bytes], bool]
    """Whether a file that begins with these bytes (up to 64 KiB) is of this format."""
    read: Callable[[BinaryIO], Iterator[Sighting]]
    """The records, in the order of the file. Raises Misread at the first that cannot be used."""
    may_be_complete: bool = True
    """False for streams of events, in which absence never proves anything."""
    noisy: bool = False
    """Whether the tool may overlook what is there, as all that look over a network may: what a complete report does not
    name is gone when the next one does not name it either."""


def all_importers() -> dict[str, Importer]:
    """Every importer, by name."""
    return plugins_in(secops.exchange.importers, Importer)
