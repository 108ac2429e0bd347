"""Matchers made into functions of an event."""

import binascii
from collections.abc import Callable
from typing import TypeAlias

from scanners.web.templates.event import Event
from scanners.web.templates.expressions.compiling import compiled, expression
from scanners.web.templates.expressions.regexes import Regex
from scanners.web.templates.expressions.syntax import text_node
from scanners.web.templates.expressions.values import EvaluationError, as_text, lower
from scanners.web.templates.model import Matcher, MatcherKind
from scanners.web.templates.xpath import xpath

Test: TypeAlias = Callable[[Event], bool]
_Find: TypeAlias = Callable[[Event, bytes], bool]


def matcher_test(matcher: Matcher) -> Test:
    """Whether an event satisfies a matcher, its negation included."""
    wanted = not matcher.negative
    if matcher.kind is MatcherKind.STATUS:
        statuses = frozenset(matcher.numbers)
        return lambda event: (event.page.status in statuses) is wanted
    if matcher.kind is MatcherKind.DSL:
        holds = _dsl(matcher)
        return lambda event: holds(event) is wanted
    return _on_part(matcher, wanted)


def _on_part(matcher: Matcher, wanted: bool) -> Test:
    """A missing part makes a matcher false, negated or not."""
    part, find = matcher.part, _FINDERS[matcher.kind](matcher)
    if matcher.case_insensitive and matcher.kind in (MatcherKind.WORD, MatcherKind.BINARY):
        return _on_lowered(part, find, wanted)

    def test(event: Event) -> bool:
        text = event.part(part)
        return text is not None and find(event, text) is wanted

    return test


def _on_lowered(part: str, find: _Find, wanted: bool) -> Test:
    def test(event: Event) -> bool:
        try:
            return find(event, event.lowered(part)) is wanted
        except KeyError:
            return False

    return test


def _words(matcher: Matcher) -> _Find:
    if is_static(matcher):
        return _fixed(static_words(matcher), matcher.every)
    nodes = [text_node(word) for word in matcher.values]
    wanted = [compiled(node) for node in nodes]
    change = lower if matcher.case_insensitive else as_text
    choose = all if matcher.every else any
    return lambda event, text: choose(change(as_text(word(event))) in text for word in wanted)


def is_static(matcher: Matcher) -> bool:
    """Whether no word has a placeholder."""
    return not any("{{" in word or "§" in word for word in matcher.values)


def static_words(matcher: Matcher) -> list[bytes]:
    """The words of a matcher that has no placeholders, as they are looked for."""
    words = [word.encode("utf-8", "surrogateescape") for word in matcher.values]
    return [lower(word) for word in words] if matcher.case_insensitive else words


def _fixed(words: list[bytes], every: bool) -> _Find:
    if len(words) == 1:
        only = words[0]
        return lambda _, text: only in text
    if every and words:
        return lambda _, text: all(word in text for word in words)
    return lambda _, text: any(word in text for word in words)


def _binary(matcher: Matcher) -> _Find:
    words = [binascii.unhexlify(value) for value in matcher.values]
    return _fixed([lower(word) for word in words] if matcher.case_insensitive else words, matcher.every)


def _regexes(matcher: Matcher) -> _Find:
    patterns = [Regex(pattern) for pattern in matcher.values]
    if matcher.every and patterns:
        return lambda _, text: all(pattern.found_in(text) for pattern in patterns)
    return lambda _, text: any(pattern.found_in(text) for pattern in patterns)


def _sizes(matcher: Matcher) -> _Find:
    sizes = frozenset(matcher.numbers)
    return lambda _, text: len(text) in sizes


def _xpaths(matcher: Matcher) -> _Find:
    paths = [xpath(path) for path in matcher.values]
    choose = all if matcher.every and paths else any

    def find(event: Event, _: bytes) -> bool:
        tree = event.page.tree(matcher.part)
        return tree is not None and choose(bool(path(tree)) for path in paths)

    return find


_FINDERS: dict[MatcherKind, Callable[[Matcher], _Find]] = {
    MatcherKind.WORD: _words,
    MatcherKind.REGEX: _regexes,
    MatcherKind.SIZE: _sizes,
    MatcherKind.BINARY: _binary,
    MatcherKind.XPATH: _xpaths,
}


def _dsl(matcher: Matcher) -> Test:
    """An expression without value makes `and` false and counts for nothing in `or`; so does one that is no bool."""
    sources = matcher.values
    if not matcher.every:
        return lambda event: any(_value(source, event) is True for source in sources)

    def every(event: Event) -> bool:
        for source in sources[:-1]:
            if _value(source, event) in (False, None):
                return False
        return bool(sources) and _value(sources[-1], event) is True

    return every


def _value(source: str, event: Event) -> bool | str | None:
    """None for an error, text for a value that is neither true nor false."""
    try:
        value = expression(source)(event)
    except EvaluationError:
        return None
    return value if isinstance(value, bool) else "other"
