"""Requests written out in a template: the request line, header lines, the body, and annotations before them."""

import re
from dataclasses import dataclass

_DURATION = re.compile(rb"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNITS = {b"ms": 0.001, b"s": 1.0, b"m": 60.0, b"h": 3600.0}
_LONGEST_TIMEOUT = 120.0


class BadRaw(ValueError):
    """Not a request."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """Lines that begin with `@` and say how the request is sent."""

    host: bytes = b""
    """Where to, when not to the scanned system: a host, a host and port, or both with a scheme."""
    server_name: bytes = b""
    """For TLS; `request.host` stands for the Host header."""
    timeout_seconds: float | None = None
    once: bool = False
    """Not again for each payload."""


@dataclass(frozen=True, slots=True)
class RawText:
    """A request as written."""

    annotations: Annotations
    method: bytes
    path: bytes
    """Empty when the line has none: the path of the scanned URL is meant."""
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    text: bytes
    """All of it without the annotations."""


def read_raw(text: str | bytes, unsafe: bool) -> RawText:
    """Take a request apart; lines end with CR LF, or all with LF. Raises BadRaw."""
    written = with_line_ends(text) if isinstance(text, str) else text
    annotations, rest = _annotations(written)
    line, _, after = rest.partition(b"\n")
    method, path = _request_line(line, unsafe)
    headers, body = _head_and_body(after)
    if not any(name.lower() == b"content-type" and b"multipart/" in value for name, value in headers):
        body = body.removesuffix(b"\r\n")
    return RawText(annotations, method, path, tuple(headers), body, rest)


def with_line_ends(text: str) -> bytes:
    """Text whose lines end with CR LF, unless one of them does already."""
    return (text if "\r\n" in text else text.replace("\n", "\r\n")).encode("utf-8", "surrogateescape")


def _annotations(written: bytes) -> tuple[Annotations, bytes]:
    host = server_name = b""
    timeout, once = None, False
    while written.lstrip()[:1] == b"@":
        line, _, written = written.lstrip().partition(b"\n")
        name, _, value = line.strip().partition(b":")
        value = value.strip()
        if name == b"@Host":
            host = value
        elif name == b"@tls-sni":
            server_name = value
        elif name == b"@timeout":
            timeout = _seconds(value)
        once = once or name == b"@once"
    return Annotations(host, server_name, timeout, once), written


def _seconds(value: bytes) -> float | None:
    total = sum(float(amount) * _UNITS[unit] for amount, unit in _DURATION.findall(value))
    return min(total, _LONGEST_TIMEOUT) if total else None


def _request_line(line: bytes, unsafe: bool) -> tuple[bytes, bytes]:
    words = line.split()
    if len(words) == 2 and b"HTTP" in words[1]:
        return words[0], b""
    if not words or (len(words) < 3 and not unsafe):
        raise BadRaw(line.strip()[:60].decode("utf-8", "replace"))
    return words[0], words[1] if len(words) > 1 else b""


def _head_and_body(after: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    headers = []
    while after:
        line, _, after = after.partition(b"\n")
        line = line.strip()
        if not line:
            break
        name, colon, value = line.partition(b":")
        if colon and name:
            headers.append((name, value.strip()))
    return headers, after
