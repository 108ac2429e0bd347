"""What tells one person from another: the words that the site's pages say to the first alone."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import takewhile

from scanners.web.probing.difference import telling, words_of
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Session

_NAME = re.compile(r"[^\W\d_]{3,}|\d{8,}|[\u4e00-\u9fff]{2,}")
_HAN = re.compile(r"[\u4e00-\u9fff]+")
_MOST = 20


async def words_of_one(ask: Callable[[Session, str], Awaitable[Page]], paths: Iterable[str]) -> tuple[str, ...]:
    """Words that these pages tell the first person, each time, and never the second: a name, a number."""
    found: dict[str, None] = {}
    for path in dict.fromkeys(paths):
        pages: dict[Session, list[Page]] = {Session.OWN: [], Session.OTHER: []}
        for session in (Session.OWN, Session.OTHER, Session.OTHER, Session.OWN):
            pages[session].append(await ask(session, path))
        own, other = ([words_of(page) for page in pages[session]] for session in (Session.OWN, Session.OTHER))
        told = telling(own, other)
        mine = [word for word in told if all(word in words for words in own)]
        theirs = [word for word in told if all(word in words for words in other)]
        found |= dict.fromkeys(word for one in mine for word in _names_in(one, theirs))
    return tuple(found)[:_MOST]


def _names_in(word: str, theirs: Iterable[str]) -> Iterator[str]:
    """The word, or what is left of it: Chinese is written without spaces, `欢迎张三` and `欢迎李四`."""
    if _HAN.fullmatch(word):
        for other in theirs:
            start = _same_start(word, other)
            end = _same_start(word[start:][::-1], other[start:][::-1])
            if (start or end) and len(rest := word[start : len(word) - end]) >= 2:
                yield rest
                return
    if _NAME.fullmatch(word):
        yield word


def _same_start(one: str, other: str) -> int:
    """How many characters."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
