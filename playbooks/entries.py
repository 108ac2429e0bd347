"""What the entry actions share: options that name a system and a centre, and what they mean in the city."""

from playbooks.action import Options
from secops.inventory.inventory import Inventory
from secops.model.city import CentreRole, Entry
from secops.model.text import Text
from secops.support.errors import BadInput


class SystemOptions(Options):
    """Options of an action on a system's entry."""

    system: str
    """Id of the system."""


class CentreOptions(SystemOptions):
    """Options of an action on one centre behind a system's entry."""

    centre: str
    """Id or role (`production`, `local_dr`, `remote_dr`) of the centre."""


def entry_of(inventory: Inventory, system: str) -> Entry:
    """The entry of the system. Raises BadInput when it has none."""
    entry = inventory.entry_of(system)
    if entry is None:
        raise BadInput(Text(f"系统 {system} 没有入口", f"system {system} has no entry"))
    return entry


def centre_id(inventory: Inventory, named: str) -> str:
    """The id of a centre that is named by id or role. Raises BadInput."""
    if named in set(CentreRole):
        centre = inventory.centre_with(CentreRole(named))
        if centre is None:
            raise BadInput(Text(f"清单中没有 {named} 中心", f"the inventory has no {named} centre"))
        return centre.id
    return inventory.centre(named).id
