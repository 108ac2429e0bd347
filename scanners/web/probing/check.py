"""The contract of an active check: a generator that yields what it wants sent, receives what came back, and decides.

It never touches a socket; `scanners.web.probing.driver` performs what it yields. Before it reports, it makes sure: a
control that must not match, and the attack once more.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from scanners.web.message import Request
from scanners.web.points import Point
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Trial
from scanners.web.probing.weakness import Verdict, WebCheck


class PointCheck(WebCheck, ABC):
    """Looks at one injection point. One file, one check: an instance at top level is found by itself."""

    shows_elsewhere: ClassVar[bool] = False
    """What it begins with is the first mark of its trial, and may show on any page: all are looked at in the end."""

    def fits(self, point: Point) -> bool:
        """Whether it makes sense there; pure, and cheap."""
        return True

    def fits_unknown(self, point: Point) -> bool:
        """Whether it makes sense where the site takes any word but the present one for nothing there."""
        return False

    @abstractmethod
    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """Returns the verdict, or None. `page` is what the request of the point gives ordinarily."""


class PageCheck(WebCheck, ABC):
    """Looks at a request as a whole."""

    def fits(self, request: Request, page: Page) -> bool:
        """Whether it makes sense there; pure, and cheap."""
        return True

    @abstractmethod
    def probe(self, page: Page, trial: Trial) -> Probing:
        """Returns the verdict, or None."""


class PassiveCheck(WebCheck, ABC):
    """Judges pages that were fetched anyway; sends nothing."""

    @abstractmethod
    def judge(self, url: str, page: Page) -> list[Verdict]:
        """Everything wrong with the page; pure."""
