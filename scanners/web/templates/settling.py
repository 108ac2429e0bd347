"""When the answers to the first requests of a block already rule out a match, the later ones need not be sent.

A condition that looks only at answers by their number, as `status_code_1 == 200`, stays as it is once they are there.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from scanners.web.templates.event import Event
from scanners.web.templates.expressions.compiling import compiled
from scanners.web.templates.expressions.syntax import Infix, Marker, Node, nodes_of, parse, text_node, variables_of
from scanners.web.templates.expressions.values import EvaluationError
from scanners.web.templates.matching import matcher_test
from scanners.web.templates.model import Block, Matcher, MatcherKind

# Other names with a number may be extracted values and the template's own variables, which change.
_NUMBERED = re.compile(
    r"(?:body|header|all_headers|response|raw|all|status_code|content_length|content_type|duration|location|set_cookie|server)"
    r"_(\d{1,4})"
)


@dataclass(frozen=True, slots=True)
class Needed:
    """Something without which a matcher cannot match, known from request number `step` on."""

    step: int
    holds: Callable[[Event], bool]


Settling: TypeAlias = Callable[[int, Event], bool]
"""Whether, after the answer to that request (from 1), no later one can make the block match."""


def settling_of(block: Block) -> Settling:
    """When a block's verdict is settled."""
    needed = [list(_needed(matcher)) for matcher in block.matchers]
    if not any(needed) or (not block.every_matcher and not all(needed)):
        return lambda _step, _event: False
    if block.every_matcher:
        return lambda step, event: any(_dead(one, step, event) for one in needed)
    return lambda step, event: all(_dead(one, step, event) for one in needed)


def _dead(needed: list[Needed], step: int, event: Event) -> bool:
    return any(one.step <= step and not one.holds(event) for one in needed)


def _needed(matcher: Matcher) -> Iterator[Needed]:
    if matcher.negative or matcher.kind is MatcherKind.STATUS:
        return
    if matcher.kind is not MatcherKind.DSL:
        yield from _needed_part(matcher)
    elif matcher.every or len(matcher.values) == 1:
        for source in matcher.values:
            for node in _conjuncts(parse(source)):
                yield from _needed_value(node)


def _needed_part(matcher: Matcher) -> Iterator[Needed]:
    numbered = _NUMBERED.fullmatch(matcher.part)
    texts = matcher.values if matcher.kind is MatcherKind.WORD else ()
    if numbered and not any(variables_of(text_node(text)) for text in texts):
        yield Needed(int(numbered[1]), matcher_test(matcher))


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, Infix) and node.operator == "&&":
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    else:
        yield node


def _needed_value(node: Node) -> Iterator[Needed]:
    names = variables_of(node)
    numbered = [_NUMBERED.fullmatch(name) for name in names]
    if not names or not all(numbered) or any(isinstance(below, Marker) for below in nodes_of(node)):
        return
    evaluate = compiled(node)

    def holds(event: Event) -> bool:
        try:
            return evaluate(event) is True
        except EvaluationError:
            return False

    yield Needed(max(int(found[1]) for found in numbered if found), holds)
