"""The cookies of one session, kept and sent as far as scanning needs it: domain, path, secure, expiry."""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import ip_address

from scanners.web.message import Response, Target
from secops.support.clock import now

_MAX_PER_DOMAIN = 80
_MAX_DOMAINS = 200
_MAX_BYTES = 8192
"""Of one cookie."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie."""

    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    expires: float | None
    """Seconds since 1970; None: with the session."""

    def fits(self, target: Target, path: str, moment: float) -> bool:
        """Whether it goes with a request."""
        host = target.host.lower()
        return (
            (host == self.domain or (not self.host_only and host.endswith("." + self.domain)))
            and (path == self.path or path.startswith(self.path.rstrip("/") + "/"))
            and (target.scheme == "https" or not self.secure)
            and (self.expires is None or self.expires > moment)
        )


class CookieJar:
    """The cookies of one session."""

    def __init__(self) -> None:
        self._domains: dict[str, dict[tuple[str, str], Cookie]] = {}

    def header(self, target: Target, place: str) -> str:
        """The value of the Cookie header for a request-target; empty when none fits."""
        if not self._domains:
            return ""
        path, moment = _path_of(place), now().timestamp()
        fitting = [cookie for cookie in self.cookies() if cookie.fits(target, path, moment)]
        # Longer paths first, as browsers do; the order of arrival decides among equals.
        fitting.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" if cookie.name else cookie.value for cookie in fitting)

    def take(self, target: Target, place: str, response: Response) -> bool:
        """Keep what a response sets for its host; whether anything changed."""
        changed = False
        for name, value in response.headers:
            if len(name) == 10 and name.lower() == "set-cookie":
                changed = self._set(_parsed(target, place, value)) or changed
        return changed

    def add(self, target: Target, name: str, value: str, path: str = "/") -> None:
        """Keep a cookie that somebody imported."""
        self._set(Cookie(name, value, target.host.lower(), True, path, False, None))

    def clear(self) -> None:
        """Forget all."""
        self._domains.clear()

    def cookies(self) -> tuple[Cookie, ...]:
        """All that are kept, in order of arrival within their domain."""
        return tuple(cookie for kept in self._domains.values() for cookie in kept.values())

    def _set(self, cookie: Cookie | None) -> bool:
        if cookie is None:
            return False
        kept = self._domains.get(cookie.domain)
        if kept is None:
            if len(self._domains) >= _MAX_DOMAINS:
                return False
            kept = self._domains[cookie.domain] = {}
        key = (cookie.name, cookie.path)
        if cookie.expires is not None and cookie.expires <= now().timestamp():
            return kept.pop(key, None) is not None
        if key not in kept and len(kept) >= _MAX_PER_DOMAIN:
            kept.pop(next(iter(kept)))
        changed = kept.get(key) != cookie
        kept[key] = cookie
        return changed


def _parsed(target: Target, place: str, line: str) -> Cookie | None:
    """The cookie of a Set-Cookie line; None when it is not for this host, or too large."""
    pair, *attributes = line.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", pair
    said = {key.strip().lower(): found.strip() for key, _, found in (part.partition("=") for part in attributes)}
    host = target.host.lower()
    domain = said.get("domain", "").lstrip(".").lower()
    if len(line) > _MAX_BYTES or (domain and domain != host and not _covers(domain, host)):
        return None
    secure = "secure" in said
    if secure and target.scheme != "https":
        return None
    path = said.get("path", "")
    return Cookie(
        name.strip(),
        value.strip(),
        domain or host,
        not domain or _is_address(host),
        path if path.startswith("/") else _default_path(place),
        secure,
        _expiry(said),
    )


def _covers(domain: str, host: str) -> bool:
    """A host may set cookies for its parent domains, but not for a top level, and an address for itself only."""
    return "." in domain and host.endswith("." + domain) and not _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _path_of(place: str) -> str:
    path = place.partition("?")[0]
    return path if path.startswith("/") else "/"


def _default_path(place: str) -> str:
    return _path_of(place).rpartition("/")[0] or "/"


def _expiry(said: dict[str, str]) -> float | None:
    age = said.get("max-age", "")
    if age.lstrip("-").isdigit():
        return now().timestamp() + min(int(age[:12]), 10**9)
    try:
        return parsedate_to_datetime(said["expires"].replace("-", " ")).timestamp()
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None
