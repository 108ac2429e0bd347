"""Lookups and conditions: `${{ a.b.c }}` is a dotted path and nothing more, `when:` is CEL."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.lazy import Lazy

if TYPE_CHECKING:
    import celpy.adapter
    import celpy.celparser
    import celpy.evaluation
else:
    celpy = Lazy("celpy")

_LOOKUP = re.compile(r"\$\{\{\s*([A-Za-z_][\w]*(?:\.[A-Za-z_][\w-]*)*)\s*\}\}")
_ANY_LOOKUP = re.compile(r"\$\{\{.*?(?:\}\}|\Z)", re.DOTALL)


class LookupFailed(BadInput):
    """A dotted path leads nowhere."""


class ConditionFailed(BadInput):
    """A condition cannot be compiled or evaluated, or is not true or false."""


def lookups_in(value: object) -> Iterator[str]:
    """Every dotted path looked up anywhere in a value."""
    if isinstance(value, str):
        yield from _LOOKUP.findall(value)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from lookups_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from lookups_in(part)


def malformed_lookups_in(text: str) -> list[str]:
    """What looks like a lookup and is none, e.g. `${{ f(x) }}`, or `${{ a.b` to the end of the text."""
    return [found for found in _ANY_LOOKUP.findall(text) if not _LOOKUP.fullmatch(found)]


def fill(value: Any, names: Mapping[str, Any]) -> Any:
    """The value with its lookups replaced. A string that is one lookup takes the type of what it names."""
    if isinstance(value, str):
        if whole := _LOOKUP.fullmatch(value.strip()):
            return follow(whole[1], names)
        return _LOOKUP.sub(lambda match: str(follow(match[1], names)), value)
    if isinstance(value, Mapping):
        return {key: fill(part, names) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [fill(part, names) for part in value]
    return value


def follow(path: str, names: Mapping[str, Any]) -> Any:
    """The value at a dotted path. Raises LookupFailed, saying where the path ends."""
    value: Any = names
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise LookupFailed(
                Text(f"找不到 ${{{{ {path} }}}}:没有“{part}”", f"nothing at ${{{{ {path} }}}}: there is no “{part}”")
            )
        value = value[part]
    return value


@cache
def _compile(condition: str) -> Any:
    environment = celpy.Environment()
    try:
        return environment.program(environment.compile(condition))
    except celpy.celparser.CELParseError as error:
        message = str(error).strip().splitlines()[0]
        raise ConditionFailed(
            Text(f"条件“{condition}”有语法错误:{message}", f"condition “{condition}” cannot be read: {message}")
        ) from None


def check_condition(condition: str) -> None:
    """Raises ConditionFailed when the condition is not CEL."""
    _compile(condition)


def holds(condition: str, names: Mapping[str, Any]) -> bool:
    """Whether the condition is true over the names. Raises ConditionFailed."""
    program = _compile(condition)
    try:
        value = program.evaluate({name: celpy.adapter.json_to_cel(part) for name, part in names.items()})
    except celpy.evaluation.CELEvalError as error:
        message = str(error.args[0] if error.args else error).partition(" (in activation")[0]
        raise ConditionFailed(
            Text(f"条件“{condition}”无法求值:{message}", f"condition “{condition}” cannot be evaluated: {message}")
        ) from None
    if not isinstance(value, celpy.celtypes.BoolType | bool):
        raise ConditionFailed(
            Text(f"条件“{condition}”的结果不是真或假", f"condition “{condition}” is neither true nor false")
        )
    return bool(value)
