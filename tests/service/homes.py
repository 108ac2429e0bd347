"""Homes for tests: the sample city, with a tier set by hand or a system without assets."""

import os
import re
from dataclasses import replace
from pathlib import Path

import yaml

from secops.inventory.inventory import Inventory
from secops.inventory.load import sample_inventory
from secops.model.city import Tier
from secops.service.beginning import make_home

SYSTEM = "infrastructure-04"
"""Of level 4; its tier is derived as business."""
HOST = "infrastructure-04-web"
"""Its first host in production."""


def new_home(tmp_path: Path, tier: str = "") -> Path:
    """A home in which loopback alone may be scanned."""
    folder = tmp_path / "home"
    make_home(folder)
    settings = folder / "jindun.yaml"
    text = settings.read_text("utf-8").replace('approved_by: ""', 'approved_by: "tests"')
    settings.write_text(text.replace("networks: []", "networks: [127.0.0.0/8]"), "utf-8")
    if tier:
        set_tier(folder, tier)
    return folder


def set_tier(folder: Path, tier: str) -> None:
    """Set the tier of SYSTEM by hand; empty: leave it to be derived."""
    file = folder / "inventory.yaml"
    text = re.sub(rf"(  - id: {SYSTEM}\n)(    tier: \w+\n)?", r"\1", file.read_text("utf-8"))
    file.write_text(
        text.replace(f"  - id: {SYSTEM}\n", f"  - id: {SYSTEM}\n" + f"    tier: {tier}\n" * bool(tier)), "utf-8"
    )


def strip_assets(folder: Path) -> None:
    """Take every asset from SYSTEM."""
    file = folder / "inventory.yaml"
    city = yaml.safe_load(file.read_text("utf-8"))
    for system in city["systems"]:
        if system["id"] == SYSTEM:
            system["assets"] = []
    file.write_text(yaml.safe_dump(city, allow_unicode=True), "utf-8")


def city_with(tier: Tier | None = None, *, bare: bool = False) -> Inventory:
    """The sample city with that tier of SYSTEM, or with SYSTEM stripped of its assets."""
    city = sample_inventory().city
    changed = (
        replace(one, tier=tier, assets=() if bare else one.assets) if one.id == SYSTEM else one for one in city.systems
    )
    return Inventory(replace(city, systems=tuple(changed)))


def environment(folder: Path, lang: str = "en") -> dict[str, str]:
    """For a process that works on the home."""
    return {**os.environ, "JINDUN_HOME": str(folder), "JINDUN_LANG": lang, "COLUMNS": "200", "PYTHONUTF8": "1"}
