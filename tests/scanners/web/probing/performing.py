"""Runs the generator of a check against a function instead of a site."""

import asyncio
from collections.abc import Callable

from scanners.safety import Safety
from scanners.web.finding_points import points_of
from scanners.web.message import Answer, Hop, Request, Response, Target, Timings
from scanners.web.points import Part, Point, Where
from scanners.web.probing.driver import Performed, perform
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Bait, Hit, Hits, Probing, Trial

TARGET = Target("http", "site.test", 80)
HTML = (("Content-Type", "text/html; charset=utf-8"),)


def page(
    body: str | bytes = "",
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = HTML,
    request: Request | None = None,
    seconds: float = 0.01,
) -> Page:
    """A page as if it had been fetched."""
    asked = request or Request("GET", "/p?q=1")
    return Page(asked, answered(asked, body, status, headers, seconds))


def answered(
    request: Request,
    body: str | bytes = "",
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = HTML,
    seconds: float = 0.01,
) -> Answer:
    """An answer as the client gives it."""
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    content = body.encode() if isinstance(body, str) else body
    timings = Timings(0, 0, 0, seconds, seconds)
    response = Response(
        status, "X", "1.1", headers, head.encode("latin-1"), content, timings, None, "127.0.0.1", False, True
    )
    return Answer((Hop(TARGET, request, response),))


def trial(check: str = "test", **more: object) -> Trial:
    """A trial without anything special."""
    return Trial(TARGET, check, "/p", seed="test", **more)  # type: ignore[arg-type]


def point(name: str = "q", where: Where = Where.QUERY, request: Request | None = None) -> Point:
    """A point of `GET /p?q=1`, or of another request."""
    found = points_of(TARGET, request or Request("GET", "/p?q=1"))
    return next(one for one in found if one.where is where and one.part is Part.VALUE and one.parameter == name)


class Baited:
    """Baits whose hits the test decides."""

    def __init__(self) -> None:
        self.laid: list[str] = []
        self.taken: set[str] = set()

    def bait(self, check: str, place: str) -> Bait:
        token = f"token{len(self.laid)}"
        self.laid.append(token)
        return Bait(token, f"http://oob.test/{token}", f"oob.test/{token}", f"{token}.oob.test")

    async def hits(self, token: str, seconds: float) -> Hits:
        return (Hit(token, "http", "127.0.0.1", f"GET /{token}"),) if token in self.taken else ()


def performed(
    probing: Probing,
    site: Callable[[Request], Answer],
    *,
    allowed: Safety = Safety.INTRUSIVE,
    listener: Baited | None = None,
    asked: list[Ask] | None = None,
) -> Performed:
    """What comes of a check when `site` answers."""

    async def send(ask: Ask) -> Answer:
        if asked is not None:
            asked.append(ask)
        return site(ask.request)

    return asyncio.run(perform(probing, send, allowed=allowed, listener=listener))


__all__ = ["HTML", "TARGET", "Baited", "answered", "page", "performed", "point", "trial"]
