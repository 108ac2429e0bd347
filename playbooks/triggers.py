"""What starts a playbook: a finding, the clock, a person."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cronsim import CronSim

from playbooks.expressions import ConditionFailed, holds
from playbooks.load import Playbook
from playbooks.schema import PlaybookSpec
from secops.inventory.inventory import Inventory
from secops.model.city import AssetKind
from secops.model.finding import Finding
from secops.model.text import Text
from secops.support.clock import to_text
from secops.support.errors import BadInput


def finding_names(finding: Finding) -> dict[str, Any]:
    """A finding as conditions and lookups see it."""
    weakness = finding.weakness
    return {
        "id": finding.id,
        "system": finding.system,
        "asset": finding.asset,
        "check": finding.check,
        "rule": weakness.rule,
        "weakness_class": str(weakness.weakness_class),
        "severity": str(weakness.severity),
        "state": str(finding.state),
        "locator": list(weakness.locator),
        "first_seen": to_text(finding.first_seen),
    }


def system_names(inventory: Inventory, system: str) -> dict[str, Any]:
    """A system as conditions and lookups see it."""
    found = inventory.system(system)
    tier = inventory.tier(found)
    return {
        "id": found.id,
        "level": int(inventory.level(found)),
        "tier": str(tier) if tier else "",
        "importance": str(found.importance),
        "cii": found.cii,
        "name": asdict(found.name),
    }


def matching(playbooks: Iterable[Playbook], finding: Finding, inventory: Inventory) -> list[Playbook]:
    """The playbooks that react to a finding. One whose condition cannot be evaluated on it does not."""
    names = {"finding": finding_names(finding), "system": system_names(inventory, finding.system)}
    return [one for one in playbooks if one.spec.on.finding and _applies(one.spec.on.finding, names)]


def _applies(condition: str, names: dict[str, Any]) -> bool:
    try:
        return holds(condition, names)
    except ConditionFailed:
        return False


def due(schedule: str, since: datetime, moment: datetime) -> bool:
    """Whether a scheduled moment (cron, local time) lies after `since`, the start of the last run, and not after now.

    Missed moments are made up for once, not once each.
    """
    return bool(next(CronSim(schedule, since.astimezone())) <= moment.astimezone())


def inputs_for(
    playbook: PlaybookSpec, given: dict[str, str], finding: Finding | None, inventory: Inventory
) -> dict[str, str]:
    """Every declared input with its value. Raises BadInput for unknown and missing ones, all at once."""
    values = {name: spec.default for name, spec in playbook.inputs.items()}
    if finding:
        known = _told_by(finding, inventory)
        values |= {name: known.get(spec.from_finding) for name, spec in playbook.inputs.items() if spec.from_finding}
    values |= {name: value for name, value in given.items() if name in playbook.inputs}
    unknown = [name for name in given if name not in playbook.inputs]
    missing = [name for name, value in values.items() if value is None]
    if unknown or missing:
        zh = [*(f"没有输入“{name}”" for name in unknown), *(f"缺少输入“{name}”" for name in missing)]
        en = [*(f"there is no input “{name}”" for name in unknown), *(f"input “{name}” is missing" for name in missing)]
        raise BadInput(Text(";".join(zh), "; ".join(en)))
    return {name: value for name, value in values.items() if value is not None}


def _told_by(finding: Finding, inventory: Inventory) -> dict[str, str]:
    """What a finding gives to inputs; what the inventory does not know is left out."""
    sign = finding.state_since if finding.regressions else finding.first_seen
    told = {"asset": finding.asset, "system": finding.system, "id": finding.id, "first_sign": to_text(sign)}
    host = inventory.asset(finding.asset).host
    for tree in inventory.assets(kind=AssetKind.FILE_TREE, system=finding.system):
        if host and tree.host == host:
            told["tree"] = tree.id
    for place in inventory.city.places:
        if host and place.host == host:
            told["place"] = place.id
    return told
