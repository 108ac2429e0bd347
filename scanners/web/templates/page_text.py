"""How heads and bodies read as text: in the form that templates are written against."""

import re

from scanners.web.message import Headers, Request, Response, Timings

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHINESE = re.compile(r"gbk|gb2312|gb18030", re.IGNORECASE)
_CYRILLIC = re.compile(r"windows-1251", re.IGNORECASE)
_META = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*(?:gbk|gb2312|gb18030)", re.IGNORECASE)
_META_BYTES = 2048
_UNPACKED = ("gzip", "x-gzip", "deflate", "br", "zstd")

NO_RESPONSE = Response(0, "", "1.1", (), b"", b"", Timings(0, 0, 0, 0, 0), None, "", False, False)


def decoded_body(response: Response) -> bytes:
    """The body, in UTF-8 when the server or the page says that it is GBK or Windows-1251."""
    kind = response.header("content-type")
    if _CHINESE.search(kind):
        return response.body.decode("gb18030", "replace").encode()
    if _CYRILLIC.search(kind):
        return response.body.decode("cp1251", "replace").encode()
    if "charset" not in kind.lower() and _META.search(response.body[:_META_BYTES]) and not _is_utf8(response.body):
        return response.body.decode("gb18030", "replace").encode()
    return response.body


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def visible_headers(response: Response) -> Headers:
    """Headers that still tell the truth: of a body that was unpacked, its encoding and packed length do not."""
    encoding = response.header("content-encoding").strip().lower()
    if encoding not in _UNPACKED:
        return response.headers
    hidden = ("content-encoding", "content-length")
    return tuple((name, value) for name, value in response.headers if name.lower() not in hidden)


def header_dump(response: Response) -> bytes:
    """Status line, names as `Www-Authenticate` in order, values trimmed; the length of the body comes first."""
    lines = [f"HTTP/{response.version.removeprefix('HTTP/')} {response.status:03d} {response.reason}".rstrip()]
    named = [(_canonical(name), value.strip()) for name, value in visible_headers(response)]
    first = [f"{name}: {value}" for name, value in named if name in _FIRST]
    rest = sorted((item for item in named if item[0] not in _FIRST), key=lambda item: item[0])
    lines += first + [f"{name}: {value}" for name, value in rest]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1", "replace")


_FIRST = ("Content-Length", "Transfer-Encoding")


def _canonical(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        return name
    return "-".join(word.capitalize() for word in name.split("-"))


def request_dump(request: Request) -> bytes:
    """The request as it was sent."""
    if request.raw is not None:
        return request.raw
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers)]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1", "replace") + request.body
