"""Who looks at a site: the cookies, the headers and what the site keeps in their browser."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from scanners.web.cookies import CookieJar
from scanners.web.message import Request, Target


class Visitor(Protocol):
    """Somebody who looks at pages; a kept session is one."""

    @property
    def cookies(self) -> CookieJar:
        """Of the session."""
        ...

    @property
    def storage(self) -> Any:
        """What the site keeps in their browser, as Playwright's `storage_state` writes it; None for nothing."""
        ...

    def dressed(self, target: Target, request: Request) -> Request:
        """The request with what else proves the session."""
        ...


@dataclass(frozen=True, slots=True)
class Nobody:
    """Somebody who is not logged in."""

    cookies: CookieJar = field(default_factory=CookieJar)
    storage: Any = None

    def dressed(self, target: Target, request: Request) -> Request:
        """As it is."""
        return request
