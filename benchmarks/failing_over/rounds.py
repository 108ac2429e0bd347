"""One round: clients write, it happens, it is mended, and the ledgers are held against the database."""

import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from backup.failover.canary.client import Manner
from backup.failover.canary.ledger import Entered, Told, judge, longest_outage
from benchmarks.failing_over.faults import Fault
from benchmarks.failing_over.rig import HOME, OTHER, Rig, centre_of, comes_true
from secops.lab.clients import Clients
from secops.lab.places import CENTRES, CLIENT, PLACES
from secops.model.text import Text
from secops.support.errors import Incomplete
from secops.support.postgresql_wire import Lost, Refused

MANNER = Manner(connect_seconds=1.0, commit_seconds=1.0, pause_seconds=0.02)
"""An application that looks elsewhere when it has heard nothing for a second, and never cancels what it sent."""
_POLL_SECONDS = 0.2
_STEADY_SECONDS = 3.0
_GAP_SECONDS = 1.0
_PATIENCE_SECONDS = 180.0
_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a round came to."""

    fault: Fault
    rig: str
    outage_seconds: float
    """The longest time without an acknowledgement for the clients of the production city."""
    protected_seconds: float | None
    """Until a commit waited for a standby again; None: it did not within the patience."""
    acknowledged: int
    lost: int
    risen: int
    doubled: int


@dataclass(slots=True)
class Watch:
    """Looks at one round while it goes on."""

    rig: Rig
    clients: Clients
    happened: float = field(default_factory=time.time)
    protected_since: float | None = None

    def look(self) -> None:
        """Note since when, without a break, whoever acknowledges also waits for a standby."""
        time.sleep(_POLL_SECONDS)
        last = self._recent()[-1:]
        serves = bool(last) and last[0].answered > max(self.happened + 2 * _POLL_SECONDS, time.time() - _GAP_SECONDS)
        if not (serves and self.rig.protected(centre_of(last[0].server))):
            self.protected_since = None
        elif self.protected_since is None:
            self.protected_since = time.time()

    def steady(self) -> bool:
        """Whether writes were acknowledged all through the last seconds."""
        now = time.time()
        began = max(now - _STEADY_SECONDS, self.happened)
        times = [began, *(one.answered for one in self._recent() if one.answered > began), now]
        return all(after - before < _GAP_SECONDS for before, after in pairwise(times))

    def longest_seconds(self) -> float:
        """The outage so far; one that has not ended counts as well."""
        entries = self.clients.of(CLIENT)
        ended = longest_outage(entries, since=self.happened)
        last = max((one.answered for one in entries if one.told is Told.OK), default=self.happened)
        return max(ended.seconds if ended else 0.0, time.time() - last)

    def _recent(self) -> list[Entered]:
        newest = self.clients.entries[-2000:]
        return sorted(
            (one for one in newest if one.told is Told.OK and one.client.startswith(f"{CLIENT}-")),
            key=lambda one: one.answered,
        )


def go_through(rig: Rig, fault: Fault, folder: Path) -> tuple[Seen, list[Entered]]:
    """One fault at a settled rig, and all that clients entered. Raises Incomplete when nobody can write beforehand."""
    folder.mkdir(parents=True)
    with Clients(rig.lab, folder, MANNER) as clients:
        if not comes_true(lambda: all(clients.acknowledged(place) > 10 for place in PLACES), _READY_SECONDS):
            raise Incomplete(_nobody_writes(rig.name))
        watch = Watch(rig, clients)
        fault.hurt(rig)
        _wait_for_writes(watch, fault)
        began = watch.happened
        if fault.mends:
            began = time.time()
            rig.mend()
        _wait_for_protection(watch)
        longest = watch.longest_seconds()
    protected = None if watch.protected_since is None else max(0.0, watch.protected_since - began)
    found = judge(clients.entries, keys_of(rig))
    seen = Seen(
        fault,
        rig.name,
        longest,
        protected,
        found.acknowledged,
        len(found.lost),
        len(found.risen),
        len(found.doubled),
    )
    return seen, clients.entries


def set_right(rig: Rig) -> bool:
    """Home serves again and is protected; whether it came about."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if comes_true(rig.settled, 1.0):
            return True
        if rig.protected(OTHER) and not rig.protected(HOME):
            try:
                rig.switch_over(OTHER, HOME)
            except Incomplete:
                continue  # the one asked is not ready yet
            comes_true(lambda: rig.protected(HOME), 15.0)
    return rig.settled()


def keys_of(rig: Rig) -> list[str]:
    """What the database that serves has. Raises Incomplete when none does."""
    for _ in range(30):
        for centre in CENTRES:
            if rig.protected(centre):
                try:
                    return rig.keys(centre)
                except (Lost, Refused):
                    continue
        time.sleep(1)
    raise Incomplete(_nobody_writes(rig.name))


def _wait_for_writes(watch: Watch, fault: Fault) -> None:
    until = watch.happened + fault.least_seconds
    deadline = watch.happened + fault.most_seconds
    while time.time() < deadline and not (time.time() > until and watch.steady()):
        watch.look()


def _wait_for_protection(watch: Watch) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        watch.look()
        since = watch.protected_since
        if since is not None and time.time() - since > _STEADY_SECONDS and watch.steady():
            return


def _nobody_writes(name: str) -> Text:
    return Text(f"{name}:没有受保护的数据库在服务", f"{name}: no database serves under protection")
