"""Runs a playbook: which step is next, whether it may start, what follows when it fails.

Every decision is written to the journal before it is acted upon, so that the engine can be entered again from any
state: it reads how the steps stand and goes on.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from playbooks.action import Context, Milestone, all_actions
from playbooks.approvals import Approver, NeedsApproval, missing_approvals
from playbooks.expressions import fill, holds
from playbooks.records import StepRecord, StepState, record_of, step_records
from playbooks.schema import PlaybookSpec, StepSpec, Use
from secops.execution.executor import Advanced, Allowance, Executor, How, NeedsDecision, Performed, Retry
from secops.execution.journal import Journal, Kind, Mode, Run, RunState
from secops.model.step import ProcedureFailed
from secops.model.text import Text
from secops.support.clock import now
from secops.support.errors import BadInput, Incomplete
from secops.support.misfits import described

_PARALLEL_STEPS = 4


@dataclass(frozen=True, slots=True)
class StepStarted:
    """Told to whoever watches a run."""

    step: StepSpec


Progress = StepStarted | StepRecord | Performed | Advanced


def nobody_watches(progress: Progress) -> None:
    """The observer of unattended runs."""


def nobody_approves(step: StepSpec, missing: int) -> None:
    """The approver of unattended runs."""


class Engine:
    """One run of one playbook."""

    def __init__(
        self,
        playbook: PlaybookSpec,
        run: Run,
        token: int,
        context: Context,
        names: Mapping[str, Any],
        journal: Journal,
        make_executor: Callable[[Callable[[Performed], None]], Executor],
        *,
        approver: Approver = nobody_approves,
        on_progress: Callable[[Progress], None] = nobody_watches,
    ) -> None:
        self._playbook = playbook
        self._run = run
        self._token = token
        self._context = context
        self._names = names
        self._journal = journal
        self._executor = make_executor(self._performed)
        self._approver = approver
        self._on_progress = on_progress
        self._rehearsal = run.mode is Mode.REHEARSAL
        entries = journal.entries(run.id)
        self._records = step_records(entries)
        self._begun = {entry.path.split("/")[0] for entry in entries if entry.kind is Kind.INTENT}
        self._how: dict[str, list[Performed]] = {}

    def run(self) -> RunState:
        """Go on until the run ends or waits for people; the state is recorded with its reason."""
        halted = self._run_steps()
        if isinstance(halted, NeedsApproval):
            return self._state(RunState.WAITING_APPROVAL, halted.text)
        if isinstance(halted, NeedsDecision):
            return self._state(RunState.WAITING_DECISION, halted.text)
        failed = self._aborting_failure()
        if failed is None:
            return self._state(RunState.SUCCEEDED, Text("所有步骤完成", "every step ended well"))
        because = Text(
            f"步骤 {failed.path} 失败:{failed.because.zh}", f"step {failed.path} failed: {failed.because.en}"
        )
        if self._playbook.step(failed.path).on_failure == "rollback" and not self._rehearsal:
            undone = self._roll_back()
            return self._state(RunState.ROLLED_BACK if undone else RunState.FAILED, because)
        return self._state(RunState.FAILED, because)

    @property
    def records(self) -> list[StepRecord]:
        """How the steps stand, in the order in which they ended."""
        return list(self._records.values())

    def _run_steps(self) -> Incomplete | None:
        """Start every step whose time has come until none is left; gives what made the run halt, if anything did."""
        running: dict[Future[StepRecord], str] = {}
        halted: Incomplete | None = None
        with ThreadPoolExecutor(1 if self._rehearsal else _PARALLEL_STEPS) as pool:
            while True:
                for step in self._ready(set(running.values())) if halted is None else ():
                    try:
                        self._await_approval(step)
                    except NeedsApproval as missing:
                        halted = missing
                        break
                    self._on_progress(StepStarted(step))
                    running[pool.submit(self._run_step, step)] = step.id
                if not running:
                    return halted
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    running.pop(future)
                    try:
                        self._record(future.result())
                    except NeedsDecision as question:
                        halted = question

    def _ready(self, running: set[str]) -> list[StepSpec]:
        if self._aborting_failure() and not self._rehearsal:
            return []
        return [
            step
            for step in self._playbook.steps
            if step.id not in self._records
            and step.id not in running
            and all(self._settled(need) for need in self._playbook.needs_of(step))
        ]

    def _settled(self, step: str) -> bool:
        record = self._records.get(step)
        return record is not None and (
            record.state.settled or self._rehearsal or self._playbook.step(step).on_failure == "continue"
        )

    def _aborting_failure(self) -> StepRecord | None:
        steps = {step.id: step for step in self._playbook.steps}
        for record in self._records.values():
            step = steps.get(record.path)
            if step and not record.state.settled and step.on_failure != "continue":
                return record
        return None

    def _await_approval(self, step: StepSpec) -> None:
        """Raises NeedsApproval. A step that began before an interruption was approved then."""
        if self._rehearsal or step.id in self._begun:
            return
        while missing := missing_approvals(step, self._journal.entries(self._run.id), now()):
            given = self._approver(step, missing)
            if given is None:
                raise NeedsApproval(self._run.id, step.id, missing)
            body = {"by": given.by, "reason": given.reason}
            self._journal.append(self._run.id, self._token, Kind.APPROVAL, step.id, body)

    def _run_step(self, step: StepSpec) -> StepRecord:
        began = time.monotonic()
        try:
            record = self._attempt(step)
        except ProcedureFailed as failure:
            record = self._failed(step, Text(failure.zh, failure.en))
        except BadInput as error:
            record = self._failed(step, error.text)
        seconds = round(time.monotonic() - began, 3)
        over = max(0.0, seconds - step.budget) if step.budget else 0.0
        return replace(record, seconds=seconds, over_budget_seconds=round(over, 3))

    def _attempt(self, step: StepSpec) -> StepRecord:
        names = self._names_now()
        if step.when and not holds(step.when, names):
            return _ended(step.id, StepState.SKIPPED, Text(f"条件不成立:{step.when}", f"not so: {step.when}"))
        if step.check and (already := self._already_done(step, names)) is not None:
            return _ended(step.id, StepState.ALREADY_DONE, Text("已处于目标状态", "already so"), already)
        retry = (
            Retry(step.retry.attempts, step.retry.delay, step.retry.backoff, step.retry.max_delay)
            if step.retry
            else Retry()
        )
        given = self._use(step, step.id, Allowance(step.timeout, retry), names)
        outputs = {**given, **fill(step.outputs, {**names, "result": given})}
        milestone = all_actions()[step.uses].milestone
        record = _ended(step.id, StepState.DONE, Text("完成", "done"), outputs, milestone)
        return self._rehearsed(step, record) if self._rehearsal else record

    def _already_done(self, step: StepSpec, names: Mapping[str, Any]) -> Mapping[str, Any] | None:
        assert step.check
        if step.id in self._begun:
            # An interrupted attempt is settled by the executor, effect by effect.
            return None
        try:
            return self._use(step.check, f"{step.id}!check", Allowance(step.timeout), names)
        except ProcedureFailed:
            return None

    def _use(self, use: Use, path: str, allowance: Allowance, names: Mapping[str, Any]) -> Mapping[str, Any]:
        action = all_actions()[use.uses]
        try:
            options = action.options.model_validate(fill(use.options, names))
        except ValidationError as error:
            first = error.errors()[0]
            where, why = ".".join(map(str, first["loc"])), described(first)
            raise BadInput(
                Text(f"{use.uses} 的选项“{where}”:{why.zh}", f"option “{where}” of {use.uses}: {why.en}")
            ) from None
        return self._executor.run(path, action.plan(options, self._context), allowance)

    def _names_now(self) -> dict[str, Any]:
        steps = {path: {"outputs": one.outputs, "state": str(one.state)} for path, one in self._records.items()}
        return {**self._names, "steps": steps}

    def _failed(self, step: StepSpec, because: Text) -> StepRecord:
        if not self._rehearsal:
            return _ended(step.id, StepState.FAILED, because)
        if self._executor.assumed_changes:
            later = Text(f"取决于前面的步骤:{because.zh}", f"depends on an earlier step: {because.en}")
            return _ended(step.id, StepState.LATER, later)
        return _ended(step.id, StepState.CANNOT, because)

    def _rehearsed(self, step: StepSpec, record: StepRecord) -> StepRecord:
        """What the rehearsal of a step says, from how each of its effects came about."""
        changes = [one for one in self._how.get(step.id, []) if one.step.changes]
        would = [one for one in changes if one.how is How.ASSUMED]
        if would:
            listed = "; ".join(one.step.name for one in would)
            return replace(
                record, state=StepState.WOULD_DO, because=Text(f"将作 {len(would)} 项改动:{listed}", f"would {listed}")
            )
        if changes and not self._executor.assumed_changes:
            return replace(record, state=StepState.ALREADY_DONE, because=Text("已处于目标状态", "already so"))
        if changes:
            now_so = Text("目前已是如此,前面的步骤可能改变它", "already so now; earlier steps may change that")
            return replace(record, state=StepState.LATER, because=now_so)
        if any(one.how is How.ASSUMED for one in self._how.get(step.id, [])):
            return replace(record, state=StepState.LATER, because=Text("取决于前面的步骤", "depends on earlier steps"))
        return replace(record, state=StepState.LOOKED, because=Text("只读,已实际探测", "reads only, probed live"))

    def _roll_back(self) -> bool:
        """Undo what was done, the newest first, back to the point of no return; true when every rollback ended well."""
        well = True
        for record in reversed(list(self._records.values())):
            if "!" in record.path or record.state not in (StepState.DONE, StepState.FAILED):
                continue
            step = self._playbook.step(record.path)
            if step.irreversible and record.state is StepState.DONE:
                break
            for number, undo in enumerate(step.rollback):
                well &= self._undo(undo, f"{record.path}!rollback/{number}")
        return well

    def _undo(self, undo: Use, path: str) -> bool:
        if path not in self._records:
            try:
                outputs = self._use(undo, path, Allowance(), self._names_now())
                self._record(_ended(path, StepState.DONE, Text("已回退", "undone"), outputs))
            except ProcedureFailed as failure:
                self._record(_ended(path, StepState.FAILED, Text(failure.zh, failure.en)))
            except BadInput as error:
                self._record(_ended(path, StepState.FAILED, error.text))
        return self._records[path].state is StepState.DONE

    def _record(self, record: StepRecord) -> None:
        entry = self._journal.append(self._run.id, self._token, Kind.STEP, record.path, record.body())
        self._records[record.path] = record_of(entry)
        self._on_progress(self._records[record.path])

    def _performed(self, performed: Performed) -> None:
        self._how.setdefault(performed.path.split("/")[0], []).append(performed)
        self._on_progress(performed)

    def _state(self, state: RunState, because: Text) -> RunState:
        self._journal.set_state(self._run.id, self._token, state, because)
        return state


def _ended(
    path: str,
    state: StepState,
    because: Text,
    outputs: Mapping[str, Any] | None = None,
    milestone: Milestone | None = None,
) -> StepRecord:
    return StepRecord(path, state, because, now(), outputs=dict(outputs or {}), milestone=milestone or "")
