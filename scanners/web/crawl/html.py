"""Reads an HTML page: its links, frames, resources, forms, comments and inline scripts. Any input, in linear time."""

import hashlib
import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from scanners.pages.parsing import is_excessive
from scanners.web.crawl.forms import FIELDS, form_leads
from scanners.web.crawl.lead import Harvest, Lead, Source
from scanners.web.crawl.scripts import read_script
from scanners.web.crawl.styles import read_style
from scanners.web.urls import resolve

_LINKS = {"a": ("href", "ping"), "area": ("href",), "form": (), "base": (), "blockquote": ("cite",), "q": ("cite",)}
_FRAMES = frozenset({"iframe", "frame", "embed", "object", "portal"})
_ADDRESSES = ("href", "src", "data", "poster", "background", "longdesc", "manifest", "action", "codebase", "xlink:href")
_LISTS = ("srcset", "imagesrcset")
_REFRESH = re.compile(r"^\s*[\d.]*\s*[;,]?\s*(?:url\s*=)?\s*[\"']?\s*([^\"']+)", re.IGNORECASE)
_LOOSE = re.compile(
    r"\b(?:href|src|action)\s*=\s*(?:\"([^\"<>]{1,2000})\"|'([^'<>]{1,2000})'|([^\s\"'<>]{1,2000}))", re.I
)
_IN_DATA = re.compile(
    r"(?:https?:/|\.{0,2})/[^\s\"'<>]{1,1000}|[\w/-]+\.(?:html?|php|jsp|do|action|aspx?|json)(?:\?\S*)?"
)
_MOST_NODES = 60_000
_MOST_LABEL = 60
_MOST_COMMENTS = 500
_LONGEST_COMMENT = 20_000


def read_html(html: str, harvest: Harvest) -> tuple[str, bool, bool]:
    """Take everything that the page tells into the harvest.

    Gives the shape of the page, whether its scripts seem to make most of it, so that a browser would see more, and
    whether there are scripts at all.
    """
    if is_excessive(html):
        _read_loosely(html, harvest)
        return "excessive", False, False
    tree = LexborHTMLParser(html)
    base = _base_of(tree, harvest)
    for node in islice(tree.css("*"), _MOST_NODES):
        _read_node(node, base, harvest)
    for comment in islice(_comments(html), _MOST_COMMENTS):
        _read_comment(comment, base, harvest)
    before = len(harvest.leads)
    for form in islice(tree.css("form"), 200):
        form_leads(form, tree, base, harvest)
    _name_loose_fields(tree, harvest)
    scripted = tree.css_first("script") is not None
    return _shape(tree, list(harvest.leads)[before:]), scripted and _grows(tree), scripted


def _grows(tree: LexborHTMLParser) -> bool:
    """Little in the page, so that its scripts must fill it."""
    if tree.css_first("#app, #root, #__next, #__nuxt, app-root, [ng-app], [data-reactroot], [v-cloak]"):
        return True
    links = (node.attributes.get("href") or "#" for node in islice(tree.css("a[href]"), 50))
    return sum(not link.startswith(("#", "java")) for link in links) < 3


def _comments(html: str) -> Iterator[str]:
    end = 0
    while (start := html.find("<!--", end)) >= 0:
        end = html.find("-->", start + 4)
        if end < 0:
            return
        yield html[start + 4 : min(end, start + _LONGEST_COMMENT)]


def _base_of(tree: LexborHTMLParser, harvest: Harvest) -> str:
    node = tree.css_first("base[href]")
    written = (node.attributes.get("href") if node else "") or ""
    return (resolve(harvest.page, written, harvest.charset) if written else "") or harvest.page


def _read_node(node: LexborNode, base: str, harvest: Harvest) -> None:
    attributes, tag = node.attributes, node.tag or ""
    if not attributes:
        if tag in ("script", "style"):
            _read_inline(node, tag, base, harvest)
        return
    for key, value in attributes.items():
        if value:
            _read_attribute(node, tag, key, value, base, harvest)
    if tag in ("script", "style") and not attributes.get("src"):
        _read_inline(node, tag, base, harvest)
    if tag == "meta" and (attributes.get("http-equiv") or "").lower() == "refresh":
        found = _REFRESH.match(attributes.get("content") or "")
        _add(found.group(1) if found else "", Source.REDIRECT, base, harvest)


def _read_attribute(node: LexborNode, tag: str, key: str, value: str, base: str, harvest: Harvest) -> None:
    if key in _LISTS:
        for candidate in value.split(",")[:50]:
            _add(candidate.strip().split(" ")[0], Source.RESOURCE, base, harvest)
    elif key in _LINKS.get(tag, ()):
        _read_link(node, value, base, harvest)
    elif key in _ADDRESSES and tag not in ("form", "base", "a", "area"):
        _add(value, Source.FRAME if tag in _FRAMES else Source.RESOURCE, base, harvest)
    elif key.startswith("on"):
        read_script(value, base, harvest)
    elif key == "style":
        read_style(value, base, harvest)
    elif key.startswith("data-") and _IN_DATA.fullmatch(value.strip()):
        _add(value, Source.TEXT, base, harvest)


def _read_link(node: LexborNode, value: str, base: str, harvest: Harvest) -> None:
    if value.lstrip().lower().startswith("javascript:"):
        read_script(value.lstrip()[len("javascript:") :], base, harvest)
        return
    label = " ".join((node.text() or node.attributes.get("title") or "").split())[:_MOST_LABEL]
    _add(value, Source.LINK, base, harvest, label)


def _read_inline(node: LexborNode, tag: str, base: str, harvest: Harvest) -> None:
    text = node.text() or ""
    if tag == "script":
        read_script(text, base, harvest)
    else:
        read_style(text, base, harvest)


def _read_comment(text: str, base: str, harvest: Harvest) -> None:
    for found in islice(_LOOSE.finditer(text), 100):
        _add(next(group for group in found.groups() if group), Source.TEXT, base, harvest)
    for address in islice(
        re.finditer(r"(?<![\w/<:])(?:https?://[\w.:-]+)?/[\w./-]{2,200}(?:\?[\w=&%.-]+)?", text), 100
    ):
        _add(address.group(), Source.TEXT, base, harvest)


def _read_loosely(html: str, harvest: Harvest) -> None:
    """A page that no parser should see: its references, by their look."""
    for found in islice(_LOOSE.finditer(html), harvest.most):
        _add(next(group for group in found.groups() if group), Source.TEXT, harvest.page, harvest)


def _add(written: str, source: Source, base: str, harvest: Harvest, label: str = "") -> None:
    url = resolve(base, written, harvest.charset)
    if url:
        harvest.add(Lead(url, source, harvest.page, charset=harvest.charset, text=label))


def _name_loose_fields(tree: LexborHTMLParser, harvest: Harvest) -> None:
    """Fields in no form are read by scripts, which send them who knows where."""
    for node in islice(tree.css(FIELDS), 300):
        harvest.name(node.attributes.get("name") or node.attributes.get("id") or "")


def _shape(tree: LexborHTMLParser, forms: list[Lead]) -> str:
    """A digest of what can be done on the page, not of what it says."""
    parts = sorted({f"{form.method} {_numbered(urlsplit(form.url).path)} {' '.join(_fields(form))}" for form in forms})
    parts += sorted(
        {
            _numbered((node.attributes.get("src") or "").partition("?")[0])
            for node in islice(tree.css("script[src], iframe[src], frame[src]"), 200)
        }
    )
    parts += sorted({_callee(name) for name in _names_of(tree)})
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "replace"), digest_size=8).hexdigest()


def _fields(form: Lead) -> list[str]:
    query = urlsplit(form.url).query if form.method == "GET" else form.body.decode("latin-1")
    if form.body.startswith(b"--"):
        return sorted(re.findall(r'name="([^"]*)"', query))
    return sorted({pair.partition("=")[0] for pair in query.split("&") if pair})


def _numbered(path: str) -> str:
    return re.sub(r"(?<=/)\d+(?=/|\.|$)", "#", path)


def _names_of(tree: LexborHTMLParser) -> Iterator[str]:
    for node in islice(tree.css(FIELDS), 300):
        yield node.attributes.get("name") or node.attributes.get("id") or ""


def _callee(name: str) -> str:
    return re.sub(r"(?<=[\[_-])\d+|^\d+$", "#", name)
