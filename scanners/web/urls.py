"""References as pages write them, made into addresses as browsers would; anything that is no web address is empty."""

import re
from urllib.parse import quote_from_bytes, urlsplit, urlunsplit

from scanners.web.charset import DEFAULT, written_in
from scanners.web.message import DEFAULT_PORTS, Request, Target

LONGEST_URL = 4096
_DROPPED = re.compile(r"[\t\r\n]")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_KEPT_IN_PATH = "/%:@!$&'()*+,;=-._~[]|^"
_KEPT_IN_QUERY = "/%:@!$&()*+,;=-._~[]|^?{}`\\"
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")


def resolve(base: str, reference: str, charset: str = DEFAULT) -> str:
    """The absolute URL, ASCII, without fragment; empty when it leads nowhere on the web.

    Args:
        charset: of the page; browsers write the query of a link in it, and the path in UTF-8.
    """
    reference = _DROPPED.sub("", reference.strip(" \t\r\n\f\x00")).partition("#")[0]
    if len(reference) > LONGEST_URL:
        return ""
    if _SCHEME.match(reference) and not reference.lower().startswith(("http:", "https:")):
        return ""
    try:
        return _joined(base, reference, charset)
    except (ValueError, UnicodeError):
        return ""


def target_of(url: str) -> Target:
    """The origin of an absolute URL. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"{url!r} is no web address")
    return Target(parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])


def request_target_of(url: str) -> str:
    """Path and query as a request tells them."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query or url.endswith("?") else "")


def url_of(target: Target, request: Request) -> str:
    """Where a request goes."""
    return f"{target}{request.target}"


def _joined(base: str, reference: str, charset: str) -> str:
    path_start, sign, query = reference.partition("?")
    path_start = path_start.replace("\\", "/")
    scheme, authority, path, base_query = urlsplit(base)[:4]
    if _SCHEME.match(path_start):
        scheme, _, rest = path_start.partition(":")
        scheme = scheme.lower()
        path_start = "//" + rest.lstrip("/")
    if path_start.startswith("//"):
        authority, slash, rest = path_start.lstrip("/").partition("/")
        path = slash + rest
    elif path_start.startswith("/"):
        path = path_start
    elif path_start:
        path = path[: path.rfind("/") + 1] + path_start
    elif not sign:
        query = base_query
    origin = _origin(scheme, authority)
    written = _escaped(_without_dots(path or "/"), DEFAULT, _KEPT_IN_PATH)
    asked = _escaped(query, charset, _KEPT_IN_QUERY)
    return urlunsplit((origin.scheme, origin.authority, written, asked, "")) + ("?" if sign and not asked else "")


def _origin(scheme: str, authority: str) -> Target:
    parts = urlsplit(f"{scheme}://{authority}")
    host = parts.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if scheme not in DEFAULT_PORTS or not _HOST.fullmatch(host):
        raise ValueError(authority)
    return Target(scheme, host, parts.port or DEFAULT_PORTS[scheme])


def _escaped(text: str, charset: str, kept: str) -> str:
    octets = written_in(charset, _BAD_ESCAPE.sub("%25", text))
    return quote_from_bytes(octets, safe=kept)


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments[1:]:
        plain = segment.lower().replace("%2e", ".")
        if plain == "..":
            del kept[-1:]
        elif plain != ".":
            kept.append(segment)
    if segments[-1].lower().replace("%2e", ".") in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
