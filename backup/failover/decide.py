"""What the leader decides: one question after the other, the first that has an answer gives it. Pure.

The order is that of urgency: a word of two people, a change under way, a primary that fails, what people ask for,
protection, home.
"""

from collections.abc import Callable

from backup.failover import safety
from backup.failover.failing import failing
from backup.failover.protecting import protecting
from backup.failover.publishing import Ruling, adopted, publish, stay, taken_over
from backup.failover.situation import (
    MemberState,
    Order,
    OrderKind,
    Plan,
    Published,
    Report,
    Situation,
    Version,
    WishKind,
)
from backup.failover.suspicion import highest_seen, is_serving, report_of
from backup.failover.wishes import asked, declared_disaster, mistrusted, standing
from secops.model.text import Text


def decide(situation: Situation) -> Ruling:
    """What to publish in the place of `situation.published`, or why nothing."""
    if not safety.may_lead(situation.leading_seconds):
        return stay(
            Plan.NOT_LEADING,
            "本中心没有主导权,或租约即将到期",
            "this centre does not lead, or its lease is about to end",
        )
    if ruling := declared_disaster(situation):
        return ruling
    published, highest = situation.published, highest_seen(situation)
    if not safety.is_current(published, highest):
        return _outdated(published, highest)
    if published is None:
        return _adopting(situation)
    for question in _QUESTIONS:
        if ruling := question(situation, published):
            return ruling
    return mistrusted(situation, published) or _steady(situation, published)


def _outdated(published: Published | None, highest: Version) -> Ruling:
    """The store forgot, as one does that was restored or forced: whom it lists may have been struck off since."""
    stands = published.version if published else Version()
    here, seen = f"{stands.epoch}.{stands.number}", f"{highest.epoch}.{highest.number}"
    return stay(
        Plan.STUCK,
        f"协调存储中的发布 {here} 旧于已有人读到的 {seen}:存储曾退回旧状态,不据此决定;须由两人宣告",
        f"the store holds publication {here}, and {seen} was read before: it was put back to an older state, and nothing is "
        "decided on it; two people must declare",
    )


def _adopting(situation: Situation) -> Ruling:
    for wish in standing(situation, WishKind.ADOPT):
        heard = report_of(situation, wish.target)
        status = heard.report.member if heard else None
        if status and status.state is MemberState.PRIMARY:
            return publish(
                Plan.ADOPT,
                adopted(situation, wish, status),
                f"{wish.target} 正在服务,纳入保护",
                f"{wish.target} serves and is put under protection",
            )
        return stay(
            Plan.MISTRUSTED,
            f"{wish.target} 没有新消息,或它不是主库,不能纳入保护",
            f"{wish.target} is not heard of, or is no primary: it cannot be put under protection",
        )
    return stay(Plan.UNPROTECTED, "尚未有人将此集群纳入保护", "nobody has put this cluster under protection yet")


def _unfinished(situation: Situation, published: Published) -> Ruling | None:
    """A change of primary that has not been taken up yet; None also when its agent is not heard of."""
    heard = report_of(situation, published.primary)
    if heard is None or is_serving(published, heard.report):
        return None
    report, status = heard.report, heard.report.member
    if report.obeyed.epoch < published.version.epoch or status is None or status.state is not MemberState.STANDBY:
        return None if _had_begun(published, report) else _under_way(published, report)
    if not safety.has_renounced(published, report):
        return _under_way(published, report)
    return _turning_back(situation, published)


def _had_begun(published: Published, report: Report) -> bool:
    """It served in this epoch before: whatever is wrong now is a failure, not a beginning."""
    standby = report.member is not None and report.member.state is MemberState.STANDBY
    return bool(published.names) or (report.primary_epoch == published.version.epoch and not standby)


def _under_way(published: Published, report: Report) -> Ruling:
    if report.stuck:
        return stay(
            Plan.STUCK,
            f"{published.primary} 不能接任第 {published.version.epoch} 任,须由人决定",
            f"{published.primary} cannot take over in epoch {published.version.epoch}: a person must decide",
        )
    zh = f"第 {published.version.epoch} 任主库 {published.primary} 正在接任"
    return stay(Plan.WAIT, zh, f"{published.primary} is taking over in epoch {published.version.epoch}")


def _turning_back(situation: Situation, published: Published) -> Ruling:
    order, before = published.order, report_of(situation, published.order.before)
    if order.kind not in (OrderKind.FAILOVER, OrderKind.SWITCHOVER) or before is None:
        return stay(
            Plan.STUCK,
            f"{published.primary} 数据不全,已放弃接任;{order.before} 没有消息,等它回来或由人宣告",
            f"{published.primary} is not complete and has renounced; {order.before} is not heard of: "
            "wait for it, or people must declare",
        )
    return publish(
        Plan.TURN_BACK,
        taken_over(situation, published, order.before, Order(OrderKind.RETURN, before=published.primary)),
        f"{published.primary} 已放弃接任,仍由 {order.before} 服务",
        f"{published.primary} has renounced: {order.before} goes on serving",
    )


def _home(situation: Situation, published: Published) -> Ruling | None:
    """Failing back unasked, where the policy wants it."""
    home, after = situation.cluster.home, situation.policy.fail_back_after_seconds
    waited = situation.unix_seconds - published.since
    if not after or waited < after or home not in published.promotable or standing(situation, WishKind.HOLD):
        return None
    order = Order(OrderKind.SWITCHOVER, published.primary, proven=True, at_least=published.complete)
    return publish(
        Plan.SWITCH_OVER,
        taken_over(situation, published, home, order),
        f"保护已恢复 {waited:.0f} 秒,切回 {home}",
        f"protection has been back for {waited:.0f} s: failing back to {home}",
    )


def _steady(situation: Situation, published: Published) -> Ruling:
    primary, home = published.primary, situation.cluster.home
    back = Text("", "")
    if primary != home and home in published.promotable:
        back = Text(f";可随时切回 {home}", f"; it can fail back to {home} at any time")
    if published.promotable:
        who = ", ".join(published.promotable)
        return stay(
            Plan.STEADY,
            f"{primary} 服务中,{who} 可无损接管{back.zh}",
            f"{primary} serves, {who} can take over without loss{back.en}",
        )
    return stay(
        Plan.STEADY,
        f"{primary} 服务中,暂无可无损接管者:失去它就会失去写入",
        f"{primary} serves, and nobody can take over without loss: to lose it is to lose writes",
    )


_QUESTIONS: tuple[Callable[[Situation, Published], Ruling | None], ...] = (
    _unfinished,
    failing,
    asked,
    protecting,
    _home,
)
