"""What a tier gets, and that a wrong policy is refused with its place."""

from dataclasses import replace
from pathlib import Path

import pytest

from backup.policies import SHIPPED, Subjects, Targets, load_policies, policy_for
from secops.model.city import Asset, AssetKind, CentreRole, Product, Tier
from secops.model.text import Text
from secops.support.strict_yaml import BadFile

BAD = Path(__file__).parents[1] / "bad_input" / "policies"
MISTAKES = sorted(BAD.glob("*.yaml"))


@pytest.mark.parametrize("tier", Tier)
def test_every_tier_has_a_policy_with_its_basis(tier: Tier) -> None:
    policy = policy_for(tier)
    assert policy.tier is tier
    assert {basis.standard for basis in policy.basis} == {"GB/T 20988", "GB/T 22239-2019"}
    assert all(basis.asks.zh and basis.asks.en and basis.item for basis in policy.basis)


def test_the_vaults_follow_the_tier() -> None:
    production, local, remote = CentreRole
    assert policy_for(Tier.DATA).vaults == (production, remote)
    assert policy_for(Tier.APPLICATION).vaults == (production, local, remote)
    assert policy_for(Tier.BUSINESS).vaults == (production, local, remote)


def test_a_higher_tier_is_never_worse_off() -> None:
    for lower, higher in zip(load_policies(), load_policies()[1:], strict=False):
        assert set(lower.vaults) <= set(higher.vaults)
        assert higher.every < lower.every
        assert higher.from_copy.rpo < lower.from_copy.rpo
        assert higher.from_copy.rto < lower.from_copy.rto
        assert higher.verify_every < lower.verify_every
        assert higher.drill_every < lower.drill_every
        assert higher.keep.longest > lower.keep.longest
        assert higher.apart_every < lower.apart_every
        assert max(depth.rung for depth in higher.verify) >= max(depth.rung for depth in lower.verify)


def test_databases_and_trees_are_copied_and_hosts_are_not() -> None:
    copies = policy_for(Tier.DATA).copies
    tree = Asset("tree", AssetKind.FILE_TREE, Text("", ""), "c1")
    redis = Asset("cache", AssetKind.DATABASE, Text("", ""), "c1", product=Product.REDIS)
    assert copies.include(tree) and copies.include(redis)
    assert not copies.include(replace(tree, kind=AssetKind.HOST))
    assert not Subjects(copies.kinds, (Product.POSTGRESQL,)).include(redis)


def test_a_copy_and_a_replica_have_targets_of_their_own() -> None:
    assert policy_for(Tier.DATA).from_replica is None
    assert policy_for(Tier.BUSINESS).from_replica == Targets(rpo=0, rto=10)
    assert policy_for(Tier.BUSINESS).from_copy == Targets(rpo=600, rto=3600)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda path: path.stem)
def test_a_mistake_is_named_with_its_place(mistake: Path) -> None:
    expected = [line.removeprefix("# ") for line in mistake.read_text().splitlines() if line.startswith("# ")]
    with pytest.raises(BadFile) as refusal:
        load_policies(mistake)
    found = [f"{each.line}:{each.column}: {each.text.en}" for each in refusal.value.problems]
    assert found == expected


def test_there_are_mistakes() -> None:
    assert len(MISTAKES) >= 5
    assert SHIPPED.exists()
