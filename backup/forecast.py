"""How long a restore would take now, from what restores have taken; and what each vault would lose. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from backup.protection import Protected, Shelf
from secops.model.restore_point import RestorePoint, Rung
from secops.model.text import Text
from secops.support.durations import format_duration

ALARM_SHARE = 0.8
"""Of the RTO: a forecast that passes it is alarmed, before it passes the whole."""
_LEAST_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Rate:
    """The last restore that was measured, with the looks that went with it."""

    bytes_per_second: float
    measured: datetime
    point: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long bringing one asset back from one vault would take."""

    asset: str
    vault: str
    size_bytes: int
    rate: Rate
    replay_seconds: float
    """For what the log has after the newest copy; it replays no slower than it was written."""
    rto_seconds: float
    """What the tier allows."""

    @property
    def seconds(self) -> float:
        """Size over rate, and the replay."""
        return self.size_bytes / self.rate.bytes_per_second + self.replay_seconds

    @property
    def share(self) -> float:
        """Of the RTO; above 1 it is missed."""
        return self.seconds / self.rto_seconds

    @property
    def because(self) -> Text:
        """The sum, in words."""
        took, allowed = format_duration(self.seconds), format_duration(self.rto_seconds)
        megabytes, speed = self.size_bytes / 1e6, self.rate.bytes_per_second / 1e6
        replay = format_duration(self.replay_seconds)
        return Text(
            f"从 {self.vault} 恢复 {self.asset} 约需 {took}(RTO {allowed}):{megabytes:.1f} MB ÷ {speed:.1f} MB/s"
            f" + 日志重放 {replay}",
            f"bringing {self.asset} back from {self.vault} would take {took} (RTO {allowed}): {megabytes:.1f} MB ÷ "
            f"{speed:.1f} MB/s + {replay} of replay",
        )


def measured_rate(points: Iterable[RestorePoint]) -> Rate | None:
    """The newest restore of any of these points that was measured; None when there was none."""
    measured = [
        (point.verdict.judged, point)
        for point in points
        if point.verdict.rung >= Rung.RESTORE and point.verdict.seconds > 0 and point.verdict.judged
    ]
    if not measured:
        return None
    when, point = max(measured, key=lambda pair: (pair[0], pair[1].id))
    speed = max(point.size_bytes, 1) / max(point.verdict.seconds, _LEAST_SECONDS)
    return Rate(speed, when, point.id)


def forecasts(protected: Protected) -> tuple[Forecast, ...]:
    """One for each vault that has a copy; by the rate of that vault, else of any. Nothing when none was measured."""
    anywhere = measured_rate(protected.points)
    made = (_forecast(protected, shelf, measured_rate(shelf.points) or anywhere) for shelf in protected.shelves)
    return tuple(one for one in made if one)


def recovery_age_seconds(shelf: Shelf, moment: datetime) -> float | None:
    """RPO as it is: how old what can be recovered from the vault is at that moment; None when nothing can."""
    return (moment - shelf.newest).total_seconds() if shelf.newest else None


def _forecast(protected: Protected, shelf: Shelf, rate: Rate | None) -> Forecast | None:
    if rate is None or not shelf.points or shelf.newest is None:
        return None
    newest = shelf.points[0]
    replay = max(0.0, (shelf.newest - newest.taken).total_seconds())
    rto = protected.policy.from_copy.rto
    return Forecast(protected.asset.id, shelf.vault.id, newest.size_bytes, rate, replay, rto)
