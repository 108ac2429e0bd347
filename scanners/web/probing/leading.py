"""Where a page leads a browser on its own: by headers, by markup, by a script."""

import re
from itertools import pairwise
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser

from scanners.pages.parsing import parsed
from scanners.web.probing.page import Page
from scanners.web.probing.script_text import BrokenScript, Kind, pieces_of

_REFRESH_URL = re.compile(r"^\s*[\d.]*\s*[;,]?\s*(?:url\s*=)?\s*[\"']?([^\"']*)", re.IGNORECASE)
_NAVIGATES = re.compile(
    r"(?:\blocation(?:\s*\.\s*href)?\s*=|\blocation\s*\.\s*(?:assign|replace)\s*\(|\bwindow\s*\.\s*open\s*\()\s*$"
)
_JS_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)


def leads_to(page: Page) -> list[tuple[str, str]]:
    """(how, where) of everything that takes a browser elsewhere without a click."""
    found = [("Location", value) for value in page.headers("location") if 300 <= page.status < 400]
    found += [("Refresh", _refreshed(value)) for value in page.headers("refresh")]
    if page.is_html:
        parser = parsed(page.text)
        found += [("<meta refresh>", _refreshed(value)) for value in _metas(parser)]
        scripts = [node.text(deep=True) or "" for node in parser.css("script")]
        found += [("<script>", value) for script in scripts for value in _navigated(script)]
    return found


def host_of(reference: str) -> str:
    """The host a browser would go to, forgiving what browsers forgive; empty when it stays on the site."""
    reference = re.sub(r"[\t\r\n]", "", reference).strip(" \x00").replace("\\", "/")
    scheme = re.match(r"(?i)(https?:)/*(.*)", reference, re.DOTALL)
    if scheme:
        reference = f"//{scheme[2]}"
    if not reference.startswith("//"):
        return ""
    try:
        return (urlsplit("http:" + "//" + reference.lstrip("/")).hostname or "").lower()
    except ValueError:
        return ""


def _refreshed(value: str) -> str:
    found = _REFRESH_URL.match(value)
    return found[1].strip() if found else ""


def _metas(parser: LexborHTMLParser) -> list[str]:
    attributes = [node.attributes for node in parser.css("meta[http-equiv]")]
    return [each.get("content") or "" for each in attributes if (each.get("http-equiv") or "").lower() == "refresh"]


def _navigated(script: str) -> list[str]:
    try:
        pieces = pieces_of(script)
    except BrokenScript:
        return []
    found = []
    for before, piece in pairwise(pieces):
        text = script[before.start : before.end]
        if before.kind is Kind.CODE and piece.kind in (Kind.DOUBLE, Kind.SINGLE) and _NAVIGATES.search(text):
            found.append(_JS_ESCAPE.sub(_unescaped, script[piece.start + 1 : piece.end - 1]))
    return found


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1] or escape[2], 16)) if escape[1] or escape[2] else escape[3]
