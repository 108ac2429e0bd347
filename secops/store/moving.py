"""Everything that a store holds, moved into another one, and the proof that all of it arrived."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import orjson

from secops.model.text import Text
from secops.store.refusals import Conflict
from secops.support.clock import from_text


class Part(StrEnum):
    """What a store holds, in an order in which nothing refers to what comes after it."""

    CONTENTS = "contents"
    """What was observed, by digest."""
    OBSERVATIONS = "observations"
    COVERAGE = "coverage"
    PLACES = "places"
    """By asset and check: the newest evaluation, and when one was last successful."""
    FINDINGS = "findings"
    EVENTS = "events"
    BASELINES = "baselines"
    ACCEPTANCES = "acceptances"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a store holds, written alike by every store."""

    key: str
    """Unique in its part; several values are joined by `SEPARATOR`, numbers have ten digits."""
    document: bytes
    """JSON with sorted keys; of contents the content itself."""


SEPARATOR = "\x1f"


class Movable(Protocol):
    """A store whose whole content can be read and written as it is."""

    def dump(self, part: Part) -> Iterator[Item]:
        """All of a part, by the code points of the keys. What is written meanwhile may or may not be in it."""
        ...

    def load(self, part: Part, items: Iterable[Item]) -> int:
        """Write what is not there yet or was there before as it was then, and give the number. Raises Conflict when a key is
        there with another document.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sum:
    """What a part amounts to."""

    number: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Moved:
    """One part, here and there. It has arrived when both are equal."""

    part: Part
    written: int
    """Others were there already."""
    source: Sum
    target: Sum

    @property
    def arrived(self) -> bool:
        """Whether the target holds exactly what the source holds."""
        return self.source == self.target


def move(
    source: Movable, target: Movable, on_moved: Callable[[Part, int], None] = lambda _part, _number: None
) -> list[Moved]:
    """Copy every part, then read both sides again and compare. Safe to repeat; nothing is taken from the source.

    Args:
        on_moved: told how many of a part were read so far.
    """
    written = {part: target.load(part, _told(source.dump(part), part, on_moved)) for part in Part}
    return [Moved(part, written[part], summed(source.dump(part)), summed(target.dump(part))) for part in Part]


def summed(items: Iterable[Item]) -> Sum:
    """Number and digest of all keys and documents."""
    digest, number = hashlib.sha256(), 0
    for item in items:
        number += 1
        for piece in (item.key.encode(), item.document):
            digest.update(len(piece).to_bytes(8))
            digest.update(piece)
    return Sum(number, digest.hexdigest())


def wanting(part: Part, items: Iterable[Item], present: Iterable[Item]) -> Iterator[Item]:
    """Those items that are not present, or only as they were before; both come by their keys.

    Raises Conflict when one is there otherwise.
    """
    there = iter(present)
    now = next(there, None)
    for item in items:
        while now is not None and now.key < item.key:
            now = next(there, None)
        if now is None or now.key != item.key:
            yield item
        elif now.document != item.document:
            if not _grown(part, _fields(now), _fields(item)):
                raise _taken(part, item)
            yield item


def _grown(part: Part, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether one became the other: an earlier moving brought it, and the source has gone on since."""
    grows = _GROWS.get(part, ())
    return bool(grows) and all(_ordinal(before[name]) <= _ordinal(after[name]) for name in grows)


_GROWS = {
    Part.FINDINGS: ("revision", "times_seen", "last_seen", "last_evaluated"),
    Part.PLACES: ("newest_at", "last_successful"),
    Part.ACCEPTANCES: ("revision",),
}
"""What of an item never gets less; the items of other parts never change."""


def _ordinal(value: Any) -> float:
    """Numbers and moments in their order; nothing comes first."""
    if value is None:
        return float("-inf")
    return value if isinstance(value, int | float) else from_text(value).timestamp()


def _fields(item: Item) -> dict[str, Any]:
    """The document of an item; of contents, which are no JSON, nothing is looked at."""
    loaded: dict[str, Any] = orjson.loads(item.document) if item.document.startswith(b"{") else {}
    return loaded


def _taken(part: Part, item: Item) -> Conflict:
    shown = item.key.replace(SEPARATOR, " ")
    return Conflict(
        Text(
            f"目标中已有 {part.value} {shown!r},内容不同;请迁移到空的存储",
            f"the target holds {part.value} {shown!r} with another content; move into an empty store",
        )
    )


def _told(items: Iterable[Item], part: Part, on_moved: Callable[[Part, int], None]) -> Iterator[Item]:
    for number, item in enumerate(items, 1):
        yield item
        on_moved(part, number)
