"""Drops points whose change never changes the answer: most names that were learned elsewhere mean nothing here.

They are changed all at once first; only when the answer changes are they halved until those that matter are left.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from scanners.web.cookies import CookieJar
from scanners.web.message import Answer, Request, Response, Target
from scanners.web.points import Point, Where
from scanners.web.writing import in_cookie

MARK = "jdnq7"
VALUES = (MARK, f"{MARK}'\"<({{")
"""A plain word, and one that trips over whatever reads it."""
_PASSING = re.compile(rb"[0-9a-fA-F]{8,}|\d+")
_MOST_NOISE = 0.02
"""Share of the length that may differ where pages differ by themselves."""


class Sends(Protocol):
    """Sends requests inside the scope; the scanning client is one."""

    async def exchange(self, target: Target, request: Request, *, session: CookieJar | None = None) -> Answer:
        """The answer, or why there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Usual:
    """How a request is answered when nothing is changed."""

    status: int
    place: str
    """Where it redirects to."""
    text: bytes
    length: int
    steady: bool
    """Asked twice, it gave the same text."""

    def is_like(self, response: Response) -> bool:
        """Whether another answer says the same, and shows nothing of what was put in."""
        return MARK.encode() not in response.body and self.is_as(usual_of(response, self.steady))

    def is_as(self, other: "Usual") -> bool:
        """Whether two answers say the same."""
        if (self.status, self.place) != (other.status, other.place):
            return False
        if self.steady:
            return self.text == other.text
        return abs(self.length - other.length) <= _MOST_NOISE * max(self.length, 200)


def usual_of(response: Response, steady: bool) -> Usual:
    """What an answer says, without numbers."""
    text = _PASSING.sub(b"", response.body)
    place = _PASSING.sub(b"", response.header("location").encode("latin-1", "replace")).decode("latin-1")
    return Usual(response.status, place, text, len(text), steady)


async def without_inert(
    sends: Sends, points: Sequence[Point], *, session: CookieJar | None = None
) -> tuple[Point, ...]:
    """The points of one request without those that were learned elsewhere and change nothing; the rest in order.

    Points of fields that the request has itself are kept. No answer proves nothing: then all are kept.
    """
    if not points:
        return ()
    return await Prober(sends, points[0].target, points[0].request, session).without_inert(points)


async def is_inert(sends: Sends, point: Point, *, session: CookieJar | None = None) -> bool:
    """Whether changing this one point changes nothing."""
    prober = Prober(sends, point.target, point.request, session)
    usual = await prober.usual()
    if usual is None:
        return False
    for value in VALUES:
        response = await prober.ask(point.inject(value))
        if response is None or not usual.is_like(response):
            return False
    return True


class Prober:
    """Looks at what changes the answer to one request."""

    def __init__(self, sends: Sends, target: Target, request: Request, session: CookieJar | None = None) -> None:
        self._sends = sends
        self._target = target
        self._request = request
        self._session = session
        self._usual: Usual | None = None

    async def usual(self) -> Usual | None:
        """How the request is answered as it is; None when it is not."""
        if self._usual is None:
            first, second = await self.ask(self._request), await self.ask(self._request)
            if first is None or second is None:
                return None
            steady = usual_of(first, True).text == usual_of(second, True).text
            self._usual = usual_of(second, steady)
        return self._usual

    async def without_inert(self, points: Sequence[Point]) -> tuple[Point, ...]:
        """The points without those that were learned elsewhere and change nothing."""
        learned = [point for point in points if is_learned(point)]
        if not learned:
            return tuple(points)
        live = {(point.where, point.name) for point in await self._live(learned)}
        return tuple(point for point in points if not is_learned(point) or (point.where, point.name) in live)

    async def ask(self, request: Request) -> Response | None:
        """What another request is answered with; None when there is no whole answer."""
        answer = await self._sends.exchange(self._target, request, session=self._session)
        return None if answer.failure else answer.response

    async def _live(self, points: Sequence[Point]) -> list[Point]:
        """Those that change the answer."""
        usual = await self.usual()
        if usual is None:
            return list(points)
        # A cookie has two points, one for each way to write it; one stands for both here.
        by_name = {(point.where, point.name): point for point in points}
        return await self._halved(usual, list(by_name.values()))

    async def _halved(self, usual: Usual, points: list[Point]) -> list[Point]:
        if await self._changes_nothing(usual, points):
            return []
        if len(points) == 1:
            return points
        middle = len(points) // 2
        return [*await self._halved(usual, points[:middle]), *await self._halved(usual, points[middle:])]

    async def _changes_nothing(self, usual: Usual, points: Iterable[Point]) -> bool:
        for value in VALUES:
            response = await self.ask(_all_at_once(self._request, points, value))
            if response is None or not usual.is_like(response):
                return False
        return True


def is_learned(point: Point) -> bool:
    """Whether the request does not have it: its name is used elsewhere on the site."""
    return point.is_new and point.where in (Where.HEADER, Where.COOKIE)


def _all_at_once(request: Request, points: Iterable[Point], value: str) -> Request:
    """The request with every learned header and cookie."""
    for point in points:
        # Each is added behind the ones before, as if it were the only one of this request.
        if point.where is Where.COOKIE:
            request = _with_cookie(request, point.name, value)
        else:
            request = replace(request, headers=(*request.headers, (point.name, value)))
    return request


def _with_cookie(request: Request, name: str, value: str) -> Request:
    written = f"{name}={in_cookie(value.encode()).decode()}"
    for index, (header, present) in enumerate(request.headers):
        if header.lower() == "cookie":
            changed = (header, f"{present}; {written}")
            return replace(request, headers=(*request.headers[:index], changed, *request.headers[index + 1 :]))
    return replace(request, headers=(*request.headers, ("Cookie", written)))
