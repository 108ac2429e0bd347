"""The contract of a check: `observe` touches the target and decides nothing, `judge` decides and touches nothing."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from scanners.reach import Reach
from scanners.safety import Safety as Safety
from secops.model.city import Asset, AssetKind
from secops.model.finding import Weakness
from secops.model.text import Text

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
    noisy: ClassVar[bool] = False
    """Whether a successful observation may overlook what is there, as when a lost packet looks like a closed port: a
    weakness must then be missed twice in a row to be resolved."""

    @abstractmethod
    async def observe(self, asset: Asset, reach: Reach) -> Observed:
        """Look at the asset through `reach` only.

        Raises the endings of `scanners.endings`: Blocked, Unreachable, OutOfScope, NotApplicable.
        """

    @abstractmethod
    def judge(self, asset: Asset, observed: Observed, baseline: Baseline[Observed] | None) -> Iterable[Weakness]:
        """Every weakness in what was observed; pure. `baseline` is given when `uses_baseline` and one was approved."""
