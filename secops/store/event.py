"""What changed, and when, by whom and why."""

from dataclasses import dataclass
from datetime import datetime

from secops.model.text import Text


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one finding. Being seen once more is not a change: it is counted, and kept as an observation."""

    finding: str
    revision: int
    """What the change led to."""
    at: datetime
    actor: str
    """`scan:ID`, `policy:NAME`, or the name that a person claimed."""
    change: str
    """`seen` (the first time), `reopened`, `resolved`, `severity: low → high`, `exploited`, `exploited no more`,
    `acceptance ended`, `part changed: ID`; by hand `state: new → triaged`, `accepted: ID`, `merged: IDS`,
    `merged into: ID`, `split off: ID`, `split from: ID`, `rekeyed to: ID`, `rekeyed from: IDS`, `given back to: ID`,
    `taken back from: ID`; by the clock `deadline: 80 %`."""
    reason: Text
    """What the scan saw, or what the person wrote (then alike in both languages)."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording evaluations changed, by finding id; no id is in two of them."""

    new: tuple[str, ...] = ()
    seen_again: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    waiting: int = 0
    """Evaluations that are kept safely, but not merged yet because the server of the store does not answer."""
