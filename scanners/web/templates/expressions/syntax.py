"""The expression language as a tree: what stands in `dsl` lists, and between `{{` and `}}` in any text.

Strings may use either quote; a backslash takes the next character literally. Placeholders may stand inside strings.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from scanners.web.templates.expressions.functions.catalogue import FUNCTIONS, UNSUPPORTED_SPELLINGS
from scanners.web.templates.expressions.functions.registry import Function
from scanners.web.templates.expressions.values import Value

_MOST_TRIES = 250
_DEEPEST = 60


class SyntaxMistake(ValueError):
    """Not an expression."""


class UnsupportedFunction(SyntaxMistake):
    """An expression with a helper that is known and not run; `name` says which."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the helper {name} is not supported")
        self.name = name


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written out."""

    value: Value


@dataclass(frozen=True, slots=True)
class Variable:
    """The value of a name."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A helper and its arguments."""

    function: Function
    arguments: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Prefix:
    """`!`, `-` or `~` before a value."""

    operator: str
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Infix:
    """Two values and what stands between them."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? one : other`."""

    condition: "Node"
    one: "Node"
    other: "Node"


@dataclass(frozen=True, slots=True)
class Listed:
    """`(one, two, three)`, for `in`."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Marker:
    """A placeholder: the variable called `key`, else the expression, else its own source."""

    key: str
    expression: "Node | None"
    source: bytes
    bare: bool = False
    """Stands in an expression outside of strings, where the text of a number is a number."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Text with placeholders."""

    parts: "tuple[Node, ...]"


Node: TypeAlias = Literal | Variable | Call | Prefix | Infix | Choice | Listed | Marker | Joined

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<name>[^\W\d_][\w.]*) | (?P<string>"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*')
    | (?P<symbol>&&|\|\||==|!=|=~|!~|<=|>=|<<|>>|\*\*|\?\?|[-+*/%<>!&|^~?:(),])
    | (?P<hex>0x[0-9a-fA-F]+) | (?P<number>\d+(?:\.\d+)*|\.\d+) | \[(?P<bracket>(?:\\.|[^\]\\])*)\]
    | \{\{(?P<marker>.*?)\}\} | (?P<end>\Z))""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LEVELS = {
    "||": 1, "&&": 2,
    "==": 3, "!=": 3, "<": 3, ">": 3, "<=": 3, ">=": 3, "=~": 3, "!~": 3, "in": 3,
    "&": 4, "|": 4, "^": 4, "<<": 5, ">>": 5, "+": 6, "-": 6, "*": 7, "/": 7, "%": 7, "**": 8,
}  # fmt: skip


class _Parser:
    def __init__(self, source: str, depth: int) -> None:
        self._source, self._position, self._depth = source, 0, depth
        self._kind, self._text = "", ""
        self._advance()

    def whole(self) -> Node:
        node = self._choice()
        if self._kind != "end":
            raise SyntaxMistake(f"unexpected {self._text[:20]!r}")
        return node

    def _advance(self) -> None:
        token = _TOKEN.match(self._source, self._position)
        if token is None or token.lastgroup is None:
            raise SyntaxMistake(f"unexpected {self._source[self._position :].strip()[:20]!r}")
        self._kind, self._text, self._position = token.lastgroup, token[token.lastgroup], token.end()

    def _at(self, symbol: str) -> bool:
        return self._kind == "symbol" and self._text == symbol

    def _expect(self, symbol: str) -> None:
        if not self._at(symbol):
            raise SyntaxMistake(f"{symbol} is missing")
        self._advance()

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise SyntaxMistake("nested too deeply")
        node = self._infix(1)
        while self._kind == "symbol" and self._text in ("?", "??", ":"):
            # A colon without its question mark means the same as ??; `"a":"b"` in forgotten quotes is read so.
            question = self._text == "?"
            self._advance()
            first = self._infix(1)
            node = Choice(node, first, self._otherwise()) if question else Infix("??", node, first)
        self._depth -= 1
        return node

    def _otherwise(self) -> Node:
        if not self._at(":"):
            return Literal(None)
        self._advance()
        return self._choice()

    def _infix(self, lowest: int) -> Node:
        node = self._operand()
        while True:
            operator = "in" if self._kind == "name" and self._text in ("in", "IN") else self._text
            level = _LEVELS.get(operator, 0) if self._kind in ("symbol", "name") else 0
            if level < lowest:
                return node
            self._advance()
            node = Infix(operator, node, self._infix(level + 1))

    def _operand(self) -> Node:
        kind, text = self._kind, self._text
        if kind == "symbol" and text in ("!", "-", "~"):
            self._advance()
            self._depth += 1
            if self._depth > _DEEPEST:
                raise SyntaxMistake("nested too deeply")
            node: Node = Prefix(text, self._operand())
            self._depth -= 1
            return node
        if kind != "end":
            self._advance()
        if kind == "name":
            return self._named(text)
        if kind == "symbol" and text == "(":
            return self._bracketed()
        return self._constant(kind, text)

    def _constant(self, kind: str, text: str) -> Node:
        if kind == "string":
            return text_node(_ESCAPE.sub(r"\1", text[1:-1]), self._depth + 1)
        if kind == "number":
            if text.count(".") > 1:
                raise SyntaxMistake(f"not a number: {text[:20]}")
            return Literal(float(text))
        if kind == "hex":
            return Literal(float(int(text, 16)))
        if kind == "bracket":
            return Variable(_ESCAPE.sub(r"\1", text))
        if kind == "marker":
            return _marker(text, self._depth + 1, bare=True)
        raise SyntaxMistake(f"unexpected {text[:20]!r}" if text else "unexpected end")

    def _named(self, name: str) -> Node:
        if name in ("true", "false"):
            return Literal(name == "true")
        if not self._at("("):
            if name in FUNCTIONS:
                raise SyntaxMistake(f"{name} is a helper and wants arguments")
            return Variable(name)
        arguments = self._arguments()
        if name in UNSUPPORTED_SPELLINGS:
            raise UnsupportedFunction(name)
        function = FUNCTIONS.get(name)
        if function is None:
            raise SyntaxMistake(f"there is no helper {name[:40]}")
        if not function.takes(len(arguments)):
            raise SyntaxMistake(f"{name} does not take {len(arguments)} arguments")
        return Call(function, arguments)

    def _arguments(self) -> tuple[Node, ...]:
        self._expect("(")
        items: list[Node] = []
        while not self._at(")"):
            items.append(self._choice())
            if not self._at(")"):
                self._expect(",")
        self._advance()
        return tuple(items)

    def _bracketed(self) -> Node:
        first = self._choice()
        if self._at(")"):
            self._advance()
            return first
        items = [first]
        while self._at(","):
            self._advance()
            items.append(self._choice())
        self._expect(")")
        return Listed(tuple(items))


@lru_cache(maxsize=512)
def parse(source: str, depth: int = 0) -> Node:
    """The tree of one expression; a few stand in most templates. Raises SyntaxMistake."""
    return _Parser(source, depth).whole()


_KEY = re.compile(r"[^{}\"'()\r\n]+")
_OPENING = re.compile(r"\{\{|§([^§]+)§")


def text_node(source: str, depth: int = 0) -> Node:
    """Text with its placeholders; `{{7*7}}`, which names nothing, stays as it is."""
    if "{{" not in source and "§" not in source:
        return Literal(source.encode("utf-8", "surrogatepass"))
    parts: list[Node] = []
    done = position = 0
    for _ in range(_MOST_TRIES):
        opening = _OPENING.search(source, position)
        if opening is None:
            break
        found = _placeholder_at(source, opening, depth)
        if found is None:
            position = opening.end() if opening[1] is None else opening.start() + 1
            continue
        marker, end = found
        parts += [Literal(source[done : opening.start()].encode("utf-8", "surrogatepass")), marker]
        done = position = end
    rest = Literal(source[done:].encode("utf-8", "surrogatepass"))
    return Joined((*(part for part in parts if part != Literal(b"")), rest)) if parts else rest


def _placeholder_at(source: str, opening: re.Match[str], depth: int) -> tuple[Node, int] | None:
    if opening[1] is not None:
        return Marker(opening[1], None, opening[0].encode("utf-8", "surrogatepass")), opening.end()
    start = opening.end()
    closing = source.find("}}", start)
    for _ in range(_MOST_TRIES):
        if closing < 0:
            return None
        inner = source[start:closing]
        try:
            return _marker(inner, depth + 1), closing + 2
        except UnsupportedFunction:
            raise
        except SyntaxMistake:
            closing = source.find("}}", closing + 1)
    return None


def _marker(inner: str, depth: int, bare: bool = False) -> Marker | Literal:
    """A placeholder by what stands in it; a literal when it names nothing. Raises SyntaxMistake."""
    source = ("{{" + inner + "}}").encode("utf-8", "surrogatepass")
    try:
        expression = parse(inner, depth)
    except UnsupportedFunction:
        raise
    except SyntaxMistake:
        if not _KEY.fullmatch(inner):
            raise
        return Marker(inner, None, source, bare)
    if not any(isinstance(node, Variable | Call | Marker) for node in nodes_of(expression)):
        return Literal(source)
    return Marker(inner, expression, source, bare)


def nodes_of(node: Node) -> Iterator[Node]:
    """A tree's nodes, the root first."""
    yield node
    for child in children_of(node):
        yield from nodes_of(child)


def children_of(node: Node) -> tuple[Node, ...]:
    """The nodes directly below."""
    match node:
        case Call(_, arguments):
            return arguments
        case Prefix(_, operand):
            return (operand,)
        case Infix(_, left, right):
            return (left, right)
        case Choice(condition, one, other):
            return (condition, one, other)
        case Listed(items) | Joined(items):
            return items
        case Marker(_, expression):
            return () if expression is None else (expression,)
        case _:
            return ()


def variables_of(node: Node) -> frozenset[str]:
    """Every name that the value may depend on."""
    return frozenset(
        name
        for below in nodes_of(node)
        for name in (
            (below.name,) if isinstance(below, Variable) else (below.key,) if isinstance(below, Marker) else ()
        )
    )
