"""How many business days there are for a finding: a table by level, severity and exposure, in policy.yaml."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Annotated

from pydantic import Field

from secops.model.city import Level
from secops.model.finding import Severity
from secops.model.text import Text
from secops.sla.exposure import Exposure, Networks
from secops.support.strict_yaml import BadFile, Document, KeyPath, Problem, read

SHIPPED = Path(__file__).with_name("policy.yaml")
_STRICT = {"extra": "forbid", "use_attribute_docstrings": True}

Days = Annotated[float, Field(gt=0, le=3650)]
"""Business days."""
Percent = Annotated[int, Field(gt=0, le=100)]


@dataclass(frozen=True, slots=True)
class BySeverity:
    """The time for each severity; info has none."""

    __pydantic_config__ = _STRICT
    critical: Days
    high: Days
    medium: Days
    low: Days


@dataclass(frozen=True, slots=True)
class OfLevel:
    """The times of systems of one level."""

    __pydantic_config__ = _STRICT
    level: Level
    internet: BySeverity
    extranet: BySeverity
    internal: BySeverity


@dataclass(frozen=True, slots=True)
class SlaPolicy:
    """The whole policy, as the file says it."""

    __pydantic_config__ = _STRICT
    deadlines: tuple[OfLevel, ...]
    networks: Networks
    marks: Annotated[tuple[Percent, ...], Field(min_length=1)] = (50, 80, 100)
    """Percent of the time at which there is an event."""
    restart_on_reopen: bool = False
    """Whether a finding that came back gets its full time again."""

    def business_days(self, level: Level, severity: Severity, exposure: Exposure) -> float | None:
        """The time there is; None for info, which need not be mended."""
        if severity is Severity.INFO:
            return None
        return next(_days(one, exposure, severity) for one in self.deadlines if one.level is level)


SCHEMA_KIND, SCHEMA_NAME = SlaPolicy, "sla"


def load_sla_policy(path: Path = SHIPPED) -> SlaPolicy:
    """The policy of a file; BadFile names every problem, with its place."""
    document = read(path)
    policy = document.build(SlaPolicy)
    # Only a table that is whole can be compared row by row.
    if problems := [*_of_levels(document, policy), *_of_marks(document, policy)] or [*_of_figures(document, policy)]:
        raise BadFile(problems)
    return policy


@cache
def shipped_sla_policy() -> SlaPolicy:
    """The policy that comes with Jindun."""
    return load_sla_policy()


def _days(of_level: OfLevel, exposure: Exposure, severity: Severity) -> float:
    days: float = getattr(getattr(of_level, exposure.value), severity.value)
    return days


def _of_levels(document: Document, policy: SlaPolicy) -> Iterator[Problem]:
    counts = Counter(one.level for one in policy.deadlines)
    for level in Level:
        if counts[level] != 1:
            count = counts[level]
            text = Text(
                f"第 {level.value} 级须有一组时限,现有 {count} 组",
                f"level {level.value} needs one set of deadlines and has {count}",
            )
            yield document.problem(("deadlines",), text)


def _of_marks(document: Document, policy: SlaPolicy) -> Iterator[Problem]:
    if list(policy.marks) != sorted(set(policy.marks)) or policy.marks[-1] != 100:
        text = Text("提醒点须递增,且以 100 结束", "marks must rise, and end with 100")
        yield document.problem(("marks",), text)


def _of_figures(document: Document, policy: SlaPolicy) -> Iterator[Problem]:
    """A graver combination, in one of the three respects, never has more time."""
    for row in _rows({one.level: index for index, one in enumerate(policy.deadlines)}):
        for lesser, graver in pairwise(row):
            if graver.days(policy) > lesser.days(policy):
                yield _unfair(document, lesser, graver)


def _rows(index: dict[Level, int]) -> Iterator[list["_Place"]]:
    """Figures that differ in one respect, the least grave first."""
    exposures = [exposure.value for exposure in reversed(Exposure)]
    severities = [severity.value for severity in Severity if severity is not Severity.INFO]
    for exposure, severity in product(exposures, severities):
        yield [_Place(index[level], exposure, severity) for level in Level]
    for level, severity in product(Level, severities):
        yield [_Place(index[level], exposure, severity) for exposure in exposures]
    for level, exposure in product(Level, exposures):
        yield [_Place(index[level], exposure, severity) for severity in severities]


@dataclass(frozen=True, slots=True)
class _Place:
    """One figure of the table."""

    index: int
    exposure: str
    severity: str

    def days(self, policy: SlaPolicy) -> float:
        return _days(policy.deadlines[self.index], Exposure(self.exposure), Severity(self.severity))

    @property
    def path(self) -> KeyPath:
        return ("deadlines", self.index, self.exposure, self.severity)


def _unfair(document: Document, lesser: _Place, graver: _Place) -> Problem:
    line, _ = document.where(lesser.path)
    text = Text(
        f"比较轻的情形(第 {line} 行 {lesser.exposure} {lesser.severity})时限更长",
        f"more time than for the less grave one in line {line}, {lesser.exposure} {lesser.severity}",
    )
    return document.problem(graver.path, text)
