"""Every process of the old primary's machine that has a socket on the member's port is killed, which nothing can refuse."""

import re

from backup.failover.fence import Fence
from secops.model.cluster import Cluster, FenceKind, Member, MemberFence
from secops.model.step import Command, Procedure, ProcedureFailed, Step, require

_PID = re.compile(r"\bpid=(\d+)")
_LOOKS = 5


class ProcessStopFence(Fence):
    """Needs ss on the member's host, and root there. A supervisor that starts it anew is noticed, not hindered."""

    name = "process_stop"
    kind = FenceKind.PROCESS_STOP

    def put_up(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[None]:
        for look in range(1, _LOOKS + 1):
            pids = yield from _holders(member, fence, f"see who has the port, look {look}")
            if not pids:
                return
            # One that has ended meanwhile makes kill fail; the next look tells.
            yield Step(
                f"kill them, turn {look}",
                Command(member.host, ("kill", "-KILL", *pids), good_exit_codes=(0, 1)),
                changes=True,
                timeout_seconds=fence.timeout_seconds,
            )
        raise ProcedureFailed(
            f"{member.host} 上端口 {member.port} 的进程被杀后又出现",
            f"port {member.port} of {member.host} is served anew each time",
        )

    def stands(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[bool]:
        return not (yield from _holders(member, fence, "see that nobody has the port"))

    def lift(self, cluster: Cluster, member: Member, fence: MemberFence) -> Procedure[None]:
        """Nothing: whoever rejoins the member starts it."""
        yield from ()


fence = ProcessStopFence()


def _holders(member: Member, fence: MemberFence, name: str) -> Procedure[tuple[str, ...]]:
    """Those that listen on the port or talk through it; sessions of clients to the same port elsewhere do not count."""
    seen = yield Step(
        name,
        Command(member.host, ("ss", "-H", "-a", "-n", "-p", "-t", "sport", "=", f":{member.port}")),
        timeout_seconds=fence.timeout_seconds,
    )
    require(seen, f"无法查看 {member.host} 的端口", f"the ports of {member.host} cannot be seen")
    return tuple(sorted(set(_PID.findall(seen.output)), key=int))
