"""What a DR tier gets: which vaults, how often, how soon back, how often proven. The figures are in policies.yaml."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from secops.model.city import CentreRole, Tier
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
    """Level or clause."""
    asks: Text
    """What it asks for, in words; the numbers of a policy are not from it."""


@dataclass(frozen=True, slots=True)
class Targets:
    """How much may be lost and how long it may take, on one way back."""

    __pydantic_config__ = _STRICT
    rpo: Seconds
    """The oldest that what is recovered may be."""
    rto: Seconds
    """From the stop of the business to its first good transaction."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How the systems of one tier are copied and proven. A local policy: no standard gives these numbers for a tier."""

    __pydantic_config__ = _STRICT
    tier: Tier
    vaults: tuple[CentreRole, ...]
    """Roles of the centres whose vaults hold a copy."""
    every: Seconds
    """Between two copies."""
    from_copy: Targets
    """The way back after an intrusion, when replicas hold the damage too."""
    verify_every: Seconds
    """Between two proofs by restore."""
    keep_within: Seconds
    """How long copies are kept, by the vault's clock."""
    drill_every: Seconds
    basis: tuple[Basis, ...]
    from_replica: Targets | None = None
    """The way back after an outage, for tiers that another centre takes over."""


@dataclass(frozen=True, slots=True)
class Policies:
    """One policy per tier."""

    __pydantic_config__ = _STRICT
    policies: tuple[Policy, ...]


def load_policies(path: Path = SHIPPED) -> tuple[Policy, ...]:
    """The policies of a file, least tier first; BadFile names every problem, with its place."""
    document = read(path)
    policies = document.build(Policies).policies
    if problems := [*_of_tiers(document, policies), *_of_figures(document, policies)]:
        raise BadFile(problems)
    return tuple(sorted(policies, key=lambda policy: policy.tier.rank))


def policy_for(tier: Tier) -> Policy:
    """The shipped policy of the tier."""
    return _shipped()[tier]


@cache
def _shipped() -> dict[Tier, Policy]:
    return {policy.tier: policy for policy in load_policies()}


def _of_tiers(document: Document, policies: tuple[Policy, ...]) -> Iterable[Problem]:
    counts = Counter(policy.tier for policy in policies)
    for tier in Tier:
        if counts[tier] != 1:
            count = counts[tier]
            text = Text(f"{tier} 须有一条策略,现有 {count} 条", f"tier {tier} needs one policy and has {count}")
            yield document.problem(("policies",), text)


def _of_figures(document: Document, policies: tuple[Policy, ...]) -> Iterable[Problem]:
    for index, policy in enumerate(policies):
        if policy.every > policy.from_copy.rpo:
            text = Text("备份间隔大于 RPO,目标无法达到", "copies are further apart than the RPO allows")
            yield document.problem(("policies", index, "every"), text)
        if not policy.vaults:
            text = Text("没有指定备份库", "no vault is named")
            yield document.problem(("policies", index, "vaults"), text)
        if policy.keep_within < policy.verify_every:
            text = Text("备份在得到验证之前就会被清除", "copies would be dropped before they are proven")
            yield document.problem(("policies", index, "keep_within"), text)
