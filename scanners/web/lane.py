"""What waits to be sent: a dispatch for a lane, which is one target, at the queue of a gate, which is one address."""

import asyncio
from collections import deque
from time import monotonic

from scanners.scope import Address
from scanners.web.connection import Connection, Flight
from scanners.web.head import Heads
from scanners.web.limits import Limits
from scanners.web.message import Request, Target
from scanners.web.pace import Gate

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "REPORT"})


class Dispatch(Flight):
    """A flight with its destination, as the pool wants it."""

    __slots__ = ("abandoned", "lane", "queued_at", "replayed", "request", "seconds", "urgent")

    def __init__(self, seconds: float, limits: Limits, *, urgent: bool = False) -> None:
        self.limits = limits
        self.seconds = seconds
        """For the exchange, counted from when it leaves the queue."""
        self.urgent = urgent
        """It goes although the site is paused: it asks how the site is."""
        self.abandoned = False
        """Nobody waits for it any more."""

    def aim(self, lane: "Lane", request: Request, wire: bytes) -> None:
        """What is to be sent where."""
        self.lane = lane
        self.request = request
        self.wire = wire
        self.alone = request.raw is not None
        self.head_only = request.method == "HEAD"
        self.replayed = False
        self.queued_at = 0.0
        self.deadline = 0.0

    @property
    def replayable(self) -> bool:
        """Whether sending it twice does what sending it once does."""
        return self.request.method in _IDEMPOTENT and not self.alone

    def start(self) -> None:
        """Its time runs from now on."""
        if not self.deadline:
            self.deadline = monotonic() + self.seconds


class Queue:
    """What waits at a gate."""

    __slots__ = ("dispatches", "gate", "hungry", "timer")

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.dispatches: deque[Dispatch] = deque()
        """For their token."""
        self.hungry: dict[Lane, None] = {}
        """Lanes with dispatches that have their token, and lack a connection; the next one first."""
        self.timer: asyncio.TimerHandle | None = None


class Lane:
    """One target."""

    __slots__ = (
        "authority",
        "forwarded",
        "found",
        "heads",
        "idle",
        "origin",
        "queue",
        "resolve_seconds",
        "resolving",
        "target",
        "waiting",
    )

    def __init__(self, target: Target, forwarded: bool) -> None:
        self.target = target
        self.origin = str(target)
        self.authority = target.authority
        self.forwarded = forwarded
        """Requests are handed to a proxy with the whole URL."""
        self.queue: Queue | None = None
        """At the gate of its address, once that is known."""
        self.resolve_seconds = 0.0
        """What finding the address took, until a connection has told it."""
        self.found: tuple[Address, ...] = ()
        self.heads = Heads()
        self.idle: list[Connection] = []
        self.resolving: list[Dispatch] = []
        self.waiting: deque[Dispatch] = deque()
        """Have their token, and lack a connection."""
