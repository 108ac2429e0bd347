"""Have a Redis replica take over, in order or after a loss."""

from collections.abc import Mapping
from typing import Any, Literal

from backup.failover.applications.redis import Server, fail_over, switch_over
from playbooks.action import Action, Context, Milestone, Options, Touches
from secops.model.step import Procedure
from secops.model.text import Text


class FailoverRedisOptions(Options):
    """Options of `failover.redis`."""

    event: Literal["planned", "lost"]
    """`planned`: in order, nothing is lost, also for failing back. `lost`: the primary is gone."""
    primary: str
    """Address of the primary."""
    primary_port: int = 6379
    replica: str
    """Address of the replica that takes over."""
    replica_port: int = 6379
    password: str = ""
    """A secret reference, `${env:X}` or `${file:x}`, the same on both; empty: none."""


class FailoverRedis(Action[FailoverRedisOptions]):
    """See `describes`."""

    name = "failover.redis"
    title = Text("切换 Redis", "Fail Redis over")
    describes = Text(
        "计划内:暂停写入,副本追平后提升,旧主库改为跟随,不丢失。失去主库后:提升副本,并如实说明可能丢失的写入;旧主库仍应答时拒绝。",
        "In order: writes pause, the replica catches up and is promoted, the old primary follows it; nothing is lost. After a "
        "loss: the replica is promoted and it is said that acknowledged writes may be lost; refused while the primary answers.",
    )
    touches = Touches.CHANGES
    options = FailoverRedisOptions
    gives = frozenset({"lossless", "offset", "because"})
    milestone = Milestone.T4

    def plan(self, options: FailoverRedisOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """Look, promote, look."""
        primary = Server(options.primary, options.primary_port, options.password)
        replica = Server(options.replica, options.replica_port, options.password)
        done = yield from (switch_over if options.event == "planned" else fail_over)(primary, replica)
        return {
            "lossless": done.lossless,
            "offset": done.offset,
            "because": {"zh": done.because.zh, "en": done.because.en},
        }


action = FailoverRedis()
