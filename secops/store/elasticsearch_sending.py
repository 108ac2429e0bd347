"""Writes to a server that may be busy: as much at once as it takes well, and again after a pause."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from secops.store.elasticsearch_errors import Busy, TooLarge, Unreachable
from secops.store.elasticsearch_server import Action, ElasticsearchServer, Result, Status
from secops.support.errors import Incomplete

_LEAST_BYTES, _MOST_BYTES = 64 << 10, 16 << 20
_CLEAN = 20
"""Requests that must go well before the next one is larger."""
_LONGEST_PAUSE_SECONDS = 60.0


@dataclass(slots=True)
class Pace:
    """How many bytes go in one request: half as many after a refusal, a tenth more after twenty that went well."""

    limit_bytes: int = 2 << 20
    clean: int = 0

    def well(self) -> None:
        """A request was taken as a whole."""
        self.clean += 1
        if self.clean >= _CLEAN:
            self.limit_bytes, self.clean = min(self.limit_bytes * 11 // 10, _MOST_BYTES), 0

    def slower(self) -> None:
        """The server was busy, or the request too large."""
        self.limit_bytes, self.clean = max(self.limit_bytes // 2, _LEAST_BYTES), 0


@dataclass(slots=True)
class Patience:
    """Until when trying again makes sense, and the pauses between."""

    seconds: float
    """For a server that is busy."""
    unreachable_seconds: float
    """For one that does not answer."""
    sleep: Callable[[float], None] = time.sleep
    _since: float | None = None
    """When the trouble began; a slow request that went well takes nothing of the time."""
    _pause_seconds: float = 0.5

    def pause(self, trouble: Incomplete) -> None:
        """Wait a while, by chance longer each time; raises the trouble when that has no sense any more."""
        longest = self.unreachable_seconds if isinstance(trouble, Unreachable) else self.seconds
        if self._since is None:
            self._since = time.monotonic()
        left = self._since + longest - time.monotonic()
        if left <= 0:
            raise trouble
        self.sleep(min(left, self._pause_seconds * random.uniform(0.5, 1.0)))  # noqa: S311
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)

    def progress(self) -> None:
        """Something went well: what comes next has all the time again."""
        self._since, self._pause_seconds = None, 0.5


@dataclass(frozen=True, slots=True)
class _Packed(Action):
    """An action that is encoded already."""

    packed: bytes = b""

    def lines(self) -> bytes:
        return self.packed

    @property
    def size(self) -> int:
        return len(self.packed)


def packed(action: Action) -> Action:
    """The same, encoded once and for all."""
    return _Packed(action.alias, action.id, None, packed=action.lines())


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends many actions, however many requests and pauses that takes."""

    server: ElasticsearchServer
    pace: Pace
    patience: Patience

    def send(self, actions: Sequence[Action]) -> list[Result]:
        """What became of each; none is BUSY. Raises Busy or Unreachable when patience ends; some may have been done.

        After a lost answer an action is sent again, and may then be a CONFLICT with itself.
        """
        waiting = [action if isinstance(action, _Packed) else packed(action) for action in actions]
        results: dict[int, Result] = {}
        todo = list(range(len(waiting)))
        while todo:
            for batch in self._batches(waiting, todo):
                sent = self._send([waiting[number] for number in batch])
                results |= dict(zip(batch, sent, strict=True))
            todo = [number for number in todo if results[number].status is Status.BUSY]
            if todo:
                self.patience.pause(Busy(self.server.name, results[todo[0]].reason))
        return [results[number] for number in range(len(waiting))]

    def _batches(self, waiting: Sequence[Action], todo: Sequence[int]) -> Iterator[list[int]]:
        """Numbers of what goes in one request; the pace may change between two."""
        batch: list[int] = []
        size = 0
        for number in todo:
            length = waiting[number].size  # type: ignore[attr-defined]
            if batch and size + length > self.pace.limit_bytes:
                yield batch
                batch, size = [], 0
            batch.append(number)
            size += length
        if batch:
            yield batch

    def _send(self, batch: list[Action]) -> list[Result]:
        try:
            results = self.server.bulk(batch)
        except TooLarge as error:
            self.pace.slower()
            if len(batch) == 1:
                return [Result(Status.REFUSED, error.text.en)]
            half = len(batch) // 2
            return self._send(batch[:half]) + self._send(batch[half:])
        except Busy as error:
            self.pace.slower()
            return [Result(Status.BUSY, error.text.en)] * len(batch)
        except Unreachable as error:
            self.patience.pause(error)
            return self._send(batch)
        if any(result.status is Status.BUSY for result in results):
            self.pace.slower()
        else:
            self.pace.well()
        told = {result.status for result in results}
        # A conflict is often what a lost answer leaves behind; beside a block it is only the same again.
        if told & {Status.OK, Status.CONFLICT} and Status.BLOCKED not in told:
            self.patience.progress()
        return results
