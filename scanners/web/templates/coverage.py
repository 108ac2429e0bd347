"""What the templates of a library use, and what of it is not run: counts by feature."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scanners.web.redirects import Follow
from scanners.web.templates.expressions.syntax import Call, nodes_of, parse
from scanners.web.templates.features import FEATURES
from scanners.web.templates.library import Library
from scanners.web.templates.model import Block, MatcherKind, Refused, Template
from secops.model.text import Text

NOT_MEANT = frozenset(
    {"self-contained", "protocol", "workflow", "not-a-template", "not-yaml", "unreadable", "too-large", "duplicate-id"}
)
"""Reasons of files that are no HTTP template against the scanned system, and so are none that is missing."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts of templates."""

    runnable: int
    unsupported: int
    """HTTP templates against the scanned system that are not run."""
    not_meant: int
    """Files of other kinds."""
    used: dict[str, int]
    """Features of the runnable ones, most used first."""
    missing: dict[str, int]
    """Reasons of all that are refused, most frequent first; a file may have several."""

    @property
    def share(self) -> float:
        """Of the HTTP templates against the scanned system, the part that is run."""
        meant = self.runnable + self.unsupported
        return self.runnable / meant if meant else 1.0


def coverage(library: Library) -> Coverage:
    """Count what a library can do."""
    used = Counter(feature for template in library.templates for feature in set(features_of(template)))
    missing = Counter(feature for refused in library.refused for feature in {one.feature for one in refused.reasons})
    unsupported = sum(1 for refused in library.refused if is_meant(refused))
    return Coverage(
        runnable=len(library.templates),
        unsupported=unsupported,
        not_meant=len(library.refused) - unsupported,
        used=dict(used.most_common()),
        missing=dict(missing.most_common()),
    )


def is_meant(refused: Refused) -> bool:
    """Whether it is an HTTP template against the scanned system."""
    return not any(one.feature in NOT_MEANT for one in refused.reasons)


def reason_text(feature: str) -> Text:
    """The sentence of a feature that is not supported."""
    return FEATURES.get(feature, Text(feature, feature))


def features_of(template: Template) -> Iterator[str]:
    """Everything that a template uses."""
    if template.variables:
        yield "variables"
    if template.flow:
        yield "flow"
    if len(template.blocks) > 1:
        yield "several blocks"
    for block in template.blocks:
        yield from _block_features(block)


def _block_features(block: Block) -> Iterator[str]:
    sending = block.sending
    flags = {
        "raw": bool(block.raws),
        "several raw requests": len(block.raws) > 1,
        "several paths": len(block.paths) > 1,
        f"payloads {block.attack}": bool(block.payloads),
        f"redirects {sending.redirects.follow}": sending.redirects.follow is not Follow.NOWHERE,
        "unsafe": sending.unsafe,
        "stop at first match": sending.stop_at_first_match,
        "iterate all": sending.iterate_all,
        "skip variables check": sending.skip_variables_check,
        "largest size": bool(sending.most_bytes),
        "without cookies": not sending.cookies,
        "out of band": any("interactsh" in text for text in (*block.paths, *block.raws, block.body)),
    }
    yield from (name for name, there in flags.items() if there)
    yield from _operator_features(block)


def _operator_features(block: Block) -> Iterator[str]:
    for matcher in block.matchers:
        yield f"matcher {matcher.kind}"
        yield f"part {matcher.part}" if matcher.kind is not MatcherKind.DSL else "part dsl"
        for name in ("negative", "internal", "case_insensitive"):
            if getattr(matcher, name):
                yield f"matcher {name.replace('_', '-')}"
        if matcher.kind is MatcherKind.DSL:
            yield from _helpers(matcher.values)
    for extractor in block.extractors:
        yield f"extractor {extractor.kind}"
        if extractor.internal:
            yield "extractor internal"


def _helpers(sources: Iterable[str]) -> Iterator[str]:
    for source in sources:
        yield from (f"helper {node.function.name}" for node in nodes_of(parse(source)) if isinstance(node, Call))
