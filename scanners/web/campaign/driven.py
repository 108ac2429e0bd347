"""One run of a template while it is under way."""

from dataclasses import dataclass, field
from enum import Enum, auto

from scanners.web.campaign.answers import Waiter
from scanners.web.campaign.trouble import Trouble
from scanners.web.cookies import CookieJar
from scanners.web.templates.running import Match, Outcome, Send, TemplateRun


class Purpose(Enum):
    """Why a template is run."""

    TEST = auto()
    DISPLACED = auto()
    """At random paths: what matches there as well proves nothing."""
    AGAIN = auto()
    """To see whether what took long takes long again."""


@dataclass(slots=True, eq=False)
class Driven:
    """A run, its session, and what went wrong on its way."""

    index: int
    generator: TemplateRun
    purpose: Purpose = Purpose.TEST
    parent: "Driven | None" = None
    """The run whose matches this one checks."""
    jar: CookieJar | None = None
    trouble: Trouble | None = None
    denied: set[int] = field(default_factory=set)
    outcome: Outcome | None = None
    matches: tuple[Match, ...] = ()
    discarded: int = 0

    @property
    def has_cookies(self) -> bool:
        """Whether the site knows it again."""
        return self.jar is not None and bool(self.jar.cookies())

    def note(self, trouble: Trouble) -> None:
        """Keep the first trouble."""
        self.trouble = self.trouble or trouble


@dataclass(slots=True, eq=False)
class Asking:
    """One request on its way."""

    send: Send
    waiting: list[Waiter]
    purpose: Purpose
    session: CookieJar | None = None
    attempt: int = 0
    number: int = -1
    kept: bool = False
    """Among the answers that others may ask for: redirects are followed by whoever wants to."""
