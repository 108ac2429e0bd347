"""What an earlier scan knows of the places of a site: a check that was through with one that looks the same is not
repeated there.
"""

import hashlib
import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import scanners.web.probing
from scanners.web.campaign.examination import Examination
from scanners.web.points import Point
from scanners.web.probing.found import page_checks, passive_checks, point_checks
from scanners.web.probing.page import Page
from scanners.web.probing.weakness import WebCheck

_CHANGING = re.compile(r"(?=[A-Za-z+/_-]*\d)[A-Za-z\d+/_-]{16,}={0,2}|\d+")
"""Numbers, and tokens that are drawn for each visitor."""


class Earlier:
    """The places of one site in an earlier scan that was made in the same manner.

    `same` are the checks whose code is what it was then.
    """

    def __init__(self, places: Mapping[str, Examination], same: Iterable[str]) -> None:
        self._places = places
        self._same = frozenset(same) - passive_checks().keys()
        """Passive ones cost nothing but the look that tells what the place is like."""

    def settled(self, place: str, mark: str) -> frozenset[str]:
        """The checks that need not be repeated at a place that looks like this."""
        known = self._places.get(place)
        if known is None or known.trouble is not None or not mark or known.mark != mark:
            return frozenset()
        undecided = {name for name, counts in known.counts.items() if counts[1] or counts[2]}
        found = {name for name, _ in known.found}
        return self._same - undecided - found - _spared(found)


NOTHING_EARLIER = Earlier({}, ())


def mark_of(page: Page, points: Iterable[Point]) -> str:
    """What a place looks like: the same until its answer or its fields change; empty without an answer."""
    response = page.response
    if response is None or page.answer.failure is not None:
        return ""
    names = sorted({name.lower() for name, _ in response.headers})
    fields = sorted(f"{one.where.value} {one.part.value} {one.name}" for one in points)
    told = [str(page.status), page.header("content-type"), *names, "", *fields, "", _CHANGING.sub("", page.text)]
    return hashlib.blake2b("\0".join(told).encode("utf-8", "replace"), digest_size=12).hexdigest()


@cache
def code_of_checks() -> Mapping[str, str]:
    """A digest of the code of each active check, by name: a changed one has to be run again everywhere."""
    shared = b"".join(path.read_bytes() for path in sorted(Path(scanners.web.probing.__path__[0]).glob("*.py")))
    return {name: _digest(shared, check) for name, check in {**point_checks(), **page_checks()}.items()}


def _digest(shared: bytes, check: WebCheck) -> str:
    own = Path(inspect.getfile(type(check))).read_bytes()
    return hashlib.blake2b(shared + own, digest_size=12).hexdigest()


def _spared(found: set[str]) -> set[str]:
    """Checks that were left out because of what another one found: that may be mended in part."""
    return {name for name, check in {**point_checks(), **page_checks()}.items() if found & set(check.unless_found)}
