"""What a check may do in one trial: ask, wait for a hit from outside the site, draw marks that repeat with the seed."""

import random
from collections.abc import Generator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from scanners.safety import Safety
from scanners.web.intrusiveness import intrusiveness_of
from scanners.web.message import Request, Target
from scanners.web.probing.page import Page
from scanners.web.probing.weakness import Verdict
from secops.model.text import Text

_LETTERS = "bcdfghjklmnpqrstvwxz"
_HIT_SECONDS = 1.5


class Purpose(StrEnum):
    """Why a request is sent."""

    LOOK = "look"
    """To see what the site does with something harmless."""
    ATTACK = "attack"
    """To see whether the flaw is there."""
    CONTROL = "control"
    """The same with the point of the attack taken out: it must not match."""
    AGAIN = "again"
    """To be sure before it is reported."""

    @property
    def text(self) -> Text:
        """For people."""
        return _PURPOSES[self]


_PURPOSES = {
    Purpose.LOOK: Text("观察正常反应", "see what the site does with something harmless"),
    Purpose.ATTACK: Text("试探漏洞", "see whether the flaw is there"),
    Purpose.CONTROL: Text("对照:去掉攻击成分应不再出现", "control: without the attack it must not show"),
    Purpose.AGAIN: Text("报告前重放确认", "again, to be sure before it is reported"),
}


class Effect(StrEnum):
    """What a request does to the site that its bytes do not tell."""

    NONE = "none"
    LOAD = "load"
    """Keeps the server busy for some seconds."""
    LOGIN = "login"
    """Tries a password: an account may be locked."""
    WRITE = "write"
    """Leaves something behind, or changes what is there."""


_EFFECTS = {
    Effect.NONE: Safety.SAFE,
    Effect.LOAD: Safety.NORMAL,
    Effect.LOGIN: Safety.INTRUSIVE,
    Effect.WRITE: Safety.INTRUSIVE,
}
_LEVELS = tuple(Safety)


class Session(StrEnum):
    """As whom a request is sent."""

    OWN = "own"
    """The session of the scan."""
    NOBODY = "nobody"
    """Without any session."""
    OTHER = "other"
    """A second person, with the same rights as the first."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that a check wants sent; redirects are not followed."""

    request: Request
    purpose: Purpose
    effect: Effect = Effect.NONE
    session: Session = Session.OWN
    patience_seconds: float = 0.0
    """Longer than usual; 0 for the usual."""

    @property
    def safety(self) -> Safety:
        """How much it may do, computed from what is sent."""
        return max(intrusiveness_of(self.request), _EFFECTS[self.effect], key=_LEVELS.index)


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait until somebody took a bait."""

    token: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Bait:
    """Something that only the tested site can know of."""

    token: str
    """Unguessable."""
    url: str
    host: str
    """`url` without its scheme."""
    name: str
    """A name that our DNS answers for."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Somebody took a bait."""

    token: str
    protocol: str
    """`http` or `dns`."""
    peer: str
    request: str
    """What was asked, as text."""


Hits: TypeAlias = tuple[Hit, ...]
Probing: TypeAlias = Generator[Ask | Listen, Page | Hits, Verdict | None]


class Baits(Protocol):
    """Where baits come from: `scanners.web.out_of_band`."""

    def bait(self, check: str, place: str) -> Bait:
        """A fresh one; a hit that comes late is told to belong to this check and place."""
        ...


@dataclass(frozen=True)
class Trial:
    """One check at one place."""

    target: Target
    check: str
    place: str
    """Where, told the same way in every scan."""
    seed: str = ""
    baits: Baits | None = None
    """None when nothing may be listened for."""
    views: tuple[Request, ...] = ()
    """Pages that may show what was stored."""
    sessions: frozenset[Session] = frozenset({Session.NOBODY})
    """Those that can be had."""
    identity: tuple[str, ...] = ()
    """Words that tell the person of the own session: a name, an address."""
    chance: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "chance", random.Random(f"{self.seed}\n{self.check}\n{self.place}"))  # noqa: S311

    def mark(self, length: int = 9) -> str:
        """A word that no page has: lower-case letters."""
        return "".join(self.chance.choices(_LETTERS, k=length))

    def number(self, low: int = 10_001, high: int = 99_999) -> int:
        """A number that no page has, most likely."""
        return self.chance.randint(low, high)

    def ask(
        self,
        request: Request,
        purpose: Purpose = Purpose.ATTACK,
        effect: Effect = Effect.NONE,
        session: Session = Session.OWN,
        patience_seconds: float = 0.0,
    ) -> Generator[Ask | Listen, Page | Hits, Page]:
        """Send it: `page = yield from trial.ask(…)`."""
        got = yield Ask(request, purpose, effect, session, patience_seconds)
        assert isinstance(got, Page)
        return got

    def hits(self, bait: Bait, seconds: float = _HIT_SECONDS) -> Generator[Ask | Listen, Page | Hits, Hits]:
        """Wait for hits: `hits = yield from trial.hits(bait)`; empty when none came in time."""
        got = yield Listen(bait.token, seconds)
        assert isinstance(got, tuple)
        return got
