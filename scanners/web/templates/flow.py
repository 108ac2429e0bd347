"""Which block of a template runs after which: `http(1) && (http(2) || http(3))`, statements and `if`.

The rest of the language that authors may use there is a script, and is refused.
"""

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

_TOKEN = re.compile(
    r"[ \t]*(?:(?P<newline>(?:\r?\n|;)[\s;]*)|(?P<call>http[ \t]*\((?P<which>[^()]*)\))|(?P<word>if\b|else\b)"
    r"|(?P<symbol>&&|\|\||[!(){}])|(?P<end>\Z))"
)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_DEEPEST = 50


class FlowScript(ValueError):
    """The flow is more than a boolean chain; the message is what could not be read."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run blocks by index; true when one of them matched."""

    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    operand: "Step"


@dataclass(frozen=True, slots=True)
class Both:
    """The right side only when the left one is true."""

    left: "Step"
    right: "Step"


@dataclass(frozen=True, slots=True)
class Either:
    """The right side only when the left one is false."""

    left: "Step"
    right: "Step"


@dataclass(frozen=True, slots=True)
class If:
    """One sequence or the other."""

    condition: "Step"
    then: "Step"
    otherwise: "Step"


@dataclass(frozen=True, slots=True)
class Sequence:
    """All, one after the other."""

    steps: "tuple[Step, ...]"


Step: TypeAlias = Run | Not | Both | Either | If | Sequence
Sent = TypeVar("Sent")
Got = TypeVar("Got")
RunBlock: TypeAlias = Callable[[int], Generator[Sent, Got, bool]]
"""Runs the block of that index; returns whether it matched."""


class _Parser:
    def __init__(self, source: str, blocks: dict[str, int]) -> None:
        self._source = _COMMENT.sub(" ", source).strip().strip(";")
        self._blocks, self._position, self._depth = blocks, 0, 0
        self._kind, self._text, self._which = "", "", ""
        self._advance()

    def whole(self) -> Step:
        sequence = self._statements()
        if self._kind != "end":
            raise FlowScript(self._text)
        return sequence

    def _advance(self) -> None:
        token = _TOKEN.match(self._source, self._position)
        if token is None:
            raise FlowScript(self._source[self._position :].strip()[:40])
        self._position, self._which = token.end(), token["which"] or ""
        self._kind = next(kind for kind in ("newline", "call", "word", "symbol", "end") if token[kind] is not None)
        self._text = token[self._kind]

    def _take(self, text: str) -> bool:
        if self._text.strip() != text or self._kind not in ("word", "symbol"):
            return False
        self._advance()
        return True

    def _skip_lines(self) -> None:
        while self._kind == "newline":
            self._advance()

    def _statements(self) -> Step:
        steps: list[Step] = []
        self._skip_lines()
        while self._kind != "end" and self._text != "}":
            steps.append(self._statement())
            self._skip_lines()
        if not steps:
            raise FlowScript(self._text)
        return steps[0] if len(steps) == 1 else Sequence(tuple(steps))

    def _statement(self) -> Step:
        if not self._take("if"):
            return self._either()
        condition = self._operand()
        self._skip_lines()
        then = self._braced()
        before = self._position, self._kind, self._text, self._which
        self._skip_lines()
        if self._take("else"):
            self._skip_lines()
            return If(condition, then, self._statement() if self._text == "if" else self._braced())
        self._position, self._kind, self._text, self._which = before
        return If(condition, then, Sequence(()))

    def _braced(self) -> Step:
        if not self._take("{"):
            raise FlowScript(self._text)
        steps = self._statements()
        if not self._take("}"):
            raise FlowScript(self._text)
        return steps

    def _either(self) -> Step:
        step = self._both()
        while self._continues("||"):
            step = Either(step, self._both())
        return step

    def _both(self) -> Step:
        step = self._operand()
        while self._continues("&&"):
            step = Both(step, self._operand())
        return step

    def _continues(self, symbol: str) -> bool:
        """An operator continues a line, also when it begins the next one."""
        before = self._position, self._kind, self._text, self._which
        self._skip_lines()
        if self._take(symbol):
            self._skip_lines()
            return True
        self._position, self._kind, self._text, self._which = before
        return False

    def _operand(self) -> Step:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise FlowScript(self._text)
        if self._kind == "call":
            step: Step = Run(self._called(self._which))
            self._advance()
        elif self._take("!"):
            step = Not(self._operand())
        elif self._take("("):
            self._skip_lines()
            step = self._either()
            self._skip_lines()
            if not self._take(")"):
                raise FlowScript(self._text)
        else:
            raise FlowScript(self._text)
        self._depth -= 1
        return step

    def _called(self, which: str) -> tuple[int, ...]:
        if not which.strip():
            return tuple(sorted(set(self._blocks.values())))
        names = [name.strip().strip("\"'`") for name in which.split(",")]
        if any(name not in self._blocks and not name.isdigit() for name in names):
            raise FlowScript(f"http({which})")
        # A number without a block is an author's slip: running it finds nothing.
        return tuple(self._blocks[name] for name in names if name in self._blocks)


def parse_flow(source: str, identities: tuple[str, ...]) -> Step:
    """The steps of a flow; blocks are named by number from 1 or by their identity. Raises FlowScript."""
    by_name = {identity: index for index, identity in enumerate(identities) if identity}
    return _Parser(source, by_name | {str(index + 1): index for index in range(len(identities))}).whole()


def straight_flow(count: int) -> Step:
    """All blocks, one after the other."""
    return Run((0,)) if count == 1 else Sequence(tuple(Run((index,)) for index in range(count)))


def followed(step: Step, run: RunBlock[Sent, Got]) -> Generator[Sent, Got, bool]:
    """Run blocks as the steps say; true when the whole is."""
    match step:
        case Run(blocks):
            return (yield from _any_of(blocks, run))
        case Not(operand):
            return not (yield from followed(operand, run))
        case Both(left, right):
            return (yield from followed(left, run)) and (yield from followed(right, run))
        case Either(left, right):
            return (yield from followed(left, run)) or (yield from followed(right, run))
        case If(condition, then, otherwise):
            chosen = then if (yield from followed(condition, run)) else otherwise
            return (yield from followed(chosen, run))
        case Sequence(steps):
            matched = False
            for single in steps:
                matched = yield from followed(single, run)
            return matched


def _any_of(blocks: tuple[int, ...], run: RunBlock[Sent, Got]) -> Generator[Sent, Got, bool]:
    matched = False
    for index in blocks:
        matched = (yield from run(index)) or matched
    return matched
