"""A thin client of etcd's JSON gateway (version 3.4 and later) that stays quick while a member is slow or away.

Each request goes to the member that is preferred now. When it says nothing for a moment, the next one is asked as well,
and the first answer counts. A request may therefore be carried out twice: reads, leases of a chosen number and puts do
not mind, and transactions are to be written so that the second time finds its conditions gone and its aim reached.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Self, TypeAlias, TypeVar

import orjson

from secops.coordination import etcd_wire as wire
from secops.coordination.etcd_wire import Compare, Done, Garbled, Json, Member, Operation, Put, Range, Refusal, Unwell
from secops.model.text import Text
from secops.support.errors import Incomplete
from secops.support.lazy import Lazy

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = Lazy("aiohttp")

Answer = TypeVar("Answer")
Read: TypeAlias = Callable[[Json], Answer]
_LONGEST_LINE_BYTES = 16 << 20
_PAUSE_SECONDS = 0.05


class EtcdUnreachable(Incomplete):
    """No member answered in time. What was asked may have been done."""


class Compacted(Exception):
    """The revisions asked for are no longer kept; read everything again."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for what."""

    request_seconds: float = 3.0
    """For an answer from anybody."""
    attempt_seconds: float = 0.8
    """For one member's answer. What waits at a member while the leader changes is dropped there without a word."""
    second_after_seconds: float = 0.15
    """For the first member's answer before the next is asked too."""
    shunned_seconds: float = 3.0
    """A member that failed or was slow is asked last for so long."""
    silence_seconds: float = 2.0
    """Of a watch, before it is taken for broken and begun anew at another member; nothing is lost by that."""


class Etcd:
    """The members of one cluster, the preferred first. Use it in `async with`, from one event loop."""

    def __init__(
        self, endpoints: Sequence[str], *, patience: Patience = Patience(), context: ssl.SSLContext | None = None
    ) -> None:
        """Endpoints are `http://ADDRESS:PORT`, or `https://…` with a context that trusts and is trusted."""
        self._endpoints = [endpoint.rstrip("/") for endpoint in endpoints]
        self._shunned_until = dict.fromkeys(self._endpoints, 0.0)
        self._patience = patience
        self._context = context

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=300, ssl=self._context if self._context is not None else True
        )
        self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._session.close()

    @property
    def endpoints(self) -> Sequence[str]:
        """As they were given."""
        return self._endpoints

    async def warm(self) -> None:
        """Have a connection to every member that answers, so that none is dialled first in a disaster."""
        await asyncio.gather(*(self.status(endpoint) for endpoint in self._endpoints), return_exceptions=True)

    async def range(self, key: str, *, prefix: bool = False) -> Range:
        """What stands under a key, or under all that begin with it, by the majority's word."""
        return await self._ask("kv/range", wire.range_request(key, prefix=prefix), wire.range_of)

    async def put(self, put: Put) -> int:
        """Write one key whatever stood there; gives the revision. Raises Refusal when its lease is over."""
        return await self._ask("kv/put", wire.put_request(put), wire.revision_of)

    async def delete(self, key: str, *, prefix: bool = False) -> int:
        """Remove keys; gives how many there were."""
        request = wire.delete_request(wire.Delete(key, prefix))
        return await self._ask("kv/deleterange", request, wire.deleted_of)

    async def transact(
        self, conditions: Iterable[Compare], then: Iterable[Operation], otherwise: Iterable[Operation] = ()
    ) -> Done:
        """One transaction; see the module for what a second time must not spoil."""
        return await self._ask("kv/txn", wire.transaction_request(conditions, then, otherwise), wire.done_of)

    async def grant(self, lease: int, seconds: int) -> None:
        """Begin a lease with a number of the caller's choice (random, positive, below 2^63)."""
        try:
            await self._ask("lease/grant", {"ID": str(lease), "TTL": str(seconds)}, wire.revision_of)
        except Refusal as refusal:
            if refusal.code != 9:  # there already: by us, asked twice
                raise

    async def keep_alive(self, lease: int) -> int:
        """Renew a lease; gives the seconds it has from now, 0 when it is over."""
        return await self._ask("lease/keepalive", {"ID": str(lease)}, wire.seconds_left_of)

    async def revoke(self, lease: int) -> None:
        """End a lease and all that is bound to it; one that is over already is fine."""
        try:
            await self._ask("lease/revoke", {"ID": str(lease)}, wire.revision_of)
        except Refusal as refusal:
            if refusal.code != 5:
                raise

    async def compact(self, revision: int) -> None:
        """Forget what stood before that revision."""
        await self._ask("kv/compaction", {"revision": str(revision)}, wire.revision_of)

    async def alarms(self) -> frozenset[str]:
        """What the members raise: `NOSPACE` when the quota is used up, and nothing can be written; `CORRUPT`."""
        return await self._ask("maintenance/alarm", {"action": "GET"}, wire.alarms_of)

    async def status(self, endpoint: str) -> Member:
        """What this member says of itself. Raises EtcdUnreachable."""
        return await self._alone(endpoint, "maintenance/status", {}, wire.member_of)

    async def transfer_leadership(self, endpoint: str, target: int) -> None:
        """Make `target` (a member's id) the leader; `endpoint` must be the leader's. Raises EtcdUnreachable, Refusal."""
        await self._alone(endpoint, "maintenance/transfer-leadership", {"targetID": str(target)}, bool)

    async def watch(self, key: str, from_revision: int, *, prefix: bool = False) -> AsyncIterator[wire.Watched]:
        """Every change from that revision on, in order and each once, for ever.

        A broken or silent connection is begun anew behind the last change that was given, at another member. Raises
        Compacted when the changes are no longer kept.
        """
        following = from_revision
        while True:
            endpoint = self._order()[0]
            try:
                async for message in self._stream(endpoint, wire.watch_request(key, following, prefix=prefix)):
                    if message.compact_revision:
                        raise Compacted
                    fresh = tuple(event for event in message.events if event.now.mod_revision >= following)
                    if fresh:
                        following = max(event.now.mod_revision for event in fresh) + 1
                        yield wire.Watched(message.revision, fresh)
                    if message.canceled:
                        break
            except Refusal as refusal:
                if refusal.code == 11:
                    raise Compacted from None
            except (aiohttp.ClientError, OSError, TimeoutError, Garbled, Unwell):
                pass
            self._shun(endpoint)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _stream(self, endpoint: str, request: Json) -> AsyncIterator[wire.Watched]:
        limit = aiohttp.ClientTimeout(
            total=None, sock_connect=self._patience.attempt_seconds, sock_read=self._patience.silence_seconds
        )
        async with self._session.post(
            f"{endpoint}/v3/watch", data=orjson.dumps(request), timeout=limit, allow_redirects=False
        ) as answer:
            kept = b""
            async for chunk in answer.content.iter_any():
                *lines, kept = (kept + chunk).split(b"\n")
                for line in lines:
                    yield wire.watched_of(wire.parse(line))
                if len(kept) > _LONGEST_LINE_BYTES:
                    raise Garbled(repr(kept[:200]))

    async def _ask(self, path: str, request: Json, read: Read[Answer]) -> Answer:
        """The first good answer of any member. Raises EtcdUnreachable, Refusal."""
        deadline = asyncio.get_running_loop().time() + self._patience.request_seconds
        troubles: dict[str, str] = {}
        while True:
            answer = await self._round(path, request, read, deadline, troubles)
            if answer is not None:
                return answer
            if asyncio.get_running_loop().time() + _PAUSE_SECONDS >= deadline:
                raise EtcdUnreachable(_nobody(troubles))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _round(
        self, path: str, request: Json, read: Read[Answer], deadline: float, troubles: dict[str, str]
    ) -> Answer | None:
        """Ask one member after the other until one answers; None when all of them failed or time is up."""
        waiting = self._order()
        asked: dict[asyncio.Task[Answer], str] = {}
        left = deadline - asyncio.get_running_loop().time()
        try:
            while (waiting or asked) and left > 0:
                if waiting:
                    endpoint = waiting.pop(0)
                    asked[asyncio.create_task(self._post(endpoint, path, request, read, deadline))] = endpoint
                done, _ = await asyncio.wait(
                    asked,
                    timeout=min(left, self._patience.second_after_seconds) if waiting else left,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    answer = self._answer(task, asked[task], troubles)
                    if answer is not None:
                        # Whoever was asked before the one that answers first is slow.
                        for slow in takewhile(asked[task].__ne__, asked.values()):
                            self._shun(slow)
                        return answer
                    del asked[task]
                left = deadline - asyncio.get_running_loop().time()
            for endpoint in asked.values():
                troubles[endpoint] = "timeout"
                self._shun(endpoint)
            return None
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    def _answer(self, task: asyncio.Task[Answer], endpoint: str, troubles: dict[str, str]) -> Answer | None:
        """What the member answered; None and a note when it could not. Raises Refusal."""
        try:
            return task.result()
        except _failures() as error:
            troubles[endpoint] = str(error) or type(error).__name__
            self._shun(endpoint)
            return None

    async def _alone(self, endpoint: str, path: str, request: Json, read: Read[Answer]) -> Answer:
        deadline = asyncio.get_running_loop().time() + self._patience.request_seconds
        try:
            return await self._post(endpoint, path, request, read, deadline)
        except _failures() as error:
            raise EtcdUnreachable(_nobody({endpoint: str(error) or type(error).__name__})) from None

    async def _post(self, endpoint: str, path: str, request: Json, read: Read[Answer], deadline: float) -> Answer:
        left = deadline - asyncio.get_running_loop().time()
        limit = aiohttp.ClientTimeout(total=max(0.001, min(left, self._patience.attempt_seconds)))
        async with self._session.post(
            f"{endpoint}/v3/{path}", data=orjson.dumps(request), timeout=limit, allow_redirects=False
        ) as answer:
            parsed = wire.parse(await _whole(answer.content))
            wire.refuse(answer.status, parsed)
            return read(parsed)

    def _order(self) -> list[str]:
        """Those that are well, as they were given, then the others."""
        moment = asyncio.get_running_loop().time()
        until = {endpoint: max(moment, shunned) for endpoint, shunned in self._shunned_until.items()}
        return sorted(self._endpoints, key=until.__getitem__)

    def _shun(self, endpoint: str) -> None:
        self._shunned_until[endpoint] = asyncio.get_running_loop().time() + self._patience.shunned_seconds


async def _whole(content: "aiohttp.StreamReader") -> bytes:
    """A body up to its end. Raises Garbled when it has none in sight."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _LONGEST_LINE_BYTES:
            raise Garbled(repr(bytes(body[:200])))
    return bytes(body)


def _failures() -> tuple[type[Exception], ...]:
    return aiohttp.ClientError, OSError, TimeoutError, Garbled, Unwell


def _nobody(troubles: dict[str, str]) -> Text:
    listed = "; ".join(f"{endpoint}: {trouble}" for endpoint, trouble in troubles.items())
    return Text(f"协调存储 etcd 没有应答:{listed}", f"etcd, which coordinates, does not answer: {listed}")
