"""Ask a host something that changes nothing."""

from collections.abc import Mapping
from typing import Any

from playbooks.action import Action, Context, Options, Touches
from secops.model.step import Command, Procedure, Step, require
from secops.model.text import Text


class ProbeOptions(Options):
    """Options of `command.probe`."""

    argv: tuple[str, ...]
    """The program and its arguments; it must only read."""
    host: str = "local"
    """`local`, or the id of a host asset."""


class CommandProbe(Action[ProbeOptions]):
    """See `describes`."""

    name = "command.probe"
    title = Text("只读命令", "Probe with a command")
    describes = Text(
        "执行一个只读程序,演练时也会真正执行;退出码 0 为成功。",
        "Runs a program that only reads; a rehearsal runs it too. Exit code 0 is success.",
    )
    touches = Touches.READS
    options = ProbeOptions
    gives = frozenset({"output"})

    def plan(self, options: ProbeOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """One probe."""
        result = yield Step(f"ask {options.argv[0]}", Command(options.host, options.argv))
        require(result, f"命令 {options.argv[0]} 失败", f"the command {options.argv[0]} failed")
        return {"output": result.output.strip()}


action = CommandProbe()
