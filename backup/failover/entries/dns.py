"""A name whose address is changed by a signed dynamic update (RFC 2136, TSIG), with BIND's `nsupdate` and `dig`.

The slowest of the drivers, and not in our hands: whoever asked before may go on with the old answer for as long as the
record lives (`ttl_seconds`), and longer where a resolver or a client keeps answers on its own account. Sessions are not
cut; the member that no longer serves ends them.
"""

from ipaddress import ip_address

from backup.failover.hands import EntryHands
from secops.model.cluster import Cluster, ClusterEntry, EntryDriver, Member
from secops.model.step import LOCAL, Command, Procedure, Result, Step, require

_SECONDS = 3.0
_PORT = "53"
_BRIEFLY = ("+norecurse", "+short", "+time=1", "+tries=1")


class DnsEntry(EntryHands):
    """One address record; the server that takes updates tells what it holds."""

    name = "dns"
    driver = EntryDriver.DNS

    def leads_to(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[str]:
        names = {str(ip_address(member.address)): member.name for member in cluster.members}
        server, port = _server(entry)
        found: list[str] = []
        for kind in ("A", "AAAA"):
            told = yield Step(
                f"ask what the name leads to: {kind}",
                Command(LOCAL, ("dig", *_BRIEFLY, f"@{server}", "-p", port, f"{entry.address}.", kind)),
                timeout_seconds=_SECONDS,
            )
            require(told, f"{server} 没有应答 {entry.address}", f"{server} does not answer for {entry.address}")
            found += (names.get(address, address) for address in _addresses(told))
        return ",".join(sorted(found))

    def lead(self, cluster: Cluster, entry: ClusterEntry, member: Member) -> Procedure[None]:
        kind = "AAAA" if ip_address(member.address).version == 6 else "A"
        add = f"update add {entry.address}. {entry.ttl_seconds} {kind} {member.address}\n"
        yield from _update(entry, f"lead the name to {member.name}", add)

    def close(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[None]:
        yield from _update(entry, "take the name away", "")


hands = DnsEntry()


def _update(entry: ClusterEntry, name: str, add: str) -> Procedure[None]:
    """All of it is one transaction of the server."""
    server, port = _server(entry)
    words = (
        f"server {server} {port}\nzone {entry.zone}.\n"
        f"update delete {entry.address}. A\nupdate delete {entry.address}. AAAA\n{add}send\n"
    )
    taken = yield Step(
        name,
        Command(LOCAL, ("nsupdate", "-t", "2", "-k", entry.key), stdin=words),
        changes=True,
        timeout_seconds=_SECONDS,
    )
    require(
        taken, f"{server} 没有接受对 {entry.address} 的更新", f"{server} did not take the update of {entry.address}"
    )


def _addresses(told: Result) -> list[str]:
    """`dig` writes its remarks among the answers, behind a semicolon."""
    return [line.strip() for line in told.output.splitlines() if line.strip() and not line.startswith(";")]


def _server(entry: ClusterEntry) -> tuple[str, str]:
    """Address and port; an IPv6 address with a port stands in brackets."""
    address, separator, port = entry.server.rpartition(":")
    if separator and (address.startswith("[") or ":" not in address):
        return address.strip("[]"), port
    return entry.server.strip("[]"), _PORT
