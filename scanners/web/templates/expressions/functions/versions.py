"""The helper that compares versions."""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from scanners.web.templates.expressions.functions.registry import helper
from scanners.web.templates.expressions.values import EvaluationError, Value, as_text

_VERSION = (
    r"v?([0-9]+(?:\.[0-9]+)*?)"
    r"(?:-([0-9]+[0-9A-Za-z\-~]*(?:\.[0-9A-Za-z\-~]+)*)|(?:-?([A-Za-z\-~]+[0-9A-Za-z\-~]*(?:\.[0-9A-Za-z\-~]+)*)))?"
    r"(\+[0-9A-Za-z\-~]+(?:\.[0-9A-Za-z\-~]+)*)?"
)
_WHOLE = re.compile(_VERSION)
_CONSTRAINT = re.compile(rf"\s*(>=|<=|!=|~>|=|>|<|)\s*({_VERSION})\s*")
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Version:
    """Numbers, padded to three, and what comes before the release."""

    numbers: tuple[int, ...]
    written: int
    """How many numbers were written."""
    before: str
    build: str


def version_of(text: str) -> Version:
    """Read `v1.2.3-beta.1+build` and shorter. Raises EvaluationError."""
    found = _WHOLE.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise EvaluationError(f"not a version: {text[:40]}")
    numbers = [int(number) for number in found[1].split(".")]
    padded = tuple(numbers + [0] * (3 - len(numbers)))
    return Version(padded, len(numbers), found[3] or found[2] or "", found[4] or "")


@helper("compare_versions", 2, None)
def compare_versions(version: Value, *constraints: Value) -> Value:
    """Whether a version meets all constraints, as `>= 1.2, < 1.4`."""
    wanted = _constraints(b",".join(as_text(constraint) for constraint in constraints).decode("utf-8", "replace"))
    given = version_of(as_text(version).decode("utf-8", "replace"))
    return all(_meets(given, operator, limit) for operator, limit in wanted)


@lru_cache(maxsize=1024)
def _constraints(text: str) -> tuple[tuple[str, Version], ...]:
    return tuple(_constraint(single) for single in text.split(","))


def _constraint(text: str) -> tuple[str, Version]:
    found = _CONSTRAINT.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise EvaluationError(f"not a version constraint: {text[:40]}")
    return found[1], version_of(found[2])


def _meets(version: Version, operator: str, limit: Version) -> bool:
    order = compared(version, limit)
    if operator in ("", "="):
        return order == 0
    if operator == "!=":
        return order != 0
    if version.before and (not limit.before or version.numbers != limit.numbers):
        return False
    if operator == "~>":
        return _close_enough(version, limit, order)
    return {">": order > 0, "<": order < 0, ">=": order >= 0, "<=": order <= 0}[operator]


def _close_enough(version: Version, limit: Version, order: int) -> bool:
    """Only the last number written in the limit may grow."""
    if order < 0 or (limit.before and not version.before) or len(limit.numbers) > len(version.numbers):
        return False
    same = limit.written - 1
    last = len(limit.numbers) - 1
    return version.numbers[:same] == limit.numbers[:same] and version.numbers[last] >= limit.numbers[last]


def compared(left: Version, right: Version) -> int:
    """-1, 0 or 1; a version before the release comes before the release."""
    if (left.numbers, left.before, left.build) == (right.numbers, right.before, right.build):
        return 0
    if left.numbers == right.numbers:
        return _before_compared(left.before, right.before)
    for one, other in zip_longest(left.numbers, right.numbers, fillvalue=0):
        if one != other:
            return 1 if one > other else -1
    return 0


def _before_compared(left: str, right: str) -> int:
    if left == right:
        return 0
    if not left or not right:
        return 1 if not left else -1
    for one, other in zip_longest(left.split("."), right.split("."), fillvalue=""):
        if one != other:
            return _part_compared(one, other)
    return 0


def _part_compared(one: str, other: str) -> int:
    if not one or not other:
        given = one if one else other
        return (-1 if not one else 1) * (1 if given.isdigit() else -1)
    if one.isdigit() and other.isdigit():
        return 1 if int(one) > int(other) else -1
    if one.isdigit() != other.isdigit():
        return -1 if one.isdigit() else 1
    return 1 if one > other else -1
