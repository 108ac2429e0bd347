"""The levels of what a check or a request may do to its target."""

from enum import StrEnum


class Safety(StrEnum):
    """What may be done to a target, computed from what is sent."""

    SAFE = "safe"
    NORMAL = "normal"
    INTRUSIVE = "intrusive"

    def allows(self, other: "Safety") -> bool:
        """Whether a scan at this level may do something of the other."""
        return self is Safety.INTRUSIVE or other is Safety.SAFE or other is self
