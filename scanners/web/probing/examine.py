"""Every check that fits a place, one after another, cheap ones first."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from scanners.web.points import Point
from scanners.web.probing.check import PageCheck, PointCheck
from scanners.web.probing.driver import Performed
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Trial
from scanners.web.probing.weakness import WebCheck

Perform = Callable[[Probing], Awaitable[Performed]]
"""`driver.perform` with a sender, a profile and a listener."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One check at one place."""

    check: WebCheck
    performed: Performed


async def examine_point(
    point: Point, page: Page, checks: Iterable[PointCheck], trial_of: Callable[[WebCheck], Trial], perform: Perform
) -> list[Examined]:
    """Every check that fits the point; one that an earlier finding makes needless is left out."""
    done: list[Examined] = []
    for check in sorted(checks, key=lambda check: len(check.unless_found)):
        if check.fits(point) and not _needless(check, done):
            done.append(Examined(check, await perform(check.probe(point, page, trial_of(check)))))
    return done


async def examine_page(
    page: Page, checks: Iterable[PageCheck], trial_of: Callable[[WebCheck], Trial], perform: Perform
) -> list[Examined]:
    """Every check that fits the request as a whole."""
    return [
        Examined(check, await perform(check.probe(page, trial_of(check))))
        for check in checks
        if check.fits(page.request, page)
    ]


def _needless(check: WebCheck, done: Iterable[Examined]) -> bool:
    return any(earlier.performed.verdict and earlier.check.name in check.unless_found for earlier in done)
