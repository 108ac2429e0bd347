"""One lease in etcd that lives as long as we do; what is bound to it goes when we do."""

import asyncio
import secrets
from contextlib import suppress

from secops.coordination.etcd import Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import Refusal
from secops.coordination.lease_times import Clock, LeaseTimes, boot_clock

_TIMES = LeaseTimes()


class Session:
    """Begins with `run`, which goes on until it is cancelled; `end` afterwards frees at once what was bound."""

    def __init__(self, etcd: Etcd, times: LeaseTimes = _TIMES, clock: Clock = boot_clock) -> None:
        self._etcd = etcd
        self._times = times
        self._clock = clock
        self._lease = 0
        self._good_until = 0.0
        self._renewed = asyncio.Event()

    @property
    def lease(self) -> int:
        """The number of the lease, another one after it was lost; 0 before the first."""
        return self._lease

    @property
    def good(self) -> bool:
        """Whether nobody can have been told yet that we are gone."""
        return self._clock() < self._good_until

    @property
    def good_for_seconds(self) -> float:
        """How long that will be so if nothing comes any more; negative when it is over."""
        return self._good_until - self._clock()

    async def ready(self) -> None:
        """Wait until the session is good."""
        while not self.good:
            self._renewed.clear()
            await self._renewed.wait()

    async def run(self) -> None:
        """Begin the lease, renew it, begin another one when it is lost."""
        while True:
            with suppress(EtcdUnreachable, Refusal):
                await self._renew()
            # What is still good is renewed in its time; what is not, as soon as it can be.
            await asyncio.sleep(self._times.renewed_every_seconds if self.good else 0.1)

    async def end(self) -> None:
        """Give up the lease and all that is bound to it."""
        lease, self._lease, self._good_until = self._lease, 0, 0.0
        if lease:
            with suppress(EtcdUnreachable, Refusal):
                await self._etcd.revoke(lease)

    async def _renew(self) -> None:
        sent = self._clock()
        if not self._lease or not await self._etcd.keep_alive(self._lease):
            self._lease, self._good_until = 0, 0.0
            lease = secrets.randbits(62) + 1
            sent = self._clock()
            await self._etcd.grant(lease, self._times.lives_seconds)
            self._lease = lease
        self._good_until = sent + self._times.self_stop_seconds
        if self.good:
            self._renewed.set()
