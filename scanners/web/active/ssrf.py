"""Addresses that the server itself asks for because they stand in the request."""

import re
from collections.abc import Callable, Iterator

from scanners.web.points import Part, Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.page import Page
from scanners.web.probing.taken import BAIT, baited, takes
from scanners.web.probing.trial import Bait, Probing, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_HOST_NAME = re.compile(r"host|server|addr|domain|site|endpoint|proxy|(^|_)ip$", re.IGNORECASE)


class Ssrf(PointCheck):
    """Lays a bait; only the server can take it."""

    name = "ssrf"
    title = Text("服务端请求伪造", "server-side request forgery")
    weakness = WebClass.SSRF
    severity = Severity.HIGH
    cwe = 918
    clauses = ("8.1.4.4 d", "8.1.3.2 c")
    mend = Text(
        "服务端只访问白名单主机;解析后拒绝内网地址;禁止跟随重定向到名单之外。",
        "Let the server ask listed hosts only; refuse internal addresses after the name is resolved, and redirects "
        "that leave the list.",
    )

    def fits(self, point: Point) -> bool:
        """What can hold an address."""
        return point.part is Part.VALUE

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """One request, and a second for certainty."""
        for form, write in _forms(point):
            taken = yield from takes(trial, baited(point, form, write))
            if taken:
                return Verdict(
                    taken.because, {"hit": taken.shown, "peer": taken.second.peer}, rule=taken.second.protocol
                )
        return None


def _forms(point: Point) -> Iterator[tuple[str, Callable[[Bait], str]]]:
    yield BAIT, _url
    address = re.match(r"https?://[^/?#@]+", point.value)
    if address:
        # For filters that look at the beginning.
        yield f"{address[0]}@{BAIT}", _host
    elif _HOST_NAME.search(point.name) or re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", point.value):
        yield BAIT, _host


def _url(bait: Bait) -> str:
    return bait.url


def _host(bait: Bait) -> str:
    return bait.host


SSRF = Ssrf()
