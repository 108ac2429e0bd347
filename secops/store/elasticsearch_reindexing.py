"""Copying what is changed in place to an index of this program's mapping. It may be killed anywhere and run again.

While it copies, the old index takes no writes; these are told that it is blocked and come again. The alias is moved
when the copy is proven whole. The old index stays beside until the next time.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from secops.model.text import Text
from secops.store.elasticsearch_documents import Kind, essence, renewed
from secops.store.elasticsearch_errors import Blocked, Busy, IndexMissing, Refused
from secops.store.elasticsearch_indices import Indices, is_blocked, number_of
from secops.store.elasticsearch_json import Document
from secops.store.elasticsearch_server import Action, ElasticsearchServer, Found, Result, Status
from secops.support.errors import BadInput, Incomplete

Progress = Callable[[int, int], None]
"""How many documents are done, of how many."""

_AT_ONCE = 1_000
_PATIENCE_SECONDS = 120.0
_EVERYTHING: Document = {"match_all": {}}


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What was copied, and the proof."""

    old: str
    new: str
    documents: int
    sha256: str
    """Over ids and documents, in whatever order; alike in both indices."""


@dataclass(slots=True)
class _Sum:
    """A hash over documents that does not depend on their order."""

    kind: Kind
    documents: int = 0
    total: int = 0

    def add(self, id: str, source: Document) -> None:
        each = hashlib.sha256(f"{len(id)}:{id}".encode() + essence(self.kind, source)).digest()
        self.total = (self.total + int.from_bytes(each)) % (1 << 256)
        self.documents += 1

    @property
    def hexadecimal(self) -> str:
        return f"{self.total:064x}"


def reindex(indices: Indices, kind: Kind, now: datetime, progress: Progress = lambda _done, _all: None) -> Reindexed:
    """Copy all documents to a new index and use that. Raises Refused when one does not fit; then nothing is changed."""
    if kind.append_only:
        raise BadInput(
            Text(
                f"{kind.value} 只追加,不需要重建:secops store setup 会换用新索引",
                f"{kind.value} is only appended to and needs no copy: `secops store setup` begins a new index",
            )
        )
    server = indices.server
    there = indices.of_kind(kind, server.indices(f"{indices.alias(kind)}-*"))
    old = indices.written(kind, there)
    if not old:
        raise IndexMissing(server.name)
    for name in there:
        if name != old:
            server.delete_index(name)  # kept from the last time, or half made by one that was interrupted
    new = indices.create(kind, number_of(old) + 1, now, in_use=False)
    server.block_writes(old)
    try:
        proof = _copy(indices, kind, old, new, progress)
        _require_blocked(indices, old)
    except (IndexMissing, Blocked):
        raise  # the copy was taken away, so somebody else copies now and needs the block
    except BaseException:
        server.delete_index(new)
        server.unblock_writes(old)
        raise
    alias = indices.alias(kind)
    server.change_aliases(
        [
            {"remove": {"index": old, "alias": alias}},
            {"add": {"index": new, "alias": alias, "is_write_index": True}},
        ]
    )
    return Reindexed(old, new, proof.documents, proof.hexadecimal)


def _copy(indices: Indices, kind: Kind, old: str, new: str, progress: Progress) -> _Sum:
    """Every document, then read again. What it read is hashed, and so is what it wrote."""
    server = indices.server
    server.refresh(old)
    count = server.count(old)
    read, written = _Sum(kind), _Sum(kind)
    for chunk in _chunks(server.everything(old, _EVERYTHING)):
        for found in chunk:
            read.add(found.id, found.source)
        own = indices.own(new)
        _write(server, [Action(own, found.id, renewed(kind, found.source), replace=True) for found in chunk])
        progress(read.documents, count)
    server.refresh(new)
    for found in server.everything(new, _EVERYTHING):
        written.add(found.id, found.source)
    if not read.documents == written.documents == count or read.total != written.total:
        raise Incomplete(
            Text(
                f"{new} 与 {old} 不一致({written.documents} 与 {count} 个文档),仍使用 {old}",
                f"{new} is not alike {old} ({written.documents} and {count} documents); {old} stays in use",
            )
        )
    return written


def _chunks(found: Iterator[Found]) -> Iterator[list[Found]]:
    while chunk := list(islice(found, _AT_ONCE)):
        yield chunk


def _write(server: ElasticsearchServer, actions: Iterable[Action]) -> None:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    waiting = list(actions)
    pause = 0.1
    while waiting:
        results = _sent(server, waiting)
        for action, result in zip(waiting, results, strict=True):
            _require_written(server, action, result)
        waiting = [action for action, result in zip(waiting, results, strict=True) if result.status is Status.BUSY]
        if waiting and time.monotonic() > give_up:
            raise Busy(server.name, results[0].reason)
        if waiting:
            time.sleep(pause)
            pause = min(2 * pause, 5.0)


def _sent(server: ElasticsearchServer, actions: list[Action]) -> list[Result]:
    try:
        return server.bulk(actions)
    except Busy as busy:
        return [Result(Status.BUSY, busy.text.en)] * len(actions)


def _require_written(server: ElasticsearchServer, action: Action, result: Result) -> None:
    if result.status is Status.MISSING:
        raise IndexMissing(server.name)
    if result.status not in (Status.OK, Status.BUSY):
        raise Refused(server.name, action.id, result.reason)


def _require_blocked(indices: Indices, old: str) -> None:
    """Raises Blocked when somebody lifted the block meanwhile: what was written since is not in the copy."""
    if not is_blocked(indices.server.indices(old)[old]):
        raise Blocked(
            indices.server.name, f"writes to {old} were allowed while it was copied; run the same command again"
        )
