"""A name whose record is changed by RFC 2136 updates; one name for each centre, which its agent alone changes.

The slowest of the entries, and it cannot end a session: clients keep an answer for the record's TTL, and those that
resolve once keep it for ever. A fence must cut what still goes to the old member.
"""

import json
import sys

from backup.failover.hands import EntryHands
from secops.model.cluster import Cluster, ClusterEntry, EntryDriver, Member
from secops.model.step import LOCAL, Command, Procedure, ProcedureFailed, Step, require

_ANSWER_SECONDS = 2.0
_STEP_SECONDS = 10.0


class DnsEntry(EntryHands):
    """The name is the entry's `address`; it has the address of one member, or none."""

    name = "dns"
    driver = EntryDriver.DNS
    cuts_sessions = False

    def lag_seconds(self, entry: ClusterEntry) -> float:
        return float(entry.ttl_seconds)

    def leads_to(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[str]:
        asked = yield Step("ask the name server", _program(entry), timeout_seconds=_STEP_SECONDS)
        require(asked, f"{entry.nameserver} 没有应答", f"name server {entry.nameserver} does not answer")
        names = {member.address: member.name for member in cluster.members}
        return ",".join(names.get(address, address) for address in asked.output.split())

    def lead(self, cluster: Cluster, entry: ClusterEntry, member: Member) -> Procedure[None]:
        yield from _set(entry, member.address)

    def close(self, cluster: Cluster, entry: ClusterEntry) -> Procedure[None]:
        yield from _set(entry, "")


hands = DnsEntry()


def _set(entry: ClusterEntry, address: str) -> Procedure[None]:
    asked = yield Step("ask the name server before", _program(entry), timeout_seconds=_STEP_SECONDS)
    if asked.ok and asked.output.strip() == address:
        return
    changed = yield Step(
        "change the name", _program(entry, address), changes=True, assume=address, timeout_seconds=_STEP_SECONDS
    )
    require(changed, f"无法修改 {entry.address} 的记录", f"the record of {entry.address} cannot be changed")
    if changed.output.strip() != address:
        raise ProcedureFailed(
            f"{entry.address} 的记录为 {changed.output.strip() or '空'},而非 {address or '空'}",
            f"{entry.address} has {changed.output.split()} and not {address or 'nothing'}",
        )


def _program(entry: ClusterEntry, address: str | None = None) -> Command:
    """Without an address it only asks. The secret is put in by the runner at the last moment."""
    order: dict[str, object] = {
        "server": entry.nameserver,
        "port": entry.nameserver_port,
        "zone": entry.zone,
        "name": entry.address,
        "timeout_seconds": _ANSWER_SECONDS,
    }
    if address is not None:
        order |= {
            "key": entry.key,
            "secret": f"${{file:{entry.key_file}}}",
            "ttl_seconds": entry.ttl_seconds,
            "addresses": [address] if address else [],
        }
    return Command(LOCAL, (sys.executable, "-m", "backup.failover.name_update"), stdin=json.dumps(order))
