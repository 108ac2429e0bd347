"""Asks PostgreSQL over connections that stay open between statements, so that nothing is dialled for the first time in a
disaster."""

import re
import threading
import time
from collections import defaultdict

from secops.execution.runner import failure
from secops.model.step import Result, Sql, Trouble
from secops.support.postgresql_wire import Answer, Late, Lost, Refused, Wire

_IDLE_AT_MOST = 2
"""Connections kept per server; more are opened when threads ask at once, and closed afterwards."""


class SqlRunner:
    """Keeps connections per connection string. Safe to call from several threads."""

    def __init__(self) -> None:
        self._idle: dict[str, list[Wire]] = defaultdict(list)
        self._lock = threading.Lock()

    def perform(self, effect: Sql, timeout_seconds: float) -> Result:
        """As `Performs.perform`."""
        began = time.monotonic()
        try:
            answer = self._ask(effect, began + timeout_seconds)
        except Refused as refusal:
            return _failed(Trouble.FAILED, refusal, began)
        except Late as late:
            return _failed(Trouble.TIMEOUT, late, began)
        except Lost as lost:
            return _failed(Trouble.UNREACHABLE, lost, began)
        return _judged(effect, answer, time.monotonic() - began)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            wires = [wire for kept in self._idle.values() for wire in kept]
            self._idle.clear()
        for wire in wires:
            wire.close()

    def _ask(self, effect: Sql, deadline: float) -> Answer:
        wire = self._take(effect.server) or Wire.connect(effect.server, deadline - time.monotonic())
        try:
            return wire.ask(effect.statement, deadline - time.monotonic())
        finally:
            self._give_back(effect.server, wire)

    def _take(self, server: str) -> Wire | None:
        """An idle connection that was not closed by the other end meanwhile."""
        while True:
            with self._lock:
                wire = self._idle[server].pop() if self._idle[server] else None
            if wire is None or wire.alive():
                return wire
            wire.close()

    def _give_back(self, server: str, wire: Wire) -> None:
        with self._lock:
            if wire.usable and len(self._idle[server]) < _IDLE_AT_MOST:
                self._idle[server].append(wire)
                return
        wire.close()


def _failed(trouble: Trouble, error: Exception, began: float) -> Result:
    said = str(error)
    return failure(
        trouble,
        zh=f"PostgreSQL:{said}",
        en=f"PostgreSQL: {said}",
        seconds=time.monotonic() - began,
        error_output=said,
    )


def _judged(effect: Sql, answer: Answer, seconds: float) -> Result:
    output = "\n".join("|".join(cell or "" for cell in row) for row in answer.rows)
    if re.search(effect.expect, output):
        return Result(ok=True, output=output, seconds=seconds)
    shown = output[:300]
    return failure(
        Trouble.FAILED,
        zh=f"应答不含 {effect.expect!r}:{shown}",
        en=f"the answer does not match {effect.expect!r}: {shown}",
        seconds=seconds,
        output=output,
    )
