"""The firewall of the old primary's machine refuses its port, and sessions in flight are reset.

A table of its own for each port, which survives the agent and is gone after a reboot. Loopback stays open for the agent
of that machine, whose entry is closed by then.
"""

from backup.failover.fence import Fence
from secops.model.cluster import Cluster, FenceKind, Member, MemberFence
from secops.model.step import Command, Procedure, Step, require

_RULES = """\
add table inet {table}
delete table inet {table}
table inet {table} {{
  chain clients {{
    type filter hook input priority -300; policy accept;
    iif lo accept
    tcp dport {port} reject with tcp reset
  }}
  chain answers {{
    type filter hook output priority -300; policy accept;
    oif lo accept
    tcp sport {port} tcp flags & rst == 0 drop
  }}
}}
"""


class NftablesFence(Fence):
    """Needs nft and ss on the member's host, and root there."""

    name = "nftables"
    kind = FenceKind.NFTABLES

    def put_up(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[None]:
        rules = _RULES.format(table=_table(member), port=member.port)
        loaded = yield Step(
            "refuse the port",
            Command(member.host, ("nft", "-f", "-"), stdin=rules),
            changes=True,
            check=_look(member),
            timeout_seconds=fence.timeout_seconds,
        )
        require(loaded, f"{member.host} 的防火墙规则无法加载", f"the rules cannot be loaded on {member.host}")
        reset = yield Step(
            "reset the sessions in flight",
            Command(member.host, ("ss", "-K", "-H", "-t", "sport", "=", f":{member.port}")),
            changes=True,
            timeout_seconds=fence.timeout_seconds,
        )
        require(reset, f"{member.host} 上的会话无法切断", f"the sessions on {member.host} cannot be reset")

    def stands(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[bool]:
        seen = yield Step("see the port refused", _look(member), timeout_seconds=fence.timeout_seconds)
        return seen.ok and "reject with tcp reset" in seen.output

    def lift(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[None]:
        table = _table(member)
        lifted = yield Step(
            "open the port again",
            Command(member.host, ("nft", "-f", "-"), stdin=f"add table inet {table}\ndelete table inet {table}\n"),
            changes=True,
            timeout_seconds=fence.timeout_seconds,
        )
        require(lifted, f"{member.host} 的隔离无法解除", f"the fence on {member.host} cannot be lifted")


fence = NftablesFence()


def _table(member: Member) -> str:
    return f"jindun_fence_{member.port}"


def _look(member: Member) -> Command:
    return Command(member.host, ("nft", "list", "table", "inet", _table(member)))
