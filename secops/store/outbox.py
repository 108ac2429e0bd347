"""What is still to be written to a server, on this machine's disk first: nothing is lost while the server is away.

Each write is an entry with a number that only grows, also when the clock steps back or the file is restored from an
older copy: numbers begin at the time. Entries leave in that order. One that can never be written is buried with the
reason, and can be replayed. When there is no more room, what was observed is dropped, oldest first; findings, coverage
and what people did never are.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import orjson

from secops.model.text import Text
from secops.store.entries import Recording, Write, from_bytes, to_bytes
from secops.store.event import Recorded
from secops.store.refusals import Conflict, ForbiddenTransition, NotFound
from secops.store.sqlite_file import SqliteFile
from secops.support.clock import from_text, now, to_text
from secops.support.errors import BadInput, Incomplete, JindunError

APPLICATION = 0x4A44_4F42
""" "JDOB", in the header of the file."""
VERSION = 1
SCHEMA = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, claim INTEGER NOT NULL, waiter TEXT NOT NULL, at TEXT NOT NULL, size INTEGER NOT NULL,
    again TEXT, kind TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX entries_by_waiter ON entries (waiter) WHERE waiter <> '';
CREATE TABLE bodies (
    number INTEGER PRIMARY KEY, droppable INTEGER NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE dead (
    number INTEGER PRIMARY KEY, claim INTEGER NOT NULL, at TEXT NOT NULL, buried TEXT NOT NULL, size INTEGER NOT NULL,
    again TEXT, kind TEXT NOT NULL, reason_zh TEXT NOT NULL, reason_en TEXT NOT NULL, body BLOB NOT NULL,
    observation BLOB NOT NULL
);
CREATE TABLE outcomes (number INTEGER PRIMARY KEY, at TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE standing (
    id TEXT NOT NULL, last INTEGER NOT NULL, size INTEGER NOT NULL, dropped INTEGER NOT NULL, route TEXT NOT NULL,
    sent INTEGER NOT NULL
);
"""
OUTBOX_FILE = "outbox.sqlite"
"""Its name in the folder of what the service remembers."""
QUOTA_BYTES = 4 << 30
_OUTCOMES_SECONDS = 3600
"""After that nobody waits any more for what became of an entry."""
_OVERHEAD_BYTES = 200
"""Of a row, about."""


NOTHING = Recorded()


@dataclass(frozen=True, slots=True)
class Entry:
    """One write on its way."""

    number: int
    write: Write
    size_bytes: int
    claim: int
    """The number under which it was first sent; another one's after a replay."""
    again: frozenset[str] | None = None
    """After a replay, the findings that it still has to reach; None: all."""
    waited_for: bool = False
    """Whether somebody wants to know what becomes of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an entry."""

    recorded: Recorded = NOTHING
    refusal: JindunError | None = None
    """Why nothing was written."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where entries are sent to."""

    indices: Mapping[str, str]
    sent_before: int
    """Entries up to this number may have been sent before; 0: none."""
    sent: int
    """Up to this number they may now be sent."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that cannot be written."""

    number: int
    kind: str
    write: Write | None
    """None: a newer program wrote it, or a broken disk."""
    at: datetime
    buried: datetime
    reason: Text
    again: frozenset[str] | None
    """The findings that it did not reach; None: it reached nothing at all."""


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """How an outbox stands."""

    depth: int
    oldest: datetime | None
    size_bytes: int
    dead_letters: int
    dropped_observations: int
    """Ever."""


class Outbox:
    """Entries in one file. Several threads and processes may append at once; one at a time ships.

    Everything appended is on disk when a method returns; a method that raises has written nothing.
    """

    def __init__(
        self,
        path: Path,
        *,
        quota_bytes: int = QUOTA_BYTES,
        wait_seconds: float = 30.0,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """Open or create the file. Raises BadInput when it cannot be used."""
        self._file = SqliteFile(
            path, application=APPLICATION, schema=SCHEMA, version=VERSION, upgrades={}, wait_seconds=wait_seconds
        )
        self.path = path
        self._lock = path.with_name(f"{path.name}.lock")
        self._quota_bytes = quota_bytes
        self._clock = clock
        with self._file.writing() as connection:
            connection.execute(
                "INSERT INTO standing SELECT ?, 0, 0, 0, '', 0 WHERE NOT EXISTS (SELECT 1 FROM standing)",
                (uuid4().hex[:12],),
            )
        with self._file.reading() as connection:
            self.id: str = connection.execute("SELECT id FROM standing").fetchone()[0]

    def append(self, writes: Iterable[Write], *, waited_for: bool = False) -> range:
        """Keep them, all or none, in their order; their numbers. Raises Incomplete when there is no room."""
        packed = [to_bytes(write) for write in writes]
        with self._file.writing() as connection:
            return self._append(connection, [(*one, None, None) for one in packed], waited_for)

    def after(self, number: int, *, limit_bytes: int, limit: int) -> list[Entry]:
        """Entries behind that number in their order, no more than that many or that large, but at least one.

        One that cannot be read is buried.
        """
        query = """
            SELECT e.*, b.body AS observation FROM entries e LEFT JOIN bodies b USING (number)
            WHERE number > ? ORDER BY number LIMIT ?
        """
        found: list[Entry] = []
        unreadable: dict[int, Text] = {}
        with self._file.reading() as connection:
            size = 0
            for row in connection.execute(query, (number, limit)):
                size += row["size"] + len(row["observation"] or b"")
                if found and size > limit_bytes:
                    break
                try:
                    found.append(_entry_of(row))
                except (BadInput, ValueError, TypeError, KeyError) as error:
                    unreadable[row["number"]] = _unreadable(error)
        for dead, reason in unreadable.items():
            self.bury(dead, reason)
        return found if found or not unreadable else self.after(number, limit_bytes=limit_bytes, limit=limit)

    def done(self, outcomes: Mapping[int, Outcome], told: Container[int] = ()) -> None:
        """These need no longer be kept; whoever waits for one will be told, unless they are `told` otherwise."""
        if not outcomes:
            return
        at = to_text(self._clock())
        with self._file.writing() as connection:
            numbers = orjson.dumps(list(outcomes)).decode()
            rows = connection.execute(
                "SELECT number FROM entries WHERE waiter <> '' AND number IN (SELECT value FROM json_each(?))",
                (numbers,),
            ).fetchall()
            connection.executemany(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)",
                ((row[0], at, _packed(outcomes[row[0]])) for row in rows if row[0] not in told),
            )
            self._remove(connection, numbers)

    def outcomes(self, numbers: Sequence[int]) -> dict[int, Outcome]:
        """What became of those that are done; each is told once."""
        wanted = orjson.dumps(list(numbers)).decode()
        chosen = "number IN (SELECT value FROM json_each(?))"
        with self._file.writing() as connection:
            rows = connection.execute(f"SELECT number, body FROM outcomes WHERE {chosen}", (wanted,)).fetchall()  # noqa: S608
            connection.execute(f"DELETE FROM outcomes WHERE {chosen}", (wanted,))  # noqa: S608
        return {row[0]: _unpacked(row[1]) for row in rows}

    def nobody_waits(self, numbers: Sequence[int]) -> int:
        """Let them be written some time; how many of them are still to be."""
        wanted = orjson.dumps(list(numbers)).decode()
        oldest = to_text(datetime.fromtimestamp(self._clock().timestamp() - _OUTCOMES_SECONDS, self._clock().tzinfo))
        with self._file.writing() as connection:
            connection.execute("DELETE FROM outcomes WHERE at < ?", (oldest,))
            return connection.execute(
                "UPDATE entries SET waiter = '' WHERE number IN (SELECT value FROM json_each(?))", (wanted,)
            ).rowcount

    def withdraw(self, number: int) -> None:
        """Forget an entry that was refused while its author waits."""
        with self._file.writing() as connection:
            self._remove(connection, f"[{number}]")

    def bury(self, number: int, reason: Text, again: frozenset[str] | None = None) -> None:
        """It can never be written, or not to those findings: keep it aside with the reason."""
        kept = None if again is None else orjson.dumps(sorted(again)).decode()
        with self._file.writing() as connection:
            connection.execute(
                """
                INSERT INTO dead SELECT number, claim, at, ?2, e.size, coalesce(?3, again), kind, ?4, ?5, e.body,
                coalesce(b.body, x'') FROM entries e LEFT JOIN bodies b USING (number) WHERE number = ?1
                """,
                (number, to_text(self._clock()), kept, *map(_storable, (reason.zh, reason.en))),
            )
            self._remove(connection, f"[{number}]", kept=True)

    def dead_letters(self) -> list[DeadLetter]:
        """Oldest first."""
        with self._file.reading() as connection:
            return [_dead_letter_of(row) for row in connection.execute("SELECT * FROM dead ORDER BY number")]

    def replay(self, numbers: Sequence[int] | None = None) -> list[int]:
        """Let dead letters be written once more, behind all others; those numbers or all. The numbers they had."""
        with self._file.writing() as connection:
            rows = self._dead(connection, numbers)
            for row in rows:
                packed = (row["kind"], row["body"], row["observation"], row["claim"], row["again"])
                self._forget_dead(connection, row["number"])
                self._append(connection, [packed], waited_for=False)
        return [row["number"] for row in rows]

    def drop(self, numbers: Sequence[int] | None = None) -> list[int]:
        """Forget dead letters, those or all; the numbers they had."""
        with self._file.writing() as connection:
            rows = self._dead(connection, numbers)
            for row in rows:
                self._forget_dead(connection, row["number"])
        return [row["number"] for row in rows]

    def standing(self) -> OutboxStatus:
        """How it stands."""
        with self._file.reading() as connection:
            one = connection.execute("SELECT size, dropped FROM standing").fetchone()
            depth, oldest = connection.execute("SELECT count(*), min(at) FROM entries").fetchone()
            dead = connection.execute("SELECT count(*) FROM dead").fetchone()[0]
        return OutboxStatus(depth, from_text(oldest) if oldest else None, one["size"], dead, one["dropped"])

    def first(self) -> int | None:
        """The number of the entry that is next."""
        with self._file.reading() as connection:
            number: int | None = connection.execute("SELECT min(number) FROM entries").fetchone()[0]
        return number

    def dead_claims(self) -> frozenset[int]:
        """Numbers under which dead letters were sent."""
        with self._file.reading() as connection:
            return frozenset(value for row in connection.execute("SELECT number, claim FROM dead") for value in row)

    def route(self, fresh: Callable[[], dict[str, str]], *, anew: bool = False) -> "Route":
        """Where the entries that wait are sent to.

        What may have been sent is sent to the same place again, where it is recognised; `anew`: that place is gone.
        """
        first = self.first()
        with self._file.reading() as connection:
            row = connection.execute("SELECT route, sent FROM standing").fetchone()
        again = bool(row["route"]) and first is not None and first <= row["sent"]
        route: dict[str, str] = orjson.loads(row["route"]) if again and not anew else fresh()
        with self._file.writing() as connection:
            connection.execute("UPDATE standing SET route = ?, sent = last", (orjson.dumps(route).decode(),))
            last = connection.execute("SELECT last FROM standing").fetchone()[0]
        return Route(route, row["sent"] if again else 0, last)

    def sending(self) -> int:
        """All entries that are there are about to be sent on the route; the last number."""
        with self._file.writing() as connection:
            connection.execute("UPDATE standing SET sent = last")
            last: int = connection.execute("SELECT last FROM standing").fetchone()[0]
        return last

    @contextmanager
    def shipping(self, give_up: float, finished: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Be the only one who ships, of all processes. False: somebody else still did at the monotonic time `give_up`,
        or it was `finished` meanwhile.
        """
        handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _locked(handle, give_up, finished)
        finally:
            os.close(handle)

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._file.close()

    def _append(
        self,
        connection: sqlite3.Connection,
        packed: Sequence[tuple[str, bytes, bytes, int | None, str | None]],
        waited_for: bool,
    ) -> range:
        last, size = connection.execute("SELECT last, size FROM standing").fetchone()
        at = self._clock()
        first = max(last + 1, time.time_ns() // 1000)
        entries, bodies = [], []
        for number, (kind, body, observation, claim, again) in enumerate(packed, first):
            length = len(body) + _OVERHEAD_BYTES
            entries.append((number, claim or number, "1" if waited_for else "", to_text(at), length, again, kind, body))
            if observation:
                bodies.append((number, kind == _DROPPABLE, len(observation), observation))
        connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", entries)
        connection.executemany("INSERT INTO bodies VALUES (?, ?, ?, ?)", bodies)
        size += sum(entry[4] for entry in entries) + sum(body[2] for body in bodies)
        connection.execute("UPDATE standing SET last = ?, size = ?", (first + max(len(entries), 1) - 1, size))
        if size > self._quota_bytes:
            self._make_room(connection, size)
        return range(first, first + len(entries))

    def _make_room(self, connection: sqlite3.Connection, size: int) -> None:
        """Drop observations, the oldest first. Raises Incomplete when that is not enough."""
        dropped = []
        query = "SELECT number, size FROM bodies WHERE droppable ORDER BY number"
        for number, length in connection.execute(query):
            if size <= self._quota_bytes:
                break
            dropped.append((number,))
            size -= length
        if size > self._quota_bytes:
            raise Incomplete(
                Text(
                    f"待写队列 {self._file.path} 已达上限 {self._quota_bytes:,} 字节,本次未写入任何内容;"
                    "请恢复 Elasticsearch 的连接,或调大 store.outbox_bytes",
                    f"the outbox {self._file.path} has reached its quota of {self._quota_bytes:,} bytes and nothing of "
                    "this was written; let Elasticsearch be reached again, or raise store.outbox_bytes",
                )
            )
        connection.executemany("DELETE FROM bodies WHERE number = ?", dropped)
        connection.execute("UPDATE standing SET size = ?, dropped = dropped + ?", (size, len(dropped)))

    def _remove(self, connection: sqlite3.Connection, numbers: str, *, kept: bool = False) -> None:
        """Take entries out. `kept`: they take up the same room elsewhere."""
        chosen = "number IN (SELECT value FROM json_each(?))"
        if not kept:
            for table in ("entries", "bodies"):
                freed = connection.execute(f"SELECT total(size) FROM {table} WHERE {chosen}", (numbers,))  # noqa: S608
                connection.execute("UPDATE standing SET size = size - ?", (int(freed.fetchone()[0]),))
        connection.execute(f"DELETE FROM entries WHERE {chosen}", (numbers,))  # noqa: S608
        connection.execute(f"DELETE FROM bodies WHERE {chosen}", (numbers,))  # noqa: S608

    def _dead(self, connection: sqlite3.Connection, numbers: Sequence[int] | None) -> list[sqlite3.Row]:
        if numbers is None:
            return connection.execute("SELECT * FROM dead ORDER BY number").fetchall()
        rows = [connection.execute("SELECT * FROM dead WHERE number = ?", (number,)).fetchone() for number in numbers]
        for number, row in zip(numbers, rows, strict=True):
            if row is None:
                raise NotFound(Text(f"没有编号为 {number} 的死信", f"no dead letter has the number {number}"))
        return rows

    def _forget_dead(self, connection: sqlite3.Connection, number: int) -> None:
        query = "SELECT size + length(observation) FROM dead WHERE number = ?"
        freed = connection.execute(query, (number,)).fetchone()[0]
        connection.execute("DELETE FROM dead WHERE number = ?", (number,))
        connection.execute("UPDATE standing SET size = size - ?", (freed,))


_DROPPABLE = "recording"
_EFFECTS = ("new", "seen_again", "reopened", "resolved")
_REFUSALS = {kind.__name__: kind for kind in (BadInput, Conflict, ForbiddenTransition, NotFound)}


def _locked(handle: int, give_up: float, finished: Callable[[], bool]) -> bool:
    pause = 0.002
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= give_up or finished():
                return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def _entry_of(row: sqlite3.Row) -> Entry:
    write = from_bytes(row["kind"], row["body"], row["observation"] or b"")
    again = None if row["again"] is None else frozenset(orjson.loads(row["again"]))
    return Entry(row["number"], write, row["size"], row["claim"], again, bool(row["waiter"]))


def _dead_letter_of(row: sqlite3.Row) -> DeadLetter:
    try:
        write: Write | None = from_bytes(row["kind"], row["body"], row["observation"])
    except (BadInput, ValueError, TypeError, KeyError):
        write = None
    return DeadLetter(
        number=row["number"],
        kind=row["kind"],
        write=write,
        at=from_text(row["at"]),
        buried=from_text(row["buried"]),
        reason=Text(row["reason_zh"], row["reason_en"]),
        again=None if row["again"] is None else frozenset(orjson.loads(row["again"])),
    )


def _packed(outcome: Outcome) -> bytes:
    refusal = outcome.refusal
    told = None if refusal is None else (type(refusal).__name__, refusal.text.zh, refusal.text.en)
    return orjson.dumps({"recorded": outcome.recorded, "refusal": told})


def _unpacked(body: bytes) -> Outcome:
    told = orjson.loads(body)
    new, seen, opened, closed = (tuple(told["recorded"][name]) for name in _EFFECTS)
    recorded = Recorded(new, seen, opened, closed)
    if told["refusal"] is None:
        return Outcome(recorded)
    kind, zh, en = told["refusal"]
    refusal: JindunError = _REFUSALS.get(kind, Incomplete)(Text(zh, en))
    return Outcome(recorded, refusal)


def _unreadable(error: Exception) -> Text:
    if isinstance(error, BadInput):
        return error.text
    return Text(f"条目无法读取:{error}", f"the entry cannot be read: {error}")


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def described(write: Write | None) -> str:
    """One line that tells a person which write it is."""
    match write:
        case Recording(scan, evaluation):
            return f"{scan}: {evaluation.asset} {evaluation.check}"
        case None:
            return "?"
    return type(write).__name__.lower() + " " + getattr(getattr(write, "edit", write), "finding", "")
