"""Finds the injection points of a request: in its path, query, headers, cookies and body, names as well as values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from urllib.parse import unquote_to_bytes

from scanners.web import writing
from scanners.web.charset import DEFAULT, codec_of, written_in
from scanners.web.json_spans import spots_of
from scanners.web.message import Request, Target
from scanners.web.points import Container, Part, Point, Slot, Where, as_octets, boundary_of, content_type_of, point_in

USUAL_HEADERS = ("User-Agent", "Referer", "X-Forwarded-For")
"""Servers write these down and show them to somebody, whether a request has them or not."""
_FRAMING = frozenset(
    {"host", "content-length", "content-type", "connection", "transfer-encoding", "accept-encoding", "expect", "te"}
    | {"cookie", "upgrade", "authorization", "proxy-authorization", "trailer", "keep-alive"}
)
"""Headers that are about the exchange itself: changed, they would test another site, another user or the server."""
_PAGE_SUFFIX = re.compile(r"(?<=.)\.(s?html?|php|jspx?|do|action|aspx?|json|xml)$", re.IGNORECASE)
_PAIR = re.compile(r"[^&]+")
_COOKIE = re.compile(r"[^;]+")
_DISPOSITION = re.compile(rb"^content-disposition:[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_ESCAPED = re.compile(rb"\\(?:([0-3][0-7]{2})|(.))", re.DOTALL)
_QUOTED = re.compile(rb"[;\s](filename|name)=\"((?:[^\"\\\r\n]|\\.)*)\"", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Learned:
    """Names of fields that a site uses elsewhere, to be tried where a request does not have them."""

    headers: tuple[str, ...] = USUAL_HEADERS
    cookies: tuple[str, ...] = ()


NOTHING_LEARNED = Learned(())


def points_of(
    target: Target, request: Request, *, charset: str = DEFAULT, learned: Learned = NOTHING_LEARNED
) -> tuple[Point, ...]:
    """Every injection point, in an order that is always the same.

    A cookie value comes twice, as it is and percent-encoded: servers differ in how they read one. A request that is
    given as `raw` has none.

    Args:
        charset: of the page that the request comes from.
    """
    if request.raw is not None:
        return ()
    makers = (_query, _body, _path, _cookies, _headers)
    return tuple(point for make in makers for point in make(_Place(target, request, charset, learned)))


@dataclass(frozen=True, slots=True)
class _Place:
    target: Target
    request: Request
    charset: str
    learned: Learned

    def point(self, where: Where, name: bytes | str, slot: Slot, value: bytes, part: Part = Part.VALUE) -> Point:
        charset = DEFAULT if where is Where.JSON else self.charset
        shown = name if isinstance(name, str) else name.decode(codec_of(charset) or DEFAULT, "replace")
        return point_in(self.target, self.request, where, shown, slot, value=value, part=part, charset=charset)


def _query(place: _Place) -> Iterator[Point]:
    written = as_octets(place.request.target).decode("latin-1")
    start = written.find("?") + 1
    end = written.find("#", start) if "#" in written[start:] else len(written)
    if not start:
        slot = Slot(Container.TARGET, end, end, writing.as_query, added="?")
        yield place.point(Where.RAW_QUERY, "", slot, b"")
        return
    yield from _pairs(place, Where.QUERY, Container.TARGET, written, start, end)
    whole = Slot(Container.TARGET, start, end, writing.as_query)
    yield place.point(Where.RAW_QUERY, "", whole, unquote_to_bytes(as_octets(written[start:end])))


def _pairs(place: _Place, where: Where, container: Container, text: str, start: int, end: int) -> Iterator[Point]:
    """The fields of a query or of an urlencoded form."""
    slot = partial(Slot, container, write=writing.in_query)
    for pair in _PAIR.finditer(text, start, end):
        name, sign, value = pair.group().partition("=")
        middle = pair.start() + len(name)
        plain_name, plain_value = _plain(name), _plain(value)
        if sign:
            yield place.point(where, plain_name, slot(middle + 1, pair.end()), plain_value)
        else:
            bare = Slot(container, middle, middle, writing.in_query, added="=")
            yield place.point(where, plain_name, bare, b"")
        yield place.point(where, plain_name, slot(pair.start(), middle), plain_name, Part.NAME)


def _plain(encoded: str) -> bytes:
    return unquote_to_bytes(encoded.replace("+", " ").encode("latin-1"))


def _path(place: _Place) -> Iterator[Point]:
    """Each segment; the last one without the suffix of a page, which routes often need."""
    path = re.split(r"[?#]", as_octets(place.request.target).decode("latin-1"), maxsplit=1)[0]
    if not path.startswith("/"):
        return
    for index, segment in enumerate(re.finditer(r"[^/]+", path)):
        written = segment.group()
        if segment.end() == len(path):
            written = _PAGE_SUFFIX.sub("", written)
        start = segment.start()
        slot = Slot(Container.TARGET, start, start + len(written), writing.in_query)
        yield place.point(Where.PATH, str(index), slot, unquote_to_bytes(written.encode("latin-1")))


def _body(place: _Place) -> Iterator[Point]:
    request = place.request
    if not request.body:
        return
    kind = content_type_of(request.headers).partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        yield from _parts(place)
    elif kind == "application/x-www-form-urlencoded":
        yield from _pairs(place, Where.FORM, Container.BODY, request.body.decode("latin-1"), 0, len(request.body))
    elif kind.endswith("json") or (kind in ("", "text/plain") and request.body.lstrip()[:1] in (b"{", b"[")):
        yield from _json(place)


def _json(place: _Place) -> Iterator[Point]:
    text = place.request.body.decode("utf-8", "surrogateescape")
    try:
        spots = spots_of(text)
    except ValueError:
        return
    offsets = (0, *accumulate(len(character.encode("utf-8", "surrogateescape")) for character in text))
    for spot in spots:
        write = writing.in_json if spot.is_string else writing.for_json_literal
        slot = Slot(Container.BODY, offsets[spot.start], offsets[spot.end], write)
        value = spot.value.encode("utf-8", "replace")
        yield place.point(Where.JSON, spot.pointer, slot, value, Part.NAME if spot.is_name else Part.VALUE)


def _parts(place: _Place) -> Iterator[Point]:
    """The fields of a multipart form: content, file name, name."""
    body, boundary = place.request.body, boundary_of(place.request.headers)
    if not boundary:
        return
    fence = re.compile(rb"(?:^|\r?\n)--" + re.escape(boundary) + rb"(?=\r?\n|--)")
    fences = list(fence.finditer(body))
    for opening, closing in pairwise(fences):
        head_end = re.compile(rb"\r?\n\r?\n").search(body, opening.end(), closing.start())
        if head_end:
            yield from _part(place, (opening.end(), head_end.start()), (head_end.end(), closing.start()))


def _part(place: _Place, head: tuple[int, int], content: tuple[int, int]) -> Iterator[Point]:
    body = place.request.body
    line = _DISPOSITION.search(body[head[0] : head[1]].lstrip(b"\r\n"))
    if not line:
        return
    offset = body.index(line.group(), head[0])
    found = {quoted.group(1).lower(): quoted for quoted in _QUOTED.finditer(line.group())}
    if b"name" not in found:
        return
    name = _unescaped(found[b"name"].group(2))
    slot = Slot(Container.BODY, *content, writing.as_it_is)
    yield place.point(Where.FORM, name, slot, body[content[0] : content[1]])
    for key, part in ((b"filename", Part.FILE_NAME), (b"name", Part.NAME)):
        if quoted := found.get(key):
            start, end = quoted.span(2)
            slot = Slot(Container.BODY, offset + start, offset + end, writing.in_disposition)
            yield place.point(Where.FORM, name, slot, _unescaped(quoted.group(2)), part)


def _unescaped(quoted: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL)


def _cookies(place: _Place) -> Iterator[Point]:
    headers = place.request.headers
    index = next((i for i, (name, _) in enumerate(headers) if name.lower() == "cookie"), -1)
    known = set[str]()
    if index >= 0:
        text = as_octets(headers[index][1]).decode("latin-1")
        for pair in _COOKIE.finditer(text):
            name, sign, value = pair.group().partition("=")
            if sign and name.strip():
                known.add(name.strip())
                yield from _cookie(place, index, pair.start(), name, value)
    for name in place.learned.cookies:
        if name not in known:
            yield from _new_cookie(place, index, name)


def _cookie(place: _Place, index: int, start: int, name: str, value: str) -> Iterator[Point]:
    bare, margin = name.strip(), len(name) - len(name.lstrip())
    begin, end = start + len(name) + 1, start + len(name) + 1 + len(value)
    slot = partial(Slot, Container.HEADER_VALUE, header=index)
    octets = value.encode("latin-1")
    yield place.point(Where.COOKIE, bare, slot(begin, end, writing.in_cookie), _unquoted(octets))
    yield place.point(Where.COOKIE, bare, slot(begin, end, writing.in_encoded_cookie), unquote_to_bytes(octets))
    name_slot = slot(start + margin, start + margin + len(bare), writing.as_token)
    yield place.point(Where.COOKIE, bare, name_slot, bare.encode("latin-1"), Part.NAME)


def _unquoted(octets: bytes) -> bytes:
    if len(octets) < 2 or not octets.startswith(b'"') or not octets.endswith(b'"'):
        return octets
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 8),)) if found[1] else found[2], octets[1:-1])


def _new_cookie(place: _Place, index: int, name: str) -> Iterator[Point]:
    for write in (writing.in_cookie, writing.in_encoded_cookie):
        token = writing.as_token(written_in(place.charset, name)).decode("ascii")
        if index < 0:
            count = len(place.request.headers)
            slot = Slot(Container.HEADER_VALUE, 0, 0, write, header=count, added=f"Cookie:{token}=")
        else:
            end = len(as_octets(place.request.headers[index][1]))
            slot = Slot(Container.HEADER_VALUE, end, end, write, header=index, added=f"; {token}=")
        yield place.point(Where.COOKIE, name, slot, b"")


def _headers(place: _Place) -> Iterator[Point]:
    headers = place.request.headers
    for index, (name, value) in enumerate(headers):
        if name.lower() in _FRAMING:
            continue
        octets = as_octets(value)
        slot = Slot(Container.HEADER_VALUE, 0, len(octets), writing.in_header, header=index)
        yield place.point(Where.HEADER, name, slot, octets)
        slot = Slot(Container.HEADER_NAME, 0, len(as_octets(name)), writing.as_token, header=index)
        yield place.point(Where.HEADER, name, slot, as_octets(name), Part.NAME)
    known = {name.lower() for name, _ in headers} | _FRAMING
    for name in place.learned.headers:
        if name.lower() not in known:
            slot = Slot(Container.HEADER_VALUE, 0, 0, writing.in_header, header=len(headers), added=f"{name}:")
            yield place.point(Where.HEADER, name, slot, b"")
