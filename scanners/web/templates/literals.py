"""Which blocks an answer can match at all, told by one pass over each of its parts for the words of all templates.

A block is ruled out only when something that every match needs is certainly missing: its status, or a word that must be in
some part. Whatever is not understood is never ruled out, so judging gives the same results with and without this.
"""

import binascii
from collections import defaultdict
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import ahocorasick

from scanners.web.templates.expressions.regexes import required_literal
from scanners.web.templates.expressions.syntax import Call, Infix, Literal, Node, Variable, parse
from scanners.web.templates.expressions.values import as_text, lower
from scanners.web.templates.matching import is_static, static_words
from scanners.web.templates.model import Block, Matcher, MatcherKind, Template
from scanners.web.templates.page import BlockKey, Page

Word: TypeAlias = tuple[str, bool, bytes]
"""A part, whether in lower case, and what must be in it."""
Need: TypeAlias = frozenset[Word]
"""One of these words must be there."""
_PARTS = {"body": "body", "header": "header", "all_headers": "header", "response": "response"}
_SHORTEST = 3
_WORTH_A_PASS = 30


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a block cannot do without."""

    statuses: frozenset[int] | None
    needs: tuple[Need, ...]


class Candidates(Container[BlockKey]):
    """The blocks that an answer can match; blocks that nobody indexed are among them."""

    __slots__ = ("_index", "_page", "_words")

    def __init__(self, index: "Literals", page: Page, words: frozenset[Word]) -> None:
        self._index, self._page, self._words = index, page, words

    def __contains__(self, key: object) -> bool:
        rule = self._index.rules.get(key)  # type: ignore[call-overload]
        if rule is None:
            return True
        if rule.statuses is not None and self._page.status not in rule.statuses:
            return False
        return all(not self._words.isdisjoint(need) for need in rule.needs)


class Literals:
    """The words of many templates, in one automaton for each part."""

    def __init__(self, templates: Iterable[Template]) -> None:
        self.rules: dict[BlockKey, _Rule] = {}
        by_part: dict[tuple[str, bool], set[bytes]] = defaultdict(set)
        for template in templates:
            for index, block in enumerate(template.blocks):
                rule = rule_of(block)
                if rule is None:
                    continue
                self.rules[template.identity, index] = rule
                for part, lowered, word in (word for need in rule.needs for word in need):
                    by_part[part, lowered].add(word)
        self._automata = {place: _automaton(place, words) for place, words in by_part.items()}

    def candidates(self, page: Page) -> Candidates:
        """The blocks that a page can match."""
        found: set[Word] = set()
        for (part, lowered), automaton in self._automata.items():
            text = page.lowered(part) if lowered else page.part(part)
            if text:
                found.update(word for _, word in automaton.iter(text.decode("latin-1")))
        return Candidates(self, page, frozenset(found))

    def mark(self, page: Page, waiting: int) -> Page:
        """Let a page that `waiting` blocks are to look at know its candidates, so that the others need not.

        For few blocks the pass costs more than it saves, and nothing is done.
        """
        if waiting >= _WORTH_A_PASS and page.possible is None:
            page.possible = self.candidates(page)
        return page


def _automaton(place: tuple[str, bool], words: Collection[bytes]) -> Any:
    """Bytes are read as ISO 8859-1: the automaton knows characters only."""
    automaton = ahocorasick.Automaton()
    for word in words:
        automaton.add_word(word.decode("latin-1"), (*place, word))
    automaton.make_automaton()
    return automaton


def rule_of(block: Block) -> _Rule | None:
    """What a match of the block needs; None when nothing is known.

    Blocks that take values out for later requests have to see every answer.
    """
    if not block.matchers or any(extractor.internal for extractor in block.extractors):
        return None
    matchers = [_matcher_rule(matcher) for matcher in block.matchers]
    rule = _all_of(matchers) if block.every_matcher else _one_of(matchers)
    return rule if rule.needs or rule.statuses is not None else None


def _all_of(rules: list[_Rule]) -> _Rule:
    statuses = [rule.statuses for rule in rules if rule.statuses is not None]
    common = frozenset.intersection(*statuses) if statuses else None
    return _Rule(common, tuple(dict.fromkeys(need for rule in rules for need in rule.needs)))


def _one_of(rules: list[_Rule]) -> _Rule:
    """Statuses when all know theirs; words when all know one."""
    statuses = [rule.statuses for rule in rules if rule.statuses is not None]
    known = frozenset().union(*statuses) if len(statuses) == len(rules) and statuses else None
    if not rules or not all(rule.needs for rule in rules):
        return _Rule(known, ())
    return _Rule(known, (frozenset().union(*(_narrowest(rule.needs) for rule in rules)),))


def _narrowest(needs: Iterable[Need]) -> Need:
    return min(needs, key=len)


_NOTHING = _Rule(None, ())


def _matcher_rule(matcher: Matcher) -> _Rule:
    if matcher.negative:
        return _NOTHING
    if matcher.kind is MatcherKind.STATUS:
        return _Rule(frozenset(matcher.numbers), ())
    if matcher.kind is MatcherKind.DSL:
        rules = [_expression_rule(parse(source)) for source in matcher.values]
        # The last expression of `and` alone decides where others are neither true nor false.
        return (_all_of(rules) if matcher.every else _one_of(rules)) if rules else _NOTHING
    part = _PARTS.get(matcher.part)
    words = None if part is None else _needed_words(matcher)
    if part is None or words is None:
        return _NOTHING
    placed = [(part, matcher.case_insensitive, word) for word in words]
    if matcher.every:
        usable = [frozenset({word}) for word in placed if len(word[2]) >= _SHORTEST]
        return _Rule(None, tuple(usable))
    usable_all = all(len(word) >= _SHORTEST for word in words) and bool(words)
    return _Rule(None, (frozenset(placed),) if usable_all else ())


def _needed_words(matcher: Matcher) -> list[bytes] | None:
    if matcher.kind is MatcherKind.WORD:
        return static_words(matcher) if is_static(matcher) else None
    if matcher.kind is MatcherKind.BINARY:
        words = [binascii.unhexlify(value) for value in matcher.values]
        return [lower(word) for word in words] if matcher.case_insensitive else words
    if matcher.kind is MatcherKind.REGEX:
        return [required_literal(pattern) for pattern in matcher.values]
    return None


def _expression_rule(node: Node) -> _Rule:
    match node:
        case Infix("&&", left, right):
            return _all_of([_expression_rule(left), _expression_rule(right)])
        case Infix("||", left, right):
            return _one_of([_expression_rule(left), _expression_rule(right)])
        case Infix("==", Variable("status_code"), Literal(float() as status)):
            return _Rule(frozenset({int(status)}), ())
        case Call(function, arguments):
            return _call_rule(function.name, arguments)
        case _:
            return _NOTHING


def _call_rule(name: str, arguments: tuple[Node, ...]) -> _Rule:
    if name == "regex":
        pattern, haystack = arguments
        literal = (
            required_literal(as_text(pattern.value).decode("utf-8", "replace")) if isinstance(pattern, Literal) else b""
        )
        return _words_rule(haystack, [literal], every=True)
    if name not in ("contains", "contains_all", "contains_any") or len(arguments) < 2:
        return _NOTHING
    words = [as_text(item.value) if isinstance(item, Literal) else b"" for item in arguments[1:]]
    return _words_rule(arguments[0], words, every=name != "contains_any")


def _words_rule(haystack: Node, words: list[bytes], every: bool) -> _Rule:
    place = _place_of(haystack)
    if place is None:
        return _NOTHING
    placed = [(*place, word) for word in words]
    if every:
        return _Rule(None, tuple(frozenset({word}) for word in placed if len(word[2]) >= _SHORTEST))
    return _Rule(None, (frozenset(placed),) if all(len(word) >= _SHORTEST for word in words) else ())


def _place_of(haystack: Node) -> tuple[str, bool] | None:
    match haystack:
        case Variable(name) if name in _PARTS:
            return _PARTS[name], False
        case Call(function, (Variable(name),)) if function.name == "to_lower" and name in _PARTS:
            return _PARTS[name], True
        case _:
            return None
