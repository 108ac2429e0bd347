"""Does something behind the page complain of what it is given, and of nothing else?"""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from scanners.web.points import Point
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Hits, Listen, Purpose, Trial


@dataclass(frozen=True, slots=True)
class Complaint:
    """What was said, and of what."""

    payload: str
    words: str
    excerpt: str


def complains(
    trial: Trial, point: Point, pattern: re.Pattern[str], payloads: Sequence[str]
) -> Generator[Ask | Listen, Page | Hits, Complaint | None]:
    """The first complaint that comes with an attack, not with letters of the same length, and comes again.

    What the page repeats of the payload is no complaint.
    """
    for payload in payloads:
        page = yield from trial.ask(point.inject(payload))
        found = _found(pattern, page, payload)
        if not found:
            continue
        control = yield from trial.ask(point.inject(point.value + trial.mark(len(payload))), Purpose.CONTROL)
        if _found(pattern, control, ""):
            return None
        again = yield from trial.ask(point.inject(payload), Purpose.AGAIN)
        if _found(pattern, again, payload):
            return Complaint(payload, found, page.around(found))
    return None


def _found(pattern: re.Pattern[str], page: Page, payload: str) -> str:
    text = page.plain.replace(payload, "") if len(payload) > 3 else page.plain
    match = pattern.search(text)
    return match[0][:120] if match else ""
