"""Does an answer depend on whether something is true? Told by words that all true answers have and no false one."""

import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from itertools import pairwise

from scanners.web.message import Request
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Effect, Hits, Listen, Purpose, Trial

_WORD = re.compile(r"\w+")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_MOST_CHARACTERS = 200_000
Words = Counter[str]


def words_of(page: Page) -> Words:
    """What a page says: status, where it leads, its words, and which word of the text follows which."""
    text = page.plain[:_MOST_CHARACTERS]
    counted = Counter(_WORD.findall(text))
    read = _WORD.findall(_TAG.sub(" ", text))
    counted.update(f"{first} {second}" for first, second in pairwise(read))
    location = re.sub(r"\d{4,}|[0-9a-f]{12,}", "", page.header("location").partition("?")[0])
    counted[f"status {page.status}"] += 1
    counted[f"location {location}"] += 1
    return counted


def telling(trues: Sequence[Words], falses: Sequence[Words]) -> list[str]:
    """What every true answer has, and more of than any false one, or the other way round.

    What changes from answer to answer, and what an answer repeats of its own request, cannot be in all of them.
    """
    return [*_more(trues, falses), *_more(falses, trues)]


def _more(these: Sequence[Words], those: Sequence[Words]) -> list[str]:
    always = these[0]
    for words in these[1:]:
        always = always & words
    return sorted(word for word, count in always.items() if all(count > words[word] for words in those))


Pair = tuple[str, str]
"""Two payloads made of the same characters, of which the first stands for something true."""


def depends(
    trial: Trial,
    inject: Callable[[str], Request],
    pairs: Sequence[Pair],
    effect: Effect = Effect.NONE,
) -> Generator[Ask | Listen, Page | Hits, list[str]]:
    """What tells true from false in all pairs, twice over; empty as soon as nothing does.

    The order alternates. Each pair more makes it four times less likely that something random tells them apart.
    """
    trues: list[Words] = []
    falses: list[Words] = []
    told: list[str] = []
    spoken: set[str] = set()
    for number, (true, false) in enumerate((*pairs, *pairs)):
        purpose = Purpose.AGAIN if number else Purpose.ATTACK
        order = (True, False) if number % 2 == 0 else (False, True)
        for truth in order:
            page = yield from trial.ask(inject(true if truth else false), purpose, effect)
            if page.answer.failure or page.status in (0, 429, 503):
                return []
            (trues if truth else falses).append(words_of(page))
        # Words of the payloads may be repeated by the page, whatever it does to their case.
        spoken.update(_WORD.findall(f"{true} {false}".lower()))
        told = [word for word in telling(trues, falses) if spoken.isdisjoint(_WORD.findall(word.lower()))]
        if not told:
            return []
    return told
