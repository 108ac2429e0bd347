"""Playbook runs: begun, resumed and rehearsed under a lease, each leaving its journal."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pydantic import TypeAdapter

from playbooks.action import Context, Touches, all_actions
from playbooks.approvals import Approval, Approver
from playbooks.engine import Engine, Progress, nobody_approves, nobody_watches
from playbooks.load import Playbook, parse_playbook
from playbooks.records import StepRecord, step_records
from playbooks.triggers import finding_names, inputs_for, system_names
from secops.coordination.coordinator import Lease
from secops.execution.executor import Boundary, Executor, Performed, ignore_boundary
from secops.execution.journal import Entry, Kind, Mode, Run, RunState
from secops.model.finding import Finding
from secops.model.text import Text
from secops.service.canary import Canary
from secops.service.home import Home
from secops.service.overtaking import overtaken_by
from secops.service.packing import findings_of, pack_path, seal
from secops.support.clock import now, to_text
from secops.support.errors import BadInput

_FINDING = TypeAdapter(Finding)


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who is asked and told while a run goes on."""

    approver: Approver = nobody_approves
    on_progress: Callable[[Progress], None] = nobody_watches
    at_boundary: Callable[[Boundary, str], None] = ignore_boundary
    canary: Canary | None = None
    """Judges when clients were served well, for the timeline."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended or waits, and how its steps stand."""

    run: Run
    records: tuple[StepRecord, ...]


UNATTENDED = Watchers()


def start(
    home: Home,
    playbook: Playbook,
    given: dict[str, str],
    *,
    finding: Finding | None = None,
    mode: Mode = Mode.REAL,
    trigger: str = "manual",
    run_id: str = "",
    watchers: Watchers = UNATTENDED,
) -> Ended:
    """Begin a run and go on until it ends or waits for people.

    Raises BadInput, and Held while another run works on the system, before anything is recorded.
    """
    if mode is Mode.DRILL:
        _refuse_changes(playbook)
    values = inputs_for(playbook.spec, given, finding, home.inventory)
    system = finding.system if finding else values.get("system")
    inputs = {
        "values": values,
        "system": system,
        "finding": _FINDING.dump_python(finding, mode="json") if finding else None,
        "before": [_FINDING.dump_python(one, mode="json") for one in findings_of(home, system)],
    }
    moment = now()
    name = run_id or f"{moment:%Y%m%d-%H%M%S}-{playbook.spec.id}-{secrets.token_hex(2)}"
    run = Run(name, playbook.spec.id, playbook.text, mode, moment, inputs, trigger)
    with _alone(home, run) as lease:
        home.journal.begin(run, lease.token)
        return _go_on(home, playbook, run, lease.token, watchers)


def _refuse_changes(playbook: Playbook) -> None:
    """Raises BadInput for a playbook that would touch more than isolated places and records."""
    for step in playbook.spec.steps:
        if all_actions()[step.uses].touches not in (Touches.READS, Touches.ADDS):
            raise BadInput(
                Text(
                    f"剧本 {playbook.spec.id} 不能用于演练:步骤 {step.id}({step.uses})会改变生产环境",
                    f"playbook {playbook.spec.id} is not for drills: its step {step.id} ({step.uses}) changes production",
                )
            )


def resume(home: Home, run_id: str, decisions: dict[str, str] | None = None, watchers: Watchers = UNATTENDED) -> Ended:
    """Go on with an interrupted or waiting run, by the playbook's text as it was pinned when the run began.

    Args:
        decisions: what a human says of interrupted irreversible steps: path → `done` or `repeat`.

    A run that another one has overtaken fails instead. Raises Held while another process executes the run or one of its
    system, BadInput when the run has ended.
    """
    home.take_over(run_id)
    run = home.journal.run(run_id)
    with _alone(home, run) as lease:
        home.take_over(run.id)
        run = home.journal.run(run.id)
        if run.state.ended and not pack_path(home, run.id).exists():
            seal(home, run, watchers.canary)
            return Ended(run, tuple(step_records(home.journal.entries(run.id)).values()))
        if run.state.ended:
            raise _over(run)
        if later := overtaken_by(home, run):
            return _give_up(home, run, lease.token, later, watchers)
        for path, decision in (decisions or {}).items():
            _decide(home, run, lease.token, path, decision)
        playbook = parse_playbook(run.text, f"{run.playbook}.yaml")
        return _go_on(home, playbook, run, lease.token, watchers)


def approve(home: Home, run_id: str, step: str, approval: Approval) -> Entry:
    """Record one person's agreement, and why, to a step of a run. Raises BadInput for a step that asks for none or a run
    that has ended.
    """
    if not approval.reason.strip():
        raise BadInput(Text("请写明批准的理由", "say why the step is approved"))
    home.take_over(run_id)
    run = home.journal.run(run_id)
    with home.coordinator.acquire(f"run-{run.id}") as lease:
        home.take_over(run.id)
        run = home.journal.run(run.id)
        if run.state.ended:
            raise _over(run)
        steps = {one.id: one for one in parse_playbook(run.text, run.playbook).spec.steps}
        if step not in steps or steps[step].approval is None:
            raise BadInput(Text(f"步骤“{step}”不需要批准", f"step “{step}” asks for no approval"))
        body = {"by": approval.by, "reason": approval.reason}
        return home.journal.append(run.id, lease.token, Kind.APPROVAL, step, body)


def context_of(home: Home, run: Run) -> Context:
    """What the actions of a run may know; the same on every resume."""
    stored = run.inputs["finding"]
    finding = _FINDING.validate_python(stored) if stored else None
    return Context(run.id, run.started, home.inventory, home.vault_keys, finding, home.policies)


@contextmanager
def _alone(home: Home, run: Run) -> Iterator[Lease]:
    """The lease of the run, under those of its system and of the copies of its asset: two real runs must not fence and
    switch one system, or fill and clear one repository, at a time."""
    with ExitStack() as held:
        if run.mode is Mode.REAL and run.inputs["system"]:
            held.enter_context(home.coordinator.acquire(f"system-{run.inputs['system']}"))
        if run.mode is Mode.REAL and (asset := _alone_with(run)):
            held.enter_context(home.coordinator.acquire(f"copies-{asset}"))
        yield held.enter_context(home.coordinator.acquire(f"run-{run.id}"))


def _alone_with(run: Run) -> str:
    """The asset whose copies the run works on; a recovery waits for nobody."""
    steps = parse_playbook(run.text, f"{run.playbook}.yaml").spec.steps
    alone = any(all_actions()[step.uses].alone for step in steps if step.uses in all_actions())
    return str(run.inputs["values"].get("asset", "")) if alone else ""


def _give_up(home: Home, run: Run, token: int, later: Run, watchers: Watchers) -> Ended:
    because = Text(
        f"运行 {later.id} 此后处置过同一系统,本次运行所依据的情况已经过时,不再继续",
        f"run {later.id} has worked on the system since; what this run goes by is out of date, so it does not go on",
    )
    home.journal.set_state(run.id, token, RunState.FAILED, because)
    ended = home.journal.run(run.id)
    seal(home, ended, watchers.canary)
    return Ended(ended, tuple(step_records(home.journal.entries(run.id)).values()))


def _over(run: Run) -> BadInput:
    return BadInput(Text(f"运行 {run.id} 已结束({run.state})", f"run {run.id} has ended ({run.state})"))


def _go_on(home: Home, playbook: Playbook, run: Run, token: int, watchers: Watchers) -> Ended:
    context = context_of(home, run)

    def make_executor(on_performed: Callable[[Performed], None]) -> Executor:
        return Executor(
            home.journal,
            run.id,
            token,
            run.mode,
            home.runners,
            on_performed=on_performed,
            on_advanced=watchers.on_progress,
            at_boundary=watchers.at_boundary,
        )

    engine = Engine(
        playbook.spec,
        run,
        token,
        context,
        _names(home, run, context),
        home.journal,
        make_executor,
        approver=watchers.approver,
        on_progress=watchers.on_progress,
    )
    engine.run()
    ended = home.journal.run(run.id)
    if ended.state.ended:
        seal(home, ended, watchers.canary)
    return Ended(ended, tuple(engine.records))


def _names(home: Home, run: Run, context: Context) -> dict[str, object]:
    """What lookups and conditions see besides the steps."""
    values = run.inputs["values"]
    names: dict[str, object] = {"inputs": values, "run": {"id": run.id, "started": to_text(run.started)}}
    if context.finding:
        names["finding"] = finding_names(context.finding)
    if system := run.inputs["system"]:
        names["system"] = system_names(home.inventory, system)
    return names


def _decide(home: Home, run: Run, token: int, path: str, decision: str) -> None:
    entries = home.journal.entries(run.id)
    settled = {entry.path for entry in entries if entry.kind is Kind.OUTCOME}
    waiting = {entry.path for entry in entries if entry.kind is Kind.INTENT} - settled
    if decision not in ("done", "repeat") or path not in waiting:
        listed = ", ".join(sorted(waiting)) or "–"
        raise BadInput(
            Text(
                f"--decide 应为 步骤路径=done|repeat,等待判定的步骤:{listed}",
                f"--decide takes PATH=done|repeat; waiting for a decision: {listed}",
            )
        )
    home.journal.append(run.id, token, Kind.DECISION, path, {"decision": decision})
