"""The contract of a check: `observe` touches the target and decides nothing, `judge` decides and touches nothing."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Generic, Protocol, TypeVar

from scanners.reach import Reach
from secops.model.city import Asset, AssetKind
from secops.model.finding import Weakness
from secops.model.step import Result
from secops.model.text import Text


class Safety(StrEnum):
    """What a check may do to its target, computed from what it sends."""

    SAFE = "safe"
    NORMAL = "normal"
    INTRUSIVE = "intrusive"


class Blocked(Exception):
    """Something in between answered in the asset's place."""


class Unreachable(Exception):
    """The target did not answer, or not in a way that can be judged."""


class OutOfScope(Exception):
    """The scope guard refused to open a socket."""


class NotApplicable(Exception):
    """The asset lacks what the check looks at; the sentence becomes the reason of the skip."""

    def __init__(self, reason: Text) -> None:
        super().__init__(reason.en)
        self.reason = reason


class Shell(Protocol):
    """Runs read-only commands on a host over ssh; blocking, safe to call from several threads."""

    def run(self, host: Asset, argv: tuple[str, ...], timeout_seconds: float) -> Result:
        """The result; an unreachable host is a result with that trouble, never an exception."""
        ...


Observed = TypeVar("Observed")


@dataclass(frozen=True, slots=True)
class Baseline(Generic[Observed]):
    """An observation that a person approved."""

    observed: Observed
    approved_by: str


class Check(ABC, Generic[Observed]):
    """One file, one check: a module below `scanners/` that defines an instance at top level is found by itself.

    `Observed` is a frozen dataclass of JSON-able fields; it is stored, and judged again later without the target.
    """

    name: ClassVar[str]
    """Stable id, kebab-case; rules of its weaknesses are `name.what`."""
    title: ClassVar[Text]
    describes: ClassVar[Text]
    """What it looks at and why, for the generated reference."""
    kinds: ClassVar[frozenset[AssetKind]]
    safety: ClassVar[Safety] = Safety.SAFE
    observed_type: ClassVar[type]
    uses_baseline: ClassVar[bool] = False

    @abstractmethod
    async def observe(self, asset: Asset, reach: Reach) -> Observed:
        """Look at the asset through `reach` only.

        Raises Blocked, Unreachable, OutOfScope, NotApplicable.
        """

    @abstractmethod
    def judge(self, asset: Asset, observed: Observed, baseline: Baseline[Observed] | None) -> Iterable[Weakness]:
        """Every weakness in what was observed; pure. `baseline` is given when `uses_baseline` and one was approved."""
