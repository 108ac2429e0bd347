"""The playbook language: the keys that people write, as models that the strict loader reads."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from secops.model.text import Text
from secops.support.durations import parse_duration

Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "examples": ["30s", "5m", "2h"]}),
]
"""Seconds; written with a unit."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Use(_Strict):
    """One action with its options."""

    uses: str
    """Name of the action, e.g. `entry.switch`."""
    options: dict[str, Any] = Field(default_factory=dict, alias="with")
    """Options of the action; `${{ a.b.c }}` looks a value up."""


class RetrySpec(_Strict):
    """How often an effect of the step is tried again."""

    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    delay: Duration = 1.0
    backoff: Annotated[float, Field(ge=1, le=10)] = 2.0
    max_delay: Duration = 60.0


class ApprovalSpec(_Strict):
    """Who must agree before the step."""

    quorum: Annotated[int, Field(ge=1, le=5)] = 1
    """How many different people."""
    expires: Duration = 1800.0
    """How long an approval counts."""


class StepSpec(Use):
    """One step of a playbook."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """Short, lower case; lookups and resumes name the step by it."""
    name: Text | None = None
    """What a person reads."""
    needs: tuple[str, ...] | None = None
    """Steps that must have ended well before; when left out, the step above. `[]` starts at once."""
    when: str | None = None
    """CEL condition; the step is skipped when it is false."""
    check: Use | None = None
    """A reading action: when it succeeds the step is already done and its result stands for the step's."""
    timeout: Duration = 300.0
    """For the whole step, all attempts included."""
    retry: RetrySpec | None = None
    outputs: dict[str, str] = Field(default_factory=dict)
    """Further names for what the action gives: `point: "${{ result.id }}"`."""
    on_failure: Literal["abort", "continue", "rollback"] = "abort"
    rollback: tuple[Use, ...] = ()
    """What undoes the step, in order; run when a later step (or this one) fails with `on_failure: rollback`."""
    approval: ApprovalSpec | None = None
    irreversible: bool = False
    """A point of no return: needs a fence before it."""
    budget: Duration | None = None
    """The step's share of the playbook's `rto`."""


class Triggers(_Strict):
    """What starts the playbook besides a person and the schedule entries of the settings."""

    finding: str | None = None
    """CEL over `finding` and `system`, e.g. `finding.weakness_class == "tamper" && system.level >= 3`."""


class InputSpec(_Strict):
    """A value that a run is given."""

    describes: Text
    default: str | None = None
    """When left out the value must be given, or come from the finding that triggered the run."""
    from_finding: Literal["asset", "system", "id", "first_sign", "tree", "place"] | None = None
    """What a triggering finding gives: its asset, system or id; the moment of its first sign since it was last closed;
    the file tree behind its asset; the isolated place on that tree's host."""


class PlaybookSpec(_Strict):
    """A playbook."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    name: Text
    describes: Text | None = None
    on: Triggers = Triggers()
    inputs: dict[str, InputSpec] = Field(default_factory=dict)
    rto: Duration | None = None
    """Recovery time objective: the budgets along the longest path must fit into it."""
    steps: tuple[StepSpec, ...]

    def step(self, step: str) -> StepSpec:
        """The step with that id. Raises KeyError."""
        return {one.id: one for one in self.steps}[step]

    def needs_of(self, step: StepSpec) -> tuple[str, ...]:
        """What the step waits for: its `needs`, else the step above it."""
        if step.needs is not None:
            return step.needs
        position = self.steps.index(step)
        return (self.steps[position - 1].id,) if position else ()
