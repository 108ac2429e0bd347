"""Fills in the forms of a page as a visitor would, one request for each way to send them."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from urllib.parse import quote_from_bytes, urlsplit, urlunsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from scanners.pages.parsing import parsed
from scanners.web.charset import codec_of, written_in
from scanners.web.crawl.lead import Harvest, Lead, Source
from scanners.web.urls import resolve
from scanners.web.writing import in_disposition

FIELDS = "input, select, textarea, button"
_MOST_FIELDS = 300
_MOST_BUTTONS = 4
_BY_TYPE = {
    "email": "jindun@example.com",
    "url": "http://example.com/",
    "tel": "13800000000",
    "number": "1",
    "range": "1",
    "date": "2024-01-15",
    "time": "10:00",
    "month": "2024-01",
    "week": "2024-W03",
    "datetime-local": "2024-01-15T10:00",
    "datetime": "2024-01-15T10:00:00Z",
    "color": "#336699",
    "password": "Jindun-2024",
    "checkbox": "on",
    "radio": "on",
}
_BY_NAME = (
    (re.compile(r"mail|邮箱", re.I), "jindun@example.com"),
    (re.compile(r"phone|mobile|tel|手机|电话", re.I), "13800000000"),
    (re.compile(r"url|site|link|网址", re.I), "http://example.com/"),
    (re.compile(r"date|day|日期", re.I), "2024-01-15"),
    (re.compile(r"(^|[^a-z])(id|no|num|count|page|size|age|year|amount|qty|price)($|[^a-z])|Id$|数量|编号", re.I), "1"),
    (re.compile(r"zip|postal|邮编", re.I), "100000"),
    (re.compile(r"idcard|身份证", re.I), "11010119900307109X"),
)
_ORDINARY = "jindun"
_SUBMITS = ("submit", "image")


@dataclass(frozen=True, slots=True)
class Entry:
    """One field as it is sent."""

    name: str
    value: str
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """How a form, or one of its buttons, sends."""

    url: str
    method: str
    enctype: str


def form_leads(form: LexborNode, page: LexborHTMLParser, base: str, harvest: Harvest) -> None:
    """A request for each way to send this form."""
    charset = _charset_of(form, harvest.charset)
    own, buttons = _sorted_out(form, page)
    entries = list(_entries(own))
    for entry in entries:
        harvest.name(entry.name)
    careful = any(_type(node) in ("password", "file") for node in own)
    pressed: list[LexborNode | None] = [*buttons[:_MOST_BUTTONS]]
    for button in pressed or [None]:
        way = _way(form, button, base, harvest.charset)
        if not way.url or way.method == "DIALOG":
            continue
        sent = [*entries, *_pressed(button)]
        harvest.add(_lead(way, sent, charset, harvest, _label(form, button), careful))


def filled_form(html: str, base: str, charset: str, values: dict[str, str]) -> Lead | None:
    """The request that sends the form with these fields, what else is in it as it stands there; None without one."""
    page = parsed(html)
    for form in islice(page.css("form"), 200):
        own, buttons = _sorted_out(form, page)
        entries = list(_entries(own))
        if not set(values) <= {entry.name for entry in entries}:
            continue
        button = next(iter(buttons), None)
        way = _way(form, button, base, charset)
        sent = [replace(entry, value=values.get(entry.name, entry.value)) for entry in [*entries, *_pressed(button)]]
        harvest = Harvest(base, charset)
        return _lead(way, sent, _charset_of(form, charset), harvest, "", True) if way.url else None
    return None


def _sorted_out(form: LexborNode, page: LexborHTMLParser) -> tuple[list[LexborNode], list[LexborNode]]:
    """Its fields and its buttons, those elsewhere on the page that name it too."""
    inside = list(islice(form.css(FIELDS), _MOST_FIELDS))
    identity = form.attributes.get("id")
    if identity and re.fullmatch(r"[\w:.-]+", identity):
        known = {node.mem_id for node in inside}
        elsewhere = islice(page.css(f'[form="{identity}"]'), _MOST_FIELDS)
        inside += [node for node in elsewhere if node.mem_id not in known]
    fields, buttons = list[LexborNode](), list[LexborNode]()
    for node in inside:
        if "disabled" in node.attributes or (node.attributes.get("form") or identity) != identity:
            continue
        (buttons if _is_button(node) else fields).append(node)
    return fields, buttons


def _is_button(node: LexborNode) -> bool:
    kind = _type(node)
    return kind in _SUBMITS or (node.tag == "button" and kind not in ("button", "reset"))


def _entries(fields: list[LexborNode]) -> Iterator[Entry]:
    radios = set[str]()
    checked = {node.attributes.get("name") for node in fields if "checked" in node.attributes}
    for node in fields:
        name, kind = node.attributes.get("name") or "", _type(node)
        if not name or kind in ("button", "reset") or node.tag == "button":
            continue
        if kind == "radio":
            wanted = "checked" in node.attributes if name in checked else name not in radios
            radios.add(name)
            if not wanted:
                continue
        yield Entry(name, _value(node, kind, name), kind == "file")


def _value(node: LexborNode, kind: str, name: str) -> str:
    """What stands in the field, or what a visitor might write there."""
    if node.tag == "select":
        return _selected(node)
    written = (node.text() or "").strip() if node.tag == "textarea" else node.attributes.get("value") or ""
    if written or kind == "hidden":
        return written
    if kind in ("number", "range") and node.attributes.get("min"):
        return node.attributes["min"] or "1"
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    known = next((value for pattern, value in _BY_NAME if pattern.search(name)), _ORDINARY)
    longest = node.attributes.get("maxlength") or ""
    return known[: int(longest)] if longest.isdigit() and 0 < int(longest) < len(known) else known


def _selected(node: LexborNode) -> str:
    options = [(option, _option_value(option)) for option in islice(node.css("option"), 200)]
    for option, value in options:
        if "selected" in option.attributes and value:
            return value
    return next((value for _, value in options if value), "")


def _option_value(option: LexborNode) -> str:
    value = option.attributes.get("value")
    return " ".join((option.text() or "").split()) if value is None else value


def _type(node: LexborNode) -> str:
    return (node.attributes.get("type") or ("text" if node.tag == "input" else "")).strip().lower()


def _way(form: LexborNode, button: LexborNode | None, base: str, charset: str) -> _Way:
    over = button.attributes if button else {}
    own = form.attributes
    method = (over.get("formmethod") or own.get("method") or "GET").strip().upper()
    enctype = (over.get("formenctype") or own.get("enctype") or "").strip().lower()
    written = over.get("formaction") or own.get("action") or ""
    return _Way(resolve(base, written, charset), method if method in ("POST", "DIALOG") else "GET", enctype)


def _pressed(button: LexborNode | None) -> list[Entry]:
    if button is None or not button.attributes.get("name"):
        return []
    name, value = button.attributes.get("name") or "", button.attributes.get("value") or ""
    if _type(button) == "image":
        return [Entry(f"{name}.x", "1"), Entry(f"{name}.y", "1")]
    return [Entry(name, value or (_ORDINARY if button.tag == "input" else ""))]


def _label(form: LexborNode, button: LexborNode | None) -> str:
    if button is None:
        return form.attributes.get("name") or ""
    return " ".join((button.text() or button.attributes.get("value") or "").split())[:60]


def _charset_of(form: LexborNode, page: str) -> str:
    accepted = (form.attributes.get("accept-charset") or "").replace(",", " ").split()
    return next((label for label in accepted if codec_of(label)), page)


def _lead(way: _Way, sent: list[Entry], charset: str, harvest: Harvest, label: str, careful: bool) -> Lead:
    if way.method == "GET":
        parts = urlsplit(way.url)
        url = urlunsplit((parts.scheme, parts.netloc, parts.path, _urlencoded(sent, charset).decode(), ""))
        return Lead(url, Source.FORM, harvest.page, charset=charset, text=label, needs_care=careful)
    if way.enctype == "multipart/form-data":
        kind, body = _multipart(sent, charset, way.url)
    elif way.enctype == "text/plain":
        kind, body = "text/plain", b"".join(written_in(charset, f"{one.name}={one.value}\r\n") for one in sent)
    else:
        kind, body = "application/x-www-form-urlencoded", _urlencoded(sent, charset)
    headers = (("Content-Type", kind),)
    return Lead(way.url, Source.FORM, harvest.page, way.method, headers, body, charset, label, needs_care=careful)


def _urlencoded(sent: list[Entry], charset: str) -> bytes:
    pairs = ("=".join(_escaped(text, charset) for text in (one.name, one.value)) for one in sent)
    return "&".join(pairs).encode("ascii")


def _escaped(text: str, charset: str) -> str:
    return quote_from_bytes(written_in(charset, text), safe=" *").replace(" ", "+")


def _multipart(sent: list[Entry], charset: str, url: str) -> tuple[str, bytes]:
    """The boundary is made from the form, so that the same page gives the same request."""
    boundary = "----JindunForm" + hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    pieces = list[bytes]()
    for one in sent:
        name = in_disposition(written_in(charset, one.name))
        pieces.append(b"--" + boundary.encode() + b'\r\nContent-Disposition: form-data; name="' + name + b'"')
        if one.is_file:
            pieces.append(b'; filename="jindun.txt"\r\nContent-Type: text/plain')
        value = "jindun" if one.is_file else one.value
        pieces.append(b"\r\n\r\n" + written_in(charset, value) + b"\r\n")
    pieces.append(b"--" + boundary.encode() + b"--\r\n")
    return f"multipart/form-data; boundary={boundary}", b"".join(pieces)
