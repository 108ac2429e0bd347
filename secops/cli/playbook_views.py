"""Playbooks and lists of runs as a person reads them."""

from collections.abc import Sequence

from playbooks.action import all_actions
from playbooks.schema import PlaybookSpec, StepSpec
from playbooks.validate import longest_path
from secops.cli.run_views import RUN_STATES
from secops.cli.run_words import MODES, TOUCHES
from secops.cli.tables import console, facts, fill, plain, table
from secops.execution.journal import Run
from secops.support.clock import local
from secops.support.durations import format_duration
from secops.support.language import say, tell


def print_playbook(spec: PlaybookSpec) -> None:
    """What each step does, what it waits for and why it is safe; how the budgets fit into the rto."""
    screen = console()
    described = tell(spec.describes or spec.name)
    told = [(say(zh="说明", en="what"), described), (say(zh="触发条件", en="triggered by"), spec.on.finding or "–")]
    screen.print(facts(tell(spec.name), told))
    made = table(
        "",
        say(zh="步骤", en="step"),
        say(zh="动作", en="action"),
        say(zh="做什么", en="what it does"),
        say(zh="等待", en="after"),
        say(zh="安全", en="safety"),
    )
    actions = all_actions()
    rows = (
        (step.id, step.uses, tell(actions[step.uses].describes), ", ".join(spec.needs_of(step)), _safety(step))
        for step in spec.steps
    )
    screen.print(fill(made, rows))
    if spec.rto:
        path = longest_path(spec)
        chain = " + ".join(f"{step} {format_duration(seconds)}" for step, seconds in path.items())
        screen.print(plain(f"rto {format_duration(spec.rto)} ≥ {format_duration(sum(path.values()))} = {chain}"))


def print_runs(found: Sequence[Run]) -> None:
    """A row per run."""
    made = table(
        "",
        say(zh="运行", en="run"),
        say(zh="方式", en="mode"),
        say(zh="状态", en="state"),
        say(zh="开始", en="started"),
        say(zh="原因", en="why"),
    )
    rows = (
        (one.id, tell(MODES[one.mode]), tell(RUN_STATES[one.state][0]), local(one.started), tell(one.because))
        for one in found
    )
    console().print(fill(made, rows))


def _safety(step: StepSpec) -> str:
    said = [tell(TOUCHES[all_actions()[step.uses].touches])]
    if step.irreversible:
        said.append(say(zh="不可逆", en="irreversible"))
    if step.approval:
        said.append(say(zh=f"需 {step.approval.quorum} 人批准", en=f"{step.approval.quorum} approval(s)"))
    if step.rollback:
        said.append(say(zh="可回退", en="can be undone") + f" ({', '.join(undo.uses for undo in step.rollback)})")
    return "; ".join(said)
