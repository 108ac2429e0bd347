"""What was left at one place and shows at another: one mark for each field, and the pages on which they turn up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from scanners.web.crawl.plan import Entry as Asked
from scanners.web.message import Request
from scanners.web.points import Point
from scanners.web.probing.check import PointCheck


@dataclass(frozen=True, slots=True)
class Left:
    """A field, and the mark that a check writes in it."""

    asked: Asked
    point: Point
    check: PointCheck
    mark: str


def all_marked(left: Sequence[Left]) -> Request:
    """One request with the marks of all its fields: a form that overwrites what it had would lose all but one."""
    request = left[0].point.request
    # From the back, so that the places of those before stay what they are.
    for one in sorted(left, key=lambda one: -one.point.slot.start):
        request = replace(one.point, request=request).inject(one.mark)
    return request


def shown_in(text: str, left: Mapping[str, Left]) -> Iterator[Left]:
    """Those whose mark is in a page."""
    return (one for mark, one in left.items() if mark in text)


def pages_that_may_show(entries: Iterable[Asked], most: int) -> list[Asked]:
    """Pages of the crawl, each once, the first ones."""
    shown = {
        one.request: one for one in entries if one.request.method == "GET" and one.kind == "html" and one.status < 400
    }
    return list(shown.values())[:most]
