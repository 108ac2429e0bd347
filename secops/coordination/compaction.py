"""Forgetting old revisions of the store, so that it does not fill up: reports alone make dozens a second."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from secops.coordination.etcd import Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import Refusal
from secops.coordination.lease_times import Clock, boot_clock
from secops.coordination.mirror import Mirror

EVERY_SECONDS = 30.0
KEPT_SECONDS = 300.0
"""A watch that was away for longer reads everything anew."""


class Compaction:
    """Begins with `run`, which goes on until it is cancelled. Everybody notes revisions; who leads forgets them."""

    def __init__(
        self,
        etcd: Etcd,
        mirror: Mirror,
        leads: Callable[[], bool],
        kept_seconds: float = KEPT_SECONDS,
        every_seconds: float = EVERY_SECONDS,
        clock: Clock = boot_clock,
    ) -> None:
        self._etcd = etcd
        self._mirror = mirror
        self._leads = leads
        self._kept_seconds = kept_seconds
        self._every_seconds = every_seconds
        self._clock = clock
        self._noted: deque[tuple[float, int]] = deque()
        self.alarms: frozenset[str] = frozenset()
        """What etcd raises: with `NOSPACE` nothing can be written any more."""

    async def run(self) -> None:
        """Note where the store is, forget what is old, ask for alarms."""
        while True:
            self._noted.append((self._clock(), self._mirror.revision))
            old = self._old()
            if old and self._leads():
                with suppress(EtcdUnreachable, Refusal):  # forgotten by another already
                    await self._etcd.compact(old)
            with suppress(EtcdUnreachable, Refusal):
                self.alarms = await self._etcd.alarms()
            await asyncio.sleep(self._every_seconds)

    def _old(self) -> int:
        """The newest revision that stood long enough ago; 0 when there is none."""
        while len(self._noted) > 1 and self._noted[1][0] <= self._clock() - self._kept_seconds:
            self._noted.popleft()
        noted_at, revision = self._noted[0]
        return revision if noted_at <= self._clock() - self._kept_seconds else 0
