"""Canaries day by day: written into the assets that ask for them, each at its rhythm, and read from replicas.

No run is kept for them: what was written and acknowledged stands in the ledger of canaries, on disk before anybody is
told.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from backup.canary import writer_for
from backup.canary_steps import read_replica, write_next
from secops.execution.runner import Runners
from secops.model.city import Asset
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text
from secops.service.home import Home
from secops.support.durations import parse_duration
from secops.support.errors import BadInput

_MOST_AT_ONCE = 32
_LOOK_AGAIN_SECONDS = 0.2
Returned = TypeVar("Returned")


@dataclass(frozen=True, slots=True)
class Wrote:
    """What came of one canary, or of one look at a replica."""

    asset: str
    counter: int
    """Number of the canary, or of the newest in the replica; 0: none."""
    failed: Text | None = None


def with_canaries(home: Home, asset: str = "") -> list[Asset]:
    """The assets that canaries are written into, and the replicas that they are read from.

    Raises BadInput for an unknown asset, and for one that no canary can be written into.
    """
    named = (home.inventory.asset(asset),) if asset else home.inventory.assets()
    found = [one for one in named if one.canary]
    if asset and not found:
        raise BadInput(
            Text(
                f"资产 {asset} 在清单中没有 canary,不写探针记录",
                f"asset {asset} has no `canary` in the inventory: none are written into it",
            )
        )
    for one in found:
        writer_for(one)
    return found


def write_once(home: Home, assets: Sequence[Asset]) -> Iterator[Wrote]:
    """Write a canary into each, and read those of each replica; what came of it, in their order."""
    # Opened here: threads find them ready.
    runners, _ledger = home.runners, home.canaries
    with ThreadPoolExecutor(max_workers=_MOST_AT_ONCE) as pool:
        yield from pool.map(lambda asset: _tend(asset, runners), assets)


def keep_writing(home: Home, assets: Sequence[Asset], stop: threading.Event, on_wrote: Callable[[Wrote], None]) -> None:
    """Go on at the rhythm of each until told to stop; what takes longer than its rhythm is not begun twice.

    Raises Held while another process does so.
    """
    runners, _ledger = home.runners, home.canaries
    due = {asset.id: 0.0 for asset in assets}
    going: dict[str, Future[Wrote]] = {}
    with home.coordinator.acquire("canaries"), ThreadPoolExecutor(max_workers=_MOST_AT_ONCE) as pool:
        while not stop.is_set():
            for asset in assets:
                if asset.id not in going and time.monotonic() >= due[asset.id]:
                    due[asset.id] = _next(due[asset.id], _every(asset))
                    going[asset.id] = pool.submit(_tend, asset, runners)
            stop.wait(_LOOK_AGAIN_SECONDS)
            for name in [name for name, future in going.items() if future.done()]:
                on_wrote(going.pop(name).result())


def _every(asset: Asset) -> float:
    assert asset.canary is not None
    return parse_duration(asset.canary.every)


def _next(due: float, every: float) -> float:
    """The next beat; beats that were missed are left out."""
    present = time.monotonic()
    return due + every if due + every > present else present + every


def _tend(asset: Asset, runners: Runners) -> Wrote:
    try:
        if asset.replica_of:
            holding = _perform(read_replica(asset, asset.replica_of), runners)
            return Wrote(asset.id, holding.newest if holding else 0)
        return Wrote(asset.id, _perform(write_next(asset), runners).counter)
    except ProcedureFailed as failed:
        return Wrote(asset.id, 0, Text(failed.zh, failed.en))
    except BadInput as error:
        return Wrote(asset.id, 0, error.text)


def _perform(procedure: Procedure[Returned], runners: Runners) -> Returned:
    """Each effect once: a canary that did not get there is not acknowledged, and the next one follows."""
    try:
        step = next(procedure)
        while True:
            step = procedure.send(runners.perform(step.effect, step.timeout_seconds))
    except StopIteration as stop:
        returned: Returned = stop.value
        return returned
    finally:
        procedure.close()
