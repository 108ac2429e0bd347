"""What of a page is compared: who it links to and how openly, what runs in it, how it names itself and looks."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from scanners.pages.domains import registrable
from scanners.pages.hiding import Hiding, written_out
from scanners.pages.likeness import sketch_of_sequence, sketch_of_text
from scanners.pages.nesting import extent_of

_REFERENCES = {
    "a": ("href", "xlink:href"),
    "area": ("href",),
    "link": ("href",),
    "script": ("src",),
    "iframe": ("src",),
    "frame": ("src",),
    "img": ("src",),
    "form": ("action",),
    "button": ("formaction",),
    "input": ("formaction",),
    "object": ("data",),
    "embed": ("src",),
    "video": ("src",),
    "audio": ("src",),
    "source": ("src",),
}
ACTIVE = frozenset({"script", "iframe", "frame", "form", "button", "input", "object", "embed", "refresh"})
"""What runs, takes input, or leads the reader away, in contrast to what is merely shown or can be followed."""
CLICKED = frozenset({"a", "area", "iframe", "frame"})
"""What a hidden-link block is made of."""
_SCRIPT_TYPES = frozenset({"", "text/javascript", "application/javascript", "module", "text/ecmascript"})
_RISKY = re.compile(
    r"\beval\s*\(|\batob\s*\(|\bunescape\s*\(|fromCharCode|document\.write|document\.referrer|new\s+Function|"
    r"(window|document|top|self|parent)\.location\s*=|location\.(href|replace|assign)|createElement\(.{0,3}script"
)
_REFRESH = re.compile(r"url\s*=\s*[\"']?\s*([^\"'\s]+)", re.IGNORECASE)
_NUMBERS = re.compile(r"\d+")
_SHORT = 200


@dataclass(frozen=True, slots=True, order=True)
class External:
    """Everything on a page that leads to one domain of somebody else in one way."""

    domain: str
    tag: str
    """The element, or `refresh`."""
    hidden: str
    """The technique that hides it; empty when it is in view."""
    count: int
    sample: str
    """The first URL."""
    text: str
    """The words of the links."""


@dataclass(frozen=True, slots=True, order=True)
class Script:
    """A script written into the page, an event handler, or a document inside a frame."""

    digest: str
    risky: str
    """The construct that can hide or load other code or lead the reader away; empty when there is none."""
    start: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is compared; sorted, so that equal pages give equal observations."""

    url: str
    redirected_to: str
    """Domain of somebody else that the server redirects to instead of answering; nothing else is known then."""
    title: str = ""
    keywords: str = ""
    description: str = ""
    external: tuple[External, ...] = ()
    scripts: tuple[Script, ...] = ()
    text_characters: int = 0
    text_sketch: tuple[int, ...] = ()
    shape_sketch: tuple[int, ...] = ()


def read_page(url: str, html: str) -> Page:
    """Read a page; anything parses."""
    tree = LexborHTMLParser(written_out(html))
    text = _visible_text(tree)
    return Page(
        url=url,
        redirected_to="",
        title=_title(tree),
        keywords=_meta(tree, "keywords"),
        description=_meta(tree, "description"),
        external=_grouped(_external(tree, url, extent_of(html).nesting)),
        scripts=tuple(sorted(set(_scripts(tree)))),
        text_characters=len(text),
        text_sketch=sketch_of_text(text),
        shape_sketch=sketch_of_sequence(_shape(tree)),
    )


def _title(tree: LexborHTMLParser) -> str:
    node = tree.css_first("title")
    return " ".join(node.text().split())[:_SHORT] if node else ""


def _meta(tree: LexborHTMLParser, name: str) -> str:
    for node in tree.css("meta"):
        if (node.attributes.get("name") or "").lower() == name:
            return " ".join((node.attributes.get("content") or "").split())[: 2 * _SHORT]
    return ""


def _external(tree: LexborHTMLParser, url: str, nesting: int) -> Iterator[External]:
    own = registrable(urlsplit(url).hostname or "")
    base = _base(tree, url)
    hiding = Hiding(tree, nesting)
    for tag, reference, node in _references(tree):
        whole = _resolved(base, reference)
        domain = registrable(_host(whole))
        if not domain or domain == own:
            continue
        text = " ".join(node.text().split())[:80] if tag in CLICKED else ""
        hidden = hiding.of(node) if tag in CLICKED else ""
        yield External(domain, tag, hidden, 1, whole[:_SHORT], text)


def _references(tree: LexborHTMLParser) -> Iterator[tuple[str, str, LexborNode]]:
    for tag, names in _REFERENCES.items():
        for node in tree.css(tag):
            for name in names:
                if reference := node.attributes.get(name):
                    yield tag, reference, node
    for node in tree.css("meta"):
        if (node.attributes.get("http-equiv") or "").lower() == "refresh":
            for found in _REFRESH.finditer((node.attributes.get("content") or "")[:2000]):
                yield "refresh", found.group(1), node


def _base(tree: LexborHTMLParser, url: str) -> str:
    node = tree.css_first("base")
    return _resolved(url, (node.attributes.get("href") or "") if node else "") or url


def _resolved(base: str, reference: str) -> str:
    """As a browser would: line breaks dropped, backslashes taken for slashes. Empty for what is not an address."""
    cleaned = re.sub(r"[\t\r\n]", "", reference).strip().replace("\\", "/")
    try:
        return urljoin(base, cleaned)
    except ValueError:
        return ""


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme in ("http", "https", "ftp", "ws", "wss") else ""


def _grouped(found: Iterable[External]) -> tuple[External, ...]:
    groups: dict[tuple[str, str, str], list[External]] = {}
    for one in found:
        groups.setdefault((one.domain, one.tag, one.hidden), []).append(one)
    return tuple(sorted(_merged(group) for group in groups.values()))


def _merged(group: list[External]) -> External:
    first = group[0]
    words = " ".join(dict.fromkeys(one.text for one in group if one.text))[:_SHORT]
    return External(first.domain, first.tag, first.hidden, len(group), first.sample, words)


def _scripts(tree: LexborHTMLParser) -> Iterator[Script]:
    for node in tree.css("script"):
        if (node.attributes.get("type") or "").strip().lower() in _SCRIPT_TYPES and node.text().strip():
            yield _script(node.text())
    for node in tree.root.traverse() if tree.root else ():
        for name, value in node.attributes.items():
            if value and (name.startswith("on") or name == "srcdoc" or _is_script_address(value)):
                yield _script(value)


def _is_script_address(value: str) -> bool:
    return value[:40].strip().lower().startswith("javascript:")


def _script(code: str) -> Script:
    dense = " ".join(code.split())
    risky = _RISKY.search(dense)
    # Numbers change by themselves (counters, times, versions). In code that can unpack other code they may be the code.
    compared = dense if risky else _NUMBERS.sub("0", dense)
    digest = hashlib.sha256(compared.encode("utf-8", "replace")).hexdigest()[:16]
    return Script(digest, risky.group() if risky else "", _NUMBERS.sub("0", dense)[:120])


def _visible_text(tree: LexborHTMLParser) -> str:
    body = tree.body
    if body is None:
        return ""
    left_out = ("script", "style", "noscript", "template")
    parts = (node.text(deep=False) for node in body.traverse() if node.tag not in left_out)
    return " ".join(" ".join(parts).split())


def _shape(tree: LexborHTMLParser) -> list[str]:
    nodes = tree.root.traverse() if tree.root else ()
    return [f"{node.tag}.{(node.attributes.get('class') or '').strip()}" for node in nodes if node.tag]
