"""An address that moves: the centre of the serving member has it on a device, its neighbours are told, old sessions end.

All members and clients stand in one broadcast domain, and the member serves on the entry's port at every address of its
machine. Each agent takes the address away from its own centre only; whoever takes it looks first whether somebody else
still answers for it.
"""

import re

from backup.failover.hands import EntryHands
from secops.model.cluster import Cluster, ClusterEntry, EntryDriver, Member
from secops.model.step import LOCAL, Command, Effect, Procedure, ProcedureFailed, Result, Step, require

_SECONDS = 3.0
_LOOKS = 3
"""How often one looks whether the old holder is gone; each look waits up to a second for an answer."""
_HARDWARE = re.compile(r"\[([0-9A-Fa-f:]{17})\]")


class VirtualAddressEntry(EntryHands):
    """IPv4 alone; iproute2 and arping do the work, as root."""

    name = "virtual_address"
    driver = EntryDriver.VIRTUAL_ADDRESS

    def leads_to(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[str]:
        shown = yield Step("see whether the address is here", _show(entry), timeout_seconds=_SECONDS)
        require(shown, f"无法读取设备 {entry.device} 的地址", f"the addresses of {entry.device} cannot be read")
        if shown.output.strip():
            own = cluster.member_in(entry.centre)
            return own.name if own else ""
        holder = _hardware(
            (yield Step("ask who has the address", _who_has(entry, entry.address), timeout_seconds=_SECONDS))
        )
        for member in cluster.members if holder else ():
            if member.centre == entry.centre:
                continue
            asked = _who_has(entry, member.address)
            if _hardware((yield Step(f"ask where {member.name} is", asked, timeout_seconds=_SECONDS))) == holder:
                return member.name
        return ""

    def lead(self, cluster: Cluster, entry: ClusterEntry, member: Member) -> Procedure[None]:
        if member.centre == entry.centre:
            yield from _take(entry)
        else:
            yield from _leave(entry)

    def close(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[None]:
        yield from _leave(entry)


hands = VirtualAddressEntry()


def _take(entry: ClusterEntry) -> Procedure[None]:
    holder = ""
    for look in range(1, _LOOKS + 1):
        asked = _who_has(entry, entry.address)
        seen = yield Step(f"see the old holder gone, look {look}", asked, timeout_seconds=_SECONDS)
        holder = _hardware(seen)
        if not holder:
            break
    taken = yield Step("take the address", _ip(entry, "replace"), changes=True, timeout_seconds=_SECONDS)
    require(taken, f"{entry.device} 无法接管 {entry.address}", f"{entry.device} cannot take {entry.address}")
    told = yield Step("tell the neighbours", _announce(entry), changes=True, timeout_seconds=_SECONDS)
    require(told, "无法通告邻居", "the neighbours cannot be told")
    if holder:
        # Taken all the same: the old holder can acknowledge nothing any more. Trying again tells the neighbours again.
        raise ProcedureFailed(
            f"已接管 {entry.address},但 {holder} 仍在应答该地址:请隔离其主机",
            f"{entry.address} is taken, but {holder} answers for it too: fence that host",
        )


def _leave(entry: ClusterEntry) -> Procedure[None]:
    """Sessions are reset while the address is still there to send from, and once more for those that just came."""
    shown = yield Step("see whether the address is here", _show(entry), timeout_seconds=_SECONDS)
    require(shown, f"无法读取设备 {entry.device} 的地址", f"the addresses of {entry.device} cannot be read")
    yield from _cut(entry, "reset the old sessions")
    if not shown.output.strip():
        return
    left = yield Step("give the address up", _ip(entry, "del"), changes=True, timeout_seconds=_SECONDS)
    require(left, f"{entry.device} 无法放弃 {entry.address}", f"{entry.device} cannot give up {entry.address}")
    yield from _cut(entry, "reset the sessions that came meanwhile")


def _cut(entry: ClusterEntry, name: str) -> Procedure[None]:
    ended = yield Step(
        name,
        _here("ss", "-K", "-H", "-t", "src", entry.address, "sport", "=", f":{entry.port}"),
        changes=True,
        timeout_seconds=_SECONDS,
    )
    require(ended, "无法切断旧会话", "the old sessions cannot be reset")


def _show(entry: ClusterEntry) -> Effect:
    return _here("ip", "-o", "-4", "address", "show", "dev", entry.device, "to", f"{entry.address}/32")


def _ip(entry: ClusterEntry, verb: str) -> Effect:
    return _here("ip", "address", verb, f"{entry.address}/32", "dev", entry.device)


def _announce(entry: ClusterEntry) -> Effect:
    """Gratuitous ARP, as requests: those are believed by all who have the address in their table."""
    return _here("arping", "-U", "-q", "-c", "2", "-w", "1", "-I", entry.device, entry.address)


def _who_has(entry: ClusterEntry, address: str) -> Command:
    """Duplicate detection: asked from 0.0.0.0, so that nobody's table changes. Exit code 1 when somebody answers."""
    argv = ("arping", "-D", "-f", "-c", "1", "-w", "1", "-I", entry.device, address)
    return Command(LOCAL, argv, good_exit_codes=(0, 1))


def _hardware(result: Result) -> str:
    """The hardware address that answered, empty when none did."""
    require(result, "无法用 arping 询问", "arping cannot ask")
    found = _HARDWARE.search(result.output)
    return found[1].lower() if found else ""


def _here(*argv: str) -> Command:
    return Command(LOCAL, argv)
