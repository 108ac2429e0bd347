"""The ways in which a page keeps something from its readers but not from search engines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from selectolax.lexbor import LexborHTMLParser, LexborNode

_FAR_PIXELS = 400.0
_MOST_RULES = 500
_MOST_STEPS = 100_000_000
"""Of matching selectors, about a second; a page that asks for more has further rules left out."""
_MOST_CHARACTERS = 4000
_LENGTH = re.compile(r"(-?\d*\.?\d+)\s*(px|em|rem|pt|vw|vh|%|in|cm|mm)?")
_PIXELS = {"px": 1.0, "": 1.0, "pt": 1.33, "em": 16.0, "rem": 16.0, "vw": 12.0, "vh": 8.0, "in": 96.0, "cm": 38.0}
_BY_SCRIPT = re.compile(
    r"getElementById\(\s*[\"']([\w-]+)[\"']\s*\)\s*\.\s*style\s*\.\s*(display|visibility)\s*=\s*[\"'](none|hidden)[\"']"
)
_WRITES = re.compile(
    r"\s*document\.write(?:ln)?\(\s*(?:\"((?:\\.|[^\"\\])*)\"|'((?:\\.|[^'\\])*)')\s*\)\s*;?\s*", re.DOTALL
)
_SCRIPT = re.compile(r"<script\b[^<>]{0,300}>|</script\s{0,20}>", re.IGNORECASE)
_PASSING = re.compile(r":(hover|focus|active|checked|target|visited|disabled|before|after|has\()|::")
_POSITION = re.compile(r":(nth|first|last|only)-[a-z-]+(\([^)]*\))?")

WEAK = frozenset({"display:none", "visibility:hidden", "hidden attribute"})
"""Menus and dialogues use these too; the others have hardly an honest use."""


def written_out(html: str) -> str:
    """The page with what its scripts merely write (`document.write` of a literal) in the place of the scripts."""
    parts: list[str] = []
    kept = 0
    opened: re.Match[str] | None = None
    for tag in _SCRIPT.finditer(html):
        if not tag.group().startswith("</"):
            opened = tag
        elif opened is not None:
            if written := _WRITES.fullmatch(html, opened.end(), tag.start()):
                literal = written.group(1) or written.group(2) or ""
                parts += [html[kept : opened.start()], re.sub(r"\\(.)", r"\1", literal)]
                kept = tag.end()
            opened = None
    return "".join([*parts, html[kept:]])


@dataclass(slots=True)
class Hiding:
    """Says of any node of one page how it is hidden."""

    tree: LexborHTMLParser
    nesting: int = 1
    """How deep the page nests at most."""
    _by_rule: dict[int, str] = field(default_factory=dict)
    _known: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        nodes = sum(1 for _ in self.tree.root.traverse()) if self.tree.root else 0
        steps = 0
        for selector, how in self._hiding_rules():
            steps += nodes * (self.nesting if " " in selector else 1)
            if steps > _MOST_STEPS:
                break
            for node in _matching(self.tree, selector):
                self._by_rule.setdefault(node.mem_id, how)

    def of(self, node: LexborNode | None) -> str:
        """The technique that hides the node or something around it, e.g. `display:none`; empty when it is in view."""
        path: list[int] = []
        how = ""
        while node is not None and not how:
            if node.mem_id in self._known:
                how = self._known[node.mem_id]
                break
            path.append(node.mem_id)
            how = self._by_rule.get(node.mem_id, "") or _by_itself(node)
            node = node.parent
        self._known.update(dict.fromkeys(path, how))
        return how

    def _hiding_rules(self) -> Iterator[tuple[str, str]]:
        for style in self.tree.css("style"):
            for selectors, declarations in islice(_rules(_without_comments(style.text())), _MOST_RULES):
                if how := _by_declarations(_declared(declarations)):
                    for selector in filter(None, map(_simplified, selectors.split(","))):
                        yield selector, how
        for script in self.tree.css("script"):
            for found in _BY_SCRIPT.finditer(script.text()):
                yield f'[id="{found.group(1)}"]', f"script sets {found.group(2)}:{found.group(3)}"


def _matching(tree: LexborHTMLParser, selector: str) -> list[LexborNode]:
    try:
        return tree.css(selector)
    except Exception:  # the parser of selectors raises bare exceptions for what it does not know
        return []


def _simplified(selector: str) -> str:
    """At least what the selector means, and cheap to match: its last two parts, positions among siblings left out.

    Empty for what holds only for a moment (hover) or is too long to be honest.
    """
    if len(selector) > 200 or _PASSING.search(selector):
        return ""
    plain = _POSITION.sub("", selector).strip()
    if not re.search(r"[\s>+~]", re.sub(r"\[[^\]]*\]", "", plain)):
        return plain
    parts = re.split(r"[\s>+~]+", plain)
    return " ".join(parts[-1:] if "+" in plain or "~" in plain else parts[-2:])


def _without_comments(sheet: str) -> str:
    first, *rest = sheet.split("/*")
    return first + " ".join(part.partition("*/")[2] for part in rest)


def _rules(sheet: str) -> Iterator[tuple[str, str]]:
    """Selector and declarations, also from inside media blocks, except those for print."""
    around: list[str] = []
    at = 0
    for found in re.finditer(r"[{};]", sheet):
        text, sign = sheet[at : found.start()].strip(), found.group()
        if sign == "{":
            around.append(text)
        elif sign == "}" and around:
            head = around.pop()
            if not head.startswith("@") and not any("print" in outer for outer in around):
                yield head, text
        elif around and not around[-1].startswith("@"):
            continue
        at = found.end()
    if around and not around[-1].startswith("@"):
        yield around[-1], sheet[at:]


def _declared(declarations: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for declaration in declarations[:_MOST_CHARACTERS].lower().split(";"):
        name, _, value = declaration.partition(":")
        found[name.strip()] = value.replace("!important", "").strip()
    return found


def _by_itself(node: LexborNode) -> str:
    attributes = node.attributes
    if "hidden" in attributes:
        return "hidden attribute"
    if how := _by_declarations(_declared(attributes.get("style") or "")):
        return how
    if node.tag == "marquee" and (_tiny(attributes, "height") or _tiny(attributes, "width") or _racing(attributes)):
        return "marquee out of sight"
    if node.tag in ("iframe", "frame") and (_tiny(attributes, "width") or _tiny(attributes, "height")):
        return "frame of one pixel"
    return ""


def _tiny(attributes: dict[str, str | None], name: str) -> bool:
    size = _pixels(attributes.get(name) or "")
    return size is not None and abs(size) <= 2


def _racing(attributes: dict[str, str | None]) -> bool:
    speed = _pixels(attributes.get("scrollamount") or "")
    return speed is not None and speed >= 500


def _by_declarations(style: dict[str, str]) -> str:
    if style.get("display") == "none":
        return "display:none"
    if style.get("visibility") in ("hidden", "collapse"):
        return "visibility:hidden"
    return next((how for how, hides in _TECHNIQUES.items() if hides(style)), "")


def _transparent(style: dict[str, str]) -> bool:
    shown = _number(style.get("opacity", ""))
    return shown is not None and shown <= 0.05


def _no_letters(style: dict[str, str]) -> bool:
    size = _pixels(style.get("font-size", ""))
    return size is not None and size <= 1


def _indented(style: dict[str, str]) -> bool:
    indent = _pixels(style.get("text-indent", ""))
    return indent is not None and abs(indent) >= _FAR_PIXELS


def _off_screen(style: dict[str, str]) -> bool:
    moved = ["margin-left", "margin-top"]
    if style.get("position") in ("absolute", "fixed", "relative"):
        moved += ["left", "top", "right", "bottom"]
    found = [_pixels(style.get(name, "")) for name in moved]
    return any(value is not None and value <= -_FAR_PIXELS for value in found)


def _no_room(style: dict[str, str]) -> bool:
    if "hidden" not in style.get("overflow", ""):
        return False
    sizes = [_pixels(style.get(name, "")) for name in ("height", "width", "max-height", "max-width")]
    return any(size is not None and size <= 2 for size in sizes)


def _clipped(style: dict[str, str]) -> bool:
    return style.get("position") == "absolute" and bool(re.search(r"rect\(\s*[01](px)?[\s,]", style.get("clip", "")))


def _scaled_away(style: dict[str, str]) -> bool:
    return bool(re.search(r"scale[xy3d]*\(\s*0*\.?0*\s*[,)]", style.get("transform", "")))


def _same_colour(style: dict[str, str]) -> bool:
    ground = style.get("background-color") or style.get("background", "")
    return bool(style.get("color")) and style.get("color") == ground


_TECHNIQUES = {
    "opacity:0": _transparent,
    "font-size:0": _no_letters,
    "text-indent": _indented,
    "off-screen": _off_screen,
    "no room": _no_room,
    "clipped": _clipped,
    "scale(0)": _scaled_away,
    "same colour": _same_colour,
}


def _number(value: str) -> float | None:
    found = _LENGTH.fullmatch(value)
    return float(found.group(1)) if found else None


def _pixels(value: str) -> float | None:
    found = _LENGTH.fullmatch(value.strip().lower())
    if not found:
        return None
    return float(found.group(1)) * _PIXELS.get(found.group(2) or "", 4.0)
