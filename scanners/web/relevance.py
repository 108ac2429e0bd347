"""How much each point of a request deserves: every check, the few that get behind "not there", or none."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import quote, urlsplit

from scanners.web.inert import MARK, VALUES, Prober, Usual, is_learned, usual_of
from scanners.web.message import Response, Target
from scanners.web.points import Part, Point, Where

_MOST_TWINS = 2
"""Points that are the same one once something else stands there, as `id` of `/item?id=1` and of `/item?id=2`."""
_ORDINARY_HEADERS = frozenset(
    {"accept", "accept-language", "cache-control", "origin", "pragma", "referer", "user-agent", "x-requested-with"}
)
"""What browsers and libraries send of themselves; any other header of a request was written for the site's own code."""
_SUFFIX = re.compile(r"\.\w{1,5}$")
_LEADING = re.compile(rb"[^\s<>\"']{0,200}\Z")
_TRAILING = re.compile(rb"[^\s<>]{0,200}")


class Worth(StrEnum):
    """What a point deserves."""

    ALL = "all"
    FEW = "few"
    """Any other word is as good as nothing there: only what gets behind that can tell more."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Of one request, by the number of the point: what is looked at, and what may be tried where little shows."""

    points: frozenset[int]
    unknown: frozenset[int]


class Choice:
    """Chooses among the points of all requests of a site. The same requests in the same order give the same choice."""

    def __init__(self) -> None:
        self._twins: dict[tuple[object, ...], int] = defaultdict(int)
        self._folders: dict[tuple[object, ...], int] = defaultdict(int)

    def of(self, points: Iterable[Point]) -> Chosen:
        """Choose among the points of the next request."""
        wanted, unknown = set[int](), set[int]()
        for number, point in enumerate(points):
            if not is_learned(point) and not self._is_first(self._twins, _twin_of(point), _MOST_TWINS):
                continue
            wanted.add(number)
            folder, most = _folder_of(point)
            if point.where is not Where.PATH or self._is_first(self._folders, folder, most):
                unknown.add(number)
        return Chosen(frozenset(wanted), frozenset(unknown))

    @staticmethod
    def _is_first(counts: dict[tuple[object, ...], int], key: tuple[object, ...], most: int) -> bool:
        counts[key] += 1
        return counts[key] <= most


class Misses:
    """How a site says that there is nothing at an address; asked once for each kind of address."""

    def __init__(self, seed: str) -> None:
        self._word = f"nowhere{seed}"
        self._known: dict[tuple[Target, str, str], list[Usual]] = {}

    async def says(self, prober: Prober, point: Point, response: Response) -> bool:
        """Whether the answer is what a random address is answered with, a plain one or an odd one."""
        suffix = _SUFFIX.search(point.request.target.partition("?")[0])
        key = (point.target, point.request.method, suffix[0] if suffix else "")
        if key not in self._known:
            asked = [replace(point.request, target=f"/{self._word}{quote(value)}{key[2]}") for value in VALUES]
            seen = [await prober.ask(request) for request in asked]
            self._known[key] = [_silent(one) for one in seen if one is not None]
        said = _silent(response)
        return any(usual.is_as(said) for usual in self._known[key])


async def worth_of(point: Point, prober: Prober, misses: Misses, *, nowhere: bool = False) -> Worth:
    """What a point deserves. Fields that the request has itself get every check, and learned ones that were kept.

    Args:
        nowhere: there is nothing at the address; only what repeats it is of interest.
    """
    if is_learned(point) or _is_own_value(point):
        return Worth.ALL
    plain, odd = [await prober.ask(point.inject(value)) for value in VALUES]
    if plain is None or odd is None:
        return Worth.NONE
    if nowhere:
        return Worth.ALL if MARK.encode() in plain.body else Worth.NONE
    if point.where is Where.PATH:
        return await _worth_of_segment(point, prober, misses, plain, odd)
    if plain.status != odd.status or (MARK.encode() in plain.body and plain.status != 404):
        return Worth.ALL
    usual = await prober.usual()
    steady = usual is None or usual.steady
    if not usual_of(plain, steady).is_as(usual_of(odd, steady)):
        return Worth.ALL if steady else Worth.FEW
    return Worth.FEW if point.part is Part.NAME else Worth.NONE


async def _worth_of_segment(point: Point, prober: Prober, misses: Misses, plain: Response, odd: Response) -> Worth:
    if plain.status != odd.status:
        return Worth.ALL
    if await misses.says(prober, point, plain) and await misses.says(prober, point, odd):
        return Worth.FEW
    usual = await prober.usual()
    if usual is not None and usual.is_like(plain) and usual.is_like(odd):
        return Worth.NONE
    return Worth.ALL


def _is_own_value(point: Point) -> bool:
    if point.where is Where.HEADER:
        return point.part is not Part.NAME and not point.is_new and point.parameter.lower() not in _ORDINARY_HEADERS
    return point.part is not Part.NAME and not point.is_new and point.where in (
        Where.QUERY, Where.FORM, Where.JSON, Where.COOKIE,
    )  # fmt: skip


def _silent(response: Response) -> Usual:
    """What an answer says when it does not repeat what it was asked."""
    first, *others = response.body.replace(VALUES[1].encode(), MARK.encode()).split(MARK.encode())
    if not others:
        return usual_of(response, True)
    pieces = [first, *(_TRAILING.sub(b"", piece, count=1) for piece in others)]
    bare = b"".join(piece[:-200] + _LEADING.sub(b"", piece[-200:]) for piece in pieces[:-1]) + pieces[-1]
    return usual_of(replace(response, body=bare), True)


def _twin_of(point: Point) -> tuple[object, ...]:
    request = point.inject(MARK)
    return (point.target, point.where, point.part, point.name, request.method, request.target, request.body)


def _folder_of(point: Point) -> tuple[tuple[object, ...], int]:
    """Where a segment stands, and how many may be tried there although nothing shows: the last ones are files."""
    segments: Sequence[str] = urlsplit(point.request.target).path.strip("/").split("/")
    number = int(point.name) if point.where is Where.PATH else 0
    return (point.target, tuple(segments[:number])), 2 if number == len(segments) - 1 else 1
