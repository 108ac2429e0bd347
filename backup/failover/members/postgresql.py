"""PostgreSQL as a member: what it says of itself, how it looks from elsewhere, and each act on it.

Questions go over warm connections to the member's address; programs run on its own machine, as the owner of the data
directory, with the options that the server was started with last (`postmaster.opts`).
"""

import re
from dataclasses import dataclass, replace

from backup.failover.hands import MemberHands
from backup.failover.members import postgresql_programs as programs
from backup.failover.members.postgresql_status import (
    IDENTITY_NOW,
    LOOK,
    LOOK_OPTIONS,
    STATUS,
    Memory,
    commit_waits,
    has_room,
    identity_of,
    look_of_failure,
    look_of_row,
    moment_of,
    running,
    state_of_failure,
    stopped,
)
from backup.failover.situation import Act, ActKind, MemberState, MemberStatus, Policy, Seen
from secops.model.cluster import Cluster, Member
from secops.model.product import Product
from secops.model.step import Command, Procedure, ProcedureFailed, Result, Sql, Step, require

_STATUS_SECONDS = 0.8
_ROOM_EVERY_SECONDS = 2.0
_CANARY_SECONDS = 0.5
_SECOND_LOOK_SECONDS = 0.4
_SHORT_SECONDS = 3.0
_PROMOTE_SECONDS = 60
_CHECKPOINT_SECONDS = 900.0
_QUIET_CHECKPOINT_SECONDS = 5.0
_GLANCE_SECONDS = 0.2
_LONG_LOOK_SECONDS = 1.0
_STOP_SECONDS = 30.0
_START_SECONDS = 15.0
_COPY_SECONDS = 24 * 3600.0
_LOOKS = 100
_ACTS = "jindun-act"
"""The application that acts are made under; an agent that starts ends what its predecessor left under this name."""


@dataclass(frozen=True, slots=True)
class _Own:
    """The member that an act is on, and the cluster that it is of."""

    cluster: Cluster
    member: Member

    def ask(self, statement: str, expect: str = "") -> Sql:
        return Sql(connection(self.cluster, self.member, _ACTS), statement, expect)

    def program(self, script: str, *arguments: str) -> Command:
        argv = ("sh", "-c", programs.PRELUDE + script, "act", self.member.data_directory, *arguments)
        return Command(self.member.host, argv)


class PostgresqlHands(MemberHands):
    """PostgreSQL 13 and later. Remembers, per member, when the standbys in its names last confirmed something."""

    name = "postgresql"
    product = Product.POSTGRESQL

    def __init__(self) -> None:
        self._memories: dict[str, Memory] = {}

    def status(self, cluster: Cluster, member: Member, policy: Policy) -> Procedure[MemberStatus]:
        server = connection(cluster, member, "jindun-status")
        told = yield Step("ask the member", Sql(server, STATUS), timeout_seconds=_STATUS_SECONDS)
        if told.ok:
            memory, own = self._memory(cluster, member), _Own(cluster, member)
            yield from _look_for_room(member, memory, moment_of(told.output))
            yield from _look_for_proof(own, memory, told.output)
            return replace(running(cluster, told.output, memory), room=memory.room)
        state = state_of_failure(told)
        if state is not MemberState.STOPPED:
            return MemberStatus(state)
        seen = yield Step(
            "read the control file",
            _Own(cluster, member).program(programs.STATE),
            timeout_seconds=_SHORT_SECONDS,
        )
        return stopped(seen.output) if seen.ok else MemberStatus(MemberState.STOPPED)

    def look(self, cluster: Cluster, member: Member) -> Procedure[Seen]:
        server = f"{connection(cluster, member, 'jindun-look')} options={_quoted(LOOK_OPTIONS)}"
        canary = yield Step("commit a canary", Sql(server, LOOK), timeout_seconds=_CANARY_SECONDS)
        if canary.ok:
            return look_of_row(canary.output)
        seen = look_of_failure(canary)
        if seen is not None:
            return seen
        again = yield Step("ask once more", Sql(server, "SELECT 1"), timeout_seconds=_SECOND_LOOK_SECONDS)
        return Seen.NOT_COMMITTING if again.ok else look_of_failure(again) or Seen.SILENT

    def perform(self, cluster: Cluster, member: Member, act: Act) -> Procedure[None]:
        own = _Own(cluster, member)
        if act.kind in _ASKING:
            yield from _end_left(own)
        match act.kind:
            case ActKind.STOP_RECEIVER:
                yield from _stop_receiver(own)
            case ActKind.PROMOTE:
                yield from _promote(own)
            case ActKind.SET_NAMES:
                yield from _set_names(own, act.names, self._memory(cluster, member))
            case ActKind.STOP:
                yield from _stop(own, clean=act.clean)
            case ActKind.START | ActKind.RESUME:
                yield from _start(own)
            case ActKind.FOLLOW:
                yield from _follow(own, _named(cluster, act.member))
            case ActKind.REJOIN:
                yield from _rejoin(own, _named(cluster, act.member))
            case _:
                raise ProcedureFailed(f"成员不执行 {act.kind}", f"a member does not do {act.kind}")

    def tidy(self, cluster: Cluster, member: Member) -> Procedure[None]:
        """Raises ProcedureFailed while something may still be under way."""
        yield from _end_left(_Own(cluster, member), idle=True)

    def _memory(self, cluster: Cluster, member: Member) -> Memory:
        return self._memories.setdefault(f"{cluster.id}/{member.name}", Memory())


hands = PostgresqlHands()

_ASKING = (ActKind.STOP_RECEIVER, ActKind.PROMOTE, ActKind.SET_NAMES, ActKind.FOLLOW)
"""Acts that are statements: one that outlived its time limit could still come about after the next."""

_LEFT = f"FROM pg_stat_activity WHERE application_name = '{_ACTS}' AND pid <> pg_backend_pid()"
_BUSY = " AND state <> 'idle'"


def connection(cluster: Cluster, member: Member, application: str) -> str:
    """libpq's connection string to a member, holding no secret; a dead peer is noticed within two seconds."""
    words = {
        "host": member.address,
        "port": str(member.port),
        "user": cluster.account,
        "dbname": cluster.database,
        "passfile": cluster.passfile,
        "application_name": application,
        "connect_timeout": "2",
        "keepalives_idle": "1",
        "keepalives_interval": "1",
        "keepalives_count": "2",
        "tcp_user_timeout": "2000",
    }
    return " ".join(f"{name}={_quoted(word)}" for name, word in words.items() if word)


def _look_for_room(member: Member, memory: Memory, moment: float) -> Procedure[None]:
    """Every other second: it takes a program."""
    if abs(moment - memory.room_looked_at) < _ROOM_EVERY_SECONDS:
        return
    argv = ("df", "--output=avail", "--block-size=1", "--", member.data_directory, f"{member.data_directory}/pg_wal")
    seen = yield Step("look for room", Command(member.host, argv), timeout_seconds=_STATUS_SECONDS)
    memory.room_looked_at = moment
    memory.room = has_room(seen.output) if seen.ok else memory.room


def _look_for_proof(own: _Own, memory: Memory, told: str) -> Procedure[None]:
    """That commits wait for the names in force, when nobody has seen it since they came into force."""
    identity = identity_of(told)
    if memory.identity != identity:
        memory.identity, memory.identity_since = identity, moment_of(told)
    if not identity or memory.proven == identity:
        return
    statement = commit_waits(memory.identity_since, _GLANCE_SECONDS)
    seen = yield Step("see a commit wait", own.ask(statement), timeout_seconds=_STATUS_SECONDS)
    if seen.ok:
        memory.proven = identity


def _end_left(own: _Own, *, idle: bool = False) -> Procedure[None]:
    """End the statements of an act that is over, and sessions that could begin others; none takes effect afterwards."""
    left = _LEFT if idle else _LEFT + _BUSY
    ended = yield Step(
        "end what an earlier act left",
        own.ask(f"SELECT count(pg_terminate_backend(pid)) {left}"),
        changes=True,
        timeout_seconds=_SHORT_SECONDS,
    )
    if not ended.ok and state_of_failure(ended) is MemberState.STOPPED:
        return  # and nothing with it
    require(ended, f"{own.member.name} 没有应答", f"{own.member.name} does not answer")
    if ended.output.strip() != "0":
        yield from _wait(own, "see that nothing is left of it", f"SELECT count(*) {left}", "^0$")


def _stop_receiver(own: _Own) -> Procedure[None]:
    """From then on nobody writes to it, and commits of a primary that waits for it are not acknowledged."""
    yield from _set(own, "primary_conninfo", "")
    yield from _wait(own, "see that nothing comes any more", "SELECT count(*) FROM pg_stat_wal_receiver", "^0$")


def _promote(own: _Own) -> Procedure[None]:
    promoted = yield Step(
        "promote",
        own.ask(f"SELECT pg_promote(true, {_PROMOTE_SECONDS})", "^t$"),
        changes=True,
        check=own.ask("SELECT pg_is_in_recovery()", "^f$"),
        irreversible=True,
        timeout_seconds=_PROMOTE_SECONDS + 1,
    )
    require(promoted, f"{own.member.name} 未能提升", f"{own.member.name} was not promoted")


def _set_names(own: _Own, names: tuple[str, ...], memory: Memory) -> Procedure[None]:
    """Commits wait for every one of the names; for nobody when there are none."""
    listed = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    value = f"FIRST {len(names)} ({listed})" if names else ""
    yield from _set(own, "synchronous_standby_names", value)
    quoted = _literal(value)
    yield from _wait(own, "see the names in force", f"SELECT current_setting('synchronous_standby_names') = {quoted}")
    if names:
        memory.proven = yield from _prove(own)


def _prove(own: _Own) -> Procedure[str]:
    """Sessions wait for standbys once the checkpointer has read the names. One that is seen to wait proves it; when nobody
    commits, a checkpoint does, which comes after the reading and costs little then. Gives which names of which start."""
    told = yield Step("ask which names are in force", own.ask(IDENTITY_NOW), timeout_seconds=_SHORT_SECONDS)
    require(told, f"无法得知 {own.member.name} 等待谁", f"whom {own.member.name} waits for is not known")
    moment, identity = told.output.strip().split("|")
    statement = commit_waits(float(moment), _LONG_LOOK_SECONDS)
    seen = yield Step("see a commit wait", own.ask(statement), timeout_seconds=_SHORT_SECONDS)
    if not seen.ok:
        done = yield Step(
            "make a checkpoint", own.ask("CHECKPOINT"), changes=True, timeout_seconds=_QUIET_CHECKPOINT_SECONDS
        )
        require(
            done,
            f"尚未看到 {own.member.name} 的提交等待备库",
            f"no commit of {own.member.name} was seen to wait for a standby yet",
        )
    return identity


def _follow(own: _Own, upstream: Member) -> Procedure[None]:
    yield from _set(own, "primary_conninfo", _upstream(own, upstream))


def _stop(own: _Own, *, clean: bool) -> Procedure[None]:
    """At once means that it may have to recover; whoever does not listen is killed."""
    stopped_ = yield Step(
        "stop the server",
        own.program(programs.STOP, "fast" if clean else "immediate"),
        changes=True,
        timeout_seconds=_STOP_SECONDS,
    )
    require(stopped_, f"{own.member.name} 未能停止", f"{own.member.name} does not stop")


def _start(own: _Own) -> Procedure[None]:
    started = yield Step("start the server", own.program(programs.START), changes=True, timeout_seconds=_START_SECONDS)
    require(started, f"{own.member.name} 未能启动", f"{own.member.name} does not start")


def _rejoin(own: _Own, upstream: Member) -> Procedure[None]:
    yield from _stop(own, clean=False)
    source = connection(own.cluster, upstream, "jindun-rejoin")
    # Until its first checkpoint a promoted server still names the old timeline in its control file.
    checked = yield Step(
        f"have {upstream.name} make a checkpoint",
        Sql(source, "CHECKPOINT"),
        changes=True,
        timeout_seconds=_CHECKPOINT_SECONDS,
    )
    require(checked, f"{upstream.name} 未能完成检查点", f"{upstream.name} made no checkpoint")
    lives = yield Step(
        f"ask {upstream.name} for its timeline",
        Sql(source, "SELECT timeline_id FROM pg_control_checkpoint()", r"\A\d+\s*\Z"),
        timeout_seconds=_SHORT_SECONDS,
    )
    require(lives, f"无法得知 {upstream.name} 的时间线", f"the timeline of {upstream.name} is not known")
    told = (source, _upstream(own, upstream))
    rewound = yield Step(
        "rewind", own.program(programs.REWIND, *told, lives.output.strip()), changes=True, timeout_seconds=_COPY_SECONDS
    )
    if rewound.ok:
        yield from _start(own)
        if (yield from _receives(own)).ok:
            return
        yield from _stop_again(own)
    copied = yield Step(
        f"copy {upstream.name}", own.program(programs.COPY, *told), changes=True, timeout_seconds=_COPY_SECONDS
    )
    require(copied, f"无法复制 {upstream.name}", f"{upstream.name} cannot be copied")
    started = yield Step("start the copy", own.program(programs.START), changes=True, timeout_seconds=_START_SECONDS)
    require(started, f"{own.member.name} 未能启动", f"{own.member.name} does not start")


def _stop_again(own: _Own) -> Procedure[None]:
    stopped_ = yield Step(
        "stop it again", own.program(programs.STOP, "immediate"), changes=True, timeout_seconds=_STOP_SECONDS
    )
    require(stopped_, f"{own.member.name} 未能停止", f"{own.member.name} does not stop")


def _receives(own: _Own) -> Procedure[Result]:
    """Whether it streams within a few seconds."""
    for look in range(1, _LOOKS + 1):
        seen = yield Step(
            f"see that it receives, look {look}",
            own.ask("SELECT status FROM pg_stat_wal_receiver, pg_sleep(0.1)", "streaming"),
            timeout_seconds=_SHORT_SECONDS,
        )
        if seen.ok:
            break
    return seen


def _set(own: _Own, name: str, value: str) -> Procedure[None]:
    """A setting, for good, and read again at once."""
    done = yield Step(
        f"set {name}",
        own.ask(f"ALTER SYSTEM SET {name} = {_literal(value)}"),
        changes=True,
        timeout_seconds=_SHORT_SECONDS,
    )
    require(done, f"{own.member.name} 无法设置 {name}", f"{name} of {own.member.name} cannot be set")
    read = yield Step(
        f"have {name} read", own.ask("SELECT pg_reload_conf()", "^t$"), changes=True, timeout_seconds=_SHORT_SECONDS
    )
    require(read, f"{own.member.name} 无法重新读取配置", f"{own.member.name} cannot read its settings again")


def _wait(own: _Own, name: str, question: str, expect: str = "^t$") -> Procedure[None]:
    for look in range(1, _LOOKS + 1):
        seen = yield Step(f"{name}, look {look}", own.ask(question, expect), timeout_seconds=_SHORT_SECONDS)
        if seen.ok:
            return
        yield Step(f"wait a little, {look}", own.ask("SELECT pg_sleep(0.01)"), timeout_seconds=_SHORT_SECONDS)
    require(seen, f"{own.member.name} 未达到所要的状态", f"{own.member.name} did not come into the wanted state")


def _upstream(own: _Own, upstream: Member) -> str:
    return connection(own.cluster, upstream, own.member.name).replace(f"dbname={_quoted(own.cluster.database)} ", "")


def _named(cluster: Cluster, name: str) -> Member:
    member = cluster.member(name)
    if member is None:
        raise ProcedureFailed(f"集群 {cluster.id} 没有成员 {name}", f"cluster {cluster.id} has no member {name}")
    return member


def _quoted(word: str) -> str:
    """As libpq reads words; plain ones stay plain."""
    if re.fullmatch(r"[\w./:-]+", word):
        return word
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
