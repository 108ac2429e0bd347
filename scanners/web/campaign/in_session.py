"""Templates in the session of somebody: what ended while logged out is voided, and done again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from scanners.web.campaign.ended import Ended
from scanners.web.sessions.keeper import SessionKeeper
from scanners.web.templates.model import Template
from secops.model.outcome import Outcome
from secops.model.text import Text

_CONFIRM_SECONDS = 5.0
_MOST_LOSSES = 60
"""After so many lost sessions no more are begun."""
_MOST_OF_ONE = 2
"""Times that a template alone may lose the session."""
_ENDS_IT = Text("该模板的请求会使登录态失效", "the requests of this template end the session")
_LOST = Text("登录态已丢失,且无法重新登录", "the session is lost and cannot be begun again")


class Batch(Protocol):
    """Templates under way on a site."""

    error: BaseException | None
    """Our bug, which ended it early."""

    def break_off(self) -> None:
        """Nothing more of it counts."""
        ...


Start = Callable[[Sequence[int], Callable[[Ended], None], Callable[[], None]], Batch]
"""Starts the templates with these indices; told of each that ended, and of the end."""


async def run_in_session(
    keeper: SessionKeeper,
    site: str,
    templates: Sequence[Template],
    indices: Sequence[int],
    start: Start,
    tell: Callable[[Ended], None],
) -> None:
    """Run all of these in the session. A smaller batch follows each loss, until it is known what ends the session.

    Raises what is our bug.
    """
    left, size, losses = list(indices), len(indices), Counter[int]()
    while left:
        session = await keeper.before() if losses.total() < _MOST_LOSSES else 0
        if not session:
            for index in left:
                tell(Ended(site, templates[index], Outcome.UNREACHABLE, keeper.trouble or _LOST))
            return
        batch = left[:size]
        proven = await _run_batch(keeper, session, batch, start)
        for ended in proven:
            tell(ended)
        done = {id(ended.template) for ended in proven}
        lost = [index for index in batch if id(templates[index]) not in done]
        left = [index for index in left if id(templates[index]) not in done]
        if not lost:
            size *= 4
            continue
        size = max(1, len(lost) // 2)
        losses[lost[0] if len(lost) == 1 else -1] += 1
        if len(lost) == 1 and losses[lost[0]] >= _MOST_OF_ONE:
            left.remove(lost[0])
            tell(Ended(site, templates[lost[0]], Outcome.UNREACHABLE, _ENDS_IT))


async def _run_batch(keeper: SessionKeeper, session: int, indices: Sequence[int], start: Start) -> list[Ended]:
    """What ended while it was certain that somebody was logged in."""
    ended: list[Ended] = []
    over = asyncio.Event()
    proven = 0
    batch = start(indices, ended.append, over.set)
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _CONFIRM_SECONDS)
        is_over, count = over.is_set(), len(ended)
        if not await keeper.after(session):
            batch.break_off()
            return ended[:proven]
        proven = count
        if batch.error is not None:
            raise batch.error
        if is_over:
            return ended
