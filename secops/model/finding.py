"""A finding is one weakness at one place, with a life; a weakness is what a check says it saw."""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from secops.model.text import Text


class Severity(StrEnum):
    """How bad, from the least to the worst."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 info to 4 critical."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class State(StrEnum):
    """Where a finding is in its life."""

    NEW = "new"
    TRIAGED = "triaged"
    IN_PROGRESS = "in_progress"
    PENDING_VERIFICATION = "pending_verification"
    RESOLVED = "resolved"
    FALSE_POSITIVE = "false_positive"
    RISK_ACCEPTED = "risk_accepted"
    OUT_OF_SCOPE = "out_of_scope"
    REOPENED = "reopened"

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something."""
        return self in _OPEN


_OPEN = {State.NEW, State.TRIAGED, State.IN_PROGRESS, State.PENDING_VERIFICATION, State.REOPENED}


class WeaknessClass(StrEnum):
    """The kind of weakness; it decides what the locator holds."""

    WEB = "web"
    TLS = "tls"
    PORT = "port"
    COMPLIANCE = "compliance"
    TAMPER = "tamper"
    RESILIENCE = "resilience"
    VULNERABILITY = "vulnerability"
    """A known flaw of an installed program, by its public number."""
    DETECTION = "detection"
    """Something that a detector saw happen."""


@dataclass(frozen=True, slots=True)
class Weakness:
    """What `judge` says of one place. Identity is (class, asset, rule, locator); the rest may change between scans."""

    weakness_class: WeaknessClass
    rule: str
    """Stable id of the rule, e.g. `http-headers.csp-missing`; starts with the check's name."""
    locator: tuple[str, ...]
    """Where on the asset: method and path, (protocol, port), setting name … never a version, banner or wording."""
    severity: Severity
    title: Text
    reason: Text
    """The sentence that explains the judgement with what was seen."""
    mend: Text
    """What to do about it."""
    evidence: dict[str, str] = field(default_factory=dict)
    """Short excerpts of what was seen."""
    clauses: tuple[str, ...] = ()
    """GB/T 22239 items touched, e.g. `8.1.4.8 a`."""
    exploited: bool = False
    """Whether attackers are known to use it."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """By when a finding is to be resolved. It stands still while nobody has to do anything about it."""

    started: datetime
    due: datetime
    next_mark: datetime | None = None
    """When the next share of the time will have passed that somebody is to be told of."""
    told: int = 0
    """The largest share, in percent, that was told."""
    paused: datetime | None = None
    """Since when it stands still, or stood until `resumed`."""
    resumed: datetime | None = None
    """It runs again, and is still to be moved by the business time since `paused`."""
    business_days: float = 0.0
    """The time there is."""
    paused_days: float = 0.0
    """Business days of all pauses that are over; `due` is so much later."""
    stale: bool = False
    """What it follows from has changed: it is still to be worked out anew."""

    @property
    def standing(self) -> str:
        """`paused`; `resumed` or `stale` when it is to be worked out anew; else `running`, `near` or `overdue`."""
        if self.paused:
            return "resumed" if self.resumed else "paused"
        if self.stale:
            return "stale"
        return "overdue" if self.told >= 100 else "near" if self.told >= _NEAR else "running"

    @property
    def runs(self) -> bool:
        """Whether its moments count."""
        return self.paused is None and not self.stale


_NEAR = 80
"""Percent of the time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One weakness at one place, as the store keeps it."""

    id: str
    system: str
    asset: str
    check: str
    weakness: Weakness
    """As last seen."""
    state: State
    first_seen: datetime
    last_seen: datetime
    last_evaluated: datetime
    """The last time that its check ran successfully on its asset, whether it found it or not."""
    state_since: datetime
    """When it came into its present state."""
    times_seen: int = 1
    """0 for what took over another one's life and was not seen by itself yet."""
    regressions: int = 0
    """How often it came back after it was resolved."""
    revision: int = 1
    """Grows whenever somebody should look again; whoever edits a finding must name the revision that they saw. That of
    the first of a group grows with its parts."""
    misses: int = 0
    """Successful evaluations in a row that did not find it."""
    gone: bool = False
    """Whether these were enough to prove that it is not there."""
    deadline: Deadline | None = None
    acceptance: str = ""
    """The risk acceptance that covers it, while its state says so."""
    part_of: str = ""
    """The finding that it was merged into; that one's state then stands for both."""
    parts: tuple[str, ...] = ()
    """The findings that were merged into it."""


def finding_id(weakness_class: WeaknessClass, asset: str, rule: str, locator: tuple[str, ...]) -> str:
    """`1-` (the version of the key) and 32 base32 characters of a SHA-256 over class, asset, rule and locator."""
    text = "\x1f".join(_unambiguous(part) for part in (weakness_class.value, asset, rule, *locator))
    digest = hashlib.sha256(b"v1\x1f" + text.encode("utf-8", "surrogatepass")).digest()
    # 20 bytes are 32 characters.
    return f"1-{base64.b32encode(digest[:20]).decode().lower()}"


def _unambiguous(part: str) -> str:
    """A part in which nothing can be taken for the end of it, whatever a hostile target put there."""
    return part.replace("\x1e", "\x1e0").replace("\x1f", "\x1e1") if "\x1e" in part or "\x1f" in part else part
