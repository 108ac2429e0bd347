"""A small copy in etcd of what was done, so that it is known when the centre that did it is gone.

The journal on disk is what counts and holds everything; the copy holds each entry with its hash, and long outputs by their
beginning alone. The oldest copies make room.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from secops.coordination.etcd import Etcd, EtcdUnreachable
from secops.coordination.etcd_wire import Delete, Put, Refusal
from secops.execution.journal import Entry, Journal, Run
from secops.service.agent.documents import Keys, to_json
from secops.support.clock import to_text
from secops.support.errors import BadInput

_LONGEST = 1000
_KEPT = 300
_PAUSE_SECONDS = 1.0


class RunCopies:
    """Begins with `run`, which goes on until it is cancelled. What cannot be copied now is copied later."""

    def __init__(self, etcd: Etcd, keys: Keys, journal: Journal) -> None:
        self._etcd = etcd
        self._keys = keys
        self._journal = journal
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    def wanted(self, run: str) -> None:
        """Have a run copied."""
        self._queue.put_nowait(run)

    async def run(self) -> None:
        """Copy one run after the other."""
        while True:
            name = await self._queue.get()
            with suppress(BadInput):  # the journal did not take it, so that nothing was done either
                await self._copy(name)

    async def _copy(self, name: str) -> None:
        run = await asyncio.to_thread(self._journal.run, name)
        entries = await asyncio.to_thread(self._journal.entries, name)
        put = Put(f"{self._keys.runs()}{name}", to_json(copy_of(run, entries)))
        while True:
            with suppress(EtcdUnreachable):
                with suppress(Refusal):
                    await self._etcd.put(put)
                    await self._make_room()
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _make_room(self) -> None:
        stored = await self._etcd.range(self._keys.runs(), prefix=True)
        oldest = sorted(stored.found, key=lambda one: one.create_revision)[:-_KEPT]
        if oldest:
            await self._etcd.transact([], [Delete(one.key) for one in oldest[:100]])


def copy_of(run: Run, entries: Sequence[Entry]) -> dict[str, Any]:
    """What is kept of a run: where it was done, why, how it ended, and every entry."""
    return {
        "run": run.id,
        "act": run.text,
        "mode": run.mode,
        "started": to_text(run.started),
        "inputs": run.inputs,
        "state": run.state,
        "because": run.because,
        "host": os.uname().nodename,
        "entries": [
            {
                "n": entry.n,
                "token": entry.token,
                "kind": entry.kind,
                "path": entry.path,
                "at": to_text(entry.at),
                "body": _short(entry.body),
                "hash": entry.hash,
            }
            for entry in entries
        ],
    }


def _short(value: Any) -> Any:
    """Long texts by their beginning."""
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value]
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[:_LONGEST] + "…"
    return value
