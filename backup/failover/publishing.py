"""The publications that may follow one another. Each takes the number after the one that it replaces."""

from dataclasses import replace

from backup.failover import safety
from backup.failover.situation import (
    MemberStatus,
    Order,
    OrderKind,
    Plan,
    Published,
    Situation,
    Verdict,
    Version,
    Wish,
)
from backup.failover.suspicion import highest_seen
from secops.model.decision import Decision
from secops.model.text import Text

Ruling = Decision[Verdict]

_MOST_ANSWERED = 20


def stay(plan: Plan, zh: str, en: str) -> Ruling:
    """Nothing is written."""
    return Decision(Verdict(plan), Text(zh, en))


def publish(plan: Plan, published: Published, zh: str, en: str) -> Ruling:
    """The publication that is to take the place of the one decided on."""
    return Decision(Verdict(plan, published), Text(zh, en))


def next_version(published: Published, *, epochs: int = 0) -> Version:
    """The number after, some epochs later."""
    return Version(published.version.epoch + epochs, published.version.number + 1)


def adopted(situation: Situation, wish: Wish, status: MemberStatus) -> Published:
    """The first publication: the one that serves goes on as it does."""
    known = [name for name in status.names if name in situation.cluster.synchronous]
    names = tuple(known) if len(known) == len(status.names) == 1 else ()
    return Published(
        Version(1, 1),
        wish.target,
        names=names,
        answered=(wish.id,),
        since=situation.unix_seconds,
        changed=situation.unix_seconds,
    )


def taken_over(
    situation: Situation, published: Published, target: str, order: Order, wish: Wish | None = None
) -> Published:
    """Another primary in the next epoch. It runs alone by this very permit, and nobody is promotable."""
    return replace(
        published,
        version=next_version(published, epochs=1),
        primary=target,
        names=(),
        promotable=(),
        order=order,
        answered=answers(published, wish),
        since=situation.unix_seconds,
        changed=situation.unix_seconds,
        failovers=_failovers(situation, published, order),
    )


def declared(situation: Situation, published: Published | None, wish: Wish) -> Published:
    """A primary by the word of two people, far above all epochs; what the others hold is kept for them to look at."""
    old = published or Published(Version(), "")
    others = tuple(member.name for member in situation.cluster.members if member.name != wish.target)
    highest = max(old.version, highest_seen(situation))
    number = max(old.version.number, highest.number) + 1
    return replace(
        taken_over(situation, old, wish.target, Order(OrderKind.DISASTER, before=old.primary), wish),
        version=Version(safety.declared_epoch(highest, situation.policy), number),
        kept_back=others,
    )


def changed(situation: Situation, published: Published, wish: Wish | None = None, **fields: object) -> Published:
    """The same primary in the same epoch, with other names, trust or answers."""
    return replace(
        published,
        version=next_version(published),
        answered=answers(published, wish),
        changed=situation.unix_seconds,
        **fields,  # type: ignore[arg-type]
    )


def answers(published: Published, wish: Wish | None) -> tuple[str, ...]:
    """The answered wishes, the newest last, the oldest forgotten."""
    return (*published.answered, wish.id)[-_MOST_ANSWERED:] if wish else published.answered


def _failovers(situation: Situation, published: Published, order: Order) -> tuple[float, ...]:
    """Those within the window of the policy."""
    since = situation.unix_seconds - situation.policy.failovers_window_seconds
    recent = tuple(one for one in published.failovers if one >= since)
    return (*recent, situation.unix_seconds) if order.kind is OrderKind.FAILOVER else recent
