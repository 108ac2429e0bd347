"""What HAProxy's runtime socket says and is told: lines out, `show stat` in. Pure."""

import csv
import re
from dataclasses import dataclass

from secops.model.step import Dialogue

NO_SERVERS = "# pxname,svname,scur,status\n"
"""A table with no rows: what a rehearsal goes on with."""
_COLUMNS = ("svname", "scur", "status")


class Unexpected(ValueError):
    """The answer is not a table of servers; the message is the answer."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """One server of a backend."""

    name: str
    status: str
    """As HAProxy words it: `UP`, `UP 1/3`, `no check`, `DOWN`, `MAINT`, `MAINT (via b/s)`, `DRAIN`, `NOLB` …"""
    sessions: int
    """Now open through it."""

    @property
    def open(self) -> bool:
        """Whether new sessions are sent to it."""
        return self.status.startswith("UP") or self.status == "no check"

    @property
    def closed(self) -> bool:
        """In maintenance, and nobody is connected through it any more."""
        return self.status.startswith("MAINT") and self.sessions == 0


def parse_states(answer: str) -> tuple[ServerState, ...]:
    """The servers in an answer to `show stat`, in the order of the backend. Raises Unexpected."""
    header, *rows = csv.reader(answer.removeprefix("# ").splitlines() or [""])
    if not set(_COLUMNS) <= set(header):
        raise Unexpected(answer.strip()[:300])
    if any(len(row) < len(header) for row in rows if row):
        raise Unexpected(answer.strip()[-300:])
    places = [header.index(column) for column in _COLUMNS]
    return tuple(_state(*(row[place] for place in places)) for row in rows if row)


def states(socket: str, backend: str, expect: str = "") -> Dialogue:
    """Ask for the servers of a backend; 4 and -1 mean all servers of it."""
    return Dialogue(socket, f"show stat {backend} 4 -1", expect or f"(?m)^{re.escape(backend)},")


def is_open(backend: str, server: str) -> str:
    """A regular expression found in `show stat` when the server is open."""
    return _row(backend, server, "[^,]*", r"(?:UP[^,]*|no check)")


def is_closed(backend: str, server: str) -> str:
    """A regular expression found in `show stat` when the server is closed and nobody is connected through it."""
    return _row(backend, server, "0", r"MAINT[^,]*")


def is_shut(backend: str, server: str) -> str:
    """A regular expression found in `show stat` when the server is in maintenance, whoever is still connected."""
    return _row(backend, server, "[^,]*", r"MAINT[^,]*")


def every(*expressions: str) -> str:
    """A regular expression found where all of these are."""
    return r"(?s)\A" + "".join(f"(?=.*?{expression})" for expression in expressions)


def set_state(socket: str, backend: str, server: str, state: str) -> Dialogue:
    """`ready` or `maint`. HAProxy answers nothing when it obeys."""
    return Dialogue(socket, f"set server {backend}/{server} state {state}", r"\A\s*\Z")


def shut_sessions(socket: str, backend: str, server: str) -> Dialogue:
    """Cut every session through the server at once."""
    return Dialogue(socket, f"shutdown sessions server {backend}/{server}", r"\A\s*\Z")


def _row(backend: str, server: str, sessions: str, status: str) -> str:
    """Fields of a row: backend, server, two of the queue, sessions now, twelve more, status."""
    return rf"(?m:^){re.escape(backend)},{re.escape(server)},[^,\n]*,[^,\n]*,{sessions},(?:[^,\n]*,){{12}}{status},"


def _state(name: str, sessions: str, status: str) -> ServerState:
    return ServerState(name, status, int(sessions or 0))
