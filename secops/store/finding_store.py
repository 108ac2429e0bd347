"""The contract that every store of findings passes (tests/contracts/test_finding_store.py)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from secops.model.acceptance import Acceptance
from secops.model.finding import Finding, State
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text
from secops.store.edits import Edit
from secops.store.event import Event, Recorded
from secops.store.moving import Movable
from secops.store.query import FIELDS, Query, field_named
from secops.support.errors import BadInput

LARGEST_PAGE = 1000
"""The most findings that one page may hold."""


@dataclass(frozen=True, slots=True)
class Page:
    """Findings in the order of the query, and where the next page starts."""

    findings: tuple[Finding, ...]
    next_cursor: str | None


Counts: TypeAlias = Mapping[tuple[str, ...], int]
"""How many findings have these values of the fields that were asked for."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody did: an edit, a decision on a risk, the approval of a baseline."""

    at: datetime
    actor: str
    action: str
    """`edit`, `acceptance`, `baseline`."""
    subject: str
    """Id of the finding or acceptance, or asset and check of the baseline."""
    detail: str
    reason: Text


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """How one evaluation of one (asset, check) ended, and when any scan last evaluated that pair successfully."""

    system: str
    asset: str
    check: str
    scan: str
    outcome: Outcome
    reason: Text
    at: datetime
    last_successful: datetime | None


@dataclass(frozen=True, slots=True)
class StoredObservation:
    """An observation without its body."""

    asset: str
    check: str
    at: datetime
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval of a baseline."""

    approved_by: str
    at: datetime
    sha256: str
    """Of the approved observation."""


def require_page(limit: int) -> None:
    """Raises BadInput for a page of no size or too many findings."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise BadInput(
            Text(f"每页条数须在 1 到 {LARGEST_PAGE} 之间", f"a page holds 1 to {LARGEST_PAGE} findings, not {limit}")
        )


def require_approver(approved_by: str) -> None:
    """Raises BadInput for a baseline that nobody approves."""
    if not approved_by.strip():
        raise BadInput(Text("须写明是谁批准了基线", "say who approves the baseline"))


def require_groupable(by: Iterable[str]) -> None:
    """Raises BadInput for a field that findings cannot be counted by."""
    for name in by:
        if not field_named(name).groupable:
            choices = ", ".join(field.name for field in FIELDS.values() if field.groupable)
            raise BadInput(Text(f"不能按 {name} 统计;可以按:{choices}", f"cannot count by {name}; count by: {choices}"))


class FindingStore(Movable, Protocol):
    """Keeps observations, findings, coverage and baselines. Safe to use from several threads and several processes.

    Everything written is on disk when a method returns; a method that raises has written nothing. Times are UTC.
    Every method may raise Incomplete when the store cannot be reached, is locked for too long, or has no room.
    """

    def record(self, scan: str, evaluations: Iterable[Evaluation]) -> Recorded:
        """Write evaluations of one scan at once: observations and coverage appended, findings merged.

        A finding resolves by itself only when the same (asset, check) was evaluated successfully and did not find it,
        by a noisy check twice in a row; a resolved one that is seen again is reopened. An evaluation that is not
        successful may report weaknesses, but closes nothing. One that began before a finding was last seen or last
        moved does not move it. Recording the same (scan, asset, check) twice changes nothing.
        """
        ...

    def get(self, finding: str) -> Finding:
        """The finding; an unambiguous beginning of its id is enough. Raises NotFound."""
        ...

    def find(self, query: Query, limit: int = 100, cursor: str | None = None) -> Page:
        """A page of findings by keyset, in the order of the query.

        `limit` is 1 to LARGEST_PAGE. A cursor goes with the query that it came from; raises BadInput for any other.
        """
        ...

    def count(self, query: Query, by: Sequence[str] = ()) -> Counts:
        """How many findings there are, for each of the values of the fields `by` that occur; its order is left out.

        Without fields the one key is `()`, also when nothing was found. Raises BadInput for a field that is not
        `groupable`.
        """
        ...

    def history(self, finding: str) -> Sequence[Event]:
        """Every change, oldest first. Raises NotFound."""
        ...

    def edit(self, edit: Edit, *, actor: str) -> Finding:
        """Do it, and give its finding as it is then. Raises Conflict, ForbiddenTransition, NotFound, BadInput; then
        nothing is changed.

        A revision is the one that the person saw. Being seen again leaves it as it is, so that a running scan never
        stands in a person's way; a changed state or severity is something they should know first.
        """
        ...

    def edit_each(self, edits: Iterable[Edit], *, actor: str) -> tuple[str, ...]:
        """Do each by itself, and give the ids of the findings of those that were done; a refused one changes nothing."""
        ...

    def acceptances(self) -> Sequence[Acceptance]:
        """All that were ever requested, by when and id."""
        ...

    def keep_acceptance(self, acceptance: Acceptance, *, actor: str, action: str) -> None:
        """Write it, its revision one more than the present one (1: new). Raises Conflict for any other revision."""
        ...

    def audit(self, since: datetime | None = None) -> Sequence[AuditEntry]:
        """What people and policies did, oldest first."""
        ...

    def transition(self, finding: str, to: State, *, revision: int, actor: str, reason: str) -> Finding:
        """Move a finding by hand: the edit `Move` in the words of the one who does it."""
        ...

    def coverage(self, scan: str | None = None) -> Sequence[CoverageRow]:
        """One row per (asset, check) of the scan, or the newest of each; by system, asset, check."""
        ...

    def approve_baseline(self, asset: str, check: str, observation: bytes, approved_by: str) -> None:
        """Make an observation the baseline; earlier ones are kept in history."""
        ...

    def baseline(self, asset: str, check: str) -> tuple[bytes, str] | None:
        """The approved observation and who approved it."""
        ...

    def baseline_history(self, asset: str, check: str) -> Sequence[Approval]:
        """Every approval, oldest first."""
        ...

    def latest_observation(self, asset: str, check: str) -> bytes | None:
        """The newest observation that is not empty."""
        ...

    def observations(self, scan: str) -> Sequence[StoredObservation]:
        """What the scan observed, by asset and check."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
