"""How long leases live, and the clock that they are judged by."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from secops.model.text import Text
from secops.support.errors import BadInput

Clock: TypeAlias = Callable[[], float]


def boot_clock() -> float:
    """Seconds since the machine was started, those included that it slept: nobody can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """A holder takes its lease for over before etcd does, however slow the two are."""

    lives_seconds: int = 5
    """Without being renewed, by etcd's clock."""
    renewed_every_seconds: float = 1.0
    self_stop_seconds: float = 3.5
    """After the last renewal was *sent*, by the holder's own clock."""

    def __post_init__(self) -> None:
        if not 0 < self.renewed_every_seconds < self.self_stop_seconds < self.lives_seconds:
            raise BadInput(
                Text(
                    f"租约的时限不成立:续租 {self.renewed_every_seconds:g} 秒 < 自停 {self.self_stop_seconds:g} 秒 < "
                    f"有效 {self.lives_seconds} 秒",
                    f"the times of a lease must grow: renewed every {self.renewed_every_seconds:g} s < stops itself after "
                    f"{self.self_stop_seconds:g} s < lives {self.lives_seconds} s",
                )
            )
