"""Where a page leads a browser on its own: by headers, by markup, by a script."""

import re
from itertools import pairwise
from urllib.parse import urlsplit

from scanners.web.probing.page import Page
from scanners.web.probing.script_text import BrokenScript, Kind, pieces_of

_META = re.compile(r"<meta\b[^>]*http-equiv\s*=\s*[\"']?refresh[^>]*>", re.IGNORECASE)
_CONTENT = re.compile(r"content\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_REFRESH_URL = re.compile(r"^\s*[\d.]*\s*[;,]?\s*(?:url\s*=)?\s*[\"']?([^\"']*)", re.IGNORECASE)
_SCRIPT = re.compile(r"<script\b[^>]*>(.*?)</script", re.IGNORECASE | re.DOTALL)
_NAVIGATES = re.compile(
    r"(?:\blocation(?:\s*\.\s*href)?\s*=|\blocation\s*\.\s*(?:assign|replace)\s*\(|\bwindow\s*\.\s*open\s*\()\s*$"
)
_JS_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)


def leads_to(page: Page) -> list[tuple[str, str]]:
    """(how, where) of everything that takes a browser elsewhere without a click."""
    found = [("Location", value) for value in page.headers("location") if 300 <= page.status < 400]
    found += [("Refresh", _refreshed(value)) for value in page.headers("refresh")]
    if page.is_html:
        found += [("<meta refresh>", _refreshed(value)) for value in _metas(page)]
        found += [("<script>", value) for script in _SCRIPT.findall(page.text) for value in _navigated(script)]
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


def _metas(page: Page) -> list[str]:
    tags = _META.findall(page.text)
    contents = [_CONTENT.search(tag.replace("&#39;", "'").replace("&#x27;", "'").replace("&amp;", "&")) for tag in tags]
    return ["".join(part or "" for part in content.groups()) for content in contents if content]


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
