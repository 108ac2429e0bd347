"""Connections to PostgreSQL on which nothing waits longer than it was allowed to, whatever the other end does.

libpq without blocking: a server that is frozen, cut off or gone costs the time limit and no more, and a limit may be
shorter than libpq's own least of two seconds.
"""

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from secops.support.lazy import Lazy

if TYPE_CHECKING:
    import psycopg
    from psycopg import pq
    from psycopg.pq.abc import PGconn, PGresult
else:
    psycopg, pq = Lazy("psycopg"), Lazy("psycopg.pq")

_ENCODING = "utf-8"
CONNECTED = "the connection was taken"
"""In the message of a Late: somebody is there, and says nothing."""
Row = tuple[str | None, ...]


class WireError(Exception):
    """The message is what PostgreSQL or the system said, in its words."""


class Lost(WireError):
    """The connection is gone or could not be made. Whether a statement under way was carried out is unknown."""


class Late(Lost):
    """As Lost, for the time limit passed; the connection is of no further use."""


class Refused(WireError):
    """The server said no: the statement was not carried out."""

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


@dataclass(frozen=True, slots=True)
class Answer:
    """What one statement gave."""

    rows: list[Row]
    """Columns in PostgreSQL's text form."""
    tag: str
    """As PostgreSQL words it: `INSERT 0 1`, `COMMIT` …"""
    warnings: list[tuple[str, str]] = field(default_factory=list)
    """SQLSTATE and sentence of each. 01000 at a commit: written here and on no standby."""


class Wire:
    """One connection. Not for several threads at once."""

    def __init__(self, connection: "PGconn") -> None:
        self._connection = connection
        self._warnings: list[tuple[str, str]] = []
        connection.notice_handler = self._notice

    @classmethod
    def connect(cls, conninfo: str, timeout_seconds: float) -> Self:
        """Connect to one server. Raises Late, and Lost when it refuses.

        `conninfo` names one host; PostgreSQL's own walk over several hosts has no time limit here.
        """
        deadline = time.monotonic() + timeout_seconds
        with _spoken():
            connection = pq.PGconn.connect_start(conninfo.encode())
            try:
                _establish(connection, deadline)
                connection.nonblocking = 1
                return cls(connection)
            except BaseException:
                connection.finish()
                raise

    def ask(self, statement: str, timeout_seconds: float) -> Answer:
        """Carry out one statement. Raises Refused, Late and Lost; after the last two the connection is closed."""
        deadline = time.monotonic() + timeout_seconds
        self._warnings = []
        try:
            with _spoken():
                self._connection.send_query(statement.encode())
                self._flush(deadline)
                results = list(self._results(deadline))
        except Lost:
            self.close()
            raise
        return self._judged(results)

    @property
    def usable(self) -> bool:
        """Whether it still looks connected and nothing is under way, as far as this end knows."""
        idle = pq.TransactionStatus.IDLE
        return self._connection.status == pq.ConnStatus.OK and self._connection.transaction_status == idle

    def alive(self) -> bool:
        """Usable, and the other end has not closed it meanwhile; asks nothing."""
        try:
            # What came unasked is read up to the end of the stream, if there is one.
            while self.usable and _readable(self._connection):
                self._connection.consume_input()
        except psycopg.Error:
            return False
        return self.usable

    def close(self) -> None:
        """At once, without a word to the server if it does not listen. May be called twice."""
        self._connection.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _flush(self, deadline: float) -> None:
        while self._connection.flush():
            readable = _wait(self._connection, deadline, reading=True, writing=True)
            if readable:
                self._connection.consume_input()

    def _results(self, deadline: float) -> "Iterator[PGresult]":
        while True:
            while self._connection.is_busy():
                _wait(self._connection, deadline, reading=True)
                self._connection.consume_input()
            result = self._connection.get_result()
            if result is None:
                return
            yield result

    def _judged(self, results: "list[PGresult]") -> Answer:
        for result in results:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                self._complain(result)
        if not results:
            self.close()
            raise Lost("the connection ended without an answer")
        last = results[-1]
        rows = [_row(last, number) for number in range(last.ntuples)]
        return Answer(rows, (last.command_status or b"").decode(_ENCODING), self._warnings)

    def _complain(self, result: "PGresult") -> None:
        message = result.error_message.decode(_ENCODING, "replace").strip()
        state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        # No SQLSTATE: libpq speaks, the server is gone. Class 57P: the server ends this session, perhaps amid a commit.
        if not state or state.startswith("57P") or self._connection.status != pq.ConnStatus.OK:
            self.close()
            raise Lost(message)
        raise Refused(message, state)

    def _notice(self, result: "PGresult") -> None:
        severity = (result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) or b"").decode()
        if severity == "WARNING":
            state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            words = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(_ENCODING, "replace")
            self._warnings.append((state, words))


def _establish(connection: "PGconn", deadline: float) -> None:
    if connection.status == pq.ConnStatus.BAD:
        raise Lost(_said(connection))
    polled: int = pq.PollingStatus.WRITING
    while polled != pq.PollingStatus.OK:
        if polled == pq.PollingStatus.FAILED:
            raise Lost(_said(connection))
        _wait(
            connection, deadline, reading=polled == pq.PollingStatus.READING, writing=polled == pq.PollingStatus.WRITING
        )
        polled = connection.connect_poll()


def _told_late(connection: "PGconn") -> str:
    taken = connection.status not in (pq.ConnStatus.STARTED, pq.ConnStatus.OK)
    return "no answer within the time limit" + (f"; {CONNECTED}" if taken else "")


def _wait(connection: "PGconn", deadline: float, *, reading: bool = False, writing: bool = False) -> bool:
    """Wait until the socket can be used; whether it can be read. Raises Late."""
    left = deadline - time.monotonic()
    poller = select.poll()  # select.select ends at descriptor 1023
    poller.register(connection.socket, (select.POLLIN if reading else 0) | (select.POLLOUT if writing else 0))
    ready = poller.poll(max(0.0, left) * 1000)
    if not ready:
        raise Late(_told_late(connection))
    return bool(ready[0][1] & ~select.POLLOUT)


def _readable(connection: "PGconn") -> bool:
    poller = select.poll()
    poller.register(connection.socket, select.POLLIN)
    return bool(poller.poll(0))


def _row(result: "PGresult", number: int) -> Row:
    cells = (result.get_value(number, column) for column in range(result.nfields))
    return tuple(None if cell is None else cell.decode(_ENCODING, "replace") for cell in cells)


def _said(connection: "PGconn") -> str:
    return connection.error_message.decode(_ENCODING, "replace").strip() or "the connection failed"


@contextmanager
def _spoken() -> Iterator[None]:
    """What libpq itself complains about means a lost connection."""
    try:
        yield
    except psycopg.Error as error:
        raise Lost(str(error).strip()) from None
