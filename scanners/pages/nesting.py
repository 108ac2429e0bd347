"""How deep a page nests, how wide its tags are and how much it makes a parser repeat, told before it is parsed.

A parser takes time that grows with the square of each, and an intruder may know that.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

DEEPEST = 1000
"""Browsers stop at about 512."""
MOST_ATTRIBUTES = 500
_MOST_OPTIONS = 8000
_MOST_REMADE = 300_000
_MOST_STEPS = 20_000_000
"""Of a parser that looks through all that is open, for each tag."""
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_ATTRIBUTE = re.compile(r"[\s/]*[^\s/>][^\s/>=]*(?:\s*=\s*(?:\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z)|[^\s>\"'][^\s>]*))?")
_COMMENT_END = re.compile(r"--!?>")
_RAW_ENDS = {
    name: re.compile(f"</{name}", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
_EMPTY = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_OF_THE_PAGE = frozenset({"html", "body"})
"""Written several times, their attributes go to one."""
_FORMATTING = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
"""Open when what they stand in ends, they are made again in whatever comes next."""
_ALIKE_AT_MOST = 3
"""Of formatting that is written the same, browsers remember so many."""
_WALLS = frozenset({"applet", "caption", "marquee", "math", "object", "select", "svg", "table", "td", "template", "th"})
"""Formatting from outside is not ended inside."""
_CLOSE_EACH_OTHER = frozenset({"p", "li", "dd", "dt", "html", "head", "body"})
_CLOSE_EACH_OTHER_IN_HTML = frozenset(
    {"tr", "td", "th", "tbody", "thead", "tfoot", "option", "optgroup", "colgroup", "rt", "rp"}
)


@dataclass(frozen=True, slots=True)
class Extent:
    """At least what the parsed page will have."""

    nesting: int
    attributes: int
    """Of the tag that has most."""
    options: int = 0
    remade: int = 0
    """Formatting that is made again, at most."""
    steps: int = 0
    """Through what is open at each tag, at most."""

    @property
    def excessive(self) -> bool:
        """Whether no honest page is like that."""
        return (
            self.nesting > DEEPEST
            or self.attributes > MOST_ATTRIBUTES
            or self.options > _MOST_OPTIONS
            or self.remade > _MOST_REMADE
            or self.steps > _MOST_STEPS
        )


class _Formatting:
    """What a parser makes again. It forgets less than a parser does: what seems to be ended may not be."""

    def __init__(self) -> None:
        self._within: list[tuple[str, dict[str, list[str]]]] = [("", {})]
        """Walls that stand, and what was opened behind each: how it is written, by name."""
        self._alike: Counter[tuple[str, str]] = Counter()
        self.open = 0

    def begin(self, name: str, written: str) -> None:
        """A tag begins."""
        if name in _WALLS:
            self._within.append((name, {}))
        elif name in _FORMATTING:
            if name == "a":
                self.end(name)
            self._within[-1][1].setdefault(name, []).append(written)
            self._count(name, written, 1)

    def end(self, name: str) -> None:
        """A tag ends."""
        wall, here = self._within[-1]
        if name in _WALLS:
            if name == wall:
                self._within.pop()
                outer = self._within[-1][1]
                for one, texts in here.items():
                    outer.setdefault(one, []).extend(texts)
        elif here.get(name):
            self._count(name, here[name].pop(), -1)

    def _count(self, name: str, written: str, step: int) -> None:
        before = self._alike[name, written]
        self._alike[name, written] = before + step
        self.open += min(before + step, _ALIKE_AT_MOST) - min(before, _ALIKE_AT_MOST)


def extent_of(html: str) -> Extent:
    """Measure a page in time that grows with its length only."""
    if "<svg" not in html and "<math" not in html:
        return _extent(html, _CLOSE_EACH_OTHER | _CLOSE_EACH_OTHER_IN_HTML, _RAW_ENDS)
    # In drawings and formulas a style or a title may hold tags, and rows do not close each other.
    one, other = (_extent(html, _CLOSE_EACH_OTHER, raw) for raw in (_RAW_ENDS, {}))
    return Extent(*(max(getattr(one, name), getattr(other, name)) for name in Extent.__slots__))


def _extent(html: str, closing_each_other: frozenset[str], raw_ends: Mapping[str, re.Pattern[str]]) -> Extent:
    still_open: Counter[str] = Counter()
    formatting = _Formatting()
    depth = deepest = widest = shared = options = remade = steps = 0
    for closing, name, attributes, written in _tags(html, raw_ends):
        widest = max(widest, attributes)
        steps += depth
        remade += formatting.open
        shared += attributes if name in _OF_THE_PAGE else 0
        options += name == "option" and not closing
        (formatting.end(name) if closing else formatting.begin(name, written))
        if name in _EMPTY or name in closing_each_other:
            continue
        if not closing:
            still_open[name] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif still_open[name]:
            still_open[name] -= 1
            depth -= 1
    return Extent(deepest, max(widest, shared), options, remade, steps)


def _tags(html: str, raw_ends: Mapping[str, re.Pattern[str]]) -> Iterator[tuple[bool, str, int, str]]:
    """Whether it closes, its name, number and text of attributes, for each tag outside of comments and raw text."""
    at = 0
    while found := _TAG.search(html, at):
        comment = html.find("<!--", at, found.start())
        if comment >= 0:
            ended = _COMMENT_END.search(html, comment + 2)
            at = ended.end() if ended else len(html)
            continue
        closing, name = bool(found.group(1)), found.group(2).lower()
        attributes, at = _attributes(html, found.end())
        yield closing, name, attributes, html[found.end() : at].strip() if name in _FORMATTING else ""
        if name in raw_ends and not closing:
            raw_ended = raw_ends[name].search(html, at)
            at = raw_ended.start() if raw_ended else len(html)


def _attributes(html: str, at: int) -> tuple[int, int]:
    """How many there are, and where they end."""
    count = 0
    while found := _ATTRIBUTE.match(html, at):
        count += 1
        at = found.end()
    return count, at
