"""What a block makes of an answer: whether it matches, under which names, and what it takes out."""

from collections.abc import Callable
from dataclasses import dataclass, field

from scanners.web.templates.event import Event
from scanners.web.templates.expressions.values import Value
from scanners.web.templates.extracting import Extract, extraction
from scanners.web.templates.matching import Test, matcher_test
from scanners.web.templates.model import Block, Extractor, Matcher, MatcherKind


@dataclass(slots=True)
class Judgement:
    """What one answer is worth."""

    matched: bool = False
    """A matcher says so; what a flow goes by."""
    names: tuple[str, ...] = ()
    """Of the matchers that matched, where any one of them is enough."""
    extracted: tuple[bytes, ...] = ()
    """To be shown."""
    dynamic: dict[str, list[bytes]] = field(default_factory=dict)
    """For later requests, by the name of the extractor."""


NOTHING = Judgement()
Judge = Callable[[Event], Judgement]


class Judging:
    """The matchers and extractors of a block, ready to run."""

    __slots__ = (
        "_every",
        "_extract_first",
        "_extracts",
        "_named",
        "_tests",
        "_without_call",
        "has_matchers",
        "has_operators",
        "hears",
        "reported",
    )

    def __init__(self, block: Block) -> None:
        ordered = (
            sorted(block.matchers, key=lambda matcher: _COST[matcher.kind]) if block.every_matcher else block.matchers
        )
        self._tests: list[tuple[str, Test]] = [(matcher.name, _WhenNeeded(matcher)) for matcher in ordered]
        self._extracts: list[tuple[Extractor, Extract]] = [(one, extraction(one)) for one in block.extractors]
        self._every = block.every_matcher
        self._named = not block.every_matcher and any(matcher.name for matcher in block.matchers)
        self._extract_first = _must_extract_first(block)
        self.has_matchers = bool(block.matchers)
        self.has_operators = bool(block.matchers or block.extractors)
        self.reported = not block.matchers or not all(matcher.internal for matcher in block.matchers)
        """A match is a finding; otherwise it only leads on to the next block."""
        hearing = [_hears(matcher) for matcher in ordered]
        self.hears = any(hearing) or any(_hears(extractor) for extractor in block.extractors)
        """A call from the scanned system can decide."""
        self._without_call = [test for (_, test), hears in zip(self._tests, hearing, strict=True) if not hears]

    def judge(self, event: Event) -> Judgement:
        """Judge an event. What is extracted becomes a variable of it."""
        if not self._tests:
            judgement = Judgement()
            self._extract(event, judgement)
            return judgement
        if not self._extract_first:
            matched, names = self._match(event)
            if not matched:
                return NOTHING
            judgement = Judgement(True, names)
            self._extract(event, judgement)
            return judgement
        judgement = Judgement()
        self._extract(event, judgement)
        judgement.matched, judgement.names = self._match(event)
        return judgement

    def completable(self, event: Event) -> bool:
        """Whether a call could still make the event match."""
        return not self._every or all(test(event) for test in self._without_call)

    def _match(self, event: Event) -> tuple[bool, tuple[str, ...]]:
        if self._every:
            return all(test(event) for _, test in self._tests), ()
        if not self._named:
            return any(test(event) for _, test in self._tests), ()
        matching = [name for name, test in self._tests if test(event)]
        return bool(matching), tuple(dict.fromkeys(name for name in matching if name))

    def _extract(self, event: Event, judgement: Judgement) -> None:
        shown: list[bytes] = []
        for extractor, extract in self._extracts:
            found = extract(event)
            if not found:
                continue
            if extractor.internal:
                judgement.dynamic.setdefault(extractor.name, []).extend(found)
            else:
                shown += found
            event.own[extractor.name] = found[0] if len(found) == 1 else list[Value](found)
        for name, values in judgement.dynamic.items():
            if len(values) > 1:
                event.own |= {f"{name}{index}": value for index, value in enumerate(values)}
        judgement.extracted = tuple(dict.fromkeys(shown))


_COST = {
    kind: cost
    for cost, kinds in enumerate(
        (
            (MatcherKind.STATUS,),
            (MatcherKind.WORD, MatcherKind.SIZE, MatcherKind.BINARY),
            (MatcherKind.REGEX,),
            (MatcherKind.DSL,),
        )
    )
    for kind in kinds
} | {MatcherKind.XPATH: 4}
"""Cheap ones first where all must hold: the answer is the same, and most pages fail the first."""


class _WhenNeeded:
    """A matcher's test. Most matchers are never asked, so they are compiled when they are."""

    __slots__ = ("_matcher", "_test")

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._test: Test | None = None

    def __call__(self, event: Event) -> bool:
        if self._test is None:
            self._test = matcher_test(self._matcher)
        return self._test(event)


def _hears(operator: Matcher | Extractor) -> bool:
    return any("interactsh_" in text for text in (*operator.values, operator.part))


def _must_extract_first(block: Block) -> bool:
    """Unless extracted values only show what matched."""
    if any(extractor.internal for extractor in block.extractors):
        return True
    names = [extractor.name for extractor in block.extractors if extractor.name]
    seen = [text for matcher in block.matchers for text in (*matcher.values, matcher.part)]
    return any(name in text for name in names for text in seen)
