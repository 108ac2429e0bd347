"""What the shape of a playbook cannot say: meaning, order, safety. Every flaw at once, each with its place."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from playbooks.action import Action, Touches, all_actions
from playbooks.expressions import ConditionFailed, check_condition, lookups_in, malformed_lookups_in
from playbooks.schema import PlaybookSpec, StepSpec, Use
from secops.model.text import Text
from secops.support.durations import format_duration
from secops.support.misfits import described, is_missing, is_unknown
from secops.support.suggestions import did_you_mean

Path = tuple[str | int, ...]

_STEP_IN_CONDITION = re.compile(r"\bsteps\.([a-z][a-z0-9_]*)")
_ROOTS = ("inputs", "steps", "finding", "system", "run")


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong, and where in the playbook: `("steps", 3, "needs")`."""

    path: Path
    text: Text


def flaws_of(playbook: PlaybookSpec) -> list[Flaw]:
    """Everything wrong with a playbook whose shape is right."""
    if not playbook.steps:
        return [Flaw(("steps",), Text("剧本没有步骤", "the playbook has no steps"))]
    disorder = [*_repeated_ids(playbook)] or [*_unknown_needs(playbook), *_cycles(playbook)]
    found = [*disorder, *_triggers(playbook)]
    for position, step in enumerate(playbook.steps):
        found += _uses(step, ("steps", position))
    if not disorder:
        # What comes before what is known: now the rest can be judged.
        found += [*_lookups(playbook), *_safety(playbook), *_budgets(playbook)]
    return found


def ancestors(playbook: PlaybookSpec, step: StepSpec) -> set[str]:
    """Ids of all steps that must have ended before this one starts."""
    waiting, seen = list(playbook.needs_of(step)), set[str]()
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += playbook.needs_of(playbook.step(one))
    return seen


def _repeated_ids(playbook: PlaybookSpec) -> Iterator[Flaw]:
    seen: set[str] = set()
    for position, step in enumerate(playbook.steps):
        if step.id in seen:
            yield Flaw(("steps", position, "id"), Text(f"步骤 id“{step.id}”重复", f"step id “{step.id}” is used twice"))
        seen.add(step.id)


def _triggers(playbook: PlaybookSpec) -> Iterator[Flaw]:
    if playbook.on.finding:
        yield from _condition(playbook.on.finding, ("on", "finding"))


def _condition(condition: str, path: Path) -> Iterator[Flaw]:
    try:
        check_condition(condition)
    except ConditionFailed as error:
        yield Flaw(path, error.text)


def _unknown_needs(playbook: PlaybookSpec) -> Iterator[Flaw]:
    known = [step.id for step in playbook.steps]
    for position, step in enumerate(playbook.steps):
        for number, need in enumerate(step.needs or ()):
            if need not in known:
                yield Flaw(("steps", position, "needs", number), _unknown("步骤", "step", need, known))


def _unknown(zh: str, en: str, name: str, known: list[str]) -> Text:
    hint = did_you_mean(name, known)
    return Text(f"没有{zh}“{name}”{hint.zh}", f"there is no {en} “{name}”{hint.en}")


def _cycles(playbook: PlaybookSpec) -> Iterator[Flaw]:
    known = {step.id: position for position, step in enumerate(playbook.steps)}
    graph = {step.id: [n for n in playbook.needs_of(step) if n in known] for step in playbook.steps}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        shown = " → ".join(reversed(circle))
        yield Flaw(
            ("steps", known[circle[0]], "needs"),
            Text(f"步骤互相等待:{shown}", f"these steps wait for each other: {shown}"),
        )


def _uses(step: StepSpec, path: Path) -> Iterator[Flaw]:
    """Actions, options and conditions of one step, its check and its rollback."""
    yield from _use(step, path)
    if step.when:
        yield from _condition(step.when, (*path, "when"))
    if step.check:
        yield from _use(step.check, (*path, "check"))
        action = all_actions().get(step.check.uses)
        if action and action.touches is not Touches.READS:
            yield Flaw(
                (*path, "check", "uses"),
                Text(
                    f"check 只能用只读动作,{action.name} 会改变状态",
                    f"a check only reads; {action.name} changes things",
                ),
            )
    for number, undo in enumerate(step.rollback):
        yield from _use(undo, (*path, "rollback", number))


def _use(use: Use, path: Path) -> Iterator[Flaw]:
    action = all_actions().get(use.uses)
    if action is None:
        yield Flaw((*path, "uses"), _unknown("动作", "action", use.uses, list(all_actions())))
        return
    yield from _options(action, use, path)
    for key, value in use.options.items():
        for text in value if isinstance(value, list) else [value]:
            for bad in malformed_lookups_in(text) if isinstance(text, str) else ():
                yield Flaw((*path, "with", key), _malformed(bad))


def _malformed(lookup: str) -> Text:
    if not lookup.endswith("}}"):
        return Text(f"{lookup} 没有用 }}}} 结束", f"{lookup} is not closed by }}}}")
    return Text(f"{lookup} 不是点分路径(不支持运算)", f"{lookup} is not a dotted path; lookups do not compute")


def _options(action: Action[Any], use: Use, path: Path) -> Iterator[Flaw]:
    """Options that are wrong already; those that hold a lookup are checked when it is filled."""
    try:
        action.options.model_validate(use.options)
    except ValidationError as error:
        for problem in error.errors():
            key = problem["loc"][0] if problem["loc"] else ""
            if any(lookups_in(use.options.get(str(key), ""))):
                continue
            yield _option_flaw(action, problem, str(key), path, key in use.options)


def _option_flaw(action: Action[Any], problem: ErrorDetails, key: str, path: Path, present: bool) -> Flaw:
    if is_unknown(problem):
        hint = did_you_mean(key, action.options.model_fields)
        text = Text(f"{action.name} 没有选项“{key}”{hint.zh}", f"{action.name} has no option “{key}”{hint.en}")
    elif is_missing(problem):
        text = Text(f"{action.name} 缺少选项“{key}”", f"{action.name} needs the option “{key}”")
    else:
        why = described(problem)
        text = Text(f"{action.name} 的选项“{key}”:{why.zh}", f"option “{key}” of {action.name}: {why.en}")
    return Flaw((*path, "with", key) if present else (*path, "uses"), text)


def _lookups(playbook: PlaybookSpec) -> Iterator[Flaw]:
    """Every lookup and condition names something that is known by then."""
    for position, step in enumerate(playbook.steps):
        path: Path = ("steps", position)
        before = ancestors(playbook, step)
        for key, value in step.options.items():
            for lookup in lookups_in(value):
                yield from _lookup(playbook, before, lookup, (*path, "with", key))
        for key, value in step.outputs.items():
            for lookup in lookups_in(value):
                if not lookup.startswith("result."):
                    yield from _lookup(playbook, before, lookup, (*path, "outputs", key))
        for number, undo in enumerate(step.rollback):
            for key, value in undo.options.items():
                for lookup in lookups_in(value):
                    yield from _lookup(playbook, before | {step.id}, lookup, (*path, "rollback", number, "with", key))
        for other in _STEP_IN_CONDITION.findall(step.when or ""):
            if other not in before:
                yield Flaw((*path, "when"), _not_before(other))


def _lookup(playbook: PlaybookSpec, before: set[str], lookup: str, path: Path) -> Iterator[Flaw]:
    root, *rest = lookup.split(".")
    if root not in _ROOTS:
        yield Flaw(path, _unknown("变量", "name", root, list(_ROOTS)))
    elif root == "inputs" and rest and rest[0] not in playbook.inputs:
        yield Flaw((*path,), _unknown("输入", "input", rest[0], list(playbook.inputs)))
    elif root == "steps" and rest:
        if rest[0] not in before:
            yield Flaw(path, _not_before(rest[0]))
        elif len(rest) < 3 or rest[1] != "outputs":
            yield Flaw(path, Text(f"应写作 steps.{rest[0]}.outputs.名称", f"write steps.{rest[0]}.outputs.NAME"))
        else:
            giver = playbook.step(rest[0])
            action = all_actions().get(giver.uses)
            gives = sorted((action.gives if action else set()) | giver.outputs.keys())
            if action and rest[2] not in gives:
                yield Flaw(path, _unknown("输出", "output", rest[2], gives))


def _not_before(step: str) -> Text:
    return Text(
        f"步骤“{step}”不在本步骤之前(见 needs)", f"step “{step}” does not come before this one (see its `needs`)"
    )


def _safety(playbook: PlaybookSpec) -> Iterator[Flaw]:
    """A changing step can be undone or says that it cannot; what cannot be undone stands behind a fence."""
    actions = all_actions()
    for position, step in enumerate(playbook.steps):
        path: Path = ("steps", position)
        action = actions.get(step.uses)
        if action and action.touches.needs_rollback and not step.rollback and not step.irreversible:
            yield Flaw(
                (*path, "uses"),
                Text(
                    f"{step.uses} 会改变状态,却没有 rollback,也没有标明 irreversible: true",
                    f"{step.uses} changes things, yet has no `rollback` and is not marked `irreversible: true`",
                ),
            )
        if action and action.people > (step.approval.quorum if step.approval else 0):
            yield Flaw(
                (*path, "approval", "quorum") if step.approval else (*path, "uses"),
                Text(
                    f"{step.uses} 须至少 {action.people} 人批准:approval: {{quorum: {action.people}}}",
                    f"{step.uses} takes the approval of {action.people} people: approval: {{quorum: {action.people}}}",
                ),
            )
        yield from _unapproved_uses(step, path)
        before = [actions.get(playbook.step(one).uses) for one in ancestors(playbook, step)]
        fenced = any(action and action.touches is Touches.FENCES for action in before)
        if step.irreversible and not fenced:
            yield Flaw(
                (*path, "irreversible"),
                Text(
                    "不可逆步骤之前没有隔离(fence)步骤,例如 entry.drain",
                    "an irreversible step with no fence before it, like entry.drain",
                ),
            )


def _unapproved_uses(step: StepSpec, path: Path) -> Iterator[Flaw]:
    """Nobody is asked before a rollback, so what takes people's approval cannot be one."""
    for number, undo in enumerate(step.rollback):
        action = all_actions().get(undo.uses)
        if action and action.people:
            yield Flaw(
                (*path, "rollback", number, "uses"),
                Text(f"{undo.uses} 须经人批准,不能用于回退", f"{undo.uses} takes approvals and cannot be a rollback"),
            )


def _budgets(playbook: PlaybookSpec) -> Iterator[Flaw]:
    """Budgets fit into the rto along the longest path, and each step's timeout allows its budget."""
    for position, step in enumerate(playbook.steps):
        if step.budget and step.budget > step.timeout:
            budget, timeout = format_duration(step.budget), format_duration(step.timeout)
            yield Flaw(
                ("steps", position, "budget"),
                Text(f"预算 {budget} 大于时限 {timeout}", f"the budget {budget} is longer than the timeout {timeout}"),
            )
    longest = longest_path(playbook)
    if playbook.rto is not None and sum(longest.values()) > playbook.rto:
        total, rto = format_duration(sum(longest.values())), format_duration(playbook.rto)
        listed = " + ".join(f"{step} {format_duration(seconds)}" for step, seconds in longest.items())
        yield Flaw(
            ("rto",),
            Text(
                f"最长路径的预算合计 {total},超过 rto {rto}:{listed}",
                f"budgets add up to {total}, over the rto {rto}: {listed}",
            ),
        )


def longest_path(playbook: PlaybookSpec) -> Mapping[str, float]:
    """Step id → budget seconds along the chain of steps whose budgets add up to the most."""
    best: dict[str, dict[str, float]] = {}
    graph = {step.id: playbook.needs_of(step) for step in playbook.steps}
    for one in TopologicalSorter(graph).static_order():
        step = playbook.step(one)
        before = max((best[need] for need in graph[one]), key=lambda path: sum(path.values()), default={})
        best[one] = before | ({one: step.budget} if step.budget else {})
    return max(best.values(), key=lambda path: sum(path.values()))
