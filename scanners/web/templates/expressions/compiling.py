"""Trees of the expression language made into functions of a scope."""

import math
import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from scanners.web.templates.expressions.functions.registry import Function
from scanners.web.templates.expressions.regexes import BadPattern, Regex
from scanners.web.templates.expressions.scope import Scope, Variables
from scanners.web.templates.expressions.syntax import (
    Call,
    Choice,
    Infix,
    Joined,
    Listed,
    Literal,
    Marker,
    Node,
    Prefix,
    Variable,
    parse,
)
from scanners.web.templates.expressions.values import EvaluationError, Value, as_printed, as_string, as_text, same

Evaluate: TypeAlias = Callable[[Scope], Value]
"""Raises EvaluationError."""


@lru_cache(maxsize=32768)
def expression(source: str) -> Evaluate:
    """One expression, ready to run. Raises SyntaxMistake."""
    return compiled(parse(source))


def compiled(node: Node) -> Evaluate:
    """A tree, ready to run; what depends on nothing is computed now."""
    match node:
        case Literal(value):
            return lambda _: value
        case Variable(name):
            return _variable(name)
        case Call():
            return _call(node)
        case Prefix(symbol, operand):
            return _folded(_prefix(symbol, compiled(operand)), operand)
        case Infix():
            return _infix(node)
        case Choice(condition, one, other):
            return _choice(compiled(condition), compiled(one), compiled(other))
        case Listed(items):
            return _listed([compiled(item) for item in items])
        case Marker():
            return _marker(node)
        case Joined(parts):
            return _joined([compiled(part) for part in parts])


def _folded(evaluate: Evaluate, *operands: Node) -> Evaluate:
    if not all(isinstance(operand, Literal) for operand in operands):
        return evaluate
    try:
        value = evaluate(Variables())
    except EvaluationError:
        return evaluate
    return lambda _: value


def _variable(name: str) -> Evaluate:
    def evaluate(scope: Scope) -> Value:
        try:
            return scope[name]
        except KeyError:
            raise EvaluationError(f"there is no {name}") from None

    return evaluate


def _listed(items: list[Evaluate]) -> Evaluate:
    return lambda scope: [item(scope) for item in items]


def _joined(parts: list[Evaluate]) -> Evaluate:
    return lambda scope: b"".join([as_text(part(scope)) for part in parts])


def _choice(condition: Evaluate, one: Evaluate, other: Evaluate) -> Evaluate:
    return lambda scope: one(scope) if _truth(condition(scope)) else other(scope)


def _marker(node: Marker) -> Evaluate:
    key, source, bare = node.key, node.source, node.bare
    computed = None if node.expression is None else compiled(node.expression)

    def evaluate(scope: Scope) -> Value:
        try:
            value = as_text(scope[key])
        except KeyError:
            value = _computed(computed, scope, source)
        return _number_or_text(value) if bare else value

    return evaluate


def _computed(computed: Evaluate | None, scope: Scope, source: bytes) -> bytes:
    if computed is None:
        return source
    try:
        return as_text(computed(scope))
    except EvaluationError:
        return source


def _number_or_text(text: bytes) -> Value:
    try:
        return float(text) if text[:1].isdigit() and b"_" not in text else text
    except ValueError:
        return text


# Calls.


def _call(node: Call) -> Evaluate:
    special = _SPECIAL.get(node.function.name)
    found = special(node.arguments) if special else None
    if found is not None:
        return found
    arguments = [compiled(argument) for argument in node.arguments]
    evaluate = _plain_call(node.function, arguments)
    if node.function.wants_context:
        return evaluate
    key = _remembered_by(node)
    if key is not None:
        return _remembering(*key, evaluate)
    return _folded(evaluate, *node.arguments)


def _plain_call(function: Function, arguments: list[Evaluate]) -> Evaluate:
    call = function.call
    if function.wants_context:
        return lambda scope: call(scope.context, *[argument(scope) for argument in arguments])
    if len(arguments) == 1:
        first = arguments[0]
        return lambda scope: call(first(scope))
    return lambda scope: call(*[argument(scope) for argument in arguments])


def _remembered_by(node: Node) -> tuple[str, str] | None:
    """The one variable that a chain of costly helpers looks at, and the chain's name."""
    if isinstance(node, Variable):
        return node.name, node.name
    if isinstance(node, Call) and node.function.costly:
        inner = _remembered_by(node.arguments[0])
        return inner and (inner[0], f"{node.function.name}({inner[1]})")
    return None


def _remembering(name: str, key: str, evaluate: Evaluate) -> Evaluate:
    return lambda scope: scope.remember(name, key, lambda: evaluate(scope))


def _contains(arguments: tuple[Node, ...]) -> Evaluate | None:
    needle = arguments[1]
    if not isinstance(needle, Literal):
        return None
    wanted, haystack = as_text(needle.value), _haystack(arguments[0])
    return lambda scope: wanted in haystack(scope)


def _contains_all(arguments: tuple[Node, ...]) -> Evaluate | None:
    needles = [as_text(item.value) for item in arguments[1:] if isinstance(item, Literal)]
    if len(needles) != len(arguments) - 1:
        return None
    haystack = _haystack(arguments[0])

    def evaluate(scope: Scope) -> Value:
        text = haystack(scope)
        return all(needle in text for needle in needles)

    return evaluate


def _contains_any(arguments: tuple[Node, ...]) -> Evaluate | None:
    needles = [as_text(item.value) for item in arguments[1:] if isinstance(item, Literal)]
    if len(needles) != len(arguments) - 1:
        return None
    haystack = _haystack(arguments[0])

    def evaluate(scope: Scope) -> Value:
        text = haystack(scope)
        return any(needle in text for needle in needles)

    return evaluate


def _to_lower(arguments: tuple[Node, ...]) -> Evaluate | None:
    """A page keeps its parts in lower case."""
    if not isinstance(arguments[0], Variable):
        return None
    name = arguments[0].name

    def evaluate(scope: Scope) -> Value:
        try:
            return scope.lowered(name)
        except KeyError:
            raise EvaluationError(f"there is no {name}") from None

    return evaluate


def _regex(arguments: tuple[Node, ...]) -> Evaluate | None:
    if not isinstance(arguments[0], Literal):
        return None
    pattern, haystack = Regex(as_string(as_text(arguments[0].value))), _haystack(arguments[1])
    return lambda scope: pattern.found_in(haystack(scope))


def _haystack(node: Node) -> Callable[[Scope], bytes]:
    evaluate = compiled(node)
    return lambda scope: as_text(evaluate(scope))


_SPECIAL: dict[str, Callable[[tuple[Node, ...]], Evaluate | None]] = {
    "contains": _contains,
    "contains_all": _contains_all,
    "contains_any": _contains_any,
    "to_lower": _to_lower,
    "regex": _regex,
}


# Operators.


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise EvaluationError(f"neither true nor false: {as_text(value)[:40]!r}")
    return value


def _number(value: Value) -> float:
    if not isinstance(value, float):
        raise EvaluationError(f"not a number: {as_text(value)[:40]!r}")
    return value


def _prefix(symbol: str, operand: Evaluate) -> Evaluate:
    if symbol == "!":
        return lambda scope: not _truth(operand(scope))
    if symbol == "-":
        return lambda scope: -_number(operand(scope))
    return lambda scope: float(~int(_number(operand(scope))))


def _infix(node: Infix) -> Evaluate:
    left, right = compiled(node.left), compiled(node.right)
    logical = _LOGICAL.get(node.operator)
    if logical:
        return logical(left, right)
    if node.operator in ("=~", "!~"):
        return _matching(node, left, right)
    combine = _COMBINE[node.operator]
    return _folded(lambda scope: combine(left(scope), right(scope)), node.left, node.right)


def _both(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scope: _truth(left(scope)) and _truth(right(scope))


def _either(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scope: _truth(left(scope)) or _truth(right(scope))


def _first_known(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(scope: Scope) -> Value:
        value = left(scope)
        return right(scope) if value is None else value

    return evaluate


_LOGICAL: dict[str, Callable[[Evaluate, Evaluate], Evaluate]] = {"&&": _both, "||": _either, "??": _first_known}


def _matching(node: Infix, left: Evaluate, right: Evaluate) -> Evaluate:
    wanted = node.operator == "=~"

    def evaluate(scope: Scope) -> Value:
        text, pattern = left(scope), right(scope)
        if not isinstance(text, bytes) or not isinstance(pattern, bytes):
            raise BadPattern("=~ wants text on both sides")
        return Regex(as_string(pattern)).found_in(text) == wanted

    return evaluate


def _sum(left: Value, right: Value) -> Value:
    if isinstance(left, bytes) or isinstance(right, bytes):
        return as_printed(left) + as_printed(right)
    return _number(left) + _number(right)


def _arithmetic(compute: Callable[[float, float], float]) -> Callable[[Value, Value], Value]:
    def combine(left: Value, right: Value) -> Value:
        try:
            return float(compute(_number(left), _number(right)))
        except (ArithmeticError, ValueError) as error:
            raise EvaluationError(str(error)) from None

    return combine


def _ordered(compute: Callable[[Any, Any], bool]) -> Callable[[Value, Value], Value]:
    def combine(left: Value, right: Value) -> Value:
        if isinstance(left, bytes) and isinstance(right, bytes):
            return compute(left, right)
        return compute(_number(left), _number(right))

    return combine


def _whole(compute: Callable[[int, int], int]) -> Callable[[float, float], float]:
    return lambda left, right: float(compute(int(left), int(right)))


def _shifted(left: int, right: int) -> int:
    if not 0 <= right < 64:
        raise ValueError("shift out of range")
    return left << right & 0xFFFFFFFFFFFFFFFF


def _divided(left: float, right: float) -> float:
    if right:
        return left / right
    return math.nan if left == 0 or left != left else math.copysign(math.inf, left)


def _is_in(value: Value, items: Value) -> Value:
    return any(same(value, item) for item in (items if isinstance(items, list) else [items]))


_COMBINE: dict[str, Callable[[Value, Value], Value]] = {
    "==": same,
    "!=": lambda left, right: not same(left, right),
    "<": _ordered(operator.lt),
    ">": _ordered(operator.gt),
    "<=": _ordered(operator.le),
    ">=": _ordered(operator.ge),
    "in": _is_in,
    "+": _sum,
    "-": _arithmetic(operator.sub),
    "*": _arithmetic(operator.mul),
    "/": _arithmetic(_divided),
    "%": _arithmetic(math.fmod),
    "**": _arithmetic(math.pow),
    "&": _arithmetic(_whole(operator.and_)),
    "|": _arithmetic(_whole(operator.or_)),
    "^": _arithmetic(_whole(operator.xor)),
    "<<": _arithmetic(_whole(_shifted)),
    ">>": _arithmetic(_whole(operator.rshift)),
}
