"""The canary: makes the smallest business transaction through an entry, again and again, and remembers the answers.

It is the only judge of when clients were last served well before a fault and first served well after it.
"""

import hashlib
import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from secops.execution.runner import Performs
from secops.model.step import Fetch
from secops.support.clock import now


@dataclass(frozen=True, slots=True)
class Sample:
    """One transaction."""

    at: datetime
    """When the answer was complete."""
    good: bool
    reason: str = ""


class Canary:
    """Runs in a thread of its own between `start` and `stop`; use it in `with`."""

    def __init__(
        self,
        fetch: Performs[Fetch],
        transaction: Fetch,
        *,
        good_sha256: frozenset[str] = frozenset(),
        every_seconds: float = 0.1,
        timeout_seconds: float = 2.0,
    ) -> None:
        """`good_sha256` are the bodies that count as good; empty: any that holds what the transaction asks for."""
        self._fetch = fetch
        self._transaction = transaction
        self._good = good_sha256
        self._every = every_seconds
        self._timeout = timeout_seconds
        self._samples: list[Sample] = []
        self._stop = threading.Event()
        self._seen_good = threading.Event()
        self._thread = threading.Thread(target=self._run, name="canary", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(self._timeout + 1)

    def wait_for_good(self, timeout_seconds: float) -> bool:
        """Whether a good transaction was seen within the time."""
        return self._seen_good.wait(timeout_seconds)

    @property
    def samples(self) -> Sequence[Sample]:
        """All so far, oldest first."""
        return tuple(self._samples)

    def last_good_before_fault(self, detected: datetime) -> datetime | None:
        """The last good transaction before the first bad one of the outage that `detected` lies in (T0)."""
        earlier = self._samples[: bisect_left(self._samples, detected, key=lambda sample: sample.at)]
        good = [sample.at for sample in earlier if sample.good]
        return good[-1] if good else None

    def first_good_after(self, moment: datetime) -> datetime | None:
        """The first good transaction at or after a moment (T5)."""
        for sample in self._samples[bisect_left(self._samples, moment, key=lambda sample: sample.at) :]:
            if sample.good:
                return sample.at
        return None

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            sample = self._sample()
            self._samples.append(sample)
            if sample.good:
                self._seen_good.set()

    def _sample(self) -> Sample:
        answer = self._fetch.perform(self._transaction, self._timeout)
        if not answer.ok:
            return Sample(now(), False, answer.reason)
        if self._good and hashlib.sha256(answer.output.encode()).hexdigest() not in self._good:
            return Sample(now(), False, "not a known good page")
        return Sample(now(), True)
