"""A risk that somebody decided to live with for a while, and somebody else agreed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from secops.model.finding import Severity


class Standing(StrEnum):
    """Where an acceptance is in its life."""

    REQUESTED = "requested"
    APPROVED = "approved"
    EXPIRED = "expired"
    ENDED = "ended"
    """Withdrawn, or refused."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """It covers whatever its query finds, now and later, up to a severity and until it expires."""

    id: str
    query: str
    """In the query language, without an order."""
    up_to: Severity
    """What is worse is not covered."""
    reason: str
    control: str
    """What makes the risk bearable meanwhile."""
    requester: str
    requested: datetime
    expires: datetime
    approver: str = ""
    """Somebody else than the requester."""
    approved: datetime | None = None
    ended: datetime | None = None
    ended_by: str = ""
    ended_because: str = ""
    revision: int = 1

    def standing(self, at: datetime) -> Standing:
        """Where it is in its life at that moment."""
        if self.ended is not None:
            return Standing.ENDED
        if at >= self.expires:
            return Standing.EXPIRED
        return Standing.REQUESTED if self.approved is None else Standing.APPROVED
