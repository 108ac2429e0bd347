"""How deep a page nests and how wide its tags are, told before it is parsed.

A parser takes time that grows with the square of both, and an intruder may know that.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

DEEPEST = 1000
"""Browsers stop at about 512."""
MOST_ATTRIBUTES = 500
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

    @property
    def excessive(self) -> bool:
        """Whether no honest page is like that."""
        return self.nesting > DEEPEST or self.attributes > MOST_ATTRIBUTES


def extent_of(html: str) -> Extent:
    """Measure a page in time that grows with its length only."""
    if "<svg" not in html and "<math" not in html:
        return _extent(html, _CLOSE_EACH_OTHER | _CLOSE_EACH_OTHER_IN_HTML, _RAW_ENDS)
    # In drawings and formulas a style or a title may hold tags, and rows do not close each other.
    one, other = (_extent(html, _CLOSE_EACH_OTHER, raw) for raw in (_RAW_ENDS, {}))
    return Extent(max(one.nesting, other.nesting), max(one.attributes, other.attributes))


def _extent(html: str, closing_each_other: frozenset[str], raw_ends: Mapping[str, re.Pattern[str]]) -> Extent:
    still_open: Counter[str] = Counter()
    depth = deepest = widest = 0
    for closing, name, attributes in _tags(html, raw_ends):
        widest = max(widest, attributes)
        if name in _EMPTY or name in closing_each_other:
            continue
        if not closing:
            still_open[name] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif still_open[name]:
            still_open[name] -= 1
            depth -= 1
    return Extent(deepest, widest)


def _tags(html: str, raw_ends: Mapping[str, re.Pattern[str]]) -> Iterator[tuple[bool, str, int]]:
    """Whether it closes, its name and its number of attributes, for each tag outside of comments and raw text."""
    at = 0
    while found := _TAG.search(html, at):
        comment = html.find("<!--", at, found.start())
        if comment >= 0:
            ended = _COMMENT_END.search(html, comment + 2)
            at = ended.end() if ended else len(html)
            continue
        closing, name = bool(found.group(1)), found.group(2).lower()
        attributes, at = _attributes(html, found.end())
        yield closing, name, attributes
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
