"""Reads one answer: what kind it is, what it leads to, what names it uses. Pure."""

import hashlib
import re
from urllib.parse import unquote, urlsplit

from scanners.web.charset import charset_of
from scanners.web.crawl.documents import read_json, read_robots, read_text, read_xml, unpacked
from scanners.web.crawl.html import read_html
from scanners.web.crawl.lead import Harvest, Lead, Reading, Source
from scanners.web.crawl.openapi import read_openapi
from scanners.web.crawl.scripts import read_script
from scanners.web.crawl.styles import read_style
from scanners.web.message import Answer, Response
from scanners.web.urls import resolve

_HTML_START = re.compile(
    rb"^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body|title|meta|"
    rb"script|div|p|a|table|form|h[1-6]|ul|frameset|iframe|br|center|link|style)\b",
    re.IGNORECASE | re.DOTALL,
)
_LINK_HEADER = re.compile(r"<([^<>]{1,2000})>\s*;")
_REFRESH_HEADER = re.compile(r"^\s*\d+\s*[;,]\s*url\s*=\s*[\"']?([^\"']+)", re.IGNORECASE)
_NUMBERS = re.compile(rb"\d+")
_GIST_BYTES = 64 * 1024
_COOKIE = re.compile(r"^\s*([^=;\s]{1,64})=")


def read(lead: Lead, answer: Answer) -> Reading:
    """What an answer gives; of no answer, why there is none."""
    response = answer.response
    if response is None or answer.failure is not None:
        reason = answer.failure.reason.value if answer.failure else "no answer"
        if response is None:
            return Reading(failure=reason)
    content = unpacked(response.body)
    content_type = response.header("content-type")[:200]
    kind = kind_of(content, content_type, urlsplit(lead.url).path)
    harvest = Harvest(lead.url, charset_of(content, content_type))
    _read_head(response, harvest)
    shape, grows, scripted = _read_body(kind, content, harvest)
    return Reading(
        status=response.status,
        kind=kind,
        charset=harvest.charset,
        gist=_gist(content, lead.url),
        shape=f"{response.status // 100}{kind}{shape}",
        leads=tuple(harvest.leads),
        names=tuple(harvest.names),
        grows=grows,
        scripted=scripted,
    )


def kind_of(content: bytes, content_type: str, path: str = "") -> str:
    """By what it is first: servers tell the wrong type, and browsers look too."""
    told = content_type.partition(";")[0].strip().lower()
    start = content[:2048]
    if _HTML_START.match(start) and not told.endswith(("javascript", "json", "css")) and told != "text/plain":
        return "html"
    if start.lstrip().startswith(b"<") and b"xmlns" in start and b"html" in start[:500].lower():
        return "html"
    if told in ("text/html", "application/xhtml+xml"):
        return "json" if start.lstrip()[:1] in (b"{", b"[") and content.rstrip()[-1:] in (b"}", b"]") else "html"
    for kind, words in _KINDS.items():
        if told.endswith(words):
            return kind
    return _by_look(start, path)


_KINDS = {
    "script": ("javascript", "ecmascript"),
    "style": ("/css",),
    "json": ("json",),
    "xml": ("xml",),
    "binary": ("/png", "/jpeg", "/gif", "/webp", "/pdf", "/zip", "/mp4", "/woff", "/woff2", "/x-icon"),
}


def _by_look(start: bytes, path: str) -> str:
    suffix = path.rpartition(".")[2].lower()
    if suffix in ("js", "mjs") and not start.lstrip().startswith(b"<"):
        return "script"
    if suffix == "css":
        return "style"
    if start.lstrip()[:1] in (b"{", b"["):
        return "json"
    if start.lstrip().startswith((b"<?xml", b"<urlset", b"<sitemapindex", b"<rss", b"<feed")):
        return "xml"
    return "binary" if b"\0" in start else "text"


def _gist(content: bytes, url: str) -> str:
    path = urlsplit(url).path.strip("/")
    for echoed in (path, unquote(path), path.rpartition("/")[2]):
        if echoed:
            content = content.replace(echoed.encode("utf-8", "replace"), b"")
    return hashlib.blake2b(_NUMBERS.sub(b"", content[:_GIST_BYTES]), digest_size=8).hexdigest()


def _read_head(response: Response, harvest: Harvest) -> None:
    base = harvest.page
    redirect = 300 <= response.status < 400
    for name, value in response.headers:
        lowered = name.lower()
        if lowered == "set-cookie" and (found := _COOKIE.match(value)):
            harvest.name(found.group(1))
        elif lowered in ("location", "content-location"):
            _add(_as_sent(value), Source.REDIRECT if redirect else Source.HEADER, base, harvest)
        elif lowered == "link":
            for link in _LINK_HEADER.findall(value[:8000])[:50]:
                _add(link, Source.HEADER, base, harvest)
        elif lowered == "refresh" and (found := _REFRESH_HEADER.match(value)):
            _add(found.group(1), Source.REDIRECT, base, harvest)
        elif lowered == "access-control-allow-headers":
            for allowed in value.split(",")[:20]:
                harvest.name(allowed)


def _as_sent(value: str) -> str:
    """A header as its octets were meant: most servers write UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _read_body(kind: str, content: bytes, harvest: Harvest) -> tuple[str, bool, bool]:
    """The shape, whether a browser would surely see more, and whether it might."""
    if kind == "binary" or not content:
        return "", False, False
    text = content.decode(harvest.charset, "replace").removeprefix("\ufeff")
    if kind == "html":
        return read_html(text, harvest)
    if kind == "script":
        read_script(text, harvest.page, harvest)
    elif kind == "style":
        read_style(text, harvest.page, harvest)
    elif kind == "xml":
        read_xml(content, harvest)
    elif kind in ("json", "text"):
        _read_data(text, kind, harvest)
    return _outline(kind, text), False, False


def _read_data(text: str, kind: str, harvest: Harvest) -> None:
    if urlsplit(harvest.page).path.endswith("/robots.txt"):
        read_robots(text, harvest)
    elif read_openapi(text, harvest):
        return
    elif kind == "json":
        read_json(text, harvest)
    else:
        read_text(text, harvest)


def _outline(kind: str, text: str) -> str:
    """Of data, the names in it."""
    if kind != "json":
        return ""
    names = sorted(set(re.findall(r'"([A-Za-z_][\w-]{0,40})"\s*:', text[:100_000])))[:100]
    return hashlib.blake2b(" ".join(names).encode(), digest_size=8).hexdigest()


def _add(written: str, source: Source, base: str, harvest: Harvest) -> None:
    if url := resolve(base, written, harvest.charset):
        harvest.add(Lead(url, source, harvest.page, charset=harvest.charset))
