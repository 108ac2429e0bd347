"""Run one program on one host."""

from collections.abc import Mapping
from typing import Any

from playbooks.action import Action, Context, Options, Touches
from secops.model.step import Command, Procedure, Step, require
from secops.model.text import Text


class CommandOptions(Options):
    """Options of `command.run`."""

    argv: tuple[str, ...]
    """The program and its arguments; no shell reads them."""
    host: str = "local"
    """`local`, or the id of a host asset."""
    done_when: tuple[str, ...] = ()
    """A program that succeeds when the effect is there already."""
    untouched_when: tuple[str, ...] = ()
    """A program that succeeds when the effect has not begun."""
    irreversible: bool = False
    """Never repeat it after an interruption unless `untouched_when` says that it did not begin."""


class CommandRun(Action[CommandOptions]):
    """See `describes`."""

    name = "command.run"
    title = Text("执行命令", "Run a command")
    describes = Text(
        "在一台主机上执行一个程序(参数列表,不经过 shell);退出码 0 为成功。",
        "Runs one program on one host (an argument list, no shell); exit code 0 is success.",
    )
    touches = Touches.CHANGES
    options = CommandOptions
    gives = frozenset({"output"})

    def plan(self, options: CommandOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One step."""

        def probe(argv: tuple[str, ...]) -> Command | None:
            return Command(options.host, argv) if argv else None

        result = yield Step(
            f"run {options.argv[0]}",
            Command(options.host, options.argv),
            changes=True,
            check=probe(options.done_when),
            untouched=probe(options.untouched_when),
            irreversible=options.irreversible,
            timeout_seconds=3600,
        )
        require(result, f"命令 {options.argv[0]} 失败", f"the command {options.argv[0]} failed")
        return {"output": result.output.strip()}


action = CommandRun()
