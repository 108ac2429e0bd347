"""Put somebody's word before the leader and follow what becomes of it."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from backup.failover.situation import Published, Wish, WishKind
from backup.failover.suspicion import is_serving
from secops.coordination.etcd_wire import Compare, Delete, Field, Put
from secops.model.text import Text
from secops.service.agent.documents import to_json
from secops.service.failover.watching import View, Watching
from secops.support.clock import now
from secops.support.errors import Incomplete, JindunError

_LATE_SECONDS = 1.5
"""A publication that was decided on just before the wish was taken back is seen by then."""
_LOOK_SECONDS = 0.2


class Refused(JindunError):
    """The leader does not do what was asked; the wish was taken back, nothing was changed."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked for has come about."""

    wish: str
    epoch: int
    primary: str
    seconds: float
    """From the wish until it was fulfilled."""
    because: Text


def new_id(kind: WishKind) -> str:
    """Of a wish; later ones come later in order."""
    return f"{now():%Y%m%d-%H%M%S}-{kind}-{secrets.token_hex(2)}"


async def place(followed: Watching, wish: Wish) -> None:
    """Write a wish down. Raises EtcdUnreachable."""
    key = f"{followed.keys.wishes(followed.cluster.id)}{wish.id}"
    await followed.etcd.transact([Compare(key, Field.CREATED, 0)], [Put(key, to_json(wish))])


async def take_back(followed: Watching, wish: str) -> None:
    """It stands no more; one that does not stand is fine."""
    await followed.etcd.transact([], [Delete(f"{followed.keys.wishes(followed.cluster.id)}{wish}")])


async def ask(followed: Watching, wish: Wish, patience_seconds: float, on_told: Callable[[Text], None]) -> Done:
    """Until it is done. `on_told` hears each reason of the leader's, as it changes.

    Raises Refused when the leader does not do it in `patience_seconds`, or the change was turned back; Incomplete when
    nobody leads, or when what was begun is not done by then: it goes on without us.
    """
    loop = asyncio.get_running_loop()
    began, stands = loop.time(), followed.view.published
    if wish.kind is WishKind.ADOPT and stands:
        return Done(wish.id, stands.version.epoch, stands.primary, 0.0, followed.view.because)
    await place(followed, wish)
    seen, said = 0, ""
    while True:
        view = followed.view
        if view.because.en != said:
            said = view.because.en
            on_told(view.because)
        ended = _ended(view, wish)
        if ended is not None:
            return Done(wish.id, ended.version.epoch, ended.primary, loop.time() - began, view.because)
        if loop.time() - began > patience_seconds:
            await _give_up(followed, wish)
            began = loop.time()
        seen = await followed.changed(seen, _LOOK_SECONDS)


def _ended(view: View, wish: Wish) -> Published | None:
    """What holds when the wish is fulfilled; None while it is not. Raises Refused when it was turned back."""
    published = view.published
    if published is None or wish.id not in published.answered:
        return None
    if wish.kind is WishKind.REJOIN:
        return published
    if published.primary != wish.target:
        raise Refused(
            Text(
                f"已退回,仍由 {published.primary} 服务:{view.because.zh}",
                f"it was turned back, {published.primary} goes on serving: {view.because.en}",
            )
        )
    report = view.fresh_of(wish.target)
    if report is None or not is_serving(published, report):
        return None
    if wish.kind is WishKind.ADOPT and not published.promotable:
        return None
    led = any(one.report.entry_leads_to == wish.target for one in view.reports.values())
    return published if led or not view.cluster.entries else None


async def _give_up(followed: Watching, wish: Wish) -> None:
    """Take the wish back and say why; returns when it was taken up in the last moment."""
    await take_back(followed, wish.id)
    await asyncio.sleep(_LATE_SECONDS)
    view = followed.view
    if view.published and wish.id in view.published.answered:
        raise Incomplete(
            Text(
                f"已在执行,但尚未完成:{view.because.zh};用 secops failover status 查看",
                f"it is under way and not done yet: {view.because.en}; see secops failover status",
            )
        )
    if not view.leader:
        raise Incomplete(Text(f"请求已撤回:{view.because.zh}", f"taken back: {view.because.en}"))
    raise Refused(Text(f"未执行,请求已撤回:{view.because.zh}", f"not done, and taken back: {view.because.en}"))
