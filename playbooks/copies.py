"""What the backup actions share: which vaults an asset has by its tier."""

from backup.policies import policy_for
from secops.inventory.inventory import Inventory
from secops.model.city import Asset, CentreRole, Vault
from secops.model.text import Text
from secops.support.errors import BadInput


def vaults_by_tier(inventory: Inventory, asset: Asset) -> tuple[Vault, ...]:
    """The vaults that the tier of the asset's system asks for, one per centre role; BadInput when one is missing.

    A system without a tier is kept locally.
    """
    system = inventory.system_of(asset.id)
    tier = inventory.tier(system)
    roles = policy_for(tier).vaults if tier else (CentreRole.PRODUCTION,)
    return tuple(_vault_in(inventory, role) for role in roles)


def _vault_in(inventory: Inventory, role: CentreRole) -> Vault:
    for vault in inventory.city.vaults:
        if inventory.centre(vault.centre).role is role:
            return vault
    raise BadInput(Text(f"清单中没有 {role} 中心的备份库", f"the inventory has no vault in the {role} centre"))
