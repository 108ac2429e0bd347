"""The sample city: the 34 special projects with exactly their units, plausible in what it leaves to us, unreachable."""

from collections import Counter
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from secops.inventory.inventory import Inventory
from secops.inventory.load import sample_inventory
from secops.inventory.tiers import tier_weakness
from secops.model.city import AssetKind, CentreRole, Level, Tier
from secops.model.text import Text

PROJECTS = yaml.safe_load(
    (Path(__file__).parents[1] / "golden/city/special_projects.yaml").read_text("utf-8"),
)
DOCUMENTATION = [ip_network(network) for network in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]


@pytest.fixture(scope="module")
def city() -> Inventory:
    return sample_inventory()


def test_the_34_systems_in_their_order(city: Inventory) -> None:
    assert [system.id for system in city.systems] == [project["id"] for project in PROJECTS]
    assert len(city.systems) == 34


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: str(project["id"]))
def test_names_and_units_are_those_of_the_plan(city: Inventory, project: dict[str, object]) -> None:
    system = city.system(str(project["id"]))
    assert {"zh": system.name.zh, "en": system.name.en} == project["name"]
    assert {"zh": system.programme.zh} == project["programme"]
    assert [city.unit(unit).name.zh for unit in system.lead_units] == project["lead_units"]
    assert [city.unit(unit).name.zh for unit in system.cooperating_units] == project["cooperating_units"]


def test_every_unit_has_a_part_and_an_english_name(city: Inventory) -> None:
    named = {unit for project in PROJECTS for part in ("lead_units", "cooperating_units") for unit in project[part]}
    assert {unit.name.zh for unit in city.city.units} == named
    assert all(unit.name.en.isascii() for unit in city.city.units)
    assert len({unit.name.en for unit in city.city.units}) == len(named)


def test_two_sites_and_three_centres(city: Inventory) -> None:
    production, local, remote = (city.centre_with(role) for role in CentreRole)
    assert production and local and remote
    assert production.site == local.site != remote.site


def test_levels_and_tiers_all_occur(city: Inventory) -> None:
    assert {city.level(system) for system in city.systems} == {Level.L2, Level.L3, Level.L4}
    tiers = Counter(city.tier(system) for system in city.systems)
    assert set(tiers) == set(Tier)
    assert tiers[Tier.BUSINESS] < tiers[Tier.APPLICATION] < tiers[Tier.DATA]
    assert not [system for system in city.systems if tier_weakness(system, city.tier_ruling(system))]


@pytest.mark.parametrize(
    "id", ["infrastructure-04", "infrastructure-06", "management-01", "management-09", "economy-06"]
)
def test_what_the_city_cannot_do_without_is_graded_high(city: Inventory, id: str) -> None:
    system = city.system(id)
    assert city.level(system) >= Level.L3
    assert system.cii
    assert city.tier(system) in (Tier.APPLICATION, Tier.BUSINESS)


def test_every_system_stands_in_production_and_where_its_tier_asks(city: Inventory) -> None:
    for system in city.systems:
        centres = {asset.centre for asset in system.assets}
        assert "production" in centres
        wants_stand_by = city.tier(system) in (Tier.APPLICATION, Tier.BUSINESS)
        assert ({"local-dr", "remote-dr"} <= centres) == wants_stand_by
        assert (city.entry_of(system.id) is not None) == wants_stand_by
        kinds = {asset.kind for asset in system.assets if asset.centre == "production"}
        assert {AssetKind.WEBSITE, AssetKind.HOST, AssetKind.DATABASE, AssetKind.FILE_TREE} <= kinds


def test_nothing_in_it_can_be_reached(city: Inventory) -> None:
    urls = [asset.url for asset in city.assets() if asset.url] + [place.url for place in city.city.places]
    urls += [url for entry in city.city.entries for url in (entry.url, *(server.url for server in entry.servers))]
    urls += [vault.location for vault in city.city.vaults]
    hosts = {urlsplit(url).hostname or "" for url in urls} | {asset.address for asset in city.assets() if asset.address}
    for host in hosts:
        assert host.endswith(".example") or any(ip_address(host) in network for network in DOCUMENTATION), host
    addresses = [asset.address for asset in city.assets() if asset.address]
    assert len(addresses) == len(set(addresses))


def test_names_are_in_both_languages(city: Inventory) -> None:
    names: list[Text] = [system.name for system in city.systems] + [asset.name for asset in city.assets()]
    assert all(name.en.isascii() and not name.zh.isascii() for name in names)
