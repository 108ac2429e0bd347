"""Risk acceptances: who may ask, who may agree, what they cover and when that ends. Pure."""

from datetime import timedelta

from secops.model.acceptance import Acceptance
from secops.model.text import Text
from secops.store.refusals import Conflict

LONGEST = timedelta(days=365)


def require_next_revision(acceptance: Acceptance, present: int) -> None:
    """Raises Conflict unless it follows the revision that is there; 0: none is."""
    if acceptance.revision != present + 1:
        raise Conflict(
            Text(
                f"风险接受 {acceptance.id} 已被改动:现为第 {present} 版;请重新查看后再改",
                f"risk acceptance {acceptance.id} was changed meanwhile: it is at revision {present}; "
                "look at it again first",
            )
        )
