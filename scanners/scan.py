"""A scan: every check that applies to an asset is evaluated on it, and each pair ends as exactly one outcome."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from scanners.check import Baseline, Check
from scanners.endings import Blocked, NotApplicable, NotTested, OutOfScope, Stopped, Unjudged, Unreachable
from scanners.observation import baseline_from, to_bytes
from scanners.reach import Reach
from secops.model.city import Asset
from secops.model.finding import Weakness
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.support.clock import now
from secops.support.errors import Incomplete

BaselineOf: TypeAlias = Callable[[str, str], tuple[bytes, str] | None]
"""From asset and check to the approved observation and who approved it."""

_GRACE_SECONDS = 1.0
_STOP_POLL_SECONDS = 0.05
_ENDINGS: dict[type[NotTested], Outcome] = {
    Blocked: Outcome.BLOCKED,
    Unreachable: Outcome.UNREACHABLE,
    OutOfScope: Outcome.SKIPPED,
    NotApplicable: Outcome.SKIPPED,
    Stopped: Outcome.SKIPPED,
    Unjudged: Outcome.SKIPPED,
}
_STOPPED = Stopped(Text("扫描在此项完成前被停止", "the scan was stopped before this was done"))
_NO_BASELINE = Text(
    "(尚无批准的基线,只能判断不依赖基线的规则)", " (no baseline is approved yet: only rules that need none were judged)"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much happens at once, and how long one check may take."""

    total: int = 64
    per_target: int = 4
    """At once on one host, however many assets it holds."""
    check_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Pair:
    """One check that is to be evaluated on one asset."""

    system: str
    asset: Asset
    check: Check[Any]

    @property
    def target(self) -> str:
        """What the limit per target counts by."""
        return urlsplit(self.asset.url).hostname or self.asset.address or self.asset.host or self.asset.id


def pairs_of(assets: Iterable[tuple[str, Asset]], checks: Iterable[Check[Any]]) -> tuple[Pair, ...]:
    """Every check with every asset of a kind it applies to; `assets` are (system id, asset)."""
    wanted = tuple(checks)
    return tuple(
        Pair(system, asset, check) for system, asset in assets for check in wanted if asset.kind in check.kinds
    )


def _ignore(evaluation: Evaluation) -> None:
    """What is done with an evaluation when nobody waits for it."""


async def scan(
    pairs: Sequence[Pair],
    reach: Reach,
    *,
    baselines: BaselineOf | None = None,
    limits: Limits | None = None,
    clock: Callable[[], datetime] = now,
    on_evaluated: Callable[[Evaluation], None] = _ignore,
) -> tuple[Evaluation, ...]:
    """Evaluate every pair once; `on_evaluated` is told of each as it ends, and all are returned in that order.

    The kill switch ends what is not done as skipped. So does cancellation, which is raised again when all are told.
    What `on_evaluated` raises ends the scan.
    """
    running = _Scan(reach, baselines, limits or Limits(), clock, on_evaluated)
    tasks = {asyncio.create_task(running.evaluate(pair)): pair for pair in pairs}
    watch = asyncio.create_task(_cancel_when_stopped(reach, tasks))
    try:
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:
        # Ours is raised again below; that of a task that had not begun when the kill switch went on, is not.
        if (current := asyncio.current_task()) and current.cancelling():
            raise
    finally:
        watch.cancel()
        await _cancel(tasks)
        running.skip_rest(pairs)
    return tuple(running.evaluations)


async def _cancel_when_stopped(reach: Reach, tasks: Iterable[asyncio.Task[None]]) -> None:
    while not reach.stopped:
        await asyncio.sleep(_STOP_POLL_SECONDS)
    await _cancel(tasks)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left)


class _Scan:
    """One scan while it runs."""

    def __init__(
        self,
        reach: Reach,
        baselines: BaselineOf | None,
        limits: Limits,
        clock: Callable[[], datetime],
        on_evaluated: Callable[[Evaluation], None],
    ) -> None:
        self.evaluations: list[Evaluation] = []
        self._reach = reach
        self._baselines = baselines
        self._limits = limits
        self._clock = clock
        self._on_evaluated = on_evaluated
        self._ended: set[int] = set()
        self._broken = False
        self._total = asyncio.Semaphore(limits.total)
        self._targets: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(limits.per_target))

    async def evaluate(self, pair: Pair) -> None:
        """Evaluate one pair, whatever happens, and tell of it."""
        try:
            async with self._targets[pair.target], self._total:
                started, began = self._clock(), monotonic()
                ending = await self._ending(pair)
        except asyncio.CancelledError:
            self._end(pair, self._clock(), 0.0, _ending_of(_STOPPED))
            return
        self._end(pair, started, monotonic() - began, ending)

    def skip_rest(self, pairs: Iterable[Pair]) -> None:
        """End every pair that has not ended as skipped."""
        for pair in pairs:
            if id(pair) not in self._ended and not self._broken:
                self._end(pair, self._clock(), 0.0, _ending_of(_STOPPED))

    async def _ending(self, pair: Pair) -> "_Ending":
        try:
            observed = await self._observe(pair)
            observation = to_bytes(pair.check, observed)
            baseline = self._baseline(pair)
            weaknesses = _judged(pair, observed, baseline)
        except asyncio.CancelledError as error:
            if (current := asyncio.current_task()) and current.cancelling():
                raise
            return _ending_of(error)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return _ending_of(error)
        return _tested(pair.check, weaknesses, observation, baseline)

    def _baseline(self, pair: Pair) -> Baseline[Any] | None:
        if self._baselines is None or not pair.check.uses_baseline:
            return None
        try:
            return baseline_from(pair.check, self._baselines(pair.asset.id, pair.check.name))
        except Incomplete as error:
            raise Unjudged(
                Text(f"无法读取批准的基线:{error.text.zh}", f"the approved baseline cannot be read: {error.text.en}")
            ) from error

    async def _observe(self, pair: Pair) -> Any:
        """What the check saw. A check that does not end in time is cancelled, and left behind when it will not end."""
        observing = asyncio.create_task(_settled(pair.check.observe(pair.asset, self._reach)))
        try:
            await asyncio.wait({observing}, timeout=self._limits.check_seconds)
            late = not observing.done()
        finally:
            observing.cancel()
        if late:
            await asyncio.wait({observing}, timeout=_GRACE_SECONDS)
            raise _too_late(self._limits.check_seconds)
        return observing.result().value()

    def _end(self, pair: Pair, started: datetime, seconds: float, ending: "_Ending") -> None:
        self._ended.add(id(pair))
        evaluation = Evaluation(
            asset=pair.asset.id,
            system=pair.system,
            check=pair.check.name,
            outcome=ending.outcome,
            started=started,
            seconds=seconds,
            reason=ending.reason,
            weaknesses=ending.weaknesses,
            observation=ending.observation,
            noisy=pair.check.noisy,
        )
        self.evaluations.append(evaluation)
        try:
            self._on_evaluated(evaluation)
        except BaseException:
            self._broken = True
            raise


@dataclass(frozen=True, slots=True)
class _Ending:
    outcome: Outcome
    reason: Text
    weaknesses: tuple[Weakness, ...] = ()
    observation: bytes = b""


@dataclass(frozen=True, slots=True)
class _Settled:
    """What a coroutine returned or raised, kept from the event loop, which SystemExit would end."""

    returned: Any = None
    raised: BaseException | None = None

    def value(self) -> Any:
        if self.raised is not None:
            raise self.raised
        return self.returned


async def _settled(observing: Coroutine[Any, Any, Any]) -> _Settled:
    try:
        return _Settled(returned=await observing)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return _Settled(raised=error)


def _judged(pair: Pair, observed: Any, baseline: Baseline[Any] | None) -> tuple[Weakness, ...]:
    """The weaknesses, each place of a rule once, worst first. Raises TypeError or ValueError for a broken promise."""
    places: dict[tuple[str, ...], Weakness] = {}
    for weakness in pair.check.judge(pair.asset, observed, baseline):
        if not isinstance(weakness, Weakness):
            raise TypeError(f"judge gave {type(weakness).__name__}, not Weakness")
        if not weakness.rule.startswith(pair.check.name + "."):
            raise ValueError(f"rule {weakness.rule!r} does not start with {pair.check.name!r}")
        places.setdefault((weakness.weakness_class, weakness.rule, *weakness.locator), weakness)
    return tuple(sorted(places.values(), key=lambda found: -found.severity.rank))


def _tested(
    check: Check[Any], weaknesses: tuple[Weakness, ...], observation: bytes, baseline: Baseline[Any] | None
) -> _Ending:
    caveat = _NO_BASELINE if check.uses_baseline and baseline is None else Text("", "")
    if not weaknesses:
        reason = Text(f"已测试,未发现弱点{caveat.zh}", f"tested, nothing found{caveat.en}")
        return _Ending(Outcome.TESTED_CLEAN, reason, observation=observation)
    count = len(weaknesses)
    noun = "weakness" if count == 1 else "weaknesses"
    reason = Text(f"已测试,发现 {count} 处弱点{caveat.zh}", f"tested, {count} {noun} found{caveat.en}")
    return _Ending(Outcome.FOUND, reason, weaknesses, observation)


def _ending_of(error: BaseException) -> _Ending:
    for kind, outcome in _ENDINGS.items():
        if isinstance(error, kind):
            return _Ending(outcome, error.reason)
    why = f"{type(error).__name__}: {str(error)[:300]}".rstrip(": ")
    return _Ending(Outcome.ERROR, Text(f"程序缺陷:{why}", f"our bug: {why}"))


def _too_late(seconds: float) -> Unreachable:
    return Unreachable(Text(f"检查未在 {seconds:g} 秒内完成", f"the check did not end within {seconds:g} s"))
