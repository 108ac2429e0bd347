"""Write the reference pages and JSON Schemas from the code: `make docs`, or `scripts/generate_docs.py FOLDER`.

Help texts choose their language when their module is imported, so each language is written by a process of its own.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import typer
from typer.core import TyperCommand, TyperGroup

from backup.engine import engines
from playbooks.action import all_actions
from playbooks.load import Library
from playbooks.schema import InputSpec, PlaybookSpec, StepSpec
from scanners.found import all_checks
from secops.cli.main import build
from secops.cli.schema import kinds
from secops.inventory.words import KINDS
from secops.model.city import AssetKind
from secops.model.text import Text
from secops.support.durations import format_duration
from secops.support.language import language, say, tell
from secops.support.strict_yaml import json_schema

_DOCS = Path(__file__).parents[1] / "docs"
_ENDINGS = {"en": ".md", "zh": ".zh.md"}


def pages() -> dict[str, str]:
    """Every page in the language of this process, by its name without ending."""
    return {
        "actions": _page(Text("动作(uses)", "Actions (`uses`)"), _actions()),
        "checks": _page(Text("检查", "Checks"), _checks()),
        "cli": _page(Text("命令行", "Command line"), _commands()),
        "engines": _page(Text("备份引擎", "Backup engines"), _engines()),
        "playbooks": _page(Text("剧本库", "Playbook library"), _playbooks()),
    }


def schemas() -> dict[str, bytes]:
    """The JSON Schema of every kind of file that people write, by its name."""
    return {name: orjson.dumps(json_schema(kind), option=orjson.OPT_INDENT_2) + b"\n" for name, kind in kinds().items()}


def _page(title: Text, lines: Iterable[str]) -> str:
    note = say(zh="由代码生成,请勿手改:`make docs`。", en="Generated from the code by `make docs`; do not edit.")
    return "\n".join([f"# {tell(title)}", "", note, "", *lines]).rstrip() + "\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """A Markdown table and an empty line; nothing when there are no rows."""
    listed, columns = [list(row) for row in rows], list(head)
    if not listed:
        return
    yield _row(columns)
    yield "|" + " --- |" * len(columns)
    yield from map(_row, listed)
    yield ""


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in cells) + " |"


def _actions() -> Iterator[str]:
    for name, action in all_actions().items():
        yield from (f"## {name}", "", f"**{tell(action.title)}** · {tell(action.describes)}", "")
        yield f"- {say(zh='影响', en='touches')}: `{action.touches}`"
        if action.gives:
            yield f"- {say(zh='输出', en='gives')}: " + ", ".join(f"`{one}`" for one in sorted(action.gives))
        if action.milestone:
            yield f"- {say(zh='完成时记为', en='its end is')} {action.milestone.upper()}"
        yield ""
        yield from _options(action.options.model_json_schema())


def _options(schema: Mapping[str, Any]) -> Iterator[str]:
    head = (say(zh="选项", en="option"), say(zh="类型", en="type"), say(zh="缺省", en="default"), "")
    required = schema.get("required", ())
    yield from _table(
        head,
        (
            (
                f"`{name}`",
                _type(part),
                "" if name in required else f"`{part.get('default')}`",
                part.get("description", ""),
            )
            for name, part in schema.get("properties", {}).items()
        ),
    )


def _type(part: Mapping[str, Any]) -> str:
    if "items" in part:
        return f"{_type(part['items'])}…"
    return " / ".join(_type(one) for one in part["anyOf"]) if "anyOf" in part else str(part.get("type", "any"))


def _checks() -> Iterator[str]:
    for name, check in all_checks().items():
        yield from (f"## {name}", "", f"**{tell(check.title)}** · {tell(check.describes)}", "")
        yield f"- {say(zh='适用资产', en='assets')}: {_kinds(check.kinds)}"
        yield f"- {say(zh='安全类别', en='safety')}: `{check.safety}`"
        if check.uses_baseline:
            yield "- " + say(
                zh="与批准的基线比较:`secops scan --learn`",
                en="compares with an approved baseline: `secops scan --learn`",
            )
        yield ""


def _engines() -> Iterator[str]:
    for name, engine in engines().items():
        yield from (f"## {name}", "", f"{tell(engine.describes)}{say(zh='。', en='.')}", "")
        yield f"- {say(zh='适用资产', en='assets')}: {_kinds(engine.kinds)}"
        needed = ", ".join(f"`{program}`" for program in engine.needs)
        yield from (f"- {say(zh='主机上须有', en='must be on the host')}: {needed}", "")


def _kinds(kinds_of: Iterable[AssetKind]) -> str:
    return ", ".join(f"{tell(KINDS[kind])} (`{kind}`)" for kind in sorted(kinds_of))


def _playbooks() -> Iterator[str]:
    for playbook in Library():
        spec = playbook.spec
        yield from (f"## {spec.id}", "", f"**{tell(spec.name)}** · {tell(spec.describes or spec.name)}", "")
        if spec.on.finding:
            yield f"- {say(zh='触发', en='runs when')}: `{spec.on.finding}`"
        if spec.rto:
            yield f"- RTO: {format_duration(spec.rto)}"
        yield ""
        head = (say(zh="输入", en="input"), "", say(zh="取值", en="value"))
        yield from _table(head, ((f"`{name}`", tell(one.describes), _value(one)) for name, one in spec.inputs.items()))
        head = (say(zh="步骤", en="step"), "", say(zh="动作", en="action"), say(zh="须待", en="needs"), "")
        yield from _table(head, (_step(spec, step) for step in spec.steps))


def _value(given: InputSpec) -> str:
    if given.from_finding:
        return say(zh=f"取自触发的发现:{given.from_finding}", en=f"from the finding: {given.from_finding}")
    return say(zh="必填", en="required") if given.default is None else f"`{given.default!r}`"


def _step(spec: PlaybookSpec, step: StepSpec) -> tuple[str, ...]:
    marks = []
    if step.budget:
        marks.append(say(zh=f"预算 {format_duration(step.budget)}", en=f"budget {format_duration(step.budget)}"))
    if step.approval:
        marks.append(say(zh=f"须 {step.approval.quorum} 人批准", en=f"approvals: {step.approval.quorum}"))
    if step.irreversible:
        marks.append(say(zh="不可逆", en="irreversible"))
    if step.rollback:
        marks.append(say(zh="可回退", en="can be undone"))
    needs = ", ".join(f"`{need}`" for need in spec.needs_of(step)) or "–"
    return (f"`{step.id}`", tell(step.name) if step.name else "", f"`{step.uses}`", needs, "; ".join(marks))


def _commands() -> Iterator[str]:
    command = typer.main.get_group(build())
    yield from _command(command, typer.Context(command, info_name="secops"), level=2)


def _command(command: TyperCommand | TyperGroup, context: typer.Context, level: int) -> Iterator[str]:
    """One command and what is below it."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield from (f"{'#' * level} {context.command_path}", "", *(command.help or "").splitlines(), "", f"`{usage}`", "")
    shown = [one for one in command.params if not getattr(one, "hidden", False) and "--help" not in one.opts]
    rows = ((_spelling(one), getattr(one, "help", None) or "") for one in shown)
    yield from _table((say(zh="参数", en="parameter"), ""), rows)
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from _command(below, typer.Context(below, info_name=name, parent=context), level + 1)


def _spelling(parameter: Any) -> str:
    """How it is typed: `FILE`, `--json`, `--input NAME=VALUE`."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    spelled = " / ".join([*parameter.opts, *parameter.secondary_opts])
    return f"`{spelled}`" if parameter.is_flag else f"`{spelled} {parameter.metavar or '…'}`"


def _write(folder: Path) -> None:
    (folder / "reference").mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / "reference" / f"{name}{_ENDINGS[language()]}").write_text(text, encoding="utf-8")
    (folder / "schemas").mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (folder / "schemas" / f"{name}.json").write_bytes(schema)


def _write_all(folder: Path) -> None:
    for one in _ENDINGS:
        environment = {**os.environ, "JINDUN_LANG": one}
        subprocess.run([sys.executable, __file__, "--one-language", str(folder)], env=environment, check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one-language"]:
        _write(Path(sys.argv[2]))
    else:
        _write_all(Path(sys.argv[1]) if sys.argv[1:] else _DOCS)
