"""The journal: what was about to be done and what came of it, each on disk before the next thing happens.

Entries of a run form a hash chain, so that the record cannot be changed afterwards without being noticed.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Any

import orjson

from secops.model.text import Text
from secops.support.clock import from_text, now, to_text
from secops.support.errors import BadInput, Incomplete

_SCHEMA_VERSION = 1
_SCHEMA = """
create table if not exists runs (
    run text primary key, playbook text not null, text text not null, mode text not null, started text not null,
    state text not null, because_zh text not null, because_en text not null, inputs text not null,
    trigger text not null
);
create index if not exists runs_by_trigger on runs (trigger, started);
create table if not exists entries (
    run text not null references runs, n integer not null, token integer not null, kind text not null,
    path text not null, at text not null, body text not null, hash text not null, primary key (run, n)
) without rowid;
create index if not exists entries_by_path on entries (run, path);
"""


class Mode(StrEnum):
    """How far a run goes."""

    REHEARSAL = "rehearsal"
    """Live probes, no changes."""
    DRILL = "drill"
    """Real effects, in isolated places only."""
    REAL = "real"


class RunState(StrEnum):
    """Where a run is."""

    RUNNING = "running"
    """Being executed, or interrupted and to be resumed."""
    WAITING_APPROVAL = "waiting_approval"
    WAITING_DECISION = "waiting_decision"
    """A step with intent and no outcome that only a human may judge."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to resume."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.ROLLED_BACK)


class Kind(StrEnum):
    """What an entry records."""

    STARTED = "started"
    INTENT = "intent"
    OUTCOME = "outcome"
    STEP = "step"
    """A playbook step ended: done, skipped or failed, with its outputs."""
    APPROVAL = "approval"
    DECISION = "decision"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal."""

    n: int
    token: int
    kind: Kind
    path: str
    at: datetime
    body: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a playbook. `text` is the playbook as it was when the run began; editing the file changes
    nothing."""

    id: str
    playbook: str
    text: str
    mode: Mode
    started: datetime
    inputs: dict[str, Any]
    trigger: str = "manual"
    """`manual`, `finding:ID` or `schedule:ID`."""
    state: RunState = RunState.RUNNING
    because: Text = field(default_factory=lambda: Text("", ""))


class Fenced(Incomplete):
    """A newer holder of the run has written; this one must stop."""


def _announce_to_nobody(_run: str, _entry: Entry, _begun: Run | None) -> None:
    """The file is the only place."""


class Journal:
    """The journal file. Safe for threads; several processes may read while the holder of a run's lease writes."""

    def __init__(self, path: Path, announce: Callable[[str, Entry, Run | None], None] = _announce_to_nobody) -> None:
        """`announce` is told each entry before it is written, with the run when it begins; what it raises is raised, and
        the entry is not written."""
        self._announce = announce
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.execute("pragma journal_mode = wal")
            # FULL: each commit reaches the disk before the effect that it announces.
            self._db.execute("pragma synchronous = full")
            version = self._db.execute("pragma user_version").fetchone()[0]
            if version > _SCHEMA_VERSION:
                raise BadInput(
                    Text(f"{path} 由更新的版本写入({version})", f"{path} was written by a newer version ({version})")
                )
            if version < _SCHEMA_VERSION:
                self._db.executescript(_SCHEMA)
                self._db.execute(f"pragma user_version = {_SCHEMA_VERSION}")
        except sqlite3.OperationalError as error:
            raise _not_written(error) from None
        except sqlite3.DatabaseError as error:
            raise BadInput(
                Text(f"{path} 不是可用的日志库:{error}", f"{path} is not a usable journal: {error}")
            ) from None

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def begin(self, run: Run, token: int) -> None:
        """Record a new run. Raises BadInput when the id is taken."""
        row = (run.id, run.playbook, run.text, run.mode, to_text(run.started), run.state, *_both(run.because))
        with self._transaction():
            try:
                self._db.execute(
                    "insert into runs values (?,?,?,?,?,?,?,?,?,?)", (*row, _json(run.inputs), run.trigger)
                )
            except sqlite3.IntegrityError:
                raise BadInput(Text(f"运行 {run.id} 已存在", f"run {run.id} exists already")) from None
            playbook_hash = hashlib.sha256(run.text.encode()).hexdigest()
            started = {
                "playbook": run.playbook,
                "playbook_sha256": playbook_hash,
                "mode": run.mode,
                "trigger": run.trigger,
            }
            self._insert(run.id, token, Kind.STARTED, "", started | {"inputs": run.inputs}, begun=run)

    def append(self, run: str, token: int, kind: Kind, path: str, body: dict[str, Any]) -> Entry:
        """Write one entry and wait until it is on disk. Raises Fenced when a larger token has written."""
        with self._transaction():
            return self._insert(run, token, kind, path, body)

    def set_state(self, run: str, token: int, state: RunState, because: Text) -> None:
        """Where the run is now, and why."""
        with self._transaction():
            self._insert(run, token, Kind.STATE, "", {"state": state, "zh": because.zh, "en": because.en})
            self._set_state(run, state, because)

    def prune(self, playbook: str, kept: int) -> int:
        """Forget all but the newest runs of a playbook; gives how many were forgotten. Their room is used again."""
        older = "select run from runs where playbook = ? order by started desc, run desc limit -1 offset ?"
        with self._transaction():
            self._db.execute(f"delete from entries where run in ({older})", (playbook, kept))  # noqa: S608 - a constant
            return self._db.execute(f"delete from runs where run in ({older})", (playbook, kept)).rowcount  # noqa: S608

    def run(self, run: str) -> Run:
        """The run; an unambiguous prefix of its id is enough."""
        found = self._runs("where run >= ? and run < ? order by run", (run, run + "\uffff"))
        exact = [one for one in found if one.id == run] or found
        if not exact:
            raise BadInput(Text(f"没有运行“{run}”", f"there is no run “{run}”"))
        if len(exact) > 1:
            zh, en = f"有 {len(exact)} 次运行以“{run}”开头", f"{len(exact)} runs begin with “{run}”"
            raise BadInput(Text(f"{zh},请写得更完整", f"{en}; write more of the id"))
        return exact[0]

    def runs(self, limit: int = 50) -> Sequence[Run]:
        """The newest runs first."""
        return self._runs("order by started desc, run limit ?", (limit,))

    def drills(self, limit: int = 50) -> Sequence[Run]:
        """The newest drills first, ended or not."""
        return self._runs("where mode = ? order by started desc, run limit ?", (Mode.DRILL.value, limit))

    def triggered(self, trigger: str) -> Run | None:
        """The newest run that this trigger began."""
        found = self._runs("where trigger = ? order by started desc, run limit 1", (trigger,))
        return found[0] if found else None

    def counts(self) -> Mapping[tuple[Mode, RunState], int]:
        """How many runs there are of each mode in each state; none is left out."""
        with self._lock:
            rows = self._db.execute("select mode, state, count(*) from runs group by mode, state").fetchall()
        return dict.fromkeys(product(Mode, RunState), 0) | {(Mode(m), RunState(s)): count for m, s, count in rows}

    def last_succeeded(self) -> Sequence[Run]:
        """The newest real run that succeeded, of each playbook and system."""
        newest = "select run, max(started) from runs where mode = ? and state = ? group by playbook, {system}"
        newest = newest.format(system="json_extract(inputs, '$.system')")
        clause = f"where run in (select run from ({newest})) order by started desc, run"  # noqa: S608
        return self._runs(clause, (Mode.REAL, RunState.SUCCEEDED))

    def newest_drills(self, *, succeeded: bool) -> Sequence[Run]:
        """The newest drill of each playbook and asset that has ended; of those that succeeded, if asked."""
        states = [state for state in RunState if state.ended and (not succeeded or state is RunState.SUCCEEDED)]
        asset = "json_extract(inputs, '$.values.asset')"
        newest = "select run, max(started) from runs where mode = ? and state in ({marks}) group by playbook, {asset}"
        newest = newest.format(marks=",".join("?" * len(states)), asset=asset)
        return self._runs(f"where run in (select run from ({newest})) order by run", (Mode.DRILL, *states))  # noqa: S608

    def acted_on(self, system: str, since: datetime) -> Sequence[Run]:
        """The real runs of the system that did something after that moment, the newest first."""
        acted = "select run from entries where kind = ? and at > ?"
        clause = f"where run in ({acted}) and mode = ? and json_extract(inputs, '$.system') = ?"
        return self._runs(f"{clause} order by started desc, run", (Kind.OUTCOME, to_text(since), Mode.REAL, system))

    def entries(self, run: str) -> Sequence[Entry]:
        """All of a run, in order."""
        with self._lock:
            rows = self._db.execute(
                "select n, token, kind, path, at, body, hash from entries where run = ? order by n", (run,)
            ).fetchall()
        return [_entry(row) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it is on disk when the block ends, or nothing. Raises Incomplete when the disk is full or busy."""
        with self._lock:
            try:
                with self._db:
                    self._db.execute("begin immediate")
                    yield
            except sqlite3.OperationalError as error:
                raise _not_written(error) from None

    def _runs(self, clause: str, arguments: tuple[object, ...]) -> list[Run]:
        columns = "run, playbook, text, mode, started, inputs, trigger, state, because_zh, because_en"
        with self._lock:
            rows = self._db.execute(f"select {columns} from runs {clause}", arguments).fetchall()  # noqa: S608
        return [_run(row) for row in rows]

    def adopt(self, run: Run, entries: Sequence[Entry]) -> None:
        """Take over what of a run is not here yet, as it was announced elsewhere. Raises BadInput when the chain is broken
        or is not the one that begins here."""
        known = self.entries(run.id)
        _refuse_broken(run.id, entries, known)
        with self._transaction():
            row = (run.id, run.playbook, run.text, run.mode, to_text(run.started), run.state, *_both(run.because))
            self._db.execute(
                "insert or ignore into runs values (?,?,?,?,?,?,?,?,?,?)", (*row, _json(run.inputs), run.trigger)
            )
            for entry in entries[len(known) :]:
                self._store(run.id, entry)
                if entry.kind is Kind.STATE:
                    self._set_state(run.id, RunState(entry.body["state"]), Text(entry.body["zh"], entry.body["en"]))

    def _insert(
        self, run: str, token: int, kind: Kind, path: str, body: dict[str, Any], *, begun: Run | None = None
    ) -> Entry:
        newest = self._db.execute(
            "select n, token, hash from entries where run = ? order by n desc limit 1", (run,)
        ).fetchone()
        n, last_token, previous = newest or (0, 0, "")
        if last_token > token:
            raise Fenced(
                Text(
                    f"运行 {run} 已由令牌 {last_token} 接管,本进程(令牌 {token})停止",
                    f"run {run} was taken over under token {last_token}; this process (token {token}) stops",
                )
            )
        at = to_text(now())
        digest = entry_hash(previous, n + 1, token, kind, path, at, _json(body))
        entry = Entry(n + 1, token, kind, path, from_text(at), body, digest)
        self._announce(run, entry, begun)
        self._store(run, entry)
        return entry

    def _store(self, run: str, entry: Entry) -> None:
        row = (run, entry.n, entry.token, entry.kind, entry.path, to_text(entry.at), _json(entry.body), entry.hash)
        self._db.execute("insert into entries values (?,?,?,?,?,?,?,?)", row)

    def _set_state(self, run: str, state: RunState, because: Text) -> None:
        change = "update runs set state = ?, because_zh = ?, because_en = ? where run = ?"
        self._db.execute(change, (state, *_both(because), run))


def _refuse_broken(run: str, entries: Sequence[Entry], known: Sequence[Entry]) -> None:
    """Entries that do not follow from each other, or from what is here already."""
    previous = ""
    for n, entry in enumerate(entries, 1):
        digest = entry_hash(previous, n, entry.token, entry.kind, entry.path, to_text(entry.at), _json(entry.body))
        if entry.n != n or entry.hash != digest or (n <= len(known) and known[n - 1].hash != digest):
            raise BadInput(
                Text(
                    f"运行 {run} 的第 {n} 条记录与哈希链不符",
                    f"entry {n} of run {run} does not fit its chain of hashes",
                )
            )
        previous = digest


def entry_hash(previous: str, n: int, token: int, kind: str, path: str, at: str, body: str) -> str:
    """SHA-256, hex, over the previous hash and every field, joined by the unit separator."""
    return hashlib.sha256("\x1f".join((previous, str(n), str(token), kind, path, at, body)).encode()).hexdigest()


def _not_written(error: sqlite3.OperationalError) -> Incomplete:
    return Incomplete(
        Text(
            f"日志无法写入,后续步骤不会执行:{error}", f"the journal cannot be written, so nothing more is done: {error}"
        )
    )


def _run(row: tuple[Any, ...]) -> Run:
    name, playbook, text, mode, started, inputs, trigger, state, zh, en = row
    return Run(
        name,
        playbook,
        text,
        Mode(mode),
        from_text(started),
        orjson.loads(inputs),
        trigger,
        RunState(state),
        Text(zh, en),
    )


def _entry(row: tuple[Any, ...]) -> Entry:
    n, token, kind, path, at, body, digest = row
    return Entry(n, token, Kind(kind), path, from_text(at), orjson.loads(body), digest)


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _both(text: Text) -> tuple[str, str]:
    return text.zh, text.en
