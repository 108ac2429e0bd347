"""There is one daemon per centre: a second one waits until the first is gone."""

import asyncio
import os
import secrets
from contextlib import suppress

from secops.coordination.etcd import Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import Compare, Field, Get, Put, Refusal
from secops.coordination.mirror import Mirror
from secops.coordination.session import Session

_LOOK_SECONDS = 0.5


class Seat:
    """A key bound to the session. Begins with `run`, which goes on until it is cancelled.

    Whoever was seated and hears nothing of the store stays so, to shut what must be shut; it loses the seat when it hears
    that another has it.
    """

    def __init__(self, etcd: Etcd, session: Session, mirror: Mirror, key: str) -> None:
        self._etcd = etcd
        self._session = session
        self._mirror = mirror
        self._key = key
        self._mine = f"{os.getpid()} {secrets.token_hex(8)}".encode()
        self._was_taken = False

    @property
    def taken(self) -> bool:
        """Whether we are the daemon of the centre."""
        holder = self._mirror.get(self._key)
        return self._was_taken and (holder is None or holder.value == self._mine)

    @property
    def contested(self) -> bool:
        """Whether another one is known to have the seat."""
        holder = self._mirror.get(self._key)
        return holder is not None and holder.value != self._mine

    async def run(self) -> None:
        """Take the seat as soon as it is free."""
        while True:
            seen = self._mirror.version
            with suppress(EtcdUnreachable, Refusal):
                await self._turn()
            await self._mirror.beyond(seen, _LOOK_SECONDS)
            await asyncio.sleep(0.02)

    async def _turn(self) -> None:
        holder, lease = self._mirror.get(self._key), self._session.lease
        if not self._mirror.version or not self._session.good:
            return
        if holder and holder.value == self._mine and holder.lease == lease:
            self._was_taken = True
        elif holder and holder.value != self._mine:
            self._was_taken = False
        else:
            # Free, or ours by a session that is over: then it is written anew under the one that lives.
            before = holder.mod_revision if holder else 0
            done = await self._etcd.transact(
                [Compare(self._key, Field.CHANGED, before)], [Put(self._key, self._mine, lease)], [Get(self._key)]
            )
            self._was_taken = done.succeeded or any(one.value == self._mine for one in done.found)
