"""A copy in memory of all keys below a prefix, kept fresh by a watch."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

from secops.coordination.etcd import Compacted, Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import KeyValue, Range, Refusal, Watched
from secops.coordination.lease_times import Clock, boot_clock

_PAUSE_SECONDS = 0.1


class Mirror:
    """Begins with `run`, which goes on until it is cancelled. Read it from the event loop that runs it."""

    def __init__(self, etcd: Etcd, prefix: str, clock: Clock = boot_clock) -> None:
        self._etcd = etcd
        self._prefix = prefix
        self._clock = clock
        self._keys: dict[str, KeyValue] = {}
        self._received: dict[str, float] = {}
        self._changed = asyncio.Event()
        self.version = 0
        """Grows with every change that was seen; 0 before the first reading."""
        self.revision = 0
        """Of the store, up to which everything is in here."""

    def get(self, key: str) -> KeyValue | None:
        """The key as it was last seen."""
        return self._keys.get(key)

    def below(self, prefix: str) -> Iterator[KeyValue]:
        """All keys that begin so, in their order."""
        return (self._keys[key] for key in sorted(self._keys) if key.startswith(prefix))

    def age_seconds(self, key: str) -> float:
        """How long ago its newest value came in here, by our own clock; infinite when there is none."""
        return self._clock() - self._received[key] if key in self._received else float("inf")

    async def beyond(self, version: int, timeout_seconds: float) -> None:
        """Wait until something has changed since that version, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while self.version <= version:
                    await self._changed.wait()

    async def run(self) -> None:
        """Read everything once, then follow the changes; read everything again when they are no longer kept."""
        while True:
            try:
                self._replace(await self._etcd.range(self._prefix, prefix=True))
                async for message in self._etcd.watch(self._prefix, self.revision + 1, prefix=True):
                    self._apply(message)
            except Compacted:
                continue
            except (EtcdUnreachable, Refusal):
                await asyncio.sleep(_PAUSE_SECONDS)

    def _replace(self, read: Range) -> None:
        fresh = {one.key: one for one in read.found}
        moment = self._clock()
        changed = {key for key, one in fresh.items() if self._keys.get(key) != one}
        self._received = {key: moment if key in changed else self._received[key] for key in fresh}
        self._keys = fresh
        self._tell(read.revision)

    def _apply(self, message: Watched) -> None:
        moment = self._clock()
        for event in message.events:
            if event.deleted:
                self._keys.pop(event.now.key, None)
                self._received.pop(event.now.key, None)
            else:
                self._keys[event.now.key] = event.now
                self._received[event.now.key] = moment
        # The revision that a message names may be ahead of its changes.
        self._tell(max((event.now.mod_revision for event in message.events), default=0))

    def _tell(self, revision: int) -> None:
        self.version += 1
        self.revision = max(self.revision, revision)
        self._changed.set()
        self._changed = asyncio.Event()
