"""Extractors made into functions of an event: values in the order of the page, each once."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from scanners.web.templates.event import Event
from scanners.web.templates.expressions.compiling import Evaluate, expression
from scanners.web.templates.expressions.regexes import Regex
from scanners.web.templates.expressions.values import EvaluationError, as_printed, as_text, lower
from scanners.web.templates.json_query import json_query, run_query
from scanners.web.templates.model import Extractor, ExtractorKind
from scanners.web.templates.xpath import found_by, xpath

Extract: TypeAlias = Callable[[Event], list[bytes]]


def extraction(extractor: Extractor) -> Extract:
    """What an extractor finds in an event."""
    find = _FINDERS[extractor.kind](extractor)
    return lambda event: list(dict.fromkeys(find(event)))


def _regex(extractor: Extractor) -> Callable[[Event], Iterable[bytes]]:
    patterns, part, group = [Regex(pattern) for pattern in extractor.values], extractor.part, extractor.group

    def find(event: Event) -> Iterable[bytes]:
        text = event.part(part)
        return () if text is None else (found for pattern in patterns for found in pattern.matches(text, group))

    return find


def _kval(extractor: Extractor) -> Callable[[Event], Iterable[bytes]]:
    def find(event: Event) -> Iterable[bytes]:
        for key in extractor.values:
            text = event.part(key.lower() if extractor.case_insensitive else key)
            if text is not None:
                yield lower(text) if extractor.case_insensitive else text

    return find


def _json(extractor: Extractor) -> Callable[[Event], Iterable[bytes]]:
    queries = [json_query(query) for query in extractor.values]

    def find(event: Event) -> Iterable[bytes]:
        text = event.part(extractor.part)
        return () if text is None else (found for query in queries for found in run_query(query, text))

    return find


def _xpath(extractor: Extractor) -> Callable[[Event], Iterable[bytes]]:
    paths = [xpath(path) for path in extractor.values]

    def find(event: Event) -> Iterable[bytes]:
        tree = event.page.tree(extractor.part)
        return () if tree is None else (found for path in paths for found in found_by(path, tree, extractor.attribute))

    return find


def _dsl(extractor: Extractor) -> Callable[[Event], Iterable[bytes]]:
    evaluates: list[Evaluate] = [expression(source) for source in extractor.values]

    def find(event: Event) -> Iterable[bytes]:
        for evaluate in evaluates:
            try:
                value = evaluate(event)
            except EvaluationError:
                continue
            text = as_printed(value) if isinstance(value, float) else as_text(value)
            if text:
                yield text

    return find


_FINDERS: dict[ExtractorKind, Callable[[Extractor], Callable[[Event], Iterable[bytes]]]] = {
    ExtractorKind.REGEX: _regex,
    ExtractorKind.KVAL: _kval,
    ExtractorKind.JSON: _json,
    ExtractorKind.XPATH: _xpath,
    ExtractorKind.DSL: _dsl,
}
