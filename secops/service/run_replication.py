"""Runs outlive the centre that executes them: each entry of the journal is in etcd before it is in the file and before
anything is done, so that another centre can go on where the record ends.

What is in the file is always the beginning of what is in etcd. An entry too large for etcd stays at the centre that wrote
it; another one then says where it lies and does not go on.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from secops.coordination.coordinator import Lease
from secops.coordination.etcd_coordinator import EtcdCoordinator, LeaseLost
from secops.coordination.etcd_wire import Compare, Delete, Field, KeyValue, Operation, Put
from secops.execution.journal import Entry, Fenced, Journal, Kind, Run, RunState
from secops.model.text import Text
from secops.support.errors import BadInput, Incomplete

_LARGEST_BYTES = 512 * 1024
_ENDED_KEPT = 200


class RunReplication:
    """Tells etcd what a journal writes, and a journal what etcd holds. Safe for threads."""

    def __init__(self, coordinator: EtcdCoordinator, prefix: str) -> None:
        """`prefix` of the city's keys ends with a slash."""
        self._coordinator = coordinator
        self._prefix = f"{prefix}journal/"
        self._ended = f"{prefix}journal-ended/"

    def announce(self, run: str, entry: Entry, begun: Run | None) -> None:
        """Before the entry counts. Raises Fenced without the run's lease, Incomplete when etcd does not take it."""
        key, value = self._entry_key(run, entry.n), _packed(entry)
        puts: list[Operation] = [Put(key, value)]
        if begun:
            puts.append(Put(f"{self._prefix}{run}/run", _pack(begun)))
        if entry.kind is Kind.STATE and RunState(entry.body["state"]).ended:
            puts.append(Put(f"{self._ended}{run}", b""))
        try:
            done = self._coordinator.transact(Lease(f"run-{run}", entry.token), [Compare(key, Field.CREATED, 0)], puts)
        except LeaseLost as lost:
            raise Fenced(lost.text) from None
        if not done.succeeded and [one.value for one in self._coordinator.read(key)] != [value]:
            raise Fenced(
                Text(f"运行 {run} 已在别处继续,本进程停止", f"run {run} was gone on with elsewhere; this process stops")
            )
        if begun:
            with suppress(Incomplete):
                self._make_room()

    def take_over(self, journal: Journal, wanted: str) -> None:
        """Bring what etcd holds of the runs whose ids begin so into the journal. Raises BadInput for a broken chain,
        Incomplete when a part lies elsewhere."""
        found = self._coordinator.read(f"{self._prefix}{wanted}", prefix=True)
        for name in sorted({one.key.removeprefix(self._prefix).partition("/")[0] for one in found}):
            keys = {one.key: one.value for one in found}
            begun = keys.get(f"{self._prefix}{name}/run")
            if begun is not None:
                journal.adopt(_run_of(begun), list(self._entries(name, keys)))

    def _entries(self, run: str, keys: dict[str, bytes]) -> Iterator[Entry]:
        for key in sorted(keys):
            if key.startswith(f"{self._prefix}{run}/entries/"):
                yield _entry_of(run, keys[key])

    def _make_room(self) -> None:
        """Runs that have ended, the oldest first."""
        ended = self._coordinator.read(self._ended, prefix=True)
        for one in sorted(ended, key=_age)[:-_ENDED_KEPT]:
            run = one.key.removeprefix(self._ended)
            self._coordinator.write([Delete(f"{self._prefix}{run}/", prefix=True), Delete(one.key)])

    def _entry_key(self, run: str, n: int) -> str:
        return f"{self._prefix}{run}/entries/{n:08d}"


def _age(one: KeyValue) -> int:
    return one.create_revision


def _packed(entry: Entry) -> bytes:
    packed = _pack(entry)
    return packed if len(packed) <= _LARGEST_BYTES else _pack({"lies_at": os.uname().nodename, "n": entry.n})


def _pack(value: Any) -> bytes:
    return zlib.compress(orjson.dumps(value))


def _run_of(value: bytes) -> Run:
    try:
        return _RUN.validate_python(orjson.loads(zlib.decompress(value)))
    except (ValueError, zlib.error, ValidationError):
        raise BadInput(Text("etcd 中的运行记录无法理解", "the record of a run in etcd cannot be understood")) from None


def _entry_of(run: str, value: bytes) -> Entry:
    try:
        read = orjson.loads(zlib.decompress(value))
        if "lies_at" in read:
            raise Incomplete(
                Text(
                    f"运行 {run} 的第 {read['n']} 条过大,只在 {read['lies_at']} 上,不能在此继续",
                    f"entry {read['n']} of run {run} is large and lies at {read['lies_at']} alone: it cannot go on here",
                )
            )
        read["at"] = datetime.fromisoformat(read["at"])
        return Entry(**{**read, "kind": Kind(read["kind"])})
    except (ValueError, TypeError, KeyError, zlib.error):
        raise BadInput(
            Text(f"运行 {run} 在 etcd 中的记录无法理解", f"the record of run {run} in etcd cannot be understood")
        ) from None


_RUN = TypeAdapter(Run)
