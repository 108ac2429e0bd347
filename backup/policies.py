"""What a DR tier gets: which vaults, how often, how soon back, how often proven. The figures are in policies.yaml."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from secops.model.city import Asset, AssetKind, CentreRole, Product, Tier
from secops.model.restore_point import Rung
from secops.model.text import Text
from secops.support.durations import parse_duration
from secops.support.strict_yaml import BadFile, Document, Problem, read

SHIPPED = Path(__file__).with_name("policies.yaml")
_STRICT = {"extra": "forbid", "use_attribute_docstrings": True}

Seconds = Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=str)]
"""Written as a duration with its unit."""


@dataclass(frozen=True, slots=True)
class Basis:
    """One item of a standard that a policy answers to."""

    __pydantic_config__ = _STRICT
    standard: str
    item: str
    """Clause; a number alone is a level."""
    asks: Text
    """What it asks for, in words; the numbers of a policy are not from it."""

    @property
    def name(self) -> Text:
        """Standard and item."""
        number = self.item
        item = Text(f"第 {number} 级", f"level {number}") if number.isdigit() else Text(number, number)
        return Text(f"{self.standard} {item.zh}", f"{self.standard} {item.en}")


@dataclass(frozen=True, slots=True)
class Targets:
    """How much may be lost and how long it may take, on one way back."""

    __pydantic_config__ = _STRICT
    rpo: Seconds
    """The oldest that what is recovered may be."""
    rto: Seconds
    """From the stop of the business to its first good transaction."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """What is copied."""

    __pydantic_config__ = _STRICT
    kinds: tuple[AssetKind, ...]
    products: tuple[Product, ...] = ()
    """Of databases; empty: every product that an engine copies."""

    def include(self, asset: Asset) -> bool:
        """Whether the asset is one of them."""
        named = not self.products or asset.kind is not AssetKind.DATABASE or asset.product in self.products
        return asset.kind in self.kinds and named


@dataclass(frozen=True, slots=True)
class Keep:
    """How long copies are kept, each rule by time and never by number; a copy stays while one rule wants it."""

    __pydantic_config__ = _STRICT
    all: Seconds
    """Every copy that is younger."""
    hourly: Seconds = 0.0
    """The last copy of each hour, while it is younger; so with the other rules."""
    daily: Seconds = 0.0
    weekly: Seconds = 0.0
    monthly: Seconds = 0.0
    yearly: Seconds = 0.0

    @property
    def longest(self) -> float:
        """Seconds after which no rule wants a copy."""
        return max(self.all, self.hourly, self.daily, self.weekly, self.monthly, self.yearly)


@dataclass(frozen=True, slots=True)
class Depth:
    """How often copies are proven up to one rung of the ladder."""

    __pydantic_config__ = _STRICT
    rung: Annotated[Rung, Field(ge=1)]
    """1 repository, 2 sample, 3 restore, 4 scan, 5 business."""
    every: Seconds


@dataclass(frozen=True, slots=True)
class Policy:
    """How the systems of one tier are copied and proven. A local policy: no standard gives these numbers for a tier."""

    __pydantic_config__ = _STRICT
    tier: Tier
    copies: Subjects
    """What is copied."""
    vaults: tuple[CentreRole, ...]
    """Roles of the centres whose vaults hold a copy."""
    every: Seconds
    """Between two copies."""
    apart_every: Seconds
    """Between two copies that go to an offline or immutable vault."""
    from_copy: Targets
    """The way back after an intrusion, when replicas hold the damage too."""
    verify: Annotated[tuple[Depth, ...], Field(min_length=1)]
    keep: Keep
    """By the clock of the vault."""
    drill_every: Seconds
    basis: tuple[Basis, ...]
    from_replica: Targets | None = None
    """The way back after an outage, for tiers that another centre takes over."""

    @property
    def verify_every(self) -> float:
        """Seconds between two proofs by restore."""
        return min(depth.every for depth in self.verify if depth.rung >= Rung.RESTORE)


@dataclass(frozen=True, slots=True)
class Policies:
    """One policy per tier."""

    __pydantic_config__ = _STRICT
    policies: tuple[Policy, ...]


SCHEMA_KIND = Policies
SCHEMA_NAME = "policies"


def load_policies(path: Path = SHIPPED) -> tuple[Policy, ...]:
    """The policies of a file, least tier first; BadFile names every problem, with its place."""
    document = read(path)
    policies = document.build(Policies).policies
    if problems := [*_of_tiers(document, policies), *_of_figures(document, policies)]:
        raise BadFile(problems)
    return tuple(sorted(policies, key=lambda policy: policy.tier.rank))


def policy_for(tier: Tier) -> Policy:
    """The shipped policy of the tier."""
    return shipped_policies()[tier]


@cache
def shipped_policies() -> Mapping[Tier, Policy]:
    """The policies that come with Jindun."""
    return by_tier(load_policies())


def by_tier(policies: Iterable[Policy]) -> Mapping[Tier, Policy]:
    """The policies by their tiers."""
    return {policy.tier: policy for policy in policies}


def _of_tiers(document: Document, policies: tuple[Policy, ...]) -> Iterable[Problem]:
    counts = Counter(policy.tier for policy in policies)
    for tier in Tier:
        if counts[tier] != 1:
            count = counts[tier]
            text = Text(f"{tier} 须有一条策略,现有 {count} 条", f"tier {tier} needs one policy and has {count}")
            yield document.problem(("policies",), text)


def _of_figures(document: Document, policies: tuple[Policy, ...]) -> Iterable[Problem]:
    for index, policy in enumerate(policies):
        for key, text in _mistakes(policy):
            yield document.problem(("policies", index, key), text)


def _mistakes(policy: Policy) -> Iterable[tuple[str, Text]]:
    if policy.every > policy.from_copy.rpo:
        yield "every", Text("备份间隔大于 RPO,目标无法达到", "copies are further apart than the RPO allows")
    if not policy.vaults:
        yield "vaults", Text("没有指定备份库", "no vault is named")
    if not any(depth.rung >= Rung.RESTORE for depth in policy.verify):
        yield "verify", Text("没有规定恢复验证(rung 3 及以上)", "no proof by restore is asked for (rung 3 or more)")
    elif policy.keep.longest < policy.verify_every:
        yield "keep", Text("备份在得到验证之前就会被清除", "copies would be dropped before they are proven")
    if policy.keep.longest < policy.apart_every:
        yield (
            "keep",
            Text("保留期短于两次离线备份的间隔", "copies are kept for less than passes between two that go apart"),
        )
