"""How fast one address is asked: a token bucket whose rate grows slowly and halves when the site suffers."""

from dataclasses import dataclass
from statistics import median

_LEARNED_FROM = 16
"""Answers that make the baseline of an address."""
_WEIGHT = 1 / 16
"""Of one answer in the share of bad ones."""
_BAD_SHARE = 0.5
_SLOW_TIMES = 3.0
_SLOW_SECONDS = 0.1
"""An answer is slow from three times the baseline and a tenth of a second."""
_BURST_SECONDS = 0.1
"""Of unused rate that may be caught up with."""
_BUSY = frozenset({429, 503})
_OVERLOADED = frozenset({502, 504})


@dataclass(frozen=True, slots=True)
class Pace:
    """Rates are requests per second to one address; connections carry one request at a time."""

    most: float = 150.0
    start: float = 30.0
    least: float = 0.5
    growth: float = 10.0
    """Added to the rate in every second of good answers."""
    drop: float = 0.5
    """What is left of the rate after a bad sign."""
    settle_seconds: float = 1.0
    """Bad signs within it count as one: they are of one moment."""
    retry_after_seconds: float = 120.0
    """The longest that a server may put us off."""
    connections: int = 8
    """To one address at once."""
    total_connections: int = 256


class Gate:
    """One address: its rate, what was learned of it, and how many connections are open. Every call is O(1)."""

    __slots__ = (
        "_baseline",
        "_dropped_at",
        "_interval",
        "_learning",
        "_next_at",
        "_slow_from",
        "_suffering",
        "address",
        "not_before",
        "open",
        "pace",
        "paused",
        "rate",
    )

    def __init__(self, address: str, pace: Pace) -> None:
        self.address = address
        self.pace = pace
        self.rate = min(pace.start, pace.most)
        self.open = 0
        """Connections, those being opened included."""
        self.not_before = 0.0
        """By the monotonic clock: the server asked for peace until then."""
        self.paused = False
        """The canary says that the site suffers."""
        self._interval = 1 / self.rate
        self._next_at = 0.0
        self._dropped_at = float("-inf")
        self._suffering = 0.0
        self._baseline = 0.0
        self._slow_from = float("inf")
        self._learning: list[float] = []

    @property
    def baseline_seconds(self) -> float:
        """The usual time to the first byte; 0 while it is being learned."""
        return self._baseline

    def wait_seconds(self, now: float) -> float:
        """Until the next request may go; 0 or less when it may."""
        return max(self._next_at, self.not_before) - now

    def take(self, now: float) -> bool:
        """Whether a request may go now; it is counted then."""
        if self._next_at > now or self.not_before > now:
            return False
        earliest = now - _BURST_SECONDS
        self._next_at = (self._next_at if self._next_at > earliest else earliest) + self._interval
        return True

    def learn(self, now: float, status: int, seconds: float, retry_after: float | None) -> None:
        """From an answer: its status and the time to its first byte."""
        if status in _BUSY or retry_after is not None:
            put_off = min(retry_after or 0.0, self.pace.retry_after_seconds)
            self.not_before = max(self.not_before, now + put_off)
            self._drop(now)
            return
        if status in _OVERLOADED:
            self._drop(now)
            return
        if not self._baseline:
            self._learn_baseline(seconds)
        bad = status >= 500 or seconds > self._slow_from
        self._suffering += ((1.0 if bad else 0.0) - self._suffering) * _WEIGHT
        if self._suffering > _BAD_SHARE:
            self._drop(now)
        elif not bad and self.rate < self.pace.most:
            self._set_rate(min(self.pace.most, self.rate + self.pace.growth * self._interval))

    def learn_failure(self, now: float) -> None:
        """From a connection that was refused, reset or silent."""
        self._suffering += (1.0 - self._suffering) * _WEIGHT
        if self._suffering > _BAD_SHARE:
            self._drop(now)

    def _learn_baseline(self, seconds: float) -> None:
        self._learning.append(seconds)
        if len(self._learning) >= _LEARNED_FROM:
            self._baseline = max(median(self._learning), 1e-6)
            self._slow_from = _SLOW_TIMES * self._baseline + _SLOW_SECONDS
            self._learning.clear()

    def _drop(self, now: float) -> None:
        if now - self._dropped_at < self.pace.settle_seconds:
            return
        self._dropped_at = now
        self._suffering = _BAD_SHARE / 2
        self._set_rate(max(self.pace.least, self.rate * self.pace.drop))
        # Tokens saved up in better times are void.
        self._next_at = max(self._next_at, now + self._interval)

    def _set_rate(self, rate: float) -> None:
        self.rate = rate
        self._interval = 1 / rate
