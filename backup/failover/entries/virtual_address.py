"""An address that the machine of the serving member's centre holds, taken and given up with iproute2.

The neighbours learn of it by gratuitous ARP, so all machines that take turns stand in one layer-2 network, and the address
is IPv4. Sessions of the old holder are reset while it still can reach their clients; a holder that is gone leaves them to
the next one, whose kernel resets what it does not know.
"""

import json

from backup.failover.hands import EntryHands
from secops.model.cluster import Cluster, ClusterEntry, EntryDriver, Member
from secops.model.step import LOCAL, Command, Procedure, ProcedureFailed, Result, Step, require

_SECONDS = 3.0
_NOT_HELD = 2
"""Exit code of `ip address del` for an address that is not there."""


class VirtualAddress(EntryHands):
    """Held by the agent's machine while the own member serves, by nobody here otherwise."""

    name = "virtual_address"
    driver = EntryDriver.VIRTUAL_ADDRESS

    def leads_to(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[str]:
        own = cluster.member_in(entry.centre)
        shown = yield Step(
            "look whether the address is held",
            Command(LOCAL, ("ip", "-json", "-4", "address", "show", "dev", entry.device, "to", entry.address)),
            timeout_seconds=_SECONDS,
        )
        require(shown, f"无法查看 {entry.device} 的地址", f"the addresses of {entry.device} cannot be seen")
        return own.name if own and _has_address(shown, entry.address) else ""

    def lead(self, cluster: Cluster, entry: ClusterEntry, member: Member) -> Procedure[None]:
        if member.centre != entry.centre:
            raise ProcedureFailed(
                f"{entry.address} 只能由 {member.centre} 的代理接管",
                f"{entry.address} is for the agent of {member.centre}",
            )
        taken = yield Step("take the address", _ip("replace", entry), changes=True, timeout_seconds=_SECONDS)
        require(taken, f"没有取得地址 {entry.address}", f"the address {entry.address} was not taken")
        for kind, how in (("request", "-U"), ("reply", "-A")):
            told = yield Step(
                f"tell the neighbours by an ARP {kind}",
                Command(LOCAL, ("arping", how, "-c", "1", "-I", entry.device, entry.address)),
                changes=True,
                timeout_seconds=_SECONDS,
            )
            require(told, "没有通告邻居", "the neighbours were not told")

    def close(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[None]:
        cut = yield Step(
            "reset the sessions of the address",
            Command(LOCAL, ("ss", "--kill", "--tcp", "src", entry.address)),
            changes=True,
            timeout_seconds=_SECONDS,
        )
        given_up = yield Step(
            "give up the address", _ip("del", entry, good=(0, _NOT_HELD)), changes=True, timeout_seconds=_SECONDS
        )
        require(given_up, f"没有放弃地址 {entry.address}", f"the address {entry.address} was not given up")
        require(cut, f"没有切断 {entry.address} 的会话", f"the sessions of {entry.address} were not reset")


hands = VirtualAddress()


def _has_address(shown: Result, address: str) -> bool:
    links = json.loads(shown.output or "[]")
    return any(one.get("local") == address for link in links for one in link.get("addr_info", ()))


def _ip(verb: str, entry: ClusterEntry, good: tuple[int, ...] = (0,)) -> Command:
    return Command(LOCAL, ("ip", "address", verb, f"{entry.address}/32", "dev", entry.device), good_exit_codes=good)
