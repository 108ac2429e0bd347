"""Look-ups, filters and refusals of an inventory."""

from pathlib import Path

import pytest

from secops.inventory.inventory import Inventory, units_of
from secops.inventory.load import load_inventory, sample_inventory
from secops.model.city import AssetKind, CentreRole, Importance, Level, Tier
from secops.support.errors import BadInput
from secops.support.strict_yaml import BadFile


@pytest.fixture(scope="module")
def city() -> Inventory:
    return sample_inventory()


def test_everything_is_found_by_id(city: Inventory) -> None:
    for system in city.systems:
        assert city.system(system.id) is system
        for asset in system.assets:
            assert city.asset(asset.id) is asset
            assert city.system_of(asset.id) is system
    assert len(city.assets()) == sum(len(system.assets) for system in city.systems)
    assert city.vault("vault-remote-dr").centre == "remote-dr"
    assert city.place("clean-room").host == "management-01-clean-room"
    assert city.site(city.centre("production").site).id == "tianjin"


def test_the_host_of_an_asset(city: Inventory) -> None:
    host = city.asset("infrastructure-04-web")
    assert city.host_of(city.asset("infrastructure-04-site")) is host
    assert city.host_of(host) is host
    assert city.host_of(city.asset("infrastructure-04-db")) is None


def test_unknown_ids_are_refused_with_what_was_meant(city: Inventory) -> None:
    asked = [
        (city.system, "infrastructure-4", "infrastructure-04"),
        (city.asset, "infrastructure-04-wbe", "infrastructure-04-web"),
        (city.system_of, "infrastructure-04-dbb", "infrastructure-04-db"),
        (city.unit, "powr", "power"),
        (city.centre, "prodution", "production"),
        (city.vault, "vault-locl-dr", "vault-local-dr"),
        (city.place, "cleanroom", "clean-room"),
        (city.entry_of, "management-1", "management-01"),
    ]
    for ask, wrong, right in asked:
        with pytest.raises(BadInput) as caught:
            ask(wrong)
        assert caught.value.text.en.endswith(f'"{wrong}"; did you mean "{right}"?')
        assert "是不是" in caught.value.text.zh
    with pytest.raises(BadInput):
        city.select(unit="powr")
    with pytest.raises(BadInput):
        city.assets(centre="prodution")


def test_filters_select_exactly_what_matches(city: Inventory) -> None:
    every = city.systems
    assert city.select() == every
    assert city.select(levels=[Level.L4]) == tuple(s for s in every if city.level(s) == 4)
    assert city.select(tiers=[Tier.DATA, Tier.BUSINESS]) == tuple(
        s for s in every if city.tier(s) is not Tier.APPLICATION
    )
    assert city.select(importances=[Importance.CORE]) == tuple(s for s in every if s.importance is Importance.CORE)
    assert city.select(unit="meteorology") == tuple(s for s in every if "meteorology" in units_of(s))
    assert city.select(centre="remote-dr", levels=[Level.L4])
    assert not city.select(centre="remote-dr", tiers=[Tier.DATA])
    devices = city.select(kinds=[AssetKind.NETWORK_DEVICE])
    assert {s.id for s in devices} == {city.system_of(a.id).id for a in city.assets(kind=AssetKind.NETWORK_DEVICE)}
    both = city.assets(kind=AssetKind.DATABASE, centre="local-dr", system="infrastructure-04")
    assert [asset.id for asset in both] == ["infrastructure-04-db-local"]


SMALLEST = """
name: {zh: 小城, en: Small town}
sites: [{id: here, name: {zh: 本地, en: Here}}]
centres: [{id: main, name: {zh: 生产, en: Main}, site: here, role: production}]
units: []
systems: []
"""


def test_a_city_may_be_small(tmp_path: Path) -> None:
    file = tmp_path / "city.yaml"
    file.write_text(SMALLEST, "utf-8")
    city = load_inventory(file)
    assert city.assets() == ()
    assert city.centre_with(CentreRole.LOCAL_DR) is None


def test_production_and_local_dr_may_share_a_site(tmp_path: Path) -> None:
    file = tmp_path / "city.yaml"
    spare = "{id: spare, name: {zh: 灾备, en: Spare}, site: here, role: local_dr}"
    file.write_text(SMALLEST.replace("role: production}]", f"role: production}}, {spare}]"), "utf-8")
    assert len(load_inventory(file).city.centres) == 2


def test_shape_is_judged_before_meaning(tmp_path: Path) -> None:
    file = tmp_path / "city.yaml"
    file.write_text(SMALLEST.replace("units: []", "unit: []"), "utf-8")
    with pytest.raises(BadFile) as caught:
        load_inventory(file)
    assert {problem.text.en for problem in caught.value.problems} == {
        'unknown key "unit"; did you mean "units"?',
        'the key "units" is missing',
    }
