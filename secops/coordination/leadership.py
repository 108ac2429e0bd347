"""Who leads: a key bound to the leader's session. Its create revision is the fencing token of all that the leader writes.

A leader stops itself before its lease ends, by its own clock; one that missed that (frozen, thawed) is refused by the
guard of its transactions. Whoever should rather not lead waits a moment before it stands, and makes room for others.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress

from secops.coordination.etcd import Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import Compare, Delete, Done, Field, Get, KeyValue, Operation, Put, Refusal
from secops.coordination.lease_times import Clock, boot_clock
from secops.coordination.mirror import Mirror
from secops.coordination.session import Session
from secops.model.text import Text
from secops.support.errors import Incomplete

_LOOK_SECONDS = 0.25


class NotLeader(Incomplete):
    """What was to be written is the leader's to write, and we are not it, or no longer."""

    def __init__(self, name: str) -> None:
        super().__init__(Text(f"{name} 不是(或不再是)主控,未写入", f"{name} does not lead, or no longer; not written"))


def _always() -> bool:
    return True


def _never() -> bool:
    return False


class Leadership:
    """Stands for election in `run`, which goes on until it is cancelled. The mirror must cover the key."""

    def __init__(
        self,
        etcd: Etcd,
        session: Session,
        mirror: Mirror,
        key: str,
        name: str,
        *,
        preferred: Callable[[], bool] = _always,
        makes_room: Callable[[], bool] = _never,
        stands: Callable[[], bool] = _always,
        patience_seconds: float = 1.0,
        clock: Clock = boot_clock,
    ) -> None:
        """`preferred`: whether we should lead rather than others; else we wait `patience_seconds` for them to stand.
        `makes_room`, asked while we lead: whether somebody else should lead now, and can. `stands`: whether we may lead at all.
        """
        self._etcd = etcd
        self._session = session
        self._mirror = mirror
        self._key = key
        self._name = name
        self._preferred = preferred
        self._makes_room = makes_room
        self._stands = stands
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._token = 0
        self._lease = 0
        self._forgone = 0
        self._vacant_since: float | None = None

    @property
    def leads(self) -> bool:
        """Whether we lead, and nobody else can."""
        return bool(self._token) and self._lease == self._session.lease and self._session.good

    @property
    def token(self) -> int:
        """What fences our writes. Raises NotLeader."""
        if not self.leads:
            raise NotLeader(self._name)
        return self._token

    @property
    def leader(self) -> str:
        """The name of who leads, as last seen; empty when nobody does."""
        holder = self._mirror.get(self._key)
        return holder.value.decode(errors="replace") if holder else ""

    async def run(self) -> None:
        """Stand when nobody leads, see when we no longer do."""
        while True:
            seen = self._mirror.version
            with suppress(EtcdUnreachable, Refusal):
                await self._turn()
            await self._mirror.beyond(seen, _LOOK_SECONDS)

    async def resign(self) -> None:
        """Stop leading at once, for others to take it; the session goes on."""
        token = self._token
        self._forgo()
        if token:
            with suppress(EtcdUnreachable, Refusal):
                await self._give_up(token)

    async def write(
        self, conditions: Iterable[Compare], then: Iterable[Operation], otherwise: Iterable[Operation] = ()
    ) -> Done:
        """One transaction of the leader's. Raises NotLeader, with nothing written, and EtcdUnreachable, which leaves open
        whether it was."""
        guard = Compare(self._key, Field.CREATED, self.token)
        done = await self._etcd.transact([guard, *conditions], then, [Get(self._key), *otherwise])
        if not done.succeeded and not any(self._is(one, guard.equals) for one in done.found):
            self._forgo()
            raise NotLeader(self._name)
        return done

    async def replace(self, key: str, value: bytes, mod_revision: int) -> bool:
        """Write a key that still has this mod revision (0: does not exist); whether it now holds the value."""
        done = await self.write([Compare(key, Field.CHANGED, mod_revision)], [Put(key, value)], [Get(key)])
        # Asked twice, the second answer finds what the first one did.
        return done.succeeded or any(one.key == key and one.value == value for one in done.found)

    def _forgo(self) -> None:
        self._forgone, self._token = max(self._forgone, self._token), 0
        self._vacant_since = None

    async def _give_up(self, token: int) -> None:
        await self._etcd.transact([Compare(self._key, Field.CREATED, token)], [Delete(self._key)])

    def _is(self, one: KeyValue, token: int) -> bool:
        return one.key == self._key and one.create_revision == token

    async def _turn(self) -> None:
        holder = self._mirror.get(self._key)
        if self._token and self._mirror.revision >= self._token and not (holder and self._is(holder, self._token)):
            self._forgo()
        if self.leads:
            if not self._stands() or self._makes_room():
                await self.resign()
            return
        if not self._session.good or not self._mirror.version or not self._stands():
            return
        if holder:
            self._vacant_since = None
            # Ours when the answer was lost, or the majority was and is back; what we gave up is not seen gone at once.
            if holder.lease == self._session.lease and holder.create_revision > self._forgone:
                self._token, self._lease = holder.create_revision, holder.lease
            elif holder.lease == self._session.lease:
                # It was given up, and that may not have arrived: kept alive by us and led by nobody, it would stand for ever.
                await self._give_up(holder.create_revision)
            return
        if self._vacant_since is None:
            self._vacant_since = self._clock()
        if self._preferred() or self._clock() - self._vacant_since >= self._patience_seconds:
            await self._stand()

    async def _stand(self) -> None:
        lease = self._session.lease
        free = Compare(self._key, Field.CREATED, 0)
        done = await self._etcd.transact([free], [Put(self._key, self._name.encode(), lease)], [Get(self._key)])
        if done.succeeded:
            self._token, self._lease = done.revision, lease
        elif done.found and done.found[0].lease == lease:
            self._token, self._lease = done.found[0].create_revision, lease
        self._vacant_since = None
