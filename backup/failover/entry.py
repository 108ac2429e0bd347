"""Switch what clients connect to from one centre to another, or close it for one (the fence of a web system)."""

from collections.abc import Iterable
from urllib.parse import urljoin

from backup.failover import haproxy
from backup.failover.haproxy import ServerState, Unexpected
from secops.model.city import Entry, EntryServer
from secops.model.step import Fetch, Procedure, ProcedureFailed, Step, require

_SOCKET_SECONDS = 5.0
_CHECK_SECONDS = 10.0
_LOOKS = 20
"""HAProxy cuts sessions in its next turns of the loop; each look takes at least one."""


def server_states(entry: Entry, name: str = "ask the entry for its servers") -> Procedure[tuple[ServerState, ...]]:
    """The servers behind the entry, as HAProxy sees them; fails when one of the inventory's is not among them."""
    answer = yield Step(name, haproxy.states(entry.socket, entry.backend), timeout_seconds=_SOCKET_SECONDS)
    require(answer, f"入口 {entry.id} 没有应答", f"entry {entry.id} does not answer")
    try:
        seen = haproxy.parse_states(answer.output)
    except Unexpected as error:
        raise ProcedureFailed(f"入口 {entry.id} 的应答无法理解:{error}", f"entry {entry.id} answers: {error}") from None
    if missing := {server.name for server in entry.servers} - {state.name for state in seen}:
        names = ", ".join(sorted(missing))
        raise ProcedureFailed(
            f"入口 {entry.id} 的后端 {entry.backend} 中没有服务器 {names}",
            f"backend {entry.backend} of entry {entry.id} has no server {names}",
        )
    return seen


def business_check(entry: Entry, name: str = "check the business through the entry") -> Procedure[None]:
    """The smallest good transaction, the way clients make it."""
    fetched = yield Step(name, _business(entry, entry.url), timeout_seconds=_CHECK_SECONDS)
    require(fetched, f"经入口 {entry.id} 的业务检查未通过", f"the business check through entry {entry.id} failed")


def probe(entry: Entry, centre: str) -> Procedure[None]:
    """The smallest good transaction directly at one centre, past the entry: could it take over?"""
    healthy = yield Step(
        f"check the business at {centre}",
        _business(entry, server_of(entry, centre).url),
        timeout_seconds=_CHECK_SECONDS,
    )
    require(healthy, f"{centre} 不健康,入口未作改动", f"{centre} is not healthy; the entry was left as it was")


def switch(entry: Entry, to_centre: str) -> Procedure[tuple[ServerState, ...]]:
    """Lead the entry to `to_centre` alone. Refuses, with nothing changed, when the centre's server is not healthy.

    Afterwards the target is open, every other server is closed with its sessions cut, and the business check passes
    through the entry. Running it again changes nothing. Gives the states read back.
    """
    target = server_of(entry, to_centre)
    yield from probe(entry, to_centre)
    yield from server_states(entry, "ask the entry for its servers before")
    yield from _open(entry, target)
    # Nobody is turned away before the target is seen to take them.
    yield from _read_back(entry, "see the target open", opened=[target])
    others = [server for server in entry.servers if server.name != target.name]
    for server in others:
        yield from _close(entry, server)
    after = yield from _read_back(entry, "read the entry back", opened=[target], closed=others)
    # In a rehearsal the entry still leads to the old server: its failure now says nothing about the new one.
    fetched = yield Step(
        "check the business through the entry",
        _business(entry, entry.url),
        assume=entry.business_check.contains or "-",
        timeout_seconds=_CHECK_SECONDS,
    )
    require(
        fetched, f"已切换到 {to_centre},但业务检查未通过", f"switched to {to_centre}, but the business check failed"
    )
    return after


def drain(entry: Entry, centre: str) -> Procedure[tuple[ServerState, ...]]:
    """Fence a centre's server: no new session reaches it, the old ones are cut, and both are read back as proof."""
    server = server_of(entry, centre)
    yield from server_states(entry, "ask the entry for its servers before")
    yield from _close(entry, server)
    return (yield from _read_back(entry, "read the entry back", closed=[server]))


def server_of(entry: Entry, centre: str) -> EntryServer:
    """The entry's server in a centre; ProcedureFailed when there is none."""
    for server in entry.servers:
        if server.centre == centre:
            return server
    raise ProcedureFailed(f"入口 {entry.id} 在 {centre} 没有服务器", f"entry {entry.id} has no server in {centre}")


def _open(entry: Entry, server: EntryServer) -> Procedure[None]:
    done = yield Step(
        f"open {server.name}",
        haproxy.set_state(entry.socket, entry.backend, server.name, "ready"),
        changes=True,
        check=haproxy.states(entry.socket, entry.backend, haproxy.is_open(entry.backend, server.name)),
        timeout_seconds=_SOCKET_SECONDS,
    )
    require(done, f"无法开放 {server.name}", f"cannot open {server.name}")


def _close(entry: Entry, server: EntryServer) -> Procedure[None]:
    closed = yield Step(
        f"close {server.name}",
        haproxy.set_state(entry.socket, entry.backend, server.name, "maint"),
        changes=True,
        check=haproxy.states(entry.socket, entry.backend, haproxy.is_shut(entry.backend, server.name)),
        timeout_seconds=_SOCKET_SECONDS,
    )
    require(closed, f"无法关闭 {server.name}", f"cannot close {server.name}")
    cut = yield Step(
        f"cut the sessions of {server.name}",
        haproxy.shut_sessions(entry.socket, entry.backend, server.name),
        changes=True,
        check=haproxy.states(entry.socket, entry.backend, haproxy.is_closed(entry.backend, server.name)),
        timeout_seconds=_SOCKET_SECONDS,
    )
    require(cut, f"无法切断 {server.name} 的会话", f"cannot cut the sessions of {server.name}")


def _read_back(
    entry: Entry, name: str, *, opened: Iterable[EntryServer] = (), closed: Iterable[EntryServer] = ()
) -> Procedure[tuple[ServerState, ...]]:
    """The states once they are as wanted; a rehearsal assumes that they are."""
    wanted = [haproxy.is_open(entry.backend, server.name) for server in opened]
    wanted += [haproxy.is_closed(entry.backend, server.name) for server in closed]
    for look in range(1, _LOOKS + 1):
        seen = yield Step(
            f"{name}, look {look}",
            haproxy.states(entry.socket, entry.backend, haproxy.every(*wanted)),
            assume=haproxy.NO_SERVERS,
            timeout_seconds=_SOCKET_SECONDS,
        )
        if seen.ok:
            return haproxy.parse_states(seen.output)
    require(seen, f"入口 {entry.id} 未达到所要的状态", f"entry {entry.id} did not come into the wanted state")
    return ()


def _business(entry: Entry, url: str) -> Fetch:
    check = entry.business_check
    return Fetch(urljoin(url, check.path), check.contains)
