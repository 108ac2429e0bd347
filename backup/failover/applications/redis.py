"""Redis: the replica takes over, in order or after a loss.

Redis acknowledges a write before any replica has it. In order, nothing is lost: writes are paused until the replica has all.
After a loss, what the old primary acknowledged in its last moments may be gone, and nobody can tell how much; only a
client that used WAIT knows of its own writes. `min-replicas-to-write` bounds the time, not the number, and is no promise.
Needs redis-cli 7 on the machine of the service; the password, if any, is a secret reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from secops.model.step import LOCAL, Command, Procedure, ProcedureFailed, Result, Step, require
from secops.model.text import Text

_PAUSE_MS = 30_000
"""Writes go on by themselves after it, so that a run that dies leaves no frozen primary."""
_LOOKS = 200
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two."""

    address: str
    port: int
    password: str = ""
    """A secret reference, `${env:X}` or `${file:x}`; empty: none."""

    @property
    def told(self) -> str:
        """As people write it."""
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Promoted:
    """The replica is primary now."""

    lossless: bool
    offset: int
    """Bytes of the stream of replication that it has."""
    because: Text


def switch_over(primary: Server, replica: Server) -> Procedure[Promoted]:
    """In order, also for failing back: writes pause, the replica catches up and is promoted, the old one follows it."""
    yield from _require_follows(primary, replica)
    pause = _ask(primary, "CLIENT", "PAUSE", str(_PAUSE_MS), "WRITE")
    paused = yield Step("pause the writes", pause, changes=True, timeout_seconds=_SECONDS)
    require(paused, f"{primary.told} 无法暂停写入", f"the writes of {primary.told} cannot be paused")
    wanted = int((yield from _info(primary, "read the primary's offset"))["master_repl_offset"])
    reached = yield from _caught_up(replica, wanted)
    yield from _promote(replica)
    follow = _ask(primary, "REPLICAOF", replica.address, str(replica.port))
    followed = yield Step("make the old primary follow", follow, changes=True, timeout_seconds=_SECONDS)
    require(followed, f"已切换,但 {primary.told} 未能跟随", f"switched over, but {primary.told} does not follow")
    unpause = _ask(primary, "CLIENT", "UNPAUSE")
    yield Step("let its clients go on", unpause, changes=True, timeout_seconds=_SECONDS)
    because = Text(
        f"暂停写入后副本已追到 {wanted},无丢失",
        f"the replica had all up to {wanted} while writes paused: nothing is lost",
    )
    return Promoted(True, reached, because)


def fail_over(primary: Server, replica: Server) -> Procedure[Promoted]:
    """After the primary was lost. Refuses while it still answers: there would be two."""
    answered = yield Step("see the primary gone", _ask(primary, "PING"), timeout_seconds=_SECONDS)
    if answered.ok:
        raise ProcedureFailed(
            f"{primary.told} 仍在应答:请改用计划内切换或先隔离它",
            f"{primary.told} still answers: switch over in order, or fence it first",
        )
    seen = yield from _info(replica, "ask the replica how far it is")
    if seen["role"] != "slave":
        raise ProcedureFailed(f"{replica.told} 不是副本", f"{replica.told} is no replica")
    if seen["master_sync_in_progress"] != "0":
        raise ProcedureFailed(f"{replica.told} 的首次同步未完成", f"{replica.told} has not finished its first copy")
    yield from _promote(replica)
    offset = int(seen["slave_repl_offset"])
    return Promoted(
        False,
        offset,
        Text(
            f"副本到 {offset} 为止;旧主库最后时刻已确认的写入可能丢失,数量无从得知",
            f"the replica has all up to {offset}; what the old primary acknowledged after that is lost, and nobody can tell how much",
        ),
    )


def _require_follows(primary: Server, replica: Server) -> Procedure[None]:
    seen = yield from _info(replica, "see whom the replica follows")
    of = (seen.get("master_host"), seen.get("master_port"))
    if of != (primary.address, str(primary.port)) or seen.get("master_link_status") != "up":
        raise ProcedureFailed(
            f"{replica.told} 没有在跟随 {primary.told}(角色 {seen['role']},上游 {of[0]}:{of[1]})",
            f"{replica.told} does not follow {primary.told} (role {seen['role']}, of {of[0]}:{of[1]})",
        )


def _caught_up(replica: Server, wanted: int) -> Procedure[int]:
    for look in range(1, _LOOKS + 1):
        seen = yield from _info(replica, f"see the replica caught up, look {look}")
        if int(seen.get("slave_repl_offset", -1)) >= wanted:
            return int(seen["slave_repl_offset"])
    raise ProcedureFailed(
        f"{replica.told} 未能追上,写入将自行恢复", f"{replica.told} did not catch up; writes go on by themselves"
    )


def _promote(replica: Server) -> Procedure[None]:
    promote = _ask(replica, "REPLICAOF", "NO", "ONE")
    done = yield Step("promote the replica", promote, changes=True, timeout_seconds=_SECONDS)
    require(done, f"{replica.told} 无法提升", f"{replica.told} cannot be promoted")
    seen = yield from _info(replica, "see it promoted", assume="role:master\n")
    if seen["role"] != "master":
        raise ProcedureFailed(f"{replica.told} 仍是副本", f"{replica.told} is still a replica")


def _info(server: Server, name: str, assume: str = "") -> Procedure[Mapping[str, str]]:
    asked: Result = yield Step(name, _ask(server, "INFO", "replication"), assume=assume, timeout_seconds=_SECONDS)
    require(asked, f"{server.told} 没有应答", f"{server.told} does not answer")
    lines = (line.partition(":") for line in asked.output.splitlines())
    found = {key: value.strip() for key, _, value in lines}
    if "role" not in found:
        raise ProcedureFailed(f"{server.told} 的应答无法理解", f"the answer of {server.told} is not understood")
    return found


def _ask(server: Server, *words: str) -> Command:
    argv = ("redis-cli", "-e", "-h", server.address, "-p", str(server.port), *words)
    return Command(LOCAL, argv, env={"REDISCLI_AUTH": server.password} if server.password else {})
