"""What the agent of a centre does next with its own member, so that what is published comes true. Pure.

One act at a time; after each the agent looks again. NOTHING for a publication is what `Report.obeyed` tells the leader,
so it is said only when nothing older is under way either.
"""

from backup.failover import safety
from backup.failover.situation import (
    Act,
    ActKind,
    MemberState,
    MemberStatus,
    Memory,
    OrderKind,
    Post,
    Published,
    Seen,
    Version,
)
from secops.model.decision import Decision
from secops.model.text import Text

Deed = Decision[Act]


def accept(memory: Memory, read: Published | None) -> bool:
    """Whether an agent that remembers `memory` may take up what it has read; `Memory.highest` is written first."""
    return read is not None and safety.is_no_lower(memory, read.version)


def obey(post: Post) -> Deed:
    """The next act on the own member."""
    published, status = post.published, post.report.member
    if published is None:
        return _nothing(
            Version(), "尚未纳入保护,或还没有读到公布的状态", "not under protection, or nothing published was read yet"
        )
    member = post.cluster.member_in(post.report.centre)
    if member is None or status is None:
        return _nothing(published.version, "本中心没有成员", "this centre has no member")
    if post.heard_seconds > post.policy.self_stop_seconds:
        zh = f"已 {post.heard_seconds:.1f} 秒没有多数,不动成员"
        return _nothing(published.version, zh, f"no quorum for {post.heard_seconds:.1f} s: the member is left as it is")
    if published.primary == member.name:
        return _serve(post, published, status)
    return _stand_by(post, published, status, member.name)


def _serve(post: Post, published: Published, status: MemberStatus) -> Deed:
    """The own member is the primary of the epoch that holds."""
    ours = post.memory.primary_epoch == published.version.epoch
    if status.state is MemberState.PRIMARY and ours:
        return _names(post, published, status)
    if status.state in (MemberState.HUNG, MemberState.STARTING):
        return _nothing(
            published.version, f"成员{_STATES[status.state].zh},等待", f"the member {_STATES[status.state].en}: waiting"
        )
    if published.order.kind in _RESUMING and not ours:
        return _resume(post, published, status)
    if status.state is MemberState.STOPPED:
        return _restart(post, published)
    if status.state is MemberState.STANDBY:
        return _take_over(post, published, status)
    return _stuck(
        "成员以旧任期的主库身份运行,却被令接任:须由人决定",
        "the member runs as primary of an older epoch and is told to take over: a person must decide",
    )


def _names(post: Post, published: Published, status: MemberStatus) -> Deed:
    wanted = published.names
    if (status.names or status.names_kept) and safety.may_relax(post):
        return _act(ActKind.SET_NAMES, published, "获准单独运行", "permitted to run alone")
    if wanted and not safety.names_in_force(published, status):
        who = ", ".join(wanted)
        return _act(ActKind.SET_NAMES, published, f"提交改为等待 {who}", f"commits shall wait for {who}", names=wanted)
    return _nothing(published.version, "正以主库服务", "serving as primary")


def _resume(post: Post, published: Published, status: MemberStatus) -> Deed:
    """A primary that stayed one: adopted, turned back to, or declared."""
    if status.state is MemberState.STANDBY:
        if published.order.kind is OrderKind.DISASTER:
            return _take_over(post, published, status)
        return _stuck(
            "已成备库,不能就地恢复服务:须由人决定",
            "it is a standby by now and cannot resume: a person must decide",
        )
    return _act(
        ActKind.RESUME,
        published,
        f"在第 {published.version.epoch} 任继续服务",
        f"goes on serving in epoch {published.version.epoch}",
    )


def _restart(post: Post, published: Published) -> Deed:
    """Its process is gone. While another can take over, that one is given the time to."""
    policy = post.policy
    if post.memory.restarts >= policy.most_restarts:
        return _stuck(
            f"已重启 {post.memory.restarts} 次,不再重试:须由人决定",
            f"started again {post.memory.restarts} times, no more: a person must decide",
        )
    if published.promotable and post.down_seconds < policy.restart_after_seconds:
        who = ", ".join(published.promotable)
        return _nothing(
            published.version, f"成员已停,先让 {who} 接管", f"the member is down: {who} is given the time to take over"
        )
    return _act(ActKind.START, published, "成员已停,就地启动", "the member is down: started where it stood")


def _take_over(post: Post, published: Published, status: MemberStatus) -> Deed:
    """A standby becomes primary: wait for a handover, cut off, look whether all is there, promote."""
    order = published.order
    if post.memory.renounced >= published.version.epoch:
        return _nothing(published.version, "本任期已放弃接任", "it has renounced this epoch")
    if order.kind is OrderKind.SWITCHOVER and not safety.has_handed_over(post, order, status):
        patience = post.policy.handover_seconds if order.proven else post.policy.unproven_handover_seconds
        if post.published_seconds < patience:
            return _nothing(
                published.version, f"等待 {order.before} 有序停止", f"waiting for {order.before} to stop in order"
            )
        if not order.proven:
            return _act(ActKind.RENOUNCE, published, f"{order.before} 未能移交", f"{order.before} did not hand over")
    if not safety.receives_nothing(status):
        return _act(
            ActKind.STOP_RECEIVER,
            published,
            f"切断与 {status.follows} 的复制",
            f"cutting the replication from {status.follows}",
        )
    if order.kind is not OrderKind.DISASTER and not safety.is_complete(status, order.at_least, order.timeline):
        return _act(ActKind.RENOUNCE, published, "数据不全,不能接任", "its data are not complete: it cannot take over")
    return _act(ActKind.PROMOTE, published, "数据齐全,提升为主库", "its data are complete: promoted")


def _stand_by(post: Post, published: Published, status: MemberStatus, name: str) -> Deed:
    """The own member is to follow, or to become one that does."""
    planned = published.order.kind is OrderKind.SWITCHOVER and published.order.before == name
    if status.state is MemberState.PRIMARY and not safety.may_stay_primary(published, name):
        zh = f"第 {published.version.epoch} 任主库是 {published.primary},本成员停止"
        return _act(
            ActKind.STOP,
            published,
            zh,
            f"{published.primary} is primary in epoch {published.version.epoch}: this one stops",
            clean=planned,
        )
    if status.state is MemberState.STARTING:
        return _nothing(published.version, "成员正在启动", "the member is starting")
    if not _is_served(post, published):
        return _nothing(
            published.version, f"等待 {published.primary} 接任", f"waiting for {published.primary} to take over"
        )
    if status.state is MemberState.STANDBY and status.follows == published.primary and status.receiving:
        return _nothing(published.version, f"正跟随 {published.primary}", f"following {published.primary}")
    if not safety.may_be_overwritten(published, name):
        return _leave(published, status, name)
    if status.state is MemberState.STANDBY and status.follows != published.primary:
        return _act(
            ActKind.FOLLOW,
            published,
            f"改为跟随 {published.primary}",
            f"shall follow {published.primary}",
            member=published.primary,
        )
    if status.state is MemberState.STANDBY and not _has_waited(post, published):
        return _nothing(
            published.version, f"等待接上 {published.primary}", f"waiting for {published.primary} to be reached"
        )
    return _act(
        ActKind.REJOIN,
        published,
        f"作为 {published.primary} 的备库重新加入",
        f"rejoins as a standby of {published.primary}",
        member=published.primary,
    )


def _has_waited(post: Post, published: Published) -> bool:
    """It receives nothing though the primary has been in reach for long: a line that has just come back is given time."""
    sight, patience = post.report.sights.get(published.primary), post.policy.follow_patience_seconds
    in_reach = sight is not None and sight.seen is Seen.GOOD and sight.seconds >= patience
    return in_reach and post.down_seconds >= patience


def _leave(published: Published, status: MemberStatus, name: str) -> Deed:
    """What it holds counts: it is started as it stands and never overwritten."""
    if name in published.kept_back:
        return _nothing(
            published.version,
            "其中或有灾难宣告所舍弃的写入,未经许可不覆盖",
            "it may hold writes that the declared disaster gave up: not overwritten before a person permits it",
        )
    if status.state is MemberState.STOPPED:
        return _act(ActKind.START, published, "备库已停,就地启动", "the standby is down: started where it stood")
    return _nothing(
        published.version,
        "复制中断,数据可能被倚赖,保持原样",
        "its replication is cut, and its data are counted on: left as it is",
    )


def _is_served(post: Post, published: Published) -> bool:
    """Whether the published primary has taken up its epoch, as its own agent says."""
    primary = post.cluster.member(published.primary)
    report = post.others.get(primary.centre) if primary else None
    if report is None or report.member is None:
        return False
    return report.obeyed.epoch == published.version.epoch and report.member.state is MemberState.PRIMARY


def _act(
    kind: ActKind,
    published: Published,
    zh: str,
    en: str,
    *,
    member: str = "",
    names: tuple[str, ...] = (),
    clean: bool = False,
) -> Deed:
    return Decision(Act(kind, published.version, member, names, clean), Text(zh, en))


def _nothing(version: Version, zh: str, en: str) -> Deed:
    return Decision(Act(ActKind.NOTHING, version), Text(zh, en))


def _stuck(zh: str, en: str) -> Deed:
    """Nothing more can be done here; no publication counts as obeyed by that."""
    return Decision(Act(ActKind.NOTHING, stuck=True), Text(zh, en))


_RESUMING = (OrderKind.ADOPT, OrderKind.RETURN, OrderKind.DISASTER)
_STATES = {
    MemberState.HUNG: Text("无响应", "does not answer"),
    MemberState.STARTING: Text("正在启动", "is starting"),
}
