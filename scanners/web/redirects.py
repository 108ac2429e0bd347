"""Which redirects are followed, and what is asked next."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urljoin, urlsplit

from scanners.web.message import DEFAULT_PORTS, Failure, Headers, Hop, Reason, Request, Response, Target
from secops.model.text import Text

_STATUSES = frozenset({301, 302, 303, 307, 308})
_KEEP_METHOD = frozenset({307, 308})
_OF_THE_BODY = frozenset({"content-length", "content-type", "content-encoding", "transfer-encoding"})
_OF_THE_HOST = frozenset({"host", "authorization", "cookie", "proxy-authorization"})


class Follow(StrEnum):
    """Where redirects may lead."""

    NOWHERE = "nowhere"
    SAME_HOST = "same-host"
    """Host and port as in the first request."""
    ANYWHERE = "anywhere"
    """Inside the scope, that is."""


@dataclass(frozen=True, slots=True)
class Redirects:
    """A policy."""

    follow: Follow = Follow.NOWHERE
    most: int = 10


NONE = Redirects()


def next_request(
    first: Target, target: Target, request: Request, response: Response, policy: Redirects
) -> tuple[Target, Request] | None:
    """What to ask next; None when the response is the end: no redirect, or none that is to be followed."""
    if policy.follow is Follow.NOWHERE or response.status not in _STATUSES or request.raw is not None:
        return None
    location = response.header("location")
    led = _led_to(target, request, location) if location else None
    if led is None or (policy.follow is Follow.SAME_HOST and led[0].authority != first.authority):
        return None
    there, place = led
    method, body, dropped = request.method, request.body, frozenset[str]()
    if response.status not in _KEEP_METHOD and (method not in ("GET", "HEAD") or body):
        method, body, dropped = "HEAD" if method == "HEAD" else "GET", b"", _OF_THE_BODY
    if there.authority != target.authority:
        dropped |= _OF_THE_HOST
    return there, Request(method, place, _without(request.headers, dropped), body)


def endless(
    hops: Sequence[Hop], following: tuple[Target, Request], policy: Redirects, new_cookies: bool
) -> Failure | None:
    """Why what follows these hops is not asked any more; None when it may be."""
    if len(hops) > policy.most:
        return Failure(
            Reason.TOO_MANY_REDIRECTS, Text(f"重定向超过 {policy.most} 次", f"more than {policy.most} redirects")
        )
    there, asked = following
    seen = any(
        (there, asked.method, asked.target) == (hop.target, hop.request.method, hop.request.target) for hop in hops
    )
    if seen and not new_cookies:
        where = f"{there}{asked.target}"[:200]
        return Failure(Reason.REDIRECT_LOOP, Text(f"重定向循环:{where}", f"redirects in a circle: {where}"))
    return None


def _led_to(target: Target, request: Request, location: str) -> tuple[Target, str] | None:
    try:
        parts = urlsplit(urljoin(f"{target}{request.target}", location.strip()))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not host:
        return None
    place = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme]), place.replace(" ", "%20")


def _without(headers: Headers, dropped: frozenset[str]) -> Headers:
    return tuple(pair for pair in headers if pair[0].lower() not in dropped) if dropped else headers
