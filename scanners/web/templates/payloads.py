"""Which values the payloads of a block take together, one combination after the other."""

from collections.abc import Iterator
from functools import lru_cache

from scanners.web.templates.expressions.compiling import Evaluate, compiled
from scanners.web.templates.expressions.syntax import UnsupportedFunction, text_node
from scanners.web.templates.model import Attack, Block, Payload


def combinations(block: Block) -> Iterator[dict[str, str]]:
    """Each combination by name; one without any when the block has no payloads."""
    if not block.payloads:
        return iter(({},))
    return _BY_ATTACK[block.attack](block.payloads)


def count_of(block: Block) -> int:
    """How many combinations there are."""
    sizes = [len(payload.values) for payload in block.payloads]
    if not sizes:
        return 1
    if block.attack is Attack.BATTERINGRAM:
        return sum(sizes)
    if block.attack is Attack.PITCHFORK:
        return min(sizes)
    total = 1
    for size in sizes:
        total *= size
    return total


def _one_by_one(payloads: tuple[Payload, ...]) -> Iterator[dict[str, str]]:
    for payload in payloads:
        for value in payload.values:
            yield {payload.name: value}


def _side_by_side(payloads: tuple[Payload, ...]) -> Iterator[dict[str, str]]:
    names = [payload.name for payload in payloads]
    for values in zip(*(payload.values for payload in payloads), strict=False):
        yield dict(zip(names, values, strict=True))


def _every_combination(payloads: tuple[Payload, ...]) -> Iterator[dict[str, str]]:
    """The first payload changes fastest."""
    if not payloads:
        yield {}
        return
    for rest in _every_combination(payloads[1:]):
        for value in payloads[0].values:
            yield {payloads[0].name: value} | rest


_BY_ATTACK = {
    Attack.BATTERINGRAM: _one_by_one,
    Attack.PITCHFORK: _side_by_side,
    Attack.CLUSTERBOMB: _every_combination,
}


@lru_cache(maxsize=4096)
def payload_text(value: str) -> Evaluate:
    """A payload with its placeholders; one that asks for a helper that is not run stands for itself."""
    try:
        return compiled(text_node(value))
    except UnsupportedFunction:
        literal = value.encode("utf-8", "surrogateescape")
        return lambda _: literal
