"""What the backup actions share: whose an asset is, and which vaults it has by its tier."""

from collections.abc import Iterator, Mapping

from backup.engine import engine_for
from backup.policies import Policy, shipped_policies
from backup.vaults import visible
from secops.inventory.inventory import Inventory
from secops.model.city import Asset, CentreRole, Keeping, Tier, Vault
from secops.model.text import Text
from secops.support.errors import BadInput


def unit_of(inventory: Inventory, asset: Asset) -> str:
    """Id of the unit whose data the asset holds: the first that leads its system."""
    return inventory.system_of(asset.id).lead_units[0]


def replicas_of(inventory: Inventory, asset: Asset) -> Iterator[Asset]:
    """What follows the asset."""
    return (one for one in inventory.assets(kind=asset.kind) if one.replica_of == asset.id)


def copied_assets(inventory: Inventory, policies: Mapping[Tier, Policy]) -> Iterator[Asset]:
    """Everything in production that its tier wants copied and that an engine copies."""
    production = inventory.centre_with(CentreRole.PRODUCTION)
    for system in inventory.systems:
        tier = inventory.tier(system)
        if tier is None or production is None:
            continue
        for asset in system.assets:
            wanted = asset.centre == production.id and policies[tier].copies.include(asset)
            if wanted and _has_engine(asset):
                yield asset


def vaults_by_tier(
    inventory: Inventory, asset: Asset, policies: Mapping[Tier, Policy] | None = None
) -> tuple[Vault, ...]:
    """The vaults that the tier of the asset's system asks for, one per centre role, and those that these fetch from.

    A system without a tier is kept locally. Raises BadInput when a vault is missing.
    """
    tier = inventory.tier(inventory.system_of(asset.id))
    roles = (policies or shipped_policies())[tier].vaults if tier else (CentreRole.PRODUCTION,)
    unit = unit_of(inventory, asset)
    asked = [_vault_in(inventory, role, unit) for role in roles]
    origins = (inventory.vault(vault.pulls_from) for vault in asked if vault.pulls_from)
    return tuple(dict.fromkeys((*asked, *origins)))


def _vault_in(inventory: Inventory, role: CentreRole, unit: str) -> Vault:
    for vault in visible(inventory.city.vaults, unit):
        if inventory.centre(vault.centre).role is role and vault.keeping is not Keeping.OFFLINE:
            return vault
    raise BadInput(
        Text(
            f"清单中没有单位 {unit} 可用的 {role} 中心的备份库",
            f"the inventory has no vault in the {role} centre that unit {unit} may use",
        )
    )


def _has_engine(asset: Asset) -> bool:
    try:
        engine_for(asset)
    except BadInput:
        return False
    return True
