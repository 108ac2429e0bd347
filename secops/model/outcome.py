"""How the evaluation of one check on one asset ended. Not run is never clean."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from secops.model.finding import Weakness
from secops.model.text import Text


class Outcome(StrEnum):
    """Every (asset, check) of a scan ends as exactly one of these."""

    TESTED_CLEAN = "tested_clean"
    FOUND = "found"
    PARTIAL = "partial"
    """Another tool's report was taken in: what it names was found, what it does not name is not proven absent."""
    BLOCKED = "blocked"
    """Something in between answered in the asset's place: a firewall page, a login, a rate limit."""
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"
    ERROR = "error"
    """Our bug."""

    @property
    def successful(self) -> bool:
        """Whether the check was carried out, so that the absence of a weakness means something."""
        return self in (Outcome.TESTED_CLEAN, Outcome.FOUND)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One (asset, check) of one scan."""

    asset: str
    system: str
    check: str
    outcome: Outcome
    started: datetime
    seconds: float
    reason: Text
    """Why it ended like this; for found and tested-clean, what was tested."""
    weaknesses: tuple[Weakness, ...] = ()
    observation: bytes = b""
    """What was observed, canonical JSON; empty when nothing was."""
    noisy: bool = False
    """Whether the check may overlook what is there: absence must then be seen twice in a row."""
