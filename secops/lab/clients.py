"""Clients in every place of the lab, each with a ledger of what it was told; together they say what an outage was."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from backup.failover.canary.client import Client, Manner
from backup.failover.canary.ledger import Entered, LedgerFile, Told, Truth, judge
from secops.lab import etcd
from secops.lab.inside import inside_namespace
from secops.lab.places import ACCOUNT, CENTRES, CLUSTER, DATABASE, ENTRY_PORT, PLACES, Lab, address, local_dsn
from secops.model.text import Text
from secops.support.errors import Incomplete
from secops.support.postgresql_wire import Lost, Refused, Wire

_MANNER = Manner(pause_seconds=0.02)
_END_SECONDS = 30.0
_READ_SECONDS = 60.0
_PATIENT = "keepalives_idle=1 keepalives_interval=1 keepalives_count=2 tcp_user_timeout=2000"


class Clients:
    """Write from when it is entered until it is left. `entries` may be read meanwhile."""

    def __init__(self, lab: Lab, folder: Path, manner: Manner = _MANNER) -> None:
        """The ledgers go into `folder`, one file per place."""
        self._lab = lab
        self._folder = folder
        self._manner = manner
        self._run = f"{time.time():.0f}"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(place,), daemon=True) for place in PLACES]
        self.entries: list[Entered] = []

    def acknowledged(self, place: str = "", since: float = 0.0) -> int:
        """How many transactions of a place, or of all, were acknowledged after that moment."""
        return sum(
            entry.told is Told.OK and entry.answered > since and entry.client.startswith(place)
            for entry in list(self.entries)
        )

    def of(self, place: str) -> list[Entered]:
        """What clients of one place entered."""
        return [entry for entry in list(self.entries) if entry.client.startswith(f"{place}-")]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_END_SECONDS)

    def _write(self, place: str) -> None:
        with LedgerFile(self._folder / f"{place}.jsonl") as ledger, inside_namespace(self._lab.namespace(place)):

            def enter(entry: Entered) -> None:
                ledger.enter(entry)
                self.entries.append(entry)

            Client(f"{place}-{self._run}", doors(place), enter, self._manner).run(self._stop)


def doors(place: str) -> list[str]:
    """The entries, the place's own first."""
    order = sorted(CENTRES, key=lambda centre: centre != place)
    return [
        f"host={address(each)} port={ENTRY_PORT} user={ACCOUNT} dbname={DATABASE} connect_timeout=2 {_PATIENT}"
        for each in order
    ]


def truth(lab: Lab, entries: Sequence[Entered]) -> Truth:
    """Compare with what the primary has now; nobody may write any more. Raises Incomplete."""
    primary = serving(lab)
    try:
        with Wire.connect(local_dsn(lab, primary, DATABASE), _READ_SECONDS) as wire:
            rows = wire.ask("SELECT key FROM ledger", _READ_SECONDS).rows
    except (Lost, Refused) as error:
        raise Incomplete(Text(f"{primary} 没有应答:{error}", f"{primary} does not answer: {error}")) from None
    return judge(entries, (row[0] or "" for row in rows))


def serving(lab: Lab) -> str:
    """The centre whose database takes writes: the published one, or without a publication the one that says so."""
    published = etcd.published(lab, CLUSTER)
    return published.primary if published else CENTRES[0]
