"""A health canary: one page of a site, asked for again and again, that pauses the scan of the site when it suffers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median

from scanners.web.client import Client
from scanners.web.message import Answer, Request, Target
from secops.model.text import Text


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the canary looks, and what it takes to pause and to go on."""

    every_seconds: float = 5.0
    paused_every_seconds: float = 2.0
    timeout_seconds: float = 10.0
    learn_from: int = 3
    """Looks before the scan that make the baseline."""
    slow_times: float = 2.0
    slow_seconds: float = 0.2
    """Slow is twice the baseline and this much more."""
    bad_looks: int = 3
    """In a row, to pause."""
    good_looks: int = 2
    """In a row, to go on."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the canary decided, and why."""

    paused: bool
    because: Text


def _ignore(health: Health) -> None:
    """Nobody wants to know."""


class Canary:
    """Watches one site through a client. Learn before the scan, then keep it running beside."""

    def __init__(
        self,
        client: Client,
        target: Target,
        request: Request,
        *,
        rhythm: Rhythm | None = None,
        on_change: Callable[[Health], None] = _ignore,
    ) -> None:
        self._client = client
        self._target = target
        self._request = request
        self._rhythm = rhythm or Rhythm()
        self._on_change = on_change
        self._bad = self._good = 0
        self.baseline_seconds = 0.0
        self.paused = False

    async def learn(self) -> Answer:
        """Look a few times at the site at rest; the last answer. A site that is ill already gets no baseline."""
        seconds = []
        for _ in range(self._rhythm.learn_from):
            answer = await self._look()
            if answer.failure is None and answer.response is not None:
                seconds.append(answer.response.timings.first_byte)
        self.baseline_seconds = median(seconds) if seconds else 0.0
        return answer

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._rhythm.paused_every_seconds if self.paused else self._rhythm.every_seconds)
            answer = await self._look()
            self._judge(_illness(answer, self.baseline_seconds, self._client.pool.late_seconds, self._rhythm))

    async def _look(self) -> Answer:
        return await self._client.exchange(
            self._target, self._request, timeout_seconds=self._rhythm.timeout_seconds, urgent=True
        )

    def _judge(self, illness: Text | None) -> None:
        if illness is None:
            self._good, self._bad = self._good + 1, 0
        else:
            self._good, self._bad = 0, self._bad + 1
        gate = self._client.gate_of(self._target)
        if gate is None:
            return
        if illness is not None and not self.paused and self._bad >= self._rhythm.bad_looks:
            self.paused = True
            self._client.pool.pause(gate)
            self._on_change(Health(True, Text(f"暂停扫描:{illness.zh}", f"the scan is paused: {illness.en}")))
        elif self.paused and self._good >= self._rhythm.good_looks:
            self.release()
            self._on_change(Health(False, Text("站点已恢复,继续扫描", "the site has recovered, the scan goes on")))

    def release(self) -> None:
        """Let the scan go on, whatever the site does."""
        gate = self._client.gate_of(self._target)
        if self.paused and gate is not None:
            self._client.pool.resume(gate)
        self.paused = False


@asynccontextmanager
async def watched(canary: Canary) -> AsyncIterator[Canary]:
    """Learn, then watch for as long as the block lasts."""
    await canary.learn()
    watching = asyncio.create_task(canary.watch())
    try:
        yield canary
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        canary.release()


def _illness(answer: Answer, baseline_seconds: float, late_seconds: float, rhythm: Rhythm) -> Text | None:
    """What is wrong with the site; None when nothing is. What we were late ourselves does not count."""
    response = answer.response
    if answer.failure is not None or response is None:
        return answer.failure.detail if answer.failure else Text("没有应答", "no answer")
    if response.status == 429 or response.status >= 500:
        return Text(f"应答状态 {response.status}", f"it answers with status {response.status}")
    took, slow = response.timings.first_byte - late_seconds, rhythm.slow_times * baseline_seconds + rhythm.slow_seconds
    if baseline_seconds and took > slow:
        return Text(
            f"应答用时 {took:.2f} 秒,平时 {baseline_seconds:.2f} 秒",
            f"it answers in {took:.2f} s instead of {baseline_seconds:.2f} s",
        )
    return None
