"""What people ask for: a planned switchover, a declared disaster, a hold. Pure."""

from dataclasses import replace

from backup.failover import safety
from backup.failover.publishing import Ruling, changed, declared, publish, stay, taken_over
from backup.failover.situation import (
    MemberState,
    Order,
    OrderKind,
    Plan,
    Published,
    Seen,
    Situation,
    Wish,
    WishKind,
)
from backup.failover.suspicion import is_serving, reads_us, report_of
from secops.model.text import Text


def standing(situation: Situation, kind: WishKind) -> tuple[Wish, ...]:
    """The wishes of a kind that are not answered yet."""
    if not situation.wishes:
        return ()
    answered = situation.published.answered if situation.published else ()
    return tuple(wish for wish in situation.wishes if wish.kind is kind and wish.id not in answered)


def declared_disaster(situation: Situation) -> Ruling | None:
    """The one decision that may lose writes; a wish that lacks something is left to `mistrusted`."""
    for wish in standing(situation, WishKind.DISASTER):
        if _disaster_refusal(situation, wish) is None:
            who = ", ".join(sorted(set(wish.by)))
            return publish(
                Plan.DECLARE,
                declared(situation, situation.published, wish),
                f"{who} 宣告灾难:由 {wish.target} 服务,可能丢失写入;原因:{wish.reason}",
                f"{who} declared a disaster: {wish.target} serves, writes may be lost; reason: {wish.reason}",
            )
    return None


def asked(situation: Situation, published: Published) -> Ruling | None:
    """A planned switchover whose target can take over, and words that need only be taken down."""
    for wish in standing(situation, WishKind.SWITCHOVER):
        if wish.target == published.primary:
            return publish(
                Plan.NOTE,
                changed(situation, published, wish),
                f"{wish.target} 已在服务",
                f"{wish.target} serves already",
            )
        if _switchover_refusal(situation, published, wish) is None:
            return _switch_over(situation, published, wish)
    for wish in standing(situation, WishKind.REJOIN):
        left = tuple(name for name in published.kept_back if name != wish.target)
        who = wish.by[0] if wish.by else "?"
        return publish(
            Plan.NOTE,
            replace(changed(situation, published, wish), kept_back=left),
            f"{who} 许可丢弃只有 {wish.target} 才有的写入",
            f"{who} lets go what only {wish.target} holds",
        )
    return None


def mistrusted(situation: Situation, published: Published) -> Ruling | None:
    """Why a wish is not fulfilled; asked last, so that it stands in the way of nothing."""
    for wish in standing(situation, WishKind.DISASTER):
        if reason := _disaster_refusal(situation, wish):
            return stay(Plan.MISTRUSTED, f"不执行灾难宣告:{reason.zh}", f"the disaster is not declared: {reason.en}")
    for wish in standing(situation, WishKind.SWITCHOVER):
        if reason := _switchover_refusal(situation, published, wish):
            return stay(
                Plan.MISTRUSTED,
                f"暂不切换到 {wish.target}:{reason.zh}",
                f"no switchover to {wish.target} yet: {reason.en}",
            )
    return None


def _disaster_refusal(situation: Situation, wish: Wish) -> Text | None:
    if not safety.declared_by_two(situation.cluster, wish):
        return Text(
            f"须有两人具名,并键入集群名 {situation.cluster.id}",
            f"two people must stand for it, and {situation.cluster.id} must be typed",
        )
    heard = report_of(situation, wish.target)
    status = heard.report.member if heard else None
    if status is None or status.state in (MemberState.HUNG, MemberState.STARTING):
        return Text(f"{wish.target} 没有新消息或不应答", f"{wish.target} is not heard of or does not answer")
    primary = situation.published.primary if situation.published else ""
    serving = report_of(situation, primary)
    sight = serving.report.sights.get(primary) if serving else None
    if sight is not None and sight.seen is Seen.GOOD:
        return Text(f"{primary} 仍在服务;请改用计划内切换", f"{primary} still serves: ask for a planned switchover")
    return None


def _switchover_refusal(situation: Situation, published: Published, wish: Wish) -> Text | None:
    primary = report_of(situation, published.primary)
    if primary is None or not reads_us(situation, primary) or not is_serving(published, primary.report):
        return Text(f"{published.primary} 没有确认在服务", f"{published.primary} is not known to serve")
    heard = report_of(situation, wish.target)
    status = heard.report.member if heard else None
    if status is None or status.state is not MemberState.STANDBY or not status.room:
        return Text(
            f"{wish.target} 没有新消息、未在运行或磁盘空间不足",
            f"{wish.target} is not heard of, does not run or has no room",
        )
    streaming = primary.report.member is not None and any(
        one.name == wish.target for one in primary.report.member.standbys
    )
    if not (status.receiving and streaming):
        return Text(
            f"{wish.target} 没有在接收 {published.primary} 的日志",
            f"{wish.target} does not receive the log of {published.primary}",
        )
    return None


def _switch_over(situation: Situation, published: Published, wish: Wish) -> Ruling:
    proven = safety.is_promotable(published, wish.target)
    order = Order(
        OrderKind.SWITCHOVER,
        published.primary,
        proven=proven,
        at_least=published.complete if proven else 0,
        timeline=published.timeline if proven else 0,
    )
    return publish(
        Plan.SWITCH_OVER,
        taken_over(situation, published, wish.target, order, wish),
        f"计划内切换:{published.primary} 有序停止并移交 {wish.target}",
        f"planned switchover: {published.primary} stops in order and hands over to {wish.target}",
    )
