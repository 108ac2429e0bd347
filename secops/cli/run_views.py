"""A run as a person sees it: its steps while it goes on, its end, its plan."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress_bar import ProgressBar
from rich.status import Status
from rich.table import Table
from rich.text import Text as Shown

from playbooks.approvals import Approval, Approver
from playbooks.engine import Progress, StepStarted
from playbooks.records import StepRecord, StepState
from playbooks.schema import PlaybookSpec, StepSpec
from secops.cli.run_words import ENTRIES, HOWS
from secops.cli.tables import console, fill, plain, table
from secops.execution.executor import Advanced, How
from secops.execution.journal import Entry, Kind, Run, RunState
from secops.model.step import Moved
from secops.model.text import Text
from secops.service.home import Home
from secops.service.packing import pack_path
from secops.service.running import Ended
from secops.support.clock import local
from secops.support.durations import format_duration
from secops.support.language import say, tell

RUN_STATES = {
    RunState.RUNNING: (Text("执行中或已中断", "running, or interrupted"), "yellow"),
    RunState.WAITING_APPROVAL: (Text("等待批准", "waiting for approval"), "yellow"),
    RunState.WAITING_DECISION: (Text("等待人工判定", "waiting for a human's decision"), "yellow"),
    RunState.SUCCEEDED: (Text("成功", "succeeded"), "green"),
    RunState.FAILED: (Text("失败", "failed"), "bold red"),
    RunState.ROLLED_BACK: (Text("失败,已回退", "failed, and rolled back"), "red"),
}
_MARKS = {
    StepState.DONE: ("✔", "green", Text("完成", "done")),
    StepState.ALREADY_DONE: ("=", "green", Text("已经如此", "already done")),
    StepState.SKIPPED: ("–", "dim", Text("跳过", "skipped")),
    StepState.FAILED: ("✘", "bold red", Text("失败", "failed")),
    StepState.WOULD_DO: ("→", "yellow", Text("将执行", "would do")),
    StepState.LOOKED: ("✔", "green", Text("已探测", "probed")),
    StepState.CANNOT: ("✘", "bold red", Text("不能", "cannot")),
    StepState.LATER: ("…", "cyan", Text("取决于前面的步骤", "depends on earlier steps")),
}


def step_row(record: StepRecord) -> tuple[Shown, Shown]:
    """The verdict on a step with its mark, and why."""
    mark, style, meaning = _MARKS[record.state]
    return Shown(f"{mark} {tell(meaning)}", style=style), Shown(tell(record.because))


def print_plan(screen: Console, playbook: PlaybookSpec, records: Sequence[StepRecord]) -> None:
    """A row per step: would do, already done, cannot, and why."""
    names = {step.id: step.name for step in playbook.steps}
    made = table("", say(zh="步骤", en="step"), say(zh="预演结论", en="verdict"), say(zh="说明", en="why"))
    rows = ((tell(names.get(one.path) or Text(one.path, one.path)), *step_row(one)) for one in records)
    screen.print(fill(made, rows))


def print_run(home: Home, ended: Ended) -> None:
    """How a run ended, what is needed next, where its evidence lies."""
    run, screen = ended.run, console()
    meaning, style = RUN_STATES[run.state]
    screen.print(Shown(tell(meaning), style=style).append(f"  {run.id}", style="default"))
    screen.print(plain(f"  {tell(run.because)}"))
    if (pack := pack_path(home, run.id)).exists():
        screen.print(plain(say(zh=f"  证据包 {pack}", en=f"  evidence pack {pack}"), "dim"))


def exit_code(ended: Ended) -> int:
    """0 succeeded, 1 failed, 3 waits for people or was interrupted."""
    return {RunState.SUCCEEDED: 0, RunState.FAILED: 1, RunState.ROLLED_BACK: 1}.get(ended.run.state, 3)


def print_steps(home: Home, run: Run) -> None:
    """What happened in a run: each step, each effect and how it came about, each approval."""
    print_run(home, Ended(run, ()))
    made = table(
        "", say(zh="时间", en="time"), say(zh="记录", en="entry"), say(zh="步骤", en="step"), say(zh="内容", en="what")
    )
    rows = ((local(one.at), tell(ENTRIES[one.kind]), one.path, _told(one)) for one in home.journal.entries(run.id))
    console().print(fill(made, rows))


def _told(entry: Entry) -> str:
    body = entry.body
    match entry.kind:
        case Kind.OUTCOME:
            result = body["result"]
            why = result["reason"] or result["error_output"].strip()
            said = say(zh="成功", en="ok") if result["ok"] else f"{result['trouble']}: {why}"
            return f"{tell(HOWS[How(body['how'])])}, {said}, {result['seconds']:.3f}s"
        case Kind.INTENT:
            number = body["attempt"]
            return f"{body['effect']['kind']}, {say(zh=f'第 {number} 次', en=f'attempt {number}')}"
        case Kind.STEP:
            meaning, because = tell(_MARKS[StepState(body["state"])][2]), tell(Text(body["zh"], body["en"]))
            return because if because.startswith(meaning) else f"{meaning}: {because}"
        case Kind.STATE:
            return f"{tell(RUN_STATES[RunState(body['state'])][0])}: {tell(Text(body['zh'], body['en']))}"
        case Kind.APPROVAL:
            return f"{body['by']}: {body['reason']}"
        case _:
            return ", ".join(f"{key}={value}" for key, value in body.items() if isinstance(value, str))


def advance(advanced: Advanced, seconds: float) -> Table:
    """A bar, the bytes so far and their rate; the bar only moves to and fro when nobody knows how much there is."""
    moved = advanced.moved
    share = moved.percent
    if share is None and moved.total_bytes:
        share = min(100.0, 100 * moved.done_bytes / moved.total_bytes)
    made = Table.grid(padding=(0, 1))
    made.add_row(
        Shown(f"  {advanced.path}"),
        ProgressBar(100, share or 0.0, width=24, pulse=share is None),
        Shown(_advance_words(moved, share, seconds), style="dim"),
    )
    return made


def _advance_words(moved: Moved, share: float | None, seconds: float) -> str:
    words = [f"{share:.0f} %"] if share is not None else []
    if moved.done_bytes:
        unknown = say(zh="总量未知", en="total unknown")
        total = decimal(moved.total_bytes) if moved.total_bytes else ""
        words.append(f"{decimal(moved.done_bytes)} / {total}" if total else f"{decimal(moved.done_bytes)}, {unknown}")
        if seconds > 0:
            words.append(f"{decimal(round(moved.done_bytes / seconds))}/s")
    return "  ".join(words)


class StepLines:
    """Prints a line for each step that ends; shows the running one where there is a terminal."""

    def __init__(self, screen: Console, title: Text) -> None:
        self._console = screen
        self._title = title
        self._names: dict[str, str] = {}
        self._began: dict[str, float] = {}
        self._status: Status = screen.status("")

    def __enter__(self) -> Self:
        self._console.print(Shown(f"▶ {tell(self._title)}", style="bold"))
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def __call__(self, progress: Progress) -> None:
        """One thing that happened; called from the threads of the run."""
        if isinstance(progress, StepStarted):
            step = progress.step
            self._names[step.id] = tell(step.name) if step.name else step.id
            self._status.update(Shown(f"  {self._names[step.id]} …"))
        elif isinstance(progress, StepRecord):
            self._console.print(self._line(progress))
        elif isinstance(progress, Advanced):
            if progress.moved != Moved():
                began = self._began.setdefault(progress.path, time.monotonic())
                self._status.update(advance(progress, time.monotonic() - began))
        else:
            self._status.update(Shown(f"  {progress.path}"))

    def asking(self, name: str) -> Approver:
        """An approver that asks the person at the terminal, who agrees by typing the step's id."""

        def ask(step: StepSpec, missing: int) -> Approval | None:
            self._status.stop()
            title = tell(step.name) if step.name else step.id
            question = say(
                zh=f"步骤“{title}”还需 {missing} 人批准。{name} 同意请输入 {step.id},否则回车:",
                en=f"Step “{title}” needs {missing} more approval(s). {name}, type {step.id} to agree, or press Enter: ",
            )
            answer = self._console.input(plain(question))
            self._status.start()
            return Approval(name, "typed at the terminal") if answer.strip() == step.id else None

        return ask

    def _line(self, record: StepRecord) -> Shown:
        mark, style, _ = _MARKS[record.state]
        line = Shown(f"  {mark} ", style=style)
        step, _, undo = record.path.partition("!")
        name = self._names.get(step, step) + (say(zh="(回退)", en=" (rolled back)") if undo else "")
        line.append(name, style="default")
        line.append(f"  {format_duration(record.seconds)}", style="dim")
        if record.state is not StepState.DONE:
            line.append(f"  {tell(record.because)}", style="default")
        elif because := record.outputs.get("because"):
            line.append(f"\n      {tell(Text(**because))}", style="dim")
        if record.over_budget_seconds:
            over = format_duration(record.over_budget_seconds)
            line.append(say(zh=f"  超出预算 {over}", en=f"  {over} over budget"), style="yellow")
        return line
