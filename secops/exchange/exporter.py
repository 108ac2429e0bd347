"""What an exporter of findings promises; each is one file in `exporters/`, found by its folder."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import secops.exchange.exporters
from secops.model.finding import Finding
from secops.model.text import Text
from secops.support.plugins import plugins_in


@dataclass(frozen=True, slots=True)
class Around:
    """What an export needs to know besides the findings."""

    at: datetime
    version: str
    """Of Jindun."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """URL or address by asset id, where there is one."""
    byte_order_mark: bool = False
    """For spreadsheets that otherwise take UTF-8 for something else; formats that forbid a mark ignore it."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """One format. Writing is lazy: findings are drawn one by one, and nothing but rules is kept."""

    name: str
    describes: Text
    write: Callable[[Iterable[Finding], Around], Iterator[bytes]]
    """The file, part by part, UTF-8."""


def all_exporters() -> dict[str, Exporter]:
    """Every exporter, by name."""
    return plugins_in(secops.exchange.exporters, Exporter)


def in_pieces(head: bytes, pieces: Iterable[bytes], tail: bytes) -> Iterator[bytes]:
    """A JSON array's items between a head and a tail, commas between them."""
    yield head
    for number, piece in enumerate(pieces):
        yield (b",\n" if number else b"\n") + piece
    yield b"\n" + tail
