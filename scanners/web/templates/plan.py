"""What a run of a template asks for, and what comes of it."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from scanners.web.message import Request, Target
from scanners.web.redirects import NONE, Redirects
from scanners.web.templates.model import Template
from scanners.web.templates.out_of_band import Interaction, Listen
from scanners.web.templates.page import Page


@dataclass(frozen=True, slots=True)
class Send:
    """A request to send, and how; answered with the pages that came back, none when there was no answer."""

    target: Target
    request: Request
    redirects: Redirects = NONE
    cookies: bool = True
    """Use and fill the cookies of this run."""
    shareable: bool = False
    """The answer to an equal request of another run would do: nothing that this run did before can show in it."""
    timeout_seconds: float | None = None
    """Instead of the usual limit, when the template knows that the answer takes long."""
    wait_seconds: float = 0.0
    """Before it is sent."""
    server_name: str = ""
    """For TLS, when it is not the host."""
    block: int = 0
    step: int = 1
    """Within its block, from 1."""
    tokens: tuple[str, ...] = ()
    """Out-of-band addresses that it carries."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a template found."""

    template: Template
    block: int
    names: tuple[str, ...]
    """Of the matchers that matched, when they have names and one is enough."""
    extracted: tuple[str, ...]
    page: Page
    payloads: Mapping[str, str] = field(default_factory=dict)
    interaction: Interaction | None = None


@dataclass(frozen=True, slots=True)
class Unsent:
    """A step that was not sent, and with it the rest of its block."""

    block: int
    step: int
    because: str


@dataclass(frozen=True, slots=True)
class Awaited:
    """An answer that a call would have completed, which did not come while it was waited for."""

    tokens: tuple[str, ...]
    complete: Callable[[Interaction], tuple[Match, ...]]
    """What a call that comes later makes of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    matches: tuple[Match, ...]
    unsent: tuple[Unsent, ...] = ()
    sent: int = 0
    answered: int = 0
    settled_early: int = 0
    """Steps that were not sent because the verdict was known."""
    awaited: tuple[Awaited, ...] = ()


Yielded: TypeAlias = "Send | Listen"
Received: TypeAlias = "Sequence[Page] | Sequence[Interaction]"
TemplateRun: TypeAlias = Generator[Yielded, Received, Outcome]
