"""`secops playbook`: validate, plan, run, approve, resume, explain."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from playbooks.approvals import Approval
from playbooks.engine import nobody_approves
from playbooks.load import Playbook, read_playbook
from secops.cli.options import AsJson
from secops.cli.playbook_views import print_playbook, print_runs
from secops.cli.run_views import StepLines, exit_code, print_plan, print_run, print_steps
from secops.cli.tables import console, fill, plain, print_json, table
from secops.execution.journal import Mode, Run
from secops.model.finding import Finding
from secops.model.text import Text
from secops.service.home import Home, open_home
from secops.service.reacting import due_entries, run_entry
from secops.service.running import Watchers, approve, resume, start
from secops.service.settings import ScheduleEntry
from secops.support.clock import to_text
from secops.support.errors import BadInput, JindunError
from secops.support.language import say, tell

verb = typer.Typer(
    name="playbook",
    help=say(
        zh="剧本:校验、预演、执行、批准、续行、解释。", en="Playbooks: validate, plan, run, approve, resume, explain."
    ),
    no_args_is_help=True,
)

Named = Annotated[
    str, typer.Argument(metavar="PLAYBOOK", help=say(zh="剧本 id 或文件。", en="Id or file of a playbook."))
]
RunId = Annotated[
    str, typer.Argument(metavar="RUN", help=say(zh="运行 id 或其开头。", en="Id of a run, or its beginning."))
]
Inputs = Annotated[
    list[str] | None, typer.Option("--input", "-i", metavar="NAME=VALUE", help=say(zh="输入。", en="An input."))
]
FindingId = Annotated[str, typer.Option("--finding", help=say(zh="由该发现触发。", en="The finding that triggers it."))]
By = Annotated[
    str,
    typer.Option(
        "--as", help=say(zh="以谁的名义(只是自称,未经认证)。", en="In whose name (claimed, not authenticated).")
    ),
]


@verb.command(help=say(zh="校验剧本文件,一次列出全部问题。", en="Check playbook files; every problem at once."))
def validate(files: Annotated[list[Path], typer.Argument(help=say(zh="剧本文件。", en="Playbook files."))]) -> None:
    """Exit 0 when all are good."""
    problems = []
    for file in files:
        try:
            playbook = read_playbook(file)
        except BadInput as error:
            problems.append(error.text)
            continue
        console().print(plain(f"✔ {file}: {tell(playbook.spec.name)}", "green"))
    if problems:
        raise BadInput(Text("\n".join(one.zh for one in problems), "\n".join(one.en for one in problems)))


@verb.command("list", help=say(zh="列出可用的剧本。", en="List the playbooks there are."))
def list_(as_json: AsJson = False) -> None:
    """Shipped ones and the user's."""
    with open_home() as home:
        specs = [playbook.spec for playbook in home.library]
    if as_json:
        return print_json([spec.model_dump(by_alias=True) for spec in specs])
    made = table("", "id", say(zh="名称", en="name"), say(zh="触发条件", en="triggered by"), say(zh="步骤", en="steps"))
    console().print(fill(made, ((one.id, tell(one.name), one.on.finding or "–", len(one.steps)) for one in specs)))
    return None


@verb.command(help=say(zh="预演:真实探测,不作改动。", en="Rehearse with live probes; nothing is changed."))
def plan(playbook: Named, input_: Inputs = None, finding: FindingId = "", as_json: AsJson = False) -> None:
    """Exit 1 when a step could not be done now."""
    with open_home() as home:
        chosen = _playbook(home, playbook)
        ended = start(home, chosen, _given(input_), finding=_finding(home, finding), mode=Mode.REHEARSAL)
        if as_json:
            print_json([{"step": one.path, **one.body()} for one in ended.records])
        else:
            print_plan(console(), chosen.spec, ended.records)
        sys.exit(exit_code(ended))


@verb.command(
    help=say(
        zh="执行剧本;--due 执行到点的计划任务。", en="Run a playbook; --due runs the schedule entries that are due."
    )
)
def run(
    playbook: Annotated[
        str, typer.Argument(metavar="[PLAYBOOK]", help=say(zh="剧本 id 或文件。", en="Id or file."))
    ] = "",
    input_: Inputs = None,
    finding: FindingId = "",
    by: By = "",
    due: Annotated[bool, typer.Option("--due", help=say(zh="执行到点的计划任务。", en="Run what is due."))] = False,
) -> None:
    """Exit 0 succeeded, 1 failed, 3 waits for people."""
    with open_home() as home:
        if due == bool(playbook):
            raise BadInput(Text("请给出剧本,或用 --due,二者选一", "name a playbook, or use --due: one of the two"))
        if due:
            sys.exit(max((_run_due(home, entry) for entry in due_entries(home)), default=0))
        chosen, found = _playbook(home, playbook), _finding(home, finding)
        with StepLines(console(), chosen.spec.name) as lines:
            ended = start(home, chosen, _given(input_), finding=found, watchers=_watchers(lines, by))
        print_run(home, ended)
        sys.exit(exit_code(ended))


@verb.command("approve", help=say(zh="批准等待中的步骤。", en="Approve a step that waits."))
def approve_(
    run_id: RunId,
    step: Annotated[str, typer.Argument(help=say(zh="步骤 id。", en="Id of the step."))],
    reason: Annotated[str, typer.Option("--reason", help=say(zh="理由。", en="Why."))],
    by: By = "",
) -> None:
    """Recorded in the journal; `resume` goes on."""
    with open_home() as home:
        entry = approve(home, run_id, step, Approval(by or getpass.getuser(), reason))
        console().print(
            plain(say(zh=f"已记录 {entry.body['by']} 的批准。", en=f"Approval by {entry.body['by']} recorded."))
        )


@verb.command("resume", help=say(zh="续行被中断或等待中的运行。", en="Go on with a run that was interrupted or waits."))
def resume_(
    run_id: RunId,
    decide: Annotated[
        list[str] | None,
        typer.Option(
            "--decide",
            metavar="PATH=done|repeat",
            help=say(zh="对中断的不可逆步骤的判定。", en="What became of an interrupted irreversible step."),
        ),
    ] = None,
    by: By = "",
) -> None:
    """Exit codes as for run."""
    with open_home() as home:
        before = home.journal.run(run_id)
        with StepLines(console(), Text(before.playbook, before.playbook)) as lines:
            ended = resume(home, before.id, _given(decide), _watchers(lines, by))
        print_run(home, ended)
        sys.exit(exit_code(ended))


@verb.command(help=say(zh="列出运行。", en="List the runs."))
def runs(as_json: AsJson = False) -> None:
    """The newest first."""
    with open_home() as home:
        found = home.journal.runs()
    if as_json:
        print_json([_summary(one) for one in found])
    else:
        print_runs(found)


@verb.command(
    help=say(
        zh="解释一个剧本(每步做什么、为何安全),或一次运行(发生了什么)。",
        en="Explain a playbook, or what happened in a run.",
    )
)
def explain(
    what: Annotated[str, typer.Argument(help=say(zh="剧本 id、文件或运行 id。", en="Playbook id, file or run id."))],
    as_json: AsJson = False,
) -> None:
    """A playbook when one has that name, else a run."""
    with open_home() as home:
        if Path(what).is_file() or any(one.spec.id == what for one in home.library):
            spec = _playbook(home, what).spec
            print_json(spec.model_dump(by_alias=True)) if as_json else print_playbook(spec)
        elif as_json:
            told = home.journal.run(what)
            print_json({**_summary(told), "entries": home.journal.entries(told.id)})
        else:
            print_steps(home, home.journal.run(what))


def _summary(run: Run) -> dict[str, object]:
    """A run for machines."""
    about = {"run": run.id, "playbook": run.playbook, "mode": run.mode, "state": run.state, "because": run.because}
    return {**about, "started": to_text(run.started), "trigger": run.trigger}


def _run_due(home: Home, entry: ScheduleEntry) -> int:
    """The exit code; an entry that cannot be run is told of and keeps no other from running."""
    try:
        with StepLines(console(), Text(entry.id, entry.id)) as lines:
            ended = run_entry(home, entry, _watchers(lines, ""))
        print_run(home, ended)
    except JindunError as error:
        said = say(zh=f"计划任务 {entry.id} 未执行:{error}", en=f"schedule entry {entry.id} was not run: {error}")
        console(stderr=True).print(plain(said, "yellow"))
        return error.exit_code
    return exit_code(ended)


def _playbook(home: Home, named: str) -> Playbook:
    return read_playbook(Path(named)) if named.endswith((".yaml", ".yml")) else home.library.get(named)


def _finding(home: Home, named: str) -> Finding | None:
    return home.store.get(named) if named else None


def _given(pairs: list[str] | None) -> dict[str, str]:
    given = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadInput(Text(f"“{pair}”应写作 名称=值", f"write NAME=VALUE, not “{pair}”"))
        given[name] = value
    return given


def _watchers(lines: StepLines, by: str) -> Watchers:
    """At a terminal the person who runs it is asked; elsewhere the run waits for `approve`."""
    return Watchers(lines.asking(by or getpass.getuser()) if sys.stdin.isatty() else nobody_approves, lines)
