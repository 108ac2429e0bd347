"""Finds a way to run a script through a place that shows what it is given; the same for pages at once and for stored ones."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from scanners.web.probing.markup import places_of, runs
from scanners.web.probing.page import Page
from scanners.web.probing.script_vectors import TESTED, Vector, vectors_for
from scanners.web.probing.trial import Ask, Hits, Listen, Purpose, Trial

_MOST_VECTORS = 14
Showing = Generator[Ask | Listen, Page | Hits, Page]
Show = Callable[[str | bytes, Purpose], Showing]
"""Sends a payload, and gives the page that shows it."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A script ran, twice."""

    payload: str
    where: str
    excerpt: str


def find_script(show: Show, trial: Trial) -> Generator[Ask | Listen, Page | Hits, Ran | None]:
    """The first payload that a browser would run. Few requests where nothing is shown, or all is escaped."""
    mark = trial.mark()
    page = yield from show(mark, Purpose.LOOK)
    if not page.is_html or 300 <= page.status < 400:
        return None
    places = places_of(page.text, mark)
    if not places:
        return None
    survived = yield from _survivors(show, trial)
    tried = dict.fromkeys(vector for place in places for vector in vectors_for(place, survived))
    for vector in list(tried)[:_MOST_VECTORS]:
        ran = yield from _try(show, trial, vector, Purpose.ATTACK)
        if ran and (yield from _try(show, trial, vector, Purpose.AGAIN)):
            return ran
    return None


def _try(
    show: Show, trial: Trial, vector: Vector, purpose: Purpose
) -> Generator[Ask | Listen, Page | Hits, Ran | None]:
    mark = trial.mark()
    payload = vector.write(mark)
    page = yield from show(payload, purpose)
    where = runs(page.text, mark) if page.is_html and not 300 <= page.status < 400 else ""
    shown = payload if isinstance(payload, str) else payload.decode("latin-1")
    return Ran(shown, where, page.around(mark)) if where else None


def _survivors(show: Show, trial: Trial) -> Generator[Ask | Listen, Page | Hits, str | None]:
    """The signs that come through unescaped; None when the answer does not tell, as when a filter refused it."""
    marks = [trial.mark(6) for _ in range(len(TESTED) + 1)]
    payload = "".join(mark + sign for mark, sign in zip(marks, TESTED, strict=False)) + marks[-1]
    page = yield from show(payload, Purpose.LOOK)
    text = page.text.lower()
    if any(mark not in text for mark in marks):
        return None
    survived = ""
    for sign, before, after in zip(TESTED, marks, marks[1:], strict=False):
        starts = [at + len(before) for at in _all(text, before)]
        if any(text[at:].startswith((sign + after, "\\" + sign + after)) for at in starts):
            survived += sign
    return survived


def _all(text: str, wanted: str) -> list[int]:
    found, at = [], text.find(wanted)
    while at >= 0:
        found.append(at)
        at = text.find(wanted, at + 1)
    return found
