"""Coordination for services in several centres: a key per name in etcd, bound to the session of the process.

The token of a lease is the create revision of its key. When the process dies, its leases are free once etcd has waited for
their time; while it lives and cannot reach etcd, it must take them for lost (`holds`).
"""

import asyncio
import os
import secrets
import socket
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self, TypeVar

from secops.coordination.coordinator import Held, Lease
from secops.coordination.etcd import Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import Compare, Delete, Done, Field, Get, KeyValue, Operation, Put, Refusal
from secops.coordination.lease_times import LeaseTimes
from secops.coordination.session import Session
from secops.model.text import Text
from secops.support.errors import Incomplete
from secops.support.language import say

Returned = TypeVar("Returned")
_TIMES = LeaseTimes()
_READY_SECONDS = 10.0


class LeaseLost(Incomplete):
    """The lease is no longer ours, or may not be."""

    def __init__(self, name: str) -> None:
        super().__init__(Text(f"{name} 的租约已失效,停止执行", f"the lease of {name} is lost, so nothing more is done"))


class EtcdCoordinator:
    """See Coordinator. Safe for threads. Use it in `with`: its session lives in a thread of its own."""

    def __init__(self, etcd: Etcd, prefix: str, *, centre: str = "", times: LeaseTimes = _TIMES) -> None:
        """`etcd` must not be used elsewhere; `prefix` ends with a slash; `centre` is told to who finds a lease held."""
        self._etcd = etcd
        self._prefix = prefix
        self._centre = centre or socket.gethostname()
        self._session = Session(etcd, times)
        self._lease_of: dict[int, int] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="etcd", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._etcd.__aenter__())
        self._renewing = asyncio.run_coroutine_threadsafe(self._session.run(), self._loop)
        return self

    def __exit__(self, *_error: object) -> None:
        self._renewing.cancel()
        self._do(self._session.end())
        self._do(self._etcd.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def acquire(self, name: str) -> Iterator[Lease]:
        """See Coordinator. Raises EtcdUnreachable when the majority does not answer."""
        lease = Lease(name, self._do(self._take(name)))
        try:
            yield lease
        finally:
            self._lease_of.pop(lease.token, None)
            with suppress(EtcdUnreachable, Refusal):  # it ends with the session
                self._do(self._etcd.transact([self._guard(lease)], [Delete(self._key(name))]))

    def holds(self, lease: Lease) -> bool:
        """Whether the lease is certainly still ours; asks nobody but the clock."""
        return self._session.good and self._lease_of.get(lease.token) == self._session.lease

    def transact(self, lease: Lease, conditions: Sequence[Compare], then: Sequence[Operation]) -> Done:
        """A transaction under the lease. Raises LeaseLost, with nothing written, and EtcdUnreachable."""
        if not self.holds(lease):
            raise LeaseLost(lease.name)
        otherwise = [Get(self._key(lease.name))]
        done = self._do(self._etcd.transact([self._guard(lease), *conditions], then, otherwise))
        if not done.succeeded and not any(one.create_revision == lease.token for one in done.found):
            raise LeaseLost(lease.name)
        return done

    def read(self, key: str, *, prefix: bool = False) -> tuple[KeyValue, ...]:
        """What stands under a key, or under all that begin with it. Raises EtcdUnreachable."""
        return self._do(self._etcd.range(key, prefix=prefix)).found

    def write(self, then: Sequence[Operation]) -> None:
        """Carry out what needs no lease. Raises EtcdUnreachable."""
        self._do(self._etcd.transact([], then))

    async def _take(self, name: str) -> int:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self._session.ready()
        except TimeoutError:
            raise EtcdUnreachable(
                Text("协调存储 etcd 没有多数成员应答", "no majority of etcd, which coordinates, answers")
            ) from None
        number, key = self._session.lease, self._key(name)
        # Unlike every other, so that a first try whose answer was lost is known again.
        mine = f"{os.getpid()} {self._centre} {secrets.token_hex(8)}".encode()
        done = await self._etcd.transact([Compare(key, Field.CREATED, 0)], [Put(key, mine, number)], [Get(key)])
        found = done.found[0] if done.found else None
        if not done.succeeded and (found is None or found.value != mine):
            raise Held(name, _holder(found.value if found else b""))
        token = found.create_revision if found else done.revision
        self._lease_of[token] = number
        return token

    def _guard(self, lease: Lease) -> Compare:
        return Compare(self._key(lease.name), Field.CREATED, lease.token)

    def _key(self, name: str) -> str:
        return f"{self._prefix}leases/{name}"

    def _do(self, work: Coroutine[Any, Any, Returned]) -> Returned:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _holder(written: bytes) -> str:
    process, centre, *_rest = [*written.decode(errors="replace").split(), "?", "?"]
    return say(zh=f"{centre} 的进程 {process}", en=f"process {process} at {centre}")
