"""Where a mark stands in a page, and whether something there would run: read as a browser reads it, never run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from selectolax.lexbor import LexborHTMLParser, LexborNode

from scanners.pages.parsing import parsed
from scanners.web.probing.script_text import BrokenScript, code_of, kind_at

_SCRIPT_TYPES = re.compile(r"(?i)^$|javascript|ecmascript|^module$")
_URL_ATTRIBUTES = frozenset({"href", "src", "action", "formaction", "data", "xlink:href"})
_RUNS_URLS = {
    "a": ("href", "xlink:href"),
    "area": ("href",),
    "iframe": ("src",),
    "frame": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "form": ("action",),
    "button": ("formaction",),
    "input": ("formaction",),
}
_RAW_TEXT = frozenset({"textarea", "title", "style", "xmp", "iframe", "noembed", "noframes", "plaintext"})
_NOSCRIPT = re.compile(r"<(/?)noscript(?=[\s/>])", re.IGNORECASE)
_SPACE_IN_SCHEME = re.compile(r"[\t\r\n]|^[\x00-\x20]+")
_MOST_PLACES = 5


class Spot(StrEnum):
    """The kind of place."""

    TEXT = "text"
    RAW = "raw"
    """In an element whose content is no markup; `detail` is its name."""
    COMMENT = "comment"
    ATTRIBUTE = "attribute"
    """`detail` is the quote around it, empty when there is none."""
    URL = "url"
    """At the start of an address."""
    SCRIPT = "script"
    """`detail` is the kind of piece it stands in."""
    HANDLER = "handler"
    """In the script of an attribute; `detail` as for a script."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mark stands."""

    spot: Spot
    detail: str = ""


def places_of(text: str, mark: str) -> list[Place]:
    """The different kinds of places that a mark stands in, the first few."""
    found: dict[Place, None] = {}
    for place in _places(_parsed(text), text, mark.lower()):
        found.setdefault(place)
    if not found and mark.lower() in text.lower():
        # In front of the page or behind it, where only comments can stand.
        found[Place(Spot.COMMENT)] = None
    return list(found)[:_MOST_PLACES]


def runs(text: str, mark: str) -> str:
    """Where a call of `mark` would be run as a script, in words; empty when nowhere."""
    mark = mark.lower()
    if mark not in text.lower():
        return ""
    for node in _nodes(_parsed(text)):
        if where := _runs_in(node, mark):
            return where
    return ""


def _parsed(text: str) -> LexborHTMLParser:
    """As a browser that runs scripts: to it, what stands in `noscript` is no markup."""
    return parsed(_NOSCRIPT.sub(r"<\1noembed", text))


def _nodes(parser: LexborHTMLParser) -> Iterator[LexborNode]:
    if parser.root is not None:
        yield from parser.root.traverse(include_text=True)


def _runs_in(node: LexborNode, mark: str) -> str:
    name = (node.tag or "").lower()
    if name.startswith("-") or _sleeps(node):
        return ""
    if name == "script":
        scripted = _SCRIPT_TYPES.search(node.attributes.get("type") or "")
        return "<script>" if scripted and _calls(node.text(deep=True) or "", mark) else ""
    for attribute, value in node.attributes.items():
        attribute = attribute.lower()
        if not value or mark not in value.lower():
            continue
        if attribute.startswith("on") and _calls(value, mark):
            return f"<{name} {attribute}>"
        if attribute in _RUNS_URLS.get(name, ()) and (script := _script_of_url(value)) and _calls(script, mark):
            return f"<{name} {attribute}=javascript:>"
    return ""


def _sleeps(node: LexborNode) -> bool:
    above: LexborNode | None = node.parent
    while above is not None:
        if above.tag == "template":
            return True
        above = above.parent
    return False


def _calls(script: str, mark: str) -> bool:
    try:
        return f"{mark}(" in code_of(script).lower()
    except BrokenScript:
        return False


def _script_of_url(value: str) -> str:
    scheme, sign, rest = _SPACE_IN_SCHEME.sub("", value).partition(":")
    return unquote(rest) if sign and scheme.lower() == "javascript" else ""


def _places(parser: LexborHTMLParser, text: str, mark: str) -> Iterator[Place]:
    for node in _nodes(parser):
        name = (node.tag or "").lower()
        if name == "-comment":
            # Behind `<?` or `<!` there may be no content to be had; its source is always there.
            if mark in (node.html or "").lower():
                yield Place(Spot.COMMENT)
        elif name == "-text":
            content = (node.text(deep=False) or "").lower()
            if mark in content:
                yield _place_in_text(node.parent, content, mark)
        else:
            for attribute, value in node.attributes.items():
                if mark in attribute.lower():
                    yield Place(Spot.ATTRIBUTE)
                if value and mark in value.lower():
                    yield from _place_in_attribute(attribute.lower(), value, text, mark)


def _place_in_text(parent: LexborNode | None, content: str, mark: str) -> Place:
    name = (parent.tag or "").lower() if parent is not None else ""
    if name == "script":
        return Place(Spot.SCRIPT, kind_at(content, content.index(mark)).value)
    return Place(Spot.RAW, name) if name in _RAW_TEXT else Place(Spot.TEXT)


def _place_in_attribute(attribute: str, value: str, text: str, mark: str) -> Iterator[Place]:
    if attribute.startswith("on"):
        yield Place(Spot.HANDLER, kind_at(value, value.lower().index(mark)).value)
    if attribute in _URL_ATTRIBUTES and value.lower().startswith(mark):
        yield Place(Spot.URL)
    for quote in _quotes_of(text, attribute, mark):
        yield Place(Spot.ATTRIBUTE, quote)


def _quotes_of(text: str, attribute: str, mark: str) -> list[str]:
    """How the values of this attribute with the mark are quoted in the source."""
    start = rf"[\s/\"']{re.escape(attribute)}\s*=\s*"
    within = rf"(?:\"[^\"]*?{mark}|'[^']*?{mark}|[^\s\"'>][^\s>]*?{mark}|{mark})"
    quotes = []
    for found in re.finditer(f"(?i){start}({within})", text):
        sign = found[1][0]
        quotes.append(sign if sign in "\"'" else "")
    return list(dict.fromkeys(quotes))
