"""Injection points: where in a request a payload can stand, and the request with a payload there.

A point is a span of the request with a way to write in it, so that everything outside the span stays byte for byte.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from scanners.web.charset import DEFAULT, read_in, written_in
from scanners.web.message import Headers, Request, Target
from scanners.web.writing import Writer


class Where(StrEnum):
    """The kind of place."""

    QUERY = "query"
    FORM = "form"
    """A field of a body, urlencoded or multipart."""
    JSON = "json"
    HEADER = "header"
    COOKIE = "cookie"
    PATH = "path"
    RAW_QUERY = "raw_query"
    """Everything behind the question mark."""

    @property
    def reported(self) -> str:
        """The word for findings: query, form, json, header, cookie or path."""
        return "query" if self is Where.RAW_QUERY else self.value


class Part(StrEnum):
    """What of a field is replaced."""

    NAME = "name"
    VALUE = "value"
    """Of a file field, the content of the file."""
    FILE_NAME = "file_name"


class Container(StrEnum):
    """The piece of a request that a span counts in."""

    TARGET = "target"
    HEADER_NAME = "header_name"
    HEADER_VALUE = "header_value"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Slot:
    """The span that a payload replaces, and how the payload is written there."""

    container: Container
    start: int
    end: int
    write: Writer
    header: int = -1
    """Which header; the number of headers stands for one that is added."""
    added: str = ""
    """Written before the payload, because nothing is there yet; for a header that is added, its name."""


@dataclass(frozen=True, slots=True)
class Point:
    """One place of one request where a payload can stand."""

    target: Target
    request: Request
    where: Where
    name: str
    """Of the field; for JSON a pointer such as `/user/roles/0`; for a segment of the path its number, from 0."""
    value: str
    """What stands there now; empty where nothing does."""
    part: Part
    charset: str
    """Payloads that are text are written in it."""
    slot: Slot

    @property
    def parameter(self) -> str:
        """The name as findings tell it: a field of JSON by its path, without the leading slash."""
        return self.name.removeprefix("/") if self.where is Where.JSON else self.name

    @property
    def is_new(self) -> bool:
        """Nothing stands there now: the field was learned elsewhere and is added."""
        return bool(self.slot.added)

    def inject(self, payload: str | bytes) -> Request:
        """The request with the payload there, written so that the server reads exactly the payload.

        What no encoding can bring through is percent-encoded: line ends in headers, odd characters in their names.
        """
        octets = written_in(self.charset, payload) if isinstance(payload, str) else payload
        if self.is_new and not octets:
            return self.request
        written = self.slot.write(octets)
        match self.slot.container:
            case Container.BODY:
                return self._with_body(written)
            case Container.TARGET:
                return replace(self.request, target=self._spliced(self.request.target, written))
            case _:
                return replace(self.request, headers=self._with_header(written))

    def _with_body(self, written: bytes) -> Request:
        before, after = self.request.body[: self.slot.start], self.request.body[self.slot.end :]
        request = replace(self.request, body=before + written + after)
        boundary = boundary_of(request.headers)
        if self.where is Where.FORM and boundary and boundary in written:
            request = _with_fresh_boundary(request, boundary, (before, written, after))
        return with_length(request)

    def _with_header(self, written: bytes) -> Headers:
        headers = list(self.request.headers)
        if self.slot.header == len(headers):
            name, _, start = self.slot.added.partition(":")
            return (*headers, (name, start + written.decode("latin-1")))
        name, value = headers[self.slot.header]
        if self.slot.container is Container.HEADER_NAME:
            headers[self.slot.header] = (self._spliced(name, written), value)
        else:
            headers[self.slot.header] = (name, self._spliced(value, written))
        return tuple(headers)

    def _spliced(self, text: str, written: bytes) -> str:
        text = as_octets(text).decode("latin-1")
        added = self.slot.added + written.decode("latin-1")
        return text[: self.slot.start] + added + text[self.slot.end :]


def point_in(
    target: Target,
    request: Request,
    where: Where,
    name: str,
    slot: Slot,
    *,
    value: bytes = b"",
    part: Part = Part.VALUE,
    charset: str = DEFAULT,
) -> Point:
    """A point whose present value is given in octets."""
    return Point(target, request, where, name, read_in(charset, value), part, charset, slot)


def as_octets(text: str) -> bytes:
    """A piece of a request as it is sent: text outside ISO 8859-1 as UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def content_type_of(headers: Headers) -> str:
    """The Content-Type that a request tells of its body."""
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def boundary_of(headers: Headers) -> bytes:
    """What stands between the parts of a multipart form; empty for any other body."""
    kind, *parameters = content_type_of(headers).split(";")
    if kind.strip().lower() != "multipart/form-data":
        return b""
    for parameter in parameters:
        key, _, value = parameter.strip().partition("=")
        if key.strip().lower() == "boundary":
            return as_octets(value.strip().strip('"'))
    return b""


def with_length(request: Request) -> Request:
    """The request with the right Content-Length, if it tells one."""
    headers = tuple(
        (name, str(len(request.body)) if name.lower() == "content-length" else value) for name, value in request.headers
    )
    return request if headers == request.headers else replace(request, headers=headers)


def _with_fresh_boundary(request: Request, old: bytes, pieces: tuple[bytes, bytes, bytes]) -> Request:
    """The payload holds the boundary: another one is taken everywhere but in the payload."""
    before, written, after = pieces
    fresh = old
    while fresh in written or fresh in before.replace(old, b"") or fresh in after.replace(old, b""):
        fresh += b"x"
    body = before.replace(b"--" + old, b"--" + fresh) + written + after.replace(b"--" + old, b"--" + fresh)
    headers = tuple(
        (
            name,
            value.replace(old.decode("latin-1"), fresh.decode("latin-1")) if name.lower() == "content-type" else value,
        )
        for name, value in request.headers
    )
    return replace(request, body=body, headers=headers)
