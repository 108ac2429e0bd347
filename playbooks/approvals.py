"""Approvals: who agreed to a step, and whether that is enough now."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from playbooks.schema import StepSpec
from secops.execution.journal import Entry, Kind
from secops.model.text import Text
from secops.support.errors import Incomplete


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's agreement to one step. The name is claimed, not authenticated."""

    by: str
    reason: str


Approver = Callable[[StepSpec, int], Approval | None]
"""Asked for one approval when so many are missing; None: nobody is here to give it."""


class NeedsApproval(Incomplete):
    """A step waits for people."""

    def __init__(self, run: str, step: str, missing: int) -> None:
        command = f"secops playbook approve {run} {step} --reason"
        super().__init__(
            Text(
                f"步骤 {step} 还需 {missing} 人批准({command} …),然后 resume",
                f"step {step} waits for {missing} more approval(s) ({command} …), then resume",
            )
        )
        self.step = step


def missing_approvals(step: StepSpec, entries: Iterable[Entry], moment: datetime) -> int:
    """How many different people must still agree; an approval counts once and only until it expires."""
    if step.approval is None:
        return 0
    oldest = moment - timedelta(seconds=step.approval.expires)
    people = {
        entry.body["by"].strip().casefold()
        for entry in entries
        if entry.kind is Kind.APPROVAL and entry.path == step.id and entry.at >= oldest
    }
    return max(0, step.approval.quorum - len(people))
