"""How the contract suite sets up each kind of entry: one file per driver defines a `Rig`."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from secops.model.cluster import Cluster, ClusterEntry
from secops.model.step import Procedure


@dataclass(frozen=True, slots=True)
class Standing:
    """A real entry before members that accept connections and say their name."""

    cluster: Cluster
    ask: Callable[[], str]
    """The name of the member that a client reaches now, empty when it reaches none."""
    open_session: Callable[[], Callable[[], bool]]
    """Connects a client and gives what tells whether that session has ended."""
    inside: Callable[[ClusterEntry, Procedure[object]], Procedure[object]] = lambda entry, procedure: procedure
    """The procedure as the agent of the entry's centre performs it."""


@dataclass(frozen=True)
class Rig:
    """`stand(folder)` sets it up; `missing()` says why it cannot."""

    name: str
    stand: Callable[[Path], AbstractContextManager[Standing]]
    missing: Callable[[], str]


def broken(entry: ClusterEntry) -> ClusterEntry:
    """The same where there is nothing: no socket, no device, no name server, a key that is unknown."""
    return replace(entry, socket="/nonexistent/socket", device="none0", nameserver_port=1)
