"""What typer says around our own words: headings of help pages and mistakes in a call, in the reader's language.

Typer has no catalogue of translations, so its headings are set and its sentences matched; a sentence that is not known
here is shown as typer wrote it.
"""

import re
from collections.abc import Iterator
from functools import partialmethod
from typing import Any

import typer
from rich.text import Text as Shown
from typer import rich_utils
from typer._click.exceptions import ClickException
from typer._click.formatting import HelpFormatter
from typer.core import TyperGroup

from secops.support.language import language, say

__all__ = ["ClickException", "explain_mistake", "frame"]

_HEADINGS = {
    "DEFAULT_STRING": "[缺省:{}]",
    "ENVVAR_STRING": "[环境变量:{}]",
    "REQUIRED_LONG_STRING": "[必填]",
    "ARGUMENTS_PANEL_TITLE": "参数",
    "OPTIONS_PANEL_TITLE": "选项",
    "COMMANDS_PANEL_TITLE": "命令",
    "ERRORS_PANEL_TITLE": "错误",
    "RICH_HELP": "用法说明:[blue]{command_path} {help_option}[/]",
}
_ENGLISH = {name: getattr(rich_utils, name) for name in _HEADINGS}
_write_usage = HelpFormatter.write_usage
_SENTENCES = (
    (r"Missing argument (.+)\. Choose from:(.+)", r"缺少参数 \1,应为其中之一:\2"),
    (r"Missing argument (.+)\.", r"缺少参数 \1。"),
    (r"Missing option (.+)\. Choose from:(.+)", r"缺少选项 \1,应为其中之一:\2"),
    (r"Missing option (.+)\.", r"缺少选项 \1。"),
    (r"No such option: (.+) \(Possible options: (.+)\)", r"没有选项 \1(相近:\2)"),
    (r"No such option: (.+)", r"没有选项 \1"),
    (r"No such command (.+)\. Did you mean (.+)\?", r"没有命令 \1,是否要用 \2?"),
    (r"No such command (.+)\.", r"没有命令 \1。"),
    (r"Got unexpected extra argument\(s\) \((.+)\)", r"多余的参数:\1"),
    (r"Option (.+) requires an argument\.", r"选项 \1 需要一个值。"),
    (r"Option (.+) requires (\d+) arguments\.", r"选项 \1 需要 \2 个值。"),
    (r"Option (.+) does not take a value\.", r"选项 \1 不带值。"),
    (r"Invalid value for (.+?): (?:Value error, )?(.+) is not one of (.+)\.", r"\1 的值 \2 无效,应为其中之一:\3。"),
    (r"Invalid value for (.+?): path (.+) is not readable\.", r"\1 的文件 \2 不可读。"),
    (r"Invalid value for (.+?): Input should be a valid integer.*", r"\1 的值应为整数"),
    (r"Invalid value for (.+?): Input should be greater than or equal to (.+)", r"\1 的值不能小于 \2"),
    (r"Invalid value for (.+?): Input should be less than or equal to (.+)", r"\1 的值不能大于 \2"),
    (r"Invalid value for (.+?): (.+)", r"\1 的值无效:\2"),
)


class _Folding(type(rich_utils.highlighter)):  # type: ignore[misc]
    """Breaks Chinese, which has no spaces, where the column ends; typer would cut it off there."""

    def __call__(self, text: Any) -> Shown:
        made: Shown = super().__call__(text)
        made.overflow = "fold"
        return made


def frame(application: typer.Typer) -> TyperGroup:
    """The commands of the application, with help pages in the reader's language."""
    rich_utils.highlighter = _Folding()
    group = typer.main.get_command(application)
    assert isinstance(group, TyperGroup)
    for name, words in (_HEADINGS if language() == "zh" else _ENGLISH).items():
        setattr(rich_utils, name, words)
    usage = partialmethod(_write_usage, prefix=say(zh="用法:", en="Usage: "))
    HelpFormatter.write_usage = usage  # type: ignore[assignment]
    for command in _below(group):
        if option := command.get_help_option(typer.Context(command)):
            option.help = say(zh="显示本说明。", en="Show this message and exit.")
    return group


def explain_mistake(mistake: ClickException) -> None:
    """Print what is wrong with a call, on standard error."""
    sentence = mistake.format_message()

    def told() -> str:
        return _in_chinese(sentence) if language() == "zh" else sentence

    mistake.format_message = told  # type: ignore[method-assign]
    rich_utils.rich_format_error(mistake)


def _in_chinese(sentence: str) -> str:
    for pattern, chinese in _SENTENCES:
        if re.fullmatch(pattern, sentence, re.DOTALL):
            return re.sub(pattern, chinese, sentence, flags=re.DOTALL)
    return sentence


def _below(group: TyperGroup) -> Iterator[Any]:
    yield group
    for command in group.commands.values():
        yield from _below(command) if isinstance(command, TyperGroup) else (command,)
