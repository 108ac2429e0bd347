"""A command of the operator's takes the power from the old primary's machine: IPMI, a hypervisor, a managed socket.

It is run on the agent's machine and must be repeatable. `confirm` is another command, which succeeds only when the power is
off; without it nothing is confirmed.
"""

from backup.failover.fence import Fence
from secops.model.cluster import Cluster, FenceKind, Member, MemberFence
from secops.model.step import LOCAL, Command, Procedure, Step, require


class PowerFence(Fence):
    """Two argument lists, each with a time limit."""

    name = "power"
    kind = FenceKind.POWER

    def put_up(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[None]:
        cut = yield Step(
            "take the power",
            Command(LOCAL, fence.command),
            changes=True,
            check=Command(LOCAL, fence.confirm) if fence.confirm else None,
            timeout_seconds=fence.timeout_seconds,
        )
        require(cut, f"无法切断 {member.host} 的电源", f"the power of {member.host} cannot be taken")

    def stands(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[bool]:
        if not fence.confirm:
            return False
        seen = yield Step("see the power off", Command(LOCAL, fence.confirm), timeout_seconds=fence.timeout_seconds)
        return seen.ok

    def lift(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[None]:
        """Nothing: people switch a machine on again."""
        yield from ()


fence = PowerFence()
