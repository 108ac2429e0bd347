"""A scan of many sites in several processes: each scans a part, and tells the one that keeps journal and ledger.

They are forked when the templates are read, so that these are read and kept once. A part that nobody listens to any
more ends itself, whatever became of the scan that began it.
"""

import asyncio
import multiprocessing
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any, Protocol

from scanners.endings import OutOfScope
from scanners.scope import Guard, Scope
from scanners.web.campaign.ledger import Entry
from scanners.web.loop import run as run_loop
from scanners.web.templates.site import Site

_LINES = 64
_TOLD_SECONDS = 0.25
_ENDING_SECONDS = 5.0
_FORK = multiprocessing.get_context("fork")
Told = tuple[str, tuple[Any, ...]]
"""What happened, and all about it."""


@dataclass(frozen=True, slots=True)
class Part:
    """The sites of one process."""

    sites: tuple[Site, ...]
    divisor: int = 1
    """How many processes share the pace of each address."""


def parts_of(sites: Sequence[Site], scope: Scope, processes: int) -> list[Part]:
    """Deal out sites, all those at one address to one process; where they are all at few, its pace is divided."""
    processes = min(processes, len(sites))
    if processes < 2:
        return [Part(tuple(sites))]
    groups = _by_address(sites, run_loop(_addresses(sites, scope)))
    if len(groups) < processes:
        return [Part(tuple(sites[number::processes]), processes) for number in range(processes)]
    dealt: list[list[Site]] = [[] for _ in range(processes)]
    for group in sorted(groups, key=len, reverse=True):
        min(dealt, key=len).extend(group)
    return [Part(tuple(part)) for part in dealt]


def _by_address(sites: Iterable[Site], addresses: Iterable[str]) -> list[list[Site]]:
    groups: dict[str, list[Site]] = defaultdict(list)
    for site, address in zip(sites, addresses, strict=True):
        groups[address].append(site)
    return list(groups.values())


async def _addresses(sites: Iterable[Site], scope: Scope) -> list[str]:
    guard = Guard(scope)

    async def address(site: Site) -> str:
        try:
            return str((await guard.addresses(site.target.host, site.target.port))[0])
        except (OutOfScope, OSError):
            return site.target.host

    return list(await asyncio.gather(*map(address, sites)))


class Notes(Protocol):
    """What a scan notes down as it goes: in its journal, or for who keeps it."""

    def append(self, entry: Entry) -> None:
        """One more has ended."""
        ...

    def amend(self, entry: Entry) -> None:
        """One that has ended, ended otherwise."""
        ...

    def fingerprint(self, site: str, mark: str) -> None:
        """What a target looks like."""
        ...

    def place(self, site: str, place: str, examined: dict[str, Any]) -> None:
        """What came of all checks at one place."""
        ...

    def flush(self) -> None:
        """What was noted survives the death of this process."""
        ...


class Reports:
    """What a part tells, in the order in which it happened; for the part it is the journal."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._waiting: list[Told] = []

    def append(self, entry: Entry) -> None:
        """One more has ended."""
        self._add("entry", entry)
        if len(self._waiting) >= _LINES or entry.found:
            self.flush()

    def amend(self, entry: Entry) -> None:
        """One that has ended, ended otherwise."""
        self._add("amended", entry)

    def fingerprint(self, site: str, mark: str) -> None:
        """What a target looks like."""
        self._add("fingerprint", site, mark)

    def place(self, site: str, place: str, examined: dict[str, Any]) -> None:
        """What came of all checks at one place."""
        self._add("place", site, place, examined)
        self.flush()

    def state(self, state: object) -> None:
        """How far it is."""
        self._add("state", state)
        self.flush()

    def end(self, *result: Any) -> None:
        """Everything that it was given has ended."""
        self._add("end", *result)
        self.flush()

    def flush(self) -> None:
        """Tell what waits; when nobody listens any more, the part is interrupted."""
        waiting, self._waiting = self._waiting, []
        try:
            if waiting:
                self._pipe.send(waiting)
        except OSError:
            signal.raise_signal(signal.SIGINT)

    def _add(self, what: str, *about: Any) -> None:
        self._waiting.append((what, about))


def scan_parts(
    parts: Sequence[Part],
    scan: Callable[[Part, Reports], None],
    on_told: Callable[[int, str, tuple[Any, ...]], None],
    now_and_then: Callable[[], None],
) -> bool:
    """Scan each part in a process of its own; false when one of them died before its end.

    `scan` is run there, and all that it reports is told here, with the number of the part.
    """
    pipes: dict[Connection, int] = {}
    processes = []
    ended: set[int] = set()
    try:
        for number, part in enumerate(parts):
            ours, theirs = _FORK.Pipe(duplex=False)
            pipes[ours] = number
            process = _FORK.Process(target=_run, args=(scan, part, theirs, tuple(pipes)))
            process.start()
            theirs.close()
            processes.append(process)
        told_at = monotonic()
        while pipes:
            for ready in wait(list(pipes), _TOLD_SECONDS):
                assert isinstance(ready, Connection)
                ended |= _listen(ready, pipes, on_told)
            if monotonic() - told_at >= _TOLD_SECONDS:
                now_and_then()
                told_at = monotonic()
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(_ENDING_SECONDS)
            process.kill()
            process.join()
    return len(ended) == len(parts)


def _listen(
    pipe: Connection, pipes: dict[Connection, int], on_told: Callable[[int, str, tuple[Any, ...]], None]
) -> set[int]:
    """Hear one batch; the part, when it is at its end."""
    number, ended = pipes[pipe], False
    try:
        told: list[Told] = pipe.recv()
    except (EOFError, OSError):
        del pipes[pipe]
        pipe.close()
        return set()
    for what, about in told:
        ended = ended or what == "end"
        on_told(number, what, about)
    return {number} if ended else set()


def _run(scan: Callable[[Part, Reports], None], part: Part, pipe: Connection, others: Sequence[Connection]) -> None:
    """In the process of a part. It leaves without what belongs to the one that it is a copy of."""
    code = 1
    try:
        # Else those who listen to the parts seemed to live on in each other.
        for other in others:
            other.close()
        reports = Reports(pipe)
        try:
            scan(part, reports)
        except Exception as error:
            reports.end(error)
        code = 0
    except KeyboardInterrupt:
        code = 130
    finally:
        os._exit(code)
