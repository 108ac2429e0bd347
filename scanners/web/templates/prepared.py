"""Templates ready to run: texts and conditions compiled once, when they are needed first."""

from functools import cached_property
from weakref import WeakKeyDictionary

from scanners.web.templates.building import StepText
from scanners.web.templates.expressions.compiling import Evaluate, compiled
from scanners.web.templates.expressions.syntax import text_node
from scanners.web.templates.flow import Both, Run, Step, parse_flow, straight_flow
from scanners.web.templates.judging import Judging
from scanners.web.templates.model import Block, Matcher, MatcherKind, Template
from scanners.web.templates.settling import Settling, settling_of


class PreparedBlock:
    """A block ready to run."""

    def __init__(self, block: Block) -> None:
        self._block = block

    @cached_property
    def judging(self) -> Judging:
        """Its matchers and extractors."""
        return Judging(self._block)

    @cached_property
    def is_deaf(self) -> bool:
        """Whether without a listener nothing comes of it: no answer makes it match, and it takes out nothing."""
        block = self._block
        if not block.matchers or any(extractor.internal for extractor in block.extractors):
            return False
        chosen = any if block.every_matcher else all
        return chosen(_looks_at_calls(matcher) for matcher in block.matchers)

    @cached_property
    def steps(self) -> tuple[StepText, ...]:
        """Its requests, in order."""
        sources, are_raw = (self._block.paths, False) if self._block.paths else (self._block.raws, True)
        return tuple(StepText(self._block, source, are_raw) for source in sources)

    @cached_property
    def settling(self) -> Settling:
        """When it need not go on."""
        return settling_of(self._block)


class PreparedTemplate:
    """A template ready to run."""

    def __init__(self, template: Template) -> None:
        self.blocks = tuple(PreparedBlock(block) for block in template.blocks)
        identities = tuple(block.identity for block in template.blocks)
        self.steps: Step = parse_flow(template.flow, identities) if template.flow else straight_flow(len(self.blocks))
        self.is_chain = _is_chain(self.steps)
        """A block that does not match ends the run."""
        self.variables: tuple[tuple[str, Evaluate], ...] = tuple(
            (name, compiled(text_node(value))) for name, value in template.variables
        )


def _looks_at_calls(matcher: Matcher) -> bool:
    """Whether it is false without a call: what a part that is missing should not hold is not there, either."""
    return matcher.kind is not MatcherKind.DSL and matcher.part.startswith("interactsh_")


def _is_chain(step: Step) -> bool:
    match step:
        case Run(blocks):
            return len(blocks) <= 1
        case Both(left, right):
            return _is_chain(left) and _is_chain(right)
        case _:
            return False


_ready: WeakKeyDictionary[Template, PreparedTemplate] = WeakKeyDictionary()


def prepared(template: Template) -> PreparedTemplate:
    """The template ready to run, made once."""
    found = _ready.get(template)
    if found is None:
        found = _ready[template] = PreparedTemplate(template)
    return found
