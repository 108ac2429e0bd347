"""A request as it goes over the wire, byte for byte as written, and what raw bytes ask for."""

import re
from functools import lru_cache

from scanners.web.message import Headers, Request

_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose empty body is announced too: some servers insist."""
_FIRST_LINE = re.compile(rb"[\r\n]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]+(\S+)")
_LATER_LINE = re.compile(rb"^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]+(\S+)[ \t]+HTTP/[0-9.]+[ \t]*\r?$", re.MULTILINE)


class NotOneRequest(ValueError):
    """Written like this it would be several requests, or none."""


def encoded(request: Request, authority: str, cookie: str = "", origin: str = "") -> bytes:
    """The bytes of a request. Raises NotOneRequest.

    `authority` is what Host says; `cookie` goes behind the cookies that the request names itself, without those of the
    same name; `origin` goes before the path for a forwarding proxy.
    """
    if request.raw is not None:
        return request.raw
    method, place, body = request.method, request.target, request.body
    if "\n" in place or "\r" in place or "\n" in method or "\r" in method:
        raise NotOneRequest("a line break in the method or the target")
    if origin and place.startswith("/"):
        place = origin + place
    length = len(body) if body or method in _WITH_LENGTH else -1
    lines = _header_lines(request.headers, authority, length, cookie)
    return b"%b\r\n%b\r\n%b" % (as_bytes(f"{method} {place} HTTP/1.1"), lines, body)


def as_bytes(text: str) -> bytes:
    """ISO 8859-1 when it fits, so that bytes that came in go out again; else UTF-8, as people type it."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def asked_of(request: Request) -> tuple[tuple[str, str], ...]:
    """Method and target of the request; of raw bytes those of every line that a server may take for a request.

    None at all when nothing of the kind can be made out.
    """
    if request.raw is None:
        return ((request.method, request.target),)
    first = _FIRST_LINE.match(request.raw)
    found = [first] if first else []
    found += _LATER_LINE.finditer(request.raw, first.end() if first else 0)
    return tuple((one[1].decode("latin-1"), one[2].decode("latin-1")) for one in found)


@lru_cache(maxsize=2048)
def _header_lines(headers: Headers, authority: str, length: int, cookie: str) -> bytes:
    """Host, then the headers as written, then what is absent. `length` is -1 when none is announced."""
    given = {name.lower() for name, _ in headers}
    lines = [] if "host" in given else [("Host", authority)]
    lines += headers
    if cookie:
        lines = _with_cookie(lines, cookie)
    if length >= 0 and not given & {"content-length", "transfer-encoding"}:
        lines.append(("Content-Length", str(length)))
    if "connection" not in given:
        lines.append(("Connection", "keep-alive"))
    for name, value in lines:
        if "\n" in name or "\r" in name or "\n" in value or "\r" in value:
            raise NotOneRequest(f"a line break in the header {name[:40]!r}")
    return b"".join(b"%b: %b\r\n" % (as_bytes(name), as_bytes(value)) for name, value in lines)


def _with_cookie(lines: list[tuple[str, str]], cookie: str) -> list[tuple[str, str]]:
    for index, (name, value) in enumerate(lines):
        if name.lower() == "cookie":
            # Of two cookies with one name some servers read the first, others the last: what is written must count.
            named = {_cookie_name(pair) for pair in value.split(";")}
            others = [pair for pair in cookie.split("; ") if _cookie_name(pair) not in named]
            return [*lines[:index], (name, "; ".join([value, *others])), *lines[index + 1 :]]
    return [*lines, ("Cookie", cookie)]


def _cookie_name(pair: str) -> str:
    return pair.partition("=")[0].strip()
