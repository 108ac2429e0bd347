"""The executor: the only place where a plan becomes an act.

For each step of a procedure it knows approval's outcome, journal, timeout, retry, rehearsal and resume:

- a step with a recorded outcome is not performed again, its result is replayed;
- a step with an intent and no outcome is *unknown*: its `check` is asked, and only a repeatable step, or one whose
  `untouched` probe proves that it never began, is performed again; otherwise a human decides;
- in a rehearsal probes are real and changes are assumed.
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

import orjson

from secops.execution.journal import Journal, Kind, Mode
from secops.execution.output import overheard
from secops.execution.runner import Runner
from secops.model.step import Effect, Moved, Procedure, Result, Step, Trouble
from secops.model.text import Text
from secops.support.errors import Incomplete
from secops.support.language import say

Returned = TypeVar("Returned")


class Boundary(StrEnum):
    """The moments around an effect at which a crash leaves a different journal."""

    BEFORE_INTENT = "before_intent"
    AFTER_INTENT = "after_intent"
    AFTER_EFFECT = "after_effect"
    AFTER_OUTCOME = "after_outcome"


class How(StrEnum):
    """How an outcome came about."""

    PERFORMED = "performed"
    ALREADY_DONE = "already_done"
    """The check said so before anything was tried."""
    FOUND_DONE = "found_done"
    """The check said so on resume, after an interrupted attempt."""
    ASSUMED = "assumed"
    """Rehearsal: a change was not made, or a probe could not see what an assumed change would have made."""
    DECIDED = "decided"
    """A human said that it was done."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often an effect that did not succeed is tried again."""

    attempts: int = 1
    delay_seconds: float = 1.0
    backoff: float = 2.0
    max_delay_seconds: float = 60.0

    def delay_after(self, attempt: int) -> float:
        """Seconds to wait after the attempt numbered from 1."""
        return float(min(self.delay_seconds * self.backoff ** (attempt - 1), self.max_delay_seconds))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one procedure may use up."""

    timeout_seconds: float = 300.0
    retry: Retry = Retry()


class NeedsDecision(Incomplete):
    """Only a human can say whether an interrupted irreversible step was done."""

    def __init__(self, path: str) -> None:
        super().__init__(
            Text(
                f"步骤 {path} 不可逆,中断时状态未知,需人工判定:--decide {path}=done|repeat",
                f"step {path} is irreversible and was interrupted; a human must say whether it was done: "
                f"--decide {path}=done|repeat",
            )
        )
        self.path = path


class ReplayMismatch(Incomplete):
    """On resume the procedure asked for something else than the journal holds."""

    def __init__(self, path: str) -> None:
        super().__init__(
            Text(
                f"步骤 {path} 与日志记录不符(清单、密钥或程序版本已变),停止等待人工处理",
                f"step {path} differs from what the journal recorded (inventory, keys or program changed); stopped",
            )
        )


@dataclass(frozen=True, slots=True)
class Performed:
    """What an observer of the executor is told of each step."""

    path: str
    step: Step
    result: Result
    how: How


@dataclass(frozen=True, slots=True)
class Advanced:
    """What an observer is told while a step goes on. Nothing of it is kept."""

    path: str
    step: Step
    moved: Moved


def ignore_boundary(boundary: Boundary, path: str) -> None:
    """Nobody watches the boundaries outside of crash tests."""


def _ignore_performed(performed: Performed) -> None:
    """Nobody watches."""


def _ignore_advanced(advanced: Advanced) -> None:
    """Nobody watches."""


class Executor:
    """Performs procedures for one run. Threads may run several procedures at once under different paths."""

    def __init__(
        self,
        journal: Journal,
        run: str,
        token: int,
        mode: Mode,
        runner: Runner,
        *,
        on_performed: Callable[[Performed], None] = _ignore_performed,
        on_advanced: Callable[[Advanced], None] = _ignore_advanced,
        at_boundary: Callable[[Boundary, str], None] = ignore_boundary,
    ) -> None:
        self._journal = journal
        self._run = run
        self._token = token
        self._rehearsal = mode is Mode.REHEARSAL
        self._runner = runner
        self._on_performed = on_performed
        self._on_advanced = on_advanced
        self._at_boundary = at_boundary
        self._assumed_changes = 0
        self._lock = threading.Lock()
        self._intents: dict[str, dict[str, Any]] = {}
        self._outcomes: dict[str, dict[str, Any]] = {}
        self._decisions: dict[str, str] = {}
        for entry in journal.entries(run):
            if entry.kind is Kind.INTENT:
                self._intents[entry.path] = entry.body
            elif entry.kind is Kind.OUTCOME:
                self._outcomes[entry.path] = entry.body
            elif entry.kind is Kind.DECISION:
                self._decisions[entry.path] = entry.body["decision"]

    def run(self, path: str, procedure: Procedure[Returned], allowance: Allowance = Allowance()) -> Returned:
        """Perform every step of the procedure under `path/` and give what it returns.

        What the procedure raises passes through. Raises NeedsDecision, ReplayMismatch, Fenced.
        """
        deadline = time.monotonic() + allowance.timeout_seconds
        seen: set[str] = set()
        try:
            step = next(procedure)
            while True:
                step_path = f"{path}/{step.name}"
                if step_path in seen:
                    raise ValueError(f"two steps of one procedure are named {step_path}")
                seen.add(step_path)
                step = procedure.send(self._result(step_path, step, deadline, allowance.retry))
        except StopIteration as stop:
            returned: Returned = stop.value
            return returned
        finally:
            procedure.close()

    @property
    def assumed_changes(self) -> int:
        """How many changes this rehearsal has assumed so far."""
        return self._assumed_changes

    def _result(self, path: str, step: Step, deadline: float, retry: Retry) -> Result:
        digest = input_hash(step)
        if recorded := self._outcomes.get(path):
            if recorded["input"] != digest:
                raise ReplayMismatch(path)
            return _result_of(recorded)
        if intent := self._intents.get(path):
            if intent["input"] != digest:
                raise ReplayMismatch(path)
            return self._resume(path, step, digest, deadline, retry)
        if self._rehearsal and (step.changes or self._assumed_changes):
            return self._rehearse(path, step, digest, deadline)
        if step.check and (seen := self._probe(step, step.check, deadline)).ok:
            return self._conclude(path, step, digest, seen, How.ALREADY_DONE)
        return self._perform(path, step, digest, deadline, retry)

    def _resume(self, path: str, step: Step, digest: str, deadline: float, retry: Retry) -> Result:
        """Settle a step that has an intent and no outcome."""
        if self._decisions.get(path) == "done":
            return self._conclude(path, step, digest, Result(ok=True, output=step.assume), How.DECIDED)
        if step.check and (seen := self._probe(step, step.check, deadline)).ok:
            return self._conclude(path, step, digest, seen, How.FOUND_DONE)
        if step.irreversible and self._decisions.get(path) != "repeat":
            never_began = step.untouched and self._probe(step, step.untouched, deadline).ok
            if not never_began:
                raise NeedsDecision(path)
        return self._perform(path, step, digest, deadline, retry)

    def _rehearse(self, path: str, step: Step, digest: str, deadline: float) -> Result:
        if step.changes:
            if step.check and (seen := self._probe(step, step.check, deadline)).ok:
                return self._conclude(path, step, digest, seen, How.ALREADY_DONE)
            self._assumed_changes += 1
            return self._conclude(path, step, digest, Result(ok=True, output=step.assume), How.ASSUMED)
        # A probe after an assumed change may look for what only the change would have made.
        seen = self._attend(path, step, deadline)
        if seen.ok or not step.assume:
            return self._conclude(path, step, digest, seen, How.PERFORMED)
        return self._conclude(path, step, digest, Result(ok=True, output=step.assume), How.ASSUMED)

    def _perform(self, path: str, step: Step, digest: str, deadline: float, retry: Retry) -> Result:
        attempt = 0
        while True:
            attempt += 1
            self._at_boundary(Boundary.BEFORE_INTENT, path)
            intent = {"input": digest, "attempt": attempt, "changes": step.changes, "effect": _plain(step.effect)}
            self._journal.append(self._run, self._token, Kind.INTENT, path, intent)
            self._at_boundary(Boundary.AFTER_INTENT, path)
            result = self._attend(path, step, deadline)
            self._at_boundary(Boundary.AFTER_EFFECT, path)
            delay = retry.delay_after(attempt)
            last = result.ok or attempt >= retry.attempts or step.irreversible or _conclusive(step, result)
            if last or time.monotonic() + delay >= deadline:
                return self._conclude(path, step, digest, result, How.PERFORMED)
            time.sleep(delay)

    def _conclude(self, path: str, step: Step, digest: str, result: Result, how: How) -> Result:
        body = {"input": digest, "how": how, "result": asdict(result)}
        self._journal.append(self._run, self._token, Kind.OUTCOME, path, body)
        self._on_performed(Performed(path, step, result, how))
        self._at_boundary(Boundary.AFTER_OUTCOME, path)
        return result

    def _probe(self, step: Step, effect: Effect, deadline: float) -> Result:
        return self._attempt(step, effect, deadline)

    def _attend(self, path: str, step: Step, deadline: float) -> Result:
        """Perform the effect, and tell how far it is when the step knows how to read that."""
        measure = step.measure
        if measure is None:
            return self._attempt(step, step.effect, deadline)

        def overhear(line: str) -> bool:
            moved = measure(line)
            if moved is not None:
                self._on_advanced(Advanced(path, step, moved))
            return moved is not None

        with overheard(overhear):
            return self._attempt(step, step.effect, deadline)

    def _attempt(self, step: Step, effect: Effect, deadline: float) -> Result:
        left = deadline - time.monotonic()
        if left <= 0:
            reason = say(zh="剧本步骤的时限已用完", en="the playbook step's timeout is used up")
            return Result(ok=False, trouble=Trouble.TIMEOUT, reason=reason)
        began = time.monotonic()
        result = self._runner.perform(effect, min(step.timeout_seconds, left))
        return replace(result, seconds=round(time.monotonic() - began, 6))


def _conclusive(step: Step, result: Result) -> bool:
    return bool(step.conclusive and re.search(step.conclusive, result.error_output))


def input_hash(step: Step) -> str:
    """SHA-256 of everything that makes the effect what it is."""
    return hashlib.sha256(orjson.dumps(_plain(step.effect), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _plain(effect: Effect) -> dict[str, Any]:
    return {"kind": effect.kind, **asdict(effect)}


def _result_of(recorded: dict[str, Any]) -> Result:
    fields = recorded["result"]
    return Result(**{**fields, "trouble": Trouble(fields["trouble"])})
