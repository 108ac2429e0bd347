"""Looking: probes are performed at once and are not journaled; how every member has looked, and since when."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor as Threads
from dataclasses import dataclass
from typing import TypeVar

from backup.failover.situation import Seen, Sight
from secops.coordination.lease_times import Clock, boot_clock
from secops.execution.runner import Runner
from secops.model.step import Procedure

Returned = TypeVar("Returned")

EVERY_SECONDS = 0.1
_OVERDUE_SECONDS = 1.5


def ask(procedure: Procedure[Returned], runner: Runner, *, may_change: bool = False) -> Returned:
    """Perform a procedure without a journal; what it raises passes through. Raises ValueError for one that would change
    something and may not."""
    try:
        step = next(procedure)
        while True:
            if step.changes and not may_change:
                raise ValueError(f"a probe must not change anything: {step.name}")
            step = procedure.send(runner.perform(step.effect, step.timeout_seconds))
    except StopIteration as stop:
        returned: Returned = stop.value
        return returned
    finally:
        procedure.close()


@dataclass(slots=True)
class _View:
    seen: Seen = Seen.GOOD
    since: float = 0.0
    failing_since: float = 0.0
    """Since it was last good."""
    asked: float | None = None
    """When the look that is under way began."""
    known: bool = False


class Sights:
    """How the members look from here, each asked by a loop of its own."""

    def __init__(
        self,
        look: Callable[[str], Seen],
        threads: Threads,
        on_change: Callable[[], None],
        clock: Clock = boot_clock,
    ) -> None:
        """`look` gives how the member of that name looks; it is called in `threads` and never for one twice at a time."""
        self._look = look
        self._threads = threads
        self._on_change = on_change
        self._clock = clock
        self._views: dict[str, _View] = {}

    def now(self) -> dict[str, Sight]:
        """Of every member that was looked at."""
        moment = self._clock()
        return {name: _sight(view, moment) for name, view in self._views.items() if view.known}

    async def watch(self, name: str) -> None:
        """Look at one member, on and on."""
        view = self._views.setdefault(name, _View())
        while True:
            view.asked = began = self._clock()
            seen = await asyncio.get_running_loop().run_in_executor(self._threads, self._look, name)
            view.asked = None
            if not view.known or seen is not view.seen:
                # A failure began at the latest when it was asked for, and goodness no earlier than it was told.
                if view.seen is Seen.GOOD or not view.known:
                    view.failing_since = began
                view.seen, view.since = seen, self._clock() if seen is Seen.GOOD else began
                view.known = True
                self._on_change()
            await asyncio.sleep(max(0.01, EVERY_SECONDS - (self._clock() - began)))


def _sight(view: _View, moment: float) -> Sight:
    if view.seen is Seen.GOOD and view.asked is not None and moment - view.asked > _OVERDUE_SECONDS:
        return Sight(Seen.NOT_COMMITTING, moment - view.asked, moment - view.asked)
    failing = 0.0 if view.seen is Seen.GOOD else max(0.0, moment - view.failing_since)
    return Sight(view.seen, max(0.0, moment - view.since), failing)
