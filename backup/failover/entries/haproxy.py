"""A TCP proxy in the centre, told over its runtime socket: one line moves it, so that there is no state in between."""

from collections.abc import Iterable

from backup.failover import haproxy
from backup.failover.hands import EntryHands
from backup.failover.haproxy import Unexpected
from secops.model.cluster import Cluster, ClusterEntry, EntryDriver, Member
from secops.model.step import Dialogue, Procedure, ProcedureFailed, Step, require

_SOCKET_SECONDS = 1.0
_LOOKS = 20
"""HAProxy cuts sessions in its next turns of the loop; each look takes at least one."""


class HaproxyEntry(EntryHands):
    """A server per member, of its name, in one backend."""

    name = "haproxy"
    driver = EntryDriver.HAPROXY

    def leads_to(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[str]:
        asked = yield Step(
            "ask the entry for its servers",
            haproxy.states(entry.socket, entry.backend),
            timeout_seconds=_SOCKET_SECONDS,
        )
        require(asked, f"{entry.centre} 的入口没有应答", f"the entry of {entry.centre} does not answer")
        try:
            states = haproxy.parse_states(asked.output)
        except Unexpected as error:
            raise ProcedureFailed(
                f"{entry.centre} 的入口的应答无法理解:{error}", f"the entry of {entry.centre} answers: {error}"
            ) from None
        return ",".join(state.name for state in states if state.open)

    def lead(self, cluster: Cluster, entry: ClusterEntry, member: Member) -> Procedure[None]:
        yield from _move(cluster, entry, member.name)

    def close(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[None]:
        yield from _move(cluster, entry, "")


hands = HaproxyEntry()


def _move(cluster: Cluster, entry: ClusterEntry, to: str) -> Procedure[None]:
    backend, others = entry.backend, [member.name for member in cluster.members if member.name != to]
    done = haproxy.every(*_opened(backend, to), *(haproxy.is_closed(backend, other) for other in others))
    moved = yield Step(
        f"lead the entry to {to}" if to else "close the entry",
        Dialogue(entry.socket, ";".join(_words(backend, to, others)), _taken(backend, to, others)),
        changes=True,
        check=haproxy.states(entry.socket, backend, done),
        timeout_seconds=_SOCKET_SECONDS,
    )
    require(moved, f"{entry.centre} 的入口没有切换", f"the entry of {entry.centre} was not moved")
    for look in range(1, _LOOKS + 1):
        seen = yield Step(
            f"see the sessions cut, look {look}",
            haproxy.states(entry.socket, backend, done),
            assume=haproxy.NO_SERVERS,
            timeout_seconds=_SOCKET_SECONDS,
        )
        if seen.ok:
            return
    require(seen, f"{entry.centre} 的入口仍有旧会话", f"the entry of {entry.centre} still has old sessions")


def _words(backend: str, to: str, others: Iterable[str]) -> Iterable[str]:
    """The old doors are shut and cleared before the new one opens."""
    for other in others:
        yield f"set server {backend}/{other} state maint"
        yield f"shutdown sessions server {backend}/{other}"
    if to:
        yield f"set server {backend}/{to} state ready"
    yield f"show stat {backend} 4 -1"


def _taken(backend: str, to: str, others: Iterable[str]) -> str:
    return haproxy.every(*_opened(backend, to), *(haproxy.is_shut(backend, other) for other in others))


def _opened(backend: str, to: str) -> tuple[str, ...]:
    return (haproxy.is_open(backend, to),) if to else ()
