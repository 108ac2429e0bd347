"""Reads what sites publish for machines: robots.txt, site maps, feeds, JSON and other text with addresses in it."""

import gzip
import json
import re
import zlib
from io import BytesIO
from itertools import islice
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from scanners.web.crawl.lead import Harvest, Lead, Source
from scanners.web.urls import resolve

_MOST_UNPACKED_BYTES = 16 * 1024 * 1024
_MOST_ELEMENTS = 100_000
_RULE = re.compile(r"^[ \t]*(?:dis)?allow[ \t]*:[ \t]*(/[^\s#]*)", re.IGNORECASE | re.MULTILINE)
_SITEMAP = re.compile(r"^[ \t]*sitemap[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_LINKING = frozenset({"loc", "link", "url", "href", "src", "id", "uri", "address", "service"})
_LOC = re.compile(r"<(?:\w+:)?loc>\s*(?:<!\[CDATA\[)?\s*([^<\]\s]{1,2000})")
_IN_TEXT = re.compile(r"https?://[\w.-]+(?::\d+)?[\w./?=&%~+-]*")
_IN_JSON = re.compile(r"https?://\S+|/[\w.~%/-]{1,500}(?:\?\S*)?")


def read_robots(text: str, harvest: Harvest) -> None:
    """What it forbids is exactly what may be worth a look; what has a star in it is cut before it."""
    for found in islice(_RULE.finditer(text), 500):
        _add(re.split(r"[*$]", found.group(1))[0], Source.ROBOTS, harvest)
    for found in islice(_SITEMAP.finditer(text), 50):
        _add(found.group(1), Source.SITEMAP, harvest)


def unpacked(content: bytes) -> bytes:
    """A gzip file without its wrapping, never more than 16 MiB of it; anything else as it is."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.open(BytesIO(content)) as stream:
            return stream.read(_MOST_UNPACKED_BYTES)
    except (OSError, EOFError, zlib.error):
        return content


def read_xml(content: bytes, harvest: Harvest) -> None:
    """Site maps, their indexes, feeds, and any other XML with addresses; broken XML is read by its looks."""
    try:
        for count, (_, element) in enumerate(iterparse(BytesIO(content), events=("end",))):
            name = str(element.tag).rpartition("}")[2].lower()
            if name in _LINKING:
                source = Source.SITEMAP if name == "loc" else Source.TEXT
                for written in (element.text, element.get("href"), element.get("location")):
                    _add((written or "").strip(), source, harvest)
            element.clear()
            if count > _MOST_ELEMENTS:
                return
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        for found in islice(_LOC.finditer(content.decode("utf-8", "replace")), harvest.most):
            _add(found.group(1).replace("&amp;", "&"), Source.SITEMAP, harvest)


def read_json(text: str, harvest: Harvest) -> None:
    """Addresses among the strings of an answer; its names are fields that the site knows."""
    try:
        waiting: list[object] = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    seen = 0
    while waiting and seen < 20_000:
        value = waiting.pop()
        seen += 1
        if isinstance(value, dict):
            for name in islice(value, 100):
                harvest.name(str(name))
            waiting += list(value.values())[:1000]
        elif isinstance(value, list):
            waiting += value[:1000]
        elif isinstance(value, str) and len(value) < 2000 and _IN_JSON.fullmatch(value) and not value.startswith("//"):
            _add(value, Source.TEXT, harvest)


def read_text(text: str, harvest: Harvest) -> None:
    """Plain text: whole addresses only."""
    for found in islice(_IN_TEXT.finditer(text), 500):
        _add(found.group(), Source.TEXT, harvest)


def _add(written: str, source: Source, harvest: Harvest) -> None:
    if not written:
        return
    url = resolve(harvest.page, written, harvest.charset)
    if url:
        harvest.add(Lead(url, source, harvest.page, charset=harvest.charset))
