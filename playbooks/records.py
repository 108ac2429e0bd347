"""How the steps of a run stand, read back from its journal."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from secops.execution.journal import Entry, Kind
from secops.model.text import Text


class StepState(StrEnum):
    """How a playbook step ended."""

    DONE = "done"
    ALREADY_DONE = "already_done"
    SKIPPED = "skipped"
    FAILED = "failed"
    WOULD_DO = "would_do"
    """Rehearsal: it would change something."""
    LOOKED = "looked"
    """Rehearsal: it only reads, and did so."""
    CANNOT = "cannot"
    """Rehearsal: a live probe says that it would fail."""
    LATER = "later"
    """Rehearsal: it depends on what an earlier step would have made."""

    @property
    def settled(self) -> bool:
        """Whether the steps that wait for it may start."""
        return self not in (StepState.FAILED, StepState.CANNOT)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """The end of one playbook step. `path` is its id, or `id!rollback/n`."""

    path: str
    state: StepState
    because: Text
    at: datetime
    seconds: float = 0.0
    outputs: dict[str, Any] = field(default_factory=dict)
    milestone: str = ""
    over_budget_seconds: float = 0.0

    def body(self) -> dict[str, Any]:
        """What the journal keeps."""
        return {
            "state": self.state,
            "zh": self.because.zh,
            "en": self.because.en,
            "seconds": self.seconds,
            "outputs": self.outputs,
            "milestone": self.milestone,
            "over_budget_seconds": self.over_budget_seconds,
        }


def step_records(entries: Iterable[Entry]) -> dict[str, StepRecord]:
    """The recorded ends by path, in the order in which they happened."""
    return {entry.path: record_of(entry) for entry in entries if entry.kind is Kind.STEP}


def record_of(entry: Entry) -> StepRecord:
    """The record that a step entry of the journal holds."""
    body = dict(entry.body)
    because = Text(body.pop("zh"), body.pop("en"))
    return StepRecord(entry.path, StepState(body.pop("state")), because, entry.at, **body)
