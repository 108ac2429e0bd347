"""What clients were told of each transaction, and what follows from it: the outage, and what was lost. Pure but for the
file, whose lines are on the disk before the next transaction begins."""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self


class Told(StrEnum):
    """What a client knows of its transaction."""

    OK = "ok"
    """Acknowledged: it must never vanish."""
    FAILED = "failed"
    """Refused: it must never appear."""
    UNKNOWN = "unknown"
    """The answer did not come, or was a warning: either may be true."""


@dataclass(frozen=True, slots=True)
class Entered:
    """One transaction. Times are Unix seconds of the client's clock."""

    key: str
    client: str
    sent: float
    answered: float
    told: Told
    server: str = ""
    """Address of the database behind the entry; empty when none was reached."""
    timeline: int = 0
    """Of the database when the connection was made."""
    said: str = ""
    """Of anything but ok, in the server's or the system's words."""


@dataclass(frozen=True, slots=True)
class Outage:
    """The longest time in which no client got an acknowledgement for anything."""

    began: float
    """T0: when the last acknowledged transaction before it was answered, Unix seconds."""
    ended: float
    """T5: when the first acknowledged transaction after it was answered."""

    @property
    def seconds(self) -> float:
        """How long."""
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Truth:
    """What the ledger says of the database as it is now."""

    acknowledged: int
    refused: int
    unknown: int
    lost: tuple[str, ...]
    """Keys that were acknowledged and are not there."""
    risen: tuple[str, ...]
    """Keys that were refused and are there."""
    doubled: tuple[str, ...]
    """Keys that an older timeline acknowledged after a newer one had acknowledged anything."""

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, nothing rose, and no two databases acknowledged at once."""
        return not (self.lost or self.risen or self.doubled)


class LedgerFile:
    """Appends entries. One writer per file."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def enter(self, entry: Entered) -> None:
        """Returns when it is on the disk."""
        os.write(self._descriptor, json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n")
        os.fsync(self._descriptor)

    def close(self) -> None:
        """May not be called twice."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_ledger(path: Path) -> list[Entered]:
    """What was entered; a last line that a crash cut short is left out."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            told = json.loads(line)
            found.append(Entered(**{**told, "told": Told(told["told"])}))
    return found


def longest_outage(entries: Iterable[Entered], since: float = 0.0) -> Outage | None:
    """Of the time after `since`; None with fewer than two acknowledged transactions."""
    acknowledged = sorted(entry.answered for entry in entries if entry.told is Told.OK)
    gaps = [Outage(before, after) for before, after in pairwise(acknowledged) if after >= since]
    return max(gaps, key=lambda gap: gap.seconds, default=None)


def judge(entries: Sequence[Entered], present: Iterable[str]) -> Truth:
    """Compare with the keys that the database has now; read them when no client writes any more."""
    there = set(present)
    by = {told: [entry for entry in entries if entry.told is told] for told in Told}
    return Truth(
        acknowledged=len(by[Told.OK]),
        refused=len(by[Told.FAILED]),
        unknown=len(by[Told.UNKNOWN]),
        lost=tuple(entry.key for entry in by[Told.OK] if entry.key not in there),
        risen=tuple(entry.key for entry in by[Told.FAILED] if entry.key in there),
        doubled=_doubled(by[Told.OK]),
    )


def _doubled(acknowledged: Iterable[Entered]) -> tuple[str, ...]:
    """Sent after a newer timeline's first answer: an answer may be on its way for long, a commit was not made later."""
    first: dict[int, float] = {}
    for entry in sorted(acknowledged, key=lambda each: each.answered):
        first.setdefault(entry.timeline, entry.answered)
    return tuple(
        entry.key
        for entry in acknowledged
        if any(timeline > entry.timeline and entry.sent > answered for timeline, answered in first.items())
    )
