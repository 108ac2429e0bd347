"""The contract that every store of findings passes (tests/contracts/test_finding_store.py)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from secops.model.finding import Finding, Severity, State
from secops.model.outcome import Evaluation
from secops.support.errors import BadInput


class Conflict(BadInput):
    """Somebody else changed the finding since it was read; read it again."""


class ForbiddenTransition(BadInput):
    """The life cycle does not lead from the present state to the wanted one."""


class NotFound(BadInput):
    """No finding has that id."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which findings to list; empty fields match all. The query language of a later version compiles to this seam."""

    states: frozenset[State] = frozenset()
    severities: frozenset[Severity] = frozenset()
    systems: frozenset[str] = frozenset()
    assets: frozenset[str] = frozenset()
    checks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Page:
    """Findings, worst and newest first, and where the next page starts."""

    findings: tuple[Finding, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one finding."""

    finding: str
    revision: int
    at: datetime
    actor: str
    change: str
    """`seen`, `reopened`, `resolved`, or `state: new → triaged`."""
    reason: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording one scan's evaluations changed, by finding id."""

    new: tuple[str, ...]
    seen_again: tuple[str, ...]
    reopened: tuple[str, ...]
    resolved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """How the newest evaluation of one (asset, check) ended, and the newest successful one."""

    system: str
    asset: str
    check: str
    scan: str
    outcome: str
    reason_zh: str
    reason_en: str
    at: datetime
    last_successful: datetime | None


class FindingStore(Protocol):
    """Keeps observations, findings, coverage and baselines. Safe to use from several threads of one process.

    Everything written is on disk when a method returns. Times are UTC.
    """

    def record(self, scan: str, evaluations: Iterable[Evaluation]) -> Recorded:
        """Write evaluations of one scan: observations and coverage appended, findings merged.

        A finding resolves by itself only when the same (asset, check) was evaluated successfully and did not find it;
        a resolved one that is seen again is reopened. Recording the same scan's evaluation twice changes nothing.
        """
        ...

    def get(self, finding: str) -> Finding:
        """The finding; an unambiguous prefix of its id is enough. Raises NotFound."""
        ...

    def list(self, which: Filter, limit: int = 100, cursor: str | None = None) -> Page:
        """A page of findings by keyset: worst severity first, then newest, then id."""
        ...

    def history(self, finding: str) -> Sequence[Event]:
        """Every change, oldest first."""
        ...

    def transition(self, finding: str, to: State, *, revision: int, actor: str, reason: str) -> Finding:
        """Move a finding by hand. Raises Conflict, ForbiddenTransition, NotFound; then nothing is changed."""
        ...

    def coverage(self, scan: str | None = None) -> Sequence[CoverageRow]:
        """One row per (asset, check) of the scan, or the newest of each."""
        ...

    def approve_baseline(self, asset: str, check: str, observation: bytes, approved_by: str) -> None:
        """Make an observation the baseline; earlier ones are kept in history."""
        ...

    def baseline(self, asset: str, check: str) -> tuple[bytes, str] | None:
        """The approved observation and who approved it."""
        ...

    def latest_observation(self, asset: str, check: str) -> bytes | None:
        """The newest observation that is not empty."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
