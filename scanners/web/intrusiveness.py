"""How much a request may do to its target, computed from the request itself and from nothing that is said about it."""

import re
from functools import lru_cache
from typing import TypeAlias

from scanners.safety import Safety
from scanners.web.message import Headers, Request
from scanners.web.wire import asked_of

Profile: TypeAlias = Safety
"""What a scan is allowed; the same three levels."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_CHANGING_METHODS = frozenset(
    {"PUT", "PATCH", "DELETE", "MOVE", "COPY", "MKCOL", "PROPPATCH", "LOCK", "UNLOCK", "PURGE", "BAN", "LINK", "UNLINK"}
)
"""They replace, remove or lock what is there, by their definition."""
_OVERRIDES = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})
_OVERRIDE_FIELD = re.compile(r"[?&]_method=([A-Za-z]+)")
_SPEAKS = re.compile(r"[%+ *$]|_method=")
"""Without one of these, no two words of a statement stand apart, and no field names a method."""
_DESTROYS = re.compile(
    rb"(?:drop|truncate|alter)(?:\s|\+|%20|/\*.*?\*/)+(?:table|database|schema|view|index)"
    rb"|delete(?:\s|\+|%20)+from|insert(?:\s|\+|%20)+into|update(?:\s|\+|%20)+\w+(?:\s|\+|%20)+set\b"
    rb"|\brm(?:\s|\+|%20|\$\{IFS\})+-[rf]|\bmkfs(?:\s|\+|%20|\.)|\bshutdown\b(?:\s|\+|%20)+-|:\(\)\s*\{",
    re.IGNORECASE,
)
_EXECUTABLE = rb"\.(?:php\d?|phtml|phar|jspx?|jspf|aspx?|ashx|asmx|cer|asa|cgi|pl|py|sh|war|jar|exe|dll|htaccess)"
_UPLOADS = re.compile(
    rb"filename\*?=[\"']?[^\"'\r\n;]*" + _EXECUTABLE + rb"(?:[.:%;/\s\x00][^\"'\r\n]*)?[\"'\r\n;]", re.I
)
_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")


def intrusiveness_of(request: Request) -> Profile:
    """Safe: it only reads (GET, HEAD, OPTIONS, without a body). Intrusive: it replaces or removes by method or by
    statement, uploads something that a server would run, or is framed so that other people's requests may suffer;
    also raw bytes of which no request can be made out. Normal: the rest.
    """
    if request.raw is not None:
        return _of_raw(request.raw, asked_of(request))
    if request.method in _SAFE_METHODS and not request.body and _is_plain(request.target, request.headers):
        return Safety.SAFE
    return _of(request.method, request.target, request.headers, request.body)


def _is_plain(target: str, headers: Headers) -> bool:
    """Whether nothing in a target or headers needs a second look; most requests of a scan are like this."""
    return not (_SPEAKS.search(target) or (headers and _says_more(headers)))


def _of(method: str, target: str, headers: Headers, body: bytes) -> Profile:
    method = method.upper()
    reads = method in _SAFE_METHODS and not body
    if reads and not _says_more(headers) and "_method=" not in target:
        return Safety.INTRUSIVE if _destroys_by(target) else Safety.SAFE
    methods = {method, *_overriding(headers), *(name.upper() for name in _OVERRIDE_FIELD.findall(target))}
    if methods & _CHANGING_METHODS or _UPLOADS.search(body) or _smuggles(headers):
        return Safety.INTRUSIVE
    if _DESTROYS.search(body) or _destroys_by(target):
        return Safety.INTRUSIVE
    return Safety.SAFE if methods <= _SAFE_METHODS and not body else Safety.NORMAL


def _of_raw(raw: bytes, asked: tuple[tuple[str, str], ...]) -> Profile:
    head, *rest = _HEAD_ENDS.split(raw, maxsplit=1)
    lines = (line.partition(b":") for line in head.split(b"\n")[1:])
    headers = tuple((name.decode("latin-1").strip(), value.decode("latin-1").strip()) for name, _, value in lines)
    if len(asked) != 1 or _smuggles(headers):
        return Safety.INTRUSIVE
    method, target = asked[0]
    return _of(method, target, headers, b"".join(rest))


def _destroys_by(target: str) -> bool:
    return (
        _SPEAKS.search(target) is not None and _DESTROYS.search(target.encode("utf-8", "surrogateescape")) is not None
    )


@lru_cache(maxsize=1024)
def _says_more(headers: Headers) -> bool:
    """Whether headers make more of a request than its method does."""
    return bool(_overriding(headers)) or _smuggles(headers)


@lru_cache(maxsize=1024)
def _overriding(headers: Headers) -> frozenset[str]:
    return frozenset(value.strip().upper() for name, value in headers if name.lower() in _OVERRIDES)


@lru_cache(maxsize=1024)
def _smuggles(headers: Headers) -> bool:
    """Two things that say where the body ends: servers in a row may disagree."""
    framed = [name for name, _ in headers if name.strip().lower() in ("content-length", "transfer-encoding")]
    return len(framed) > 1
