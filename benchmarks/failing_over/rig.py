"""Three centres with databases, and somebody who keeps one of them writable; the same lab under whoever it is."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from secops.lab import faults
from secops.lab.down import down
from secops.lab.places import CENTRES, DATABASE, Lab, address, local_dsn
from secops.support.postgresql_wire import Lost, Refused, Row, Wire

HOME, OTHER, _ = CENTRES
"""Where each round begins, and who is to take over."""
_ASK_SECONDS = 1.0
_READ_SECONDS = 60.0
_PROTECTED = (
    "SELECT NOT pg_is_in_recovery() AND current_setting('synchronous_standby_names') <> '' AND EXISTS "
    "(SELECT FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum'))"
)


class Rig(ABC):
    """Not for several threads at once."""

    name: str

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @abstractmethod
    def up(self) -> None:
        """Build it; returns when it is settled."""

    @abstractmethod
    def settled(self) -> bool:
        """Whether the home centre serves, a commit waits for the other one, and that one could take over now."""

    @abstractmethod
    def switch_over(self, source: str, target: str) -> None:
        """Ask for it, as a person would."""

    @abstractmethod
    def start_again(self) -> None:
        """Start what was killed, but for the database: that is theirs to do."""

    def worn(self) -> bool:
        """Whether the next failure would rightly be left to a person."""
        return False

    def mend(self) -> None:
        """Lines, disks and machines as they were."""
        faults.heal(self.lab)
        self.start_again()

    def down(self) -> None:
        """Leave nothing."""
        down(self.lab)

    def protected(self, centre: str) -> bool:
        """By the database's own word: it writes, waits for a standby, and one that it waits for streams."""
        try:
            return self._ask(centre, _PROTECTED, _ASK_SECONDS) == [("t",)]
        except (Lost, Refused):
            return False

    def keys(self, centre: str) -> list[str]:
        """Of every transaction that is there. Raises Lost or Refused."""
        return [row[0] or "" for row in self._ask(centre, "SELECT key FROM ledger", _READ_SECONDS)]

    def _ask(self, centre: str, statement: str, seconds: float) -> list[Row]:
        with Wire.connect(local_dsn(self.lab, centre, DATABASE), seconds) as wire:
            return wire.ask(statement, seconds).rows


def centre_of(server: str) -> str:
    """Whose address it is; empty for none."""
    return next((centre for centre in CENTRES if address(centre) == server), "")


def comes_true(condition: Callable[[], bool], seconds: float, pause_seconds: float = 0.2) -> bool:
    """Whether it did within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_seconds)
    return True
