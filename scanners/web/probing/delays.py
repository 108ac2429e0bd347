"""Does an answer come as late as it was told to? Decided by a straight line through several delays, not by one."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from scanners.web.message import Request
from scanners.web.points import Point
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Effect, Hits, Listen, Purpose, Trial
from secops.model.text import Text

SCREEN_SECONDS = 1.2
DELAYS_SECONDS = (0.0, 1.6, 0.4, 1.0, 0.0, 2.0, 0.7)
"""In an order in which a server that merely becomes slower does not fit."""
_ONCE_MORE_SECONDS = (1.2, 0.0, 1.8, 0.6)
"""Asked for when these fitted: chance, on a site whose answers take any time, does not fit all of them."""
_SLOPE = (0.8, 1.25)
_LARGEST_MISS_SECONDS = 0.35
_WORK_SLOPE = (0.5, 2.0)
_WORK_MISS_SECONDS = 0.5
_PATIENCE_SECONDS = 12.0


@dataclass(frozen=True, slots=True)
class Line:
    """The straight line through (asked for, seen)."""

    slope: float
    start_seconds: float
    worst_miss_seconds: float
    """The largest distance of a point from the line."""
    count: int
    """Of the points."""

    def follows(self, steady: bool = True) -> bool:
        """Whether the answers come as late as they were told to. Work is not as steady as sleep."""
        slopes, miss = _allowed(steady)
        return slopes[0] <= self.slope <= slopes[1] and self.worst_miss_seconds <= miss

    @property
    def because(self) -> Text:
        """The sentence for a verdict."""
        return Text(
            f"{self.count} 次不同延时的应答时间与要求一致(斜率 {self.slope:.2f},最大偏差 {self.worst_miss_seconds:.2f} 秒)",
            f"{self.count} answers came as late as they were told to (slope {self.slope:.2f}, none off by more than "
            f"{self.worst_miss_seconds:.2f} s)",
        )


def line_through(points: Sequence[tuple[float, float]]) -> Line:
    """The least-squares line."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    start = mean_y - slope * mean_x
    return Line(slope, start, max(abs(y - start - slope * x) for x, y in points), count)


def obeys(
    trial: Trial, inject: Callable[[float], Request], usual_seconds: float, steady: bool = True
) -> Generator[Ask | Listen, Page | Hits, Line | None]:
    """The line, if answers come as late as `inject(seconds)` tells them to.

    One answer screens; seven decide, and four more once these fitted. A single late answer of a busy server is measured
    once more.
    """
    late = yield from _seconds(trial, inject(SCREEN_SECONDS), Purpose.ATTACK)
    least = 0.75 if steady else 0.4
    if late is None or late < SCREEN_SECONDS * least:
        return None
    points: list[tuple[float, float]] = []
    # What is let off more lightly has to fit more often.
    for delays in (DELAYS_SECONDS, _ONCE_MORE_SECONDS, *((DELAYS_SECONDS,) if not steady else ())):
        for delay in delays:
            seen = yield from _seconds(trial, inject(delay), Purpose.AGAIN if delay else Purpose.CONTROL)
            if seen is not None and abs(seen - delay - usual_seconds) > _LARGEST_MISS_SECONDS:
                again = yield from _seconds(trial, inject(delay), Purpose.AGAIN)
                seen = min(seen, again) if again is not None else None
            # Less than was asked for cannot be an accident: nothing slept.
            if seen is None or seen < delay * least:
                return None
            points.append((delay, seen))
            if _is_off(points, steady):
                return None
        line = line_through(points)
        if not line.follows(steady):
            return None
    return line


def _is_off(points: Sequence[tuple[float, float]], steady: bool) -> bool:
    """Whether no line that would do goes through both the first point, where no delay was asked for, and the last."""
    slopes, miss = _allowed(steady)
    delay, late = points[-1][0], points[-1][1] - points[0][1]
    return not slopes[0] * delay - 2 * miss <= late <= slopes[1] * delay + 2 * miss


def _allowed(steady: bool) -> tuple[tuple[float, float], float]:
    """Slopes, and the largest miss."""
    return (_SLOPE, _LARGEST_MISS_SECONDS) if steady else (_WORK_SLOPE, _WORK_MISS_SECONDS)


def delayed(point: Point, form: str) -> Callable[[float], Request]:
    """Injects a form whose `{s}`, `{ms}` and `{us}` stand for the delay in these units."""

    def inject(seconds: float) -> Request:
        return point.inject(filled(form, seconds))

    return inject


def filled(form: str, seconds: float) -> str:
    """The payload for one delay."""
    for name, unit in (("{s}", f"{seconds:g}"), ("{ms}", f"{seconds * 1e3:.0f}"), ("{us}", f"{seconds * 1e6:.0f}")):
        form = form.replace(name, unit)
    return form


def _seconds(trial: Trial, request: Request, purpose: Purpose) -> Generator[Ask | Listen, Page | Hits, float | None]:
    page = yield from trial.ask(request, purpose, Effect.LOAD, patience_seconds=_PATIENCE_SECONDS)
    return None if page.answer.failure or not page.response else page.seconds
