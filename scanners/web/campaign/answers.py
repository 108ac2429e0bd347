"""Answers that several runs ask for: each is fetched once and let go when nobody is left who may want it."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from scanners.web.campaign.repertoire import NOT_SHARED
from scanners.web.campaign.trouble import Trouble
from scanners.web.message import Answer, Request, Target
from scanners.web.redirects import Redirects
from scanners.web.templates.page import Page
from scanners.web.templates.running import Send

Key = tuple[Target, Request, str]
Way = tuple[Redirects, bool]
"""How redirects are followed, and whether with cookies."""
_MOST_UNCOUNTED = 256


def key_of(send: Send) -> Key:
    """What makes two requests the same."""
    return send.target, send.request, send.server_name


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """An answer and its pages, made once however many look at them."""

    answer: Answer
    pages: tuple[Page, ...]
    onward: dict[Way, "Fetched"] = field(default_factory=dict)
    """Where its redirect leads, for those who follow."""

    @property
    def leads_on(self) -> bool:
        """Whether it is a redirect."""
        response = self.answer.response
        return response is not None and 300 < response.status < 400


Waiter = Callable[[Arrived, Trouble | None], None]
"""Is told what came, and what was wrong with it."""


@dataclass(slots=True, eq=False)
class Fetched:
    """One request: who waits for its answer, and then the answer."""

    waiting: list[Waiter] = field(default_factory=list)
    answer: Arrived | None = None
    numbers: set[int] = field(default_factory=set)


class Answers:
    """What was fetched of one site and may be asked for again."""

    def __init__(self, asked: Counter[int]) -> None:
        self._left = asked
        """By number of request: templates that may still ask it."""
        self._kept: dict[Key, Fetched] = {}
        self._by_number: dict[int, list[Key]] = {}
        self._uncounted: OrderedDict[Key, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def left(self, number: int) -> int:
        """How many templates may still ask it."""
        return self._left[number] if number != NOT_SHARED else 0

    def find(self, key: Key) -> Fetched | None:
        """What was fetched, or is being fetched."""
        return self._kept.get(key)

    def begin(self, key: Key, number: int) -> Fetched:
        """A request that is about to be sent; without a number it is kept among the latest few."""
        fetched = self._kept[key] = Fetched()
        if number != NOT_SHARED:
            self.ask(fetched, key, number)
            return fetched
        self._uncounted[key] = None
        if len(self._uncounted) > _MOST_UNCOUNTED:
            oldest, _ = self._uncounted.popitem(last=False)
            self._drop(oldest)
        return fetched

    def ask(self, fetched: Fetched, key: Key, number: int) -> None:
        """Somebody asks it under this number: it is kept for all others who may."""
        if number not in fetched.numbers:
            fetched.numbers.add(number)
            self._by_number.setdefault(number, []).append(key)

    def settle(self, key: Key, answer: Arrived | None) -> None:
        """Its answer has come; None when there is none, and whoever asks next sends it again."""
        fetched = self._kept.get(key)
        if fetched is None:
            return
        if answer is None:
            del self._kept[key]
            self._uncounted.pop(key, None)
            return
        fetched.answer, fetched.waiting = answer, []

    def ended(self, numbers: Iterable[int]) -> None:
        """A template that may have asked these will not ask any more."""
        for number in numbers:
            self._left[number] -= 1
            if self._left[number] <= 0:
                for key in self._by_number.pop(number, ()):
                    self._drop(key, number)

    def _drop(self, key: Key, number: int = NOT_SHARED) -> None:
        fetched = self._kept.get(key)
        if fetched is None:
            return
        fetched.numbers.discard(number)
        if not fetched.numbers and not fetched.waiting and key not in self._uncounted:
            del self._kept[key]
