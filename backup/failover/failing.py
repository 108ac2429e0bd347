"""What is done about a primary that fails: it goes on alone, or another takes over, or it is said why neither. Pure."""

from backup.failover import safety
from backup.failover.publishing import Ruling, changed, publish, stay, taken_over
from backup.failover.situation import (
    Heard,
    MemberState,
    MemberStatus,
    Order,
    OrderKind,
    Plan,
    Published,
    Seen,
    Situation,
    WishKind,
)
from backup.failover.suspicion import reads_us, report_of, suspects, votes
from backup.failover.wishes import standing
from secops.model.text import Text


def failing(situation: Situation, published: Published) -> Ruling | None:
    """None while nobody suspects the primary and it is protected as published."""
    heard = report_of(situation, published.primary)
    status = heard.report.member if heard else None
    if heard and status and reads_us(situation, heard) and _is_left(situation, published, status):
        return _alone(situation, published)
    suspecting = suspects(situation, published.primary)
    if not suspecting:
        return None
    if heard and _commits(situation, published, heard):
        said = votes(situation, published.primary)
        return stay(
            Plan.WAIT,
            f"{published.primary} 在本中心仍能提交,受阻的只是通向它的线路({said.zh})",
            f"{published.primary} still commits in its own centre: only the way to it is disturbed ({said.en})",
        )
    return _take_over(situation, published, suspecting)


def _is_left(situation: Situation, published: Published, status: MemberStatus) -> bool:
    """The primary is well and only whom it waits for is gone, slow or full."""
    if not published.names or status.state is not MemberState.PRIMARY or not status.room:
        return False
    if not status.names and not status.names_kept:
        return not any(standby.name in published.names for standby in status.standbys)
    return status.unprotected_seconds >= situation.policy.alone_after_seconds


def _alone(situation: Situation, published: Published) -> Ruling:
    who, primary = ", ".join(published.names), published.primary
    if not situation.policy.may_run_alone:
        return stay(
            Plan.STUCK,
            f"{who} 不再确认写入,而策略不许 {primary} 单独运行:写入等待中",
            f"{who} confirms nothing any more, and the policy does not let {primary} run alone: writes wait",
        )
    return publish(
        Plan.RUN_ALONE,
        changed(situation, published, names=(), promotable=()),
        f"{who} 不再确认写入,许 {primary} 单独运行;其间 {who} 不可接管,RPO 无保证",
        f"{who} confirms nothing any more: {primary} may run alone, {who} cannot take over meanwhile, RPO is at risk",
    )


def _commits(situation: Situation, published: Published, heard: Heard) -> bool:
    """Its own agent commits right now, and hears us."""
    sight = heard.report.sights.get(published.primary)
    return reads_us(situation, heard) and sight is not None and sight.seen is Seen.GOOD


def _take_over(situation: Situation, published: Published, suspecting: tuple[str, ...]) -> Ruling:
    refused = []
    for name in published.promotable or situation.cluster.synchronous:
        if name == published.primary:
            continue
        reason = _refusal(situation, published, name, suspecting)
        if reason is None:
            return _waits(situation, published, name) or _failover(situation, published, name)
        refused.append(reason)
    why = Text(";".join(one.zh for one in refused), "; ".join(one.en for one in refused))
    plan = Plan.WAIT if published.promotable else Plan.STUCK
    return stay(
        plan,
        f"怀疑 {published.primary} 失效,但不切换:{why.zh}",
        f"{published.primary} is suspected, but no failover: {why.en}",
    )


def _refusal(situation: Situation, published: Published, name: str, suspecting: tuple[str, ...]) -> Text | None:
    """Why a member cannot take over now."""
    if not safety.is_promotable(published, name):
        return Text(
            f"{name} 未必有全部已确认的写入;等 {published.primary} 回来,或由两人宣告灾难",
            f"{name} may lack acknowledged writes; wait for {published.primary}, or two people must declare a disaster",
        )
    member = situation.cluster.member(name)
    if member is None or not safety.majority_suspects(situation.cluster, suspecting, member.centre):
        said = votes(situation, published.primary)
        return Text(
            f"须有 {situation.cluster.quorum} 个中心(含 {name} 所在中心)怀疑它({said.zh})",
            f"{situation.cluster.quorum} centres must suspect it, that of {name} among them ({said.en})",
        )
    heard = report_of(situation, name)
    status = heard.report.member if heard else None
    if status is None or status.state is not MemberState.STANDBY:
        return Text(f"{name} 没有新消息或未在运行", f"{name} is not heard of or does not run")
    if not status.room:
        return Text(f"{name} 磁盘空间不足", f"{name} has no room on its disk")
    if not safety.is_complete(status, published.complete, published.timeline):
        return Text(f"{name} 丢失了它曾确认的数据", f"{name} has lost what it had confirmed")
    return None


def _waits(situation: Situation, published: Published, name: str) -> Ruling | None:
    """What keeps a failover that would be safe from being done by itself."""
    policy = situation.policy
    if standing(situation, WishKind.HOLD):
        return stay(
            Plan.HELD, f"{name} 可以接管,但有人要求暂停自动切换", f"{name} could take over, but somebody asked to hold"
        )
    waited = situation.unix_seconds - published.since
    # The wall clocks of two leaders may differ: what lies in the future keeps nothing waiting.
    if published.failovers and 0 <= waited < policy.settle_seconds:
        left = policy.settle_seconds - waited
        return stay(
            Plan.WAIT,
            f"刚刚换过主库,{left:.1f} 秒后再判断",
            f"the primary was changed just now: judged again in {left:.1f} s",
        )
    recent = sum(0 <= situation.unix_seconds - one <= policy.failovers_window_seconds for one in published.failovers)
    if recent >= policy.most_failovers:
        return stay(
            Plan.STUCK,
            f"不久前已自动切换 {recent} 次,须由人决定",
            f"there were {recent} failovers of late: a person must decide",
        )
    return None


def _failover(situation: Situation, published: Published, name: str) -> Ruling:
    heard = report_of(situation, name)
    status = heard.report.member if heard else None
    at_least = max(published.complete, status.flushed if status else 0)
    order = Order(OrderKind.FAILOVER, published.primary, proven=True, at_least=at_least, timeline=published.timeline)
    said = votes(situation, published.primary)
    return publish(
        Plan.FAIL_OVER,
        taken_over(situation, published, name, order),
        f"{published.primary} 失效({said.zh});{name} 有全部已确认的写入,由它接管",
        f"{published.primary} has failed ({said.en}); {name} has every acknowledged write and takes over",
    )
