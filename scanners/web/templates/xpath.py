"""XPath into pages and XML answers. Nothing is fetched, no entity is followed."""

from functools import lru_cache
from typing import Any

from lxml import etree, html

from scanners.pages.nesting import extent_of

_XML_START = b"<?xml"


class BadPath(ValueError):
    """Not an XPath 1.0 expression."""


@lru_cache(maxsize=1024)
def xpath(source: str) -> etree.XPath:
    """A path ready to run. Raises BadPath."""
    try:
        path = etree.XPath(source, smart_strings=False)
        path(etree.Element("probe"))
    except etree.XPathError as error:
        raise BadPath(str(error)) from None
    return path


def document(text: bytes) -> Any | None:
    """The tree of a page; None when there is none, or when it is made to cost too much."""
    if extent_of(text.decode("latin-1")).excessive:
        return None
    try:
        if text.startswith(_XML_START):
            parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, huge_tree=False)
            return etree.fromstring(text, parser)
        encoded = html.HTMLParser(encoding="utf-8", huge_tree=False, no_network=True)
        return html.document_fromstring(text, parser=encoded)
    except (etree.LxmlError, ValueError):
        return None


def found_by(path: etree.XPath, tree: Any, attribute: str = "") -> list[bytes]:
    """What a path finds, as text: an attribute of each element, or all that is written in it."""
    try:
        found = path(tree)
    except etree.XPathError:
        return []
    return [_text(node, attribute) for node in found] if isinstance(found, list) else [str(found).encode()]


def _text(node: Any, attribute: str) -> bytes:
    if isinstance(node, str):
        return node.encode("utf-8", "replace")
    if attribute:
        return str(node.get(attribute) or "").encode("utf-8", "replace")
    return "".join(node.itertext()).encode("utf-8", "replace")
