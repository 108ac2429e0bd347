"""The checks that are found, by what they look at."""

from scanners.web import active, passive
from scanners.web.probing.check import PageCheck, PassiveCheck, PointCheck
from scanners.web.probing.weakness import WebCheck
from secops.support.plugins import plugins_in


def point_checks() -> dict[str, PointCheck]:
    """Those that look at one injection point, by name."""
    return plugins_in(active, PointCheck)


def page_checks() -> dict[str, PageCheck]:
    """Those that look at a whole request, by name."""
    return plugins_in(active, PageCheck)


def passive_checks() -> dict[str, PassiveCheck]:
    """Those that judge pages, by name."""
    return plugins_in(passive, PassiveCheck)


def every_check() -> dict[str, WebCheck]:
    """All of them, by name."""
    return {**passive_checks(), **page_checks(), **point_checks()}
