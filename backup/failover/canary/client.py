"""A client of the system, as its guidance asks clients to be: several entries in one string, short limits, and a warning
at a commit taken for no acknowledgement."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backup.failover.canary.ledger import Entered, Told
from secops.support.postgresql_wire import Lost, Refused, Wire

TABLE = "ledger"
CREATE = f"CREATE TABLE IF NOT EXISTS {TABLE} (key text PRIMARY KEY, written timestamptz DEFAULT clock_timestamp())"
_WHO = (
    "SELECT host(inet_server_addr()), pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() THEN 0 "
    "ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END"
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client behaves."""

    connect_seconds: float = 1.0
    """For each entry."""
    commit_seconds: float = 2.0
    """Then it gives the connection up, without cancelling, and tries the next entry."""
    pause_seconds: float = 0.01
    """Between two transactions, and after a failure."""


class Client:
    """Makes one transaction after the other, and enters what it was told before it goes on."""

    def __init__(
        self,
        name: str,
        entries: Sequence[str],
        enter: Callable[[Entered], None],
        manner: Manner = Manner(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`entries` are libpq's connection strings of one host each, in the order of preference."""
        self._name = name
        self._entries = list(entries)
        self._enter = enter
        self._manner = manner
        self._clock = clock
        self._wire: Wire | None = None
        self._server = ("", 0)
        self._number = 0
        self._next = 0

    def run(self, until: threading.Event) -> None:
        """Until the event is set; returns with the connection closed."""
        while not until.is_set():
            self.transact()
            until.wait(self._manner.pause_seconds)
        self._give_up()

    def transact(self) -> Entered:
        """One transaction, entered."""
        self._number += 1
        key = f"{self._name}-{self._number:08d}"
        sent = self._clock()
        told, said = self._write(key)
        entry = Entered(key, self._name, sent, self._clock(), told, *self._server, said)
        self._enter(entry)
        if told is not Told.OK:
            self._give_up()
        return entry

    def _write(self, key: str) -> tuple[Told, str]:
        try:
            wire = self._wire or self._connect()
        except (Lost, Refused) as error:
            return Told.FAILED, str(error)
        try:
            answer = wire.ask(f"INSERT INTO {TABLE} (key) VALUES ('{key}')", self._manner.commit_seconds)  # noqa: S608
        except Refused as refusal:
            return Told.FAILED, str(refusal)
        except Lost as lost:
            return Told.UNKNOWN, str(lost)
        if answer.warnings:
            return Told.UNKNOWN, "; ".join(f"{state}: {words}" for state, words in answer.warnings)
        return Told.OK, ""

    def _connect(self) -> Wire:
        """To the next entry whose database takes writes; raises what the last one said."""
        self._server = ("", 0)
        for _ in self._entries:
            try:
                return self._greet(self._entries[self._next])
            except (Lost, Refused) as error:
                said = error
                self._next = (self._next + 1) % len(self._entries)
        raise said

    def _greet(self, entry: str) -> Wire:
        wire = Wire.connect(entry, self._manner.connect_seconds)
        try:
            server, recovering, timeline = wire.ask(_WHO, self._manner.connect_seconds).rows[0]
        except (Lost, Refused):
            wire.close()
            raise
        if recovering == "t":
            wire.close()
            raise Lost("a standby: it takes no writes")
        self._server = (server or "", int(timeline or 0))
        self._wire = wire
        return wire

    def _give_up(self) -> None:
        if self._wire:
            self._wire.close()
            self._wire = None
            self._next = (self._next + 1) % len(self._entries)
