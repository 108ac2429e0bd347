"""The contract of an action: the code behind `uses:`. One file in `playbooks/actions/`, found by itself."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

import playbooks.actions
from backup.engine import Keys
from backup.policies import Policy, shipped_policies
from secops.inventory.inventory import Inventory
from secops.model.city import Tier
from secops.model.finding import Finding
from secops.model.step import Procedure
from secops.model.text import Text
from secops.support.plugins import plugins_in


class Touches(StrEnum):
    """What an action does to the world; `validate` asks for rollbacks and fences accordingly."""

    READS = "reads"
    ADDS = "adds"
    """Makes something new beside what there is (a copy, a record): nothing to undo."""
    RETIRES = "retires"
    """Takes away what the policy no longer wants: nothing that could be brought back."""
    CHANGES = "changes"
    """Must be undone by a `rollback`, or be marked `irreversible`."""
    FENCES = "fences"
    """Changes, and makes the old primary harmless: the ancestor that an irreversible step needs."""

    @property
    def needs_rollback(self) -> bool:
        """Whether a failed run leaves the world changed."""
        return self in (Touches.CHANGES, Touches.FENCES)


class Milestone(StrEnum):
    """The timestamp of the timeline that the end of an action marks; see secops.evidence.timings."""

    T3 = "t3"
    """Fence confirmed."""
    T4 = "t4"
    """Promoted: the other centre serves."""
    T5 = "t5"
    """First good business transaction through the entry."""
    T6 = "t6"
    """Protection restored."""


class Options(BaseModel):
    """Base of an action's options; each action defines its own in its file."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Context:
    """What an action may know. Fixed for the whole run, so that a resume sees the same."""

    run: str
    started: datetime
    inventory: Inventory
    keys: Keys
    finding: Finding | None = None
    policies: Mapping[Tier, Policy] = field(default_factory=shipped_policies)


GivenOptions = TypeVar("GivenOptions", bound=Options)


class Action(ABC, Generic[GivenOptions]):
    """Plans steps. A procedure that fails raises ProcedureFailed; the engine decides what follows."""

    name: ClassVar[str]
    title: ClassVar[Text]
    describes: ClassVar[Text]
    touches: ClassVar[Touches]
    options: ClassVar[type[Options]]
    gives: ClassVar[frozenset[str]] = frozenset()
    """Names of the outputs."""
    milestone: ClassVar[Milestone | None] = None
    alone: ClassVar[bool] = False
    """Whether no other run with such an action may work on the same asset meanwhile (its input `asset`)."""
    people: ClassVar[int] = 0
    """How many different people must approve any step that uses it; `validate` refuses a step that asks for fewer."""

    @abstractmethod
    def plan(self, options: GivenOptions, context: Context) -> Procedure[Mapping[str, Any]]:
        """The steps; returns a JSON-able value for every name in `gives`."""


@cache
def all_actions() -> Mapping[str, Action[Any]]:
    """Every action found, by name."""
    return plugins_in(playbooks.actions, Action)
