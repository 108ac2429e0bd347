"""Every combination has its time, a graver one never more; exposure is told from addresses, in doubt the widest."""

from ipaddress import ip_network
from itertools import product
from pathlib import Path

import pytest

from secops.inventory.load import load_inventory
from secops.model.city import (
    Asset,
    AssetKind,
    BusinessCheck,
    City,
    Entry,
    Grade,
    Impact,
    ImpactDegree,
    ImpactObject,
    Level,
    System,
)
from secops.model.finding import Severity
from secops.model.text import Text
from secops.sla.exposure import Exposure, Networks, exposure_of
from secops.sla.policy import SHIPPED, load_sla_policy, shipped_sla_policy

POLICY = shipped_sla_policy()
NAME = Text("名", "name")
HARM = Impact(ImpactObject.PUBLIC_ORDER, ImpactDegree.SERIOUS)


@pytest.mark.parametrize(("level", "severity", "exposure"), list(product(Level, Severity, Exposure)))
def test_every_combination_has_its_time(level: Level, severity: Severity, exposure: Exposure) -> None:
    days = POLICY.business_days(level, severity, exposure)
    assert days is None if severity is Severity.INFO else days and 0 < days <= 3650


def test_the_shipped_policy() -> None:
    assert POLICY.marks == (50, 80, 100) and POLICY.restart_on_reopen is False
    assert POLICY.business_days(Level.L3, Severity.CRITICAL, Exposure.INTERNET) == 1
    assert POLICY.business_days(Level.L1, Severity.LOW, Exposure.INTERNAL) == 120
    assert POLICY.business_days(Level.L5, Severity.CRITICAL, Exposure.INTERNET) == 0.25


def test_marks_and_restart_need_not_be_written(tmp_path: Path) -> None:
    text = SHIPPED.read_text("utf-8").replace("marks: [50, 80, 100]\n", "").replace("restart_on_reopen: false\n", "")
    (tmp_path / "own.yaml").write_text(text)
    assert load_sla_policy(tmp_path / "own.yaml") == POLICY


def system(*assets: Asset, id: str = "s") -> System:
    return System(id, NAME, NAME, ("u",), Grade(HARM, HARM), assets=assets)


def city(*systems: System, entries: tuple[Entry, ...] = ()) -> City:
    return City(NAME, (), (), (), systems, entries=entries)


def asset(kind: AssetKind = AssetKind.HOST, id: str = "a", **fields: str) -> Asset:
    return Asset(id, kind, NAME, "c", **fields)  # type: ignore[arg-type]


def entry(url: str) -> Entry:
    return Entry("e", "s", url, "/s", "b", (), BusinessCheck("/", "ok"))


def told(one: Asset, *others: Asset, entries: tuple[Entry, ...] = (), networks: Networks = POLICY.networks) -> Exposure:
    of_all = system(one, *others)
    return exposure_of(of_all, one, city(of_all, entries=entries), networks)


@pytest.mark.parametrize(
    ("address", "exposure"),
    [
        ("10.1.2.3", Exposure.INTERNAL),
        ("172.31.0.1", Exposure.INTERNAL),
        ("172.32.0.1", Exposure.INTERNET),
        ("127.0.0.1", Exposure.INTERNAL),
        ("fd00::1", Exposure.INTERNAL),
        ("::ffff:10.0.0.1", Exposure.INTERNAL),
        ("59.195.1.1", Exposure.EXTRANET),
        ("59.191.1.1", Exposure.INTERNET),
        ("8.8.8.8", Exposure.INTERNET),
        ("2001:4860::1", Exposure.INTERNET),
        ("db1", Exposure.INTERNAL),
        ("db1.City.LOCAL.", Exposure.INTERNAL),
        ("notlocal", Exposure.INTERNAL),
        ("city.notlocal", Exposure.INTERNET),
        ("www.city.gov.cn", Exposure.INTERNET),
        ("", Exposure.INTERNET),
    ],
)
def test_an_address_tells(address: str, exposure: Exposure) -> None:
    assert told(asset(address=address)) is exposure


def test_a_site_is_reached_by_its_url_and_by_the_entries_of_its_system() -> None:
    site = asset(AssetKind.WEBSITE, url="http://10.0.0.5:8080/")
    assert told(site) is Exposure.INTERNAL
    assert told(site, entries=(entry("http://59.200.1.1/"),)) is Exposure.EXTRANET
    assert told(site, entries=(entry("http://59.200.1.1/"), entry("https://www.city.gov.cn/"))) is Exposure.INTERNET
    assert told(asset(address="10.0.0.5"), entries=(entry("https://www.city.gov.cn/"),)) is Exposure.INTERNAL


def test_files_are_as_exposed_as_what_serves_them() -> None:
    host, tree = asset(id="h", address="10.0.0.5"), asset(AssetKind.FILE_TREE, id="t", path="/srv", host="h")
    page = asset(AssetKind.PAGE, id="p", url="https://www.city.gov.cn/a", host="h")
    assert told(tree, host) is Exposure.INTERNAL
    assert told(tree, host, page) is Exposure.INTERNET
    assert told(tree) is Exposure.INTERNET, "nothing is known of its host"


def test_a_city_may_have_networks_of_its_own() -> None:
    own = Networks((ip_network("10.9.0.0/16"),), (".extra.example",), (ip_network("203.0.113.0/24"),), ())
    assert told(asset(address="10.9.1.1"), networks=own) is Exposure.EXTRANET
    assert told(asset(address="a.extra.example"), networks=own) is Exposure.EXTRANET
    assert told(asset(address="203.0.113.9"), networks=own) is Exposure.INTERNAL
    assert told(asset(address="10.8.1.1"), networks=own) is Exposure.INTERNET


def test_each_asset_of_the_sample_city_has_an_exposure() -> None:
    sample = Path(__file__).parents[2] / "secops" / "inventory" / "sample_city.yaml"
    whole = load_inventory(sample).city
    for of in whole.systems:
        assert {exposure_of(of, one, whole, POLICY.networks) for one in of.assets} <= set(Exposure)
