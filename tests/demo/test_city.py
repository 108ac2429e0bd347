"""The demo's city is read back by the strict loader, and means what stands."""

from pathlib import Path

import pytest

from secops.demo import city
from secops.demo.centres import Centres
from secops.inventory.load import load_inventory, sample_inventory
from secops.model.city import AssetKind
from secops.service.home import FILE
from secops.service.settings import Settings
from secops.support.strict_yaml import read

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(centres: Centres) -> Path:
    folder = centres.folder / "home"
    city.write_home(centres, folder)
    return folder


def test_what_is_written_is_what_is_read(centres: Centres, home: Path) -> None:
    assert load_inventory(home / "inventory.yaml").city == city.city(centres)
    assert read(home / FILE).build(Settings) == city.settings(centres)


def test_the_other_systems_stay_as_in_the_sample(home: Path) -> None:
    mine = {city.HEALTH, city.PORT, city.GRID}
    here = [system for system in load_inventory(home / "inventory.yaml").systems if system.id not in mine]
    assert here == [system for system in sample_inventory().systems if system.id not in mine]


def test_hosts_and_entry_lie_in_the_network_and_paths_exist(centres: Centres, home: Path) -> None:
    inventory = load_inventory(home / "inventory.yaml")
    prefix = centres.network.removesuffix("0/24")
    for host in inventory.assets(kind=AssetKind.HOST, system=city.HEALTH):
        assert host.address.startswith(prefix)
        assert Path(host.path).is_file()
    trees = [
        asset
        for system in (city.HEALTH, city.PORT, city.GRID)
        for asset in inventory.assets(kind=AssetKind.FILE_TREE, system=system)
    ]
    assert [tree.id for tree in trees] == [city.TREE, f"{city.PORT}-content", f"{city.GRID}-content"]
    assert all(any(Path(tree.path).iterdir()) for tree in trees)
    entry = inventory.entry_of(city.HEALTH)
    assert entry and prefix in entry.url


def test_tiers_ask_for_different_numbers_of_vaults(home: Path) -> None:
    inventory = load_inventory(home / "inventory.yaml")
    tiers = {inventory.tier(inventory.system(id)) for id in (city.HEALTH, city.PORT, city.GRID)}
    assert len(tiers) >= 2


def test_secrets_are_for_their_owner_only(home: Path) -> None:
    for name in ("ssh", "vault"):
        assert (home / "keys" / name).stat().st_mode & 0o077 == 0
