"""What is done to the city in a round, always to the centre that serves."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.failing_over.rig import HOME, OTHER, Rig
from secops.lab import faults
from secops.lab.places import PLACES


class Grade(StrEnum):
    """What is promised of it."""

    SUDDEN = "sudden"
    GREY = "grey"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that happens."""

    name: str
    grade: Grade
    hurt: Callable[[Rig], None]
    mends: bool = True
    """Whether it lasts until somebody mends it; protection is expected from then on, else from the fault on."""
    least_seconds: float = 8.0
    """For how long it lasts at least: an outage may begin late."""
    most_seconds: float = 150.0
    """Mended then, even if nobody can write."""
    compared: bool = False
    """Whether it counts for how many times faster than the peer."""


def _kill_node(rig: Rig) -> None:
    faults.kill(rig.lab, HOME, "")


def _power_off(rig: Rig) -> None:
    faults.isolate(rig.lab, HOME)
    _kill_node(rig)


def _mute(rig: Rig) -> None:
    for place in PLACES:
        if place != HOME:
            faults.cut(rig.lab, HOME, place, one_way=True)


def _deafen(rig: Rig) -> None:
    for place in PLACES:
        if place != HOME:
            faults.cut(rig.lab, place, HOME, one_way=True)


FAULTS = (
    Fault("postmaster killed", Grade.SUDDEN, lambda rig: faults.kill(rig.lab, HOME, "postgresql"), mends=False),
    Fault("node killed", Grade.SUDDEN, _kill_node, compared=True),
    Fault("power-off", Grade.SUDDEN, _power_off, compared=True),
    Fault("partition", Grade.SUDDEN, lambda rig: faults.isolate(rig.lab, HOME), compared=True),
    Fault("one-way out", Grade.GREY, _mute),
    Fault("one-way in", Grade.GREY, _deafen),
    Fault("freeze 30 s", Grade.GREY, lambda rig: faults.freeze(rig.lab, HOME), least_seconds=30, most_seconds=30),
    Fault("disk full", Grade.GREY, lambda rig: faults.disk_full(rig.lab, HOME)),
    Fault(f"only {HOME}-{OTHER} cut", Grade.GREY, lambda rig: faults.cut(rig.lab, HOME, OTHER)),
    Fault("standby cut", Grade.GREY, lambda rig: faults.isolate(rig.lab, OTHER)),
    Fault("planned switchover", Grade.PLANNED, lambda rig: rig.switch_over(HOME, OTHER), mends=False),
)
