"""What an exporter of findings promises; each is one file in `exporters/`, of its name, found by its folder."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pkgutil import iter_modules

import secops.exchange.exporters
from secops.model.finding import Finding
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.plugins import modules_in
from secops.support.suggestions import did_you_mean


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


def exporter_names() -> list[str]:
    """What formats there are, by the names of the files: none is imported, for some take long."""
    return sorted(found.name for found in iter_modules(secops.exchange.exporters.__path__))


def exporter_named(name: str) -> Exporter:
    """The exporter in the file of that name, and no other file's. Raises BadInput."""
    if name not in (known := exporter_names()):
        hint, listed = did_you_mean(name, known), ", ".join(known)
        raise BadInput(
            Text(
                f'没有导出格式 "{name}"{hint.zh};可用:{listed}',
                f'there is no format "{name}"{hint.en}; known: {listed}',
            )
        )
    try:
        (module,) = modules_in(secops.exchange.exporters, only=name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "secops":
            raise
        text = Text(
            f"导出 {name} 所需的组件 {missing} 没有安装;请执行:pip install 'jindun[{name}]'",
            f"{missing}, which the format {name} needs, is not installed: pip install 'jindun[{name}]'",
        )
        raise BadInput(text) from None
    return next(value for value in vars(module).values() if isinstance(value, Exporter))


def all_exporters() -> dict[str, Exporter]:
    """Every exporter, by name, with all that they need."""
    return {name: exporter_named(name) for name in exporter_names()}


def in_pieces(head: bytes, pieces: Iterable[bytes], tail: bytes) -> Iterator[bytes]:
    """A JSON array's items between a head and a tail, commas between them."""
    yield head
    for number, piece in enumerate(pieces):
        yield (b",\n" if number else b"\n") + piece
    yield b"\n" + tail
