"""How a template ended on a site."""

from dataclasses import dataclass

from scanners.web.templates.model import Template
from scanners.web.templates.running import Awaited, Match
from secops.model.outcome import Outcome
from secops.model.text import Text


@dataclass(frozen=True, slots=True)
class Ended:
    """One (target, template) and what came of it."""

    site: str
    """The URL that was named."""
    template: Template
    outcome: Outcome
    reason: Text
    matches: tuple[Match, ...] = ()
    sent: int = 0
    """Requests that it asked for; those that others had asked before are among them."""
    discarded: int = 0
    """Matches that did not hold: a random path gives them as well, or they did not happen again."""
    awaited: tuple[Awaited, ...] = ()
    """What a call that comes late would still complete."""
