"""Web scans in the store: a template's finding is closed by that template alone."""

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from secops.inventory.inventory import Inventory
from secops.inventory.load import sample_inventory
from secops.model.city import AssetKind
from secops.model.finding import State
from secops.service.web_recording import assets_by_site, record
from secops.store.query import Query
from secops.store.sqlite_store import SqliteStore
from secops.support.clock import now
from tests.lab.sites import running_flask
from tests.scanners.web.campaign.scanning import scanned, template

pytestmark = pytest.mark.slow


def _inventory(url: str) -> tuple[Inventory, str]:
    """The sample city, its first website at the URL; and the id of that website."""
    city = sample_inventory().city
    first = next(asset.id for system in city.systems for asset in system.assets if asset.kind is AssetKind.WEBSITE)
    systems = tuple(
        replace(system, assets=tuple(replace(one, url=url) if one.id == first else one for one in system.assets))
        for system in city.systems
    )
    return Inventory(replace(city, systems=systems)), first


def test_only_the_template_that_found_it_closes_it(tmp_path: Path) -> None:
    app, flawed = Flask("site"), [True]

    @app.get("/")
    def home() -> str:
        return "welcome" if flawed[0] else "mended"

    one = template(tmp_path / "one", "flaw", severity="high")
    other = template(tmp_path / "other", "other", word="nothing")
    with running_flask(app) as site, SqliteStore(tmp_path / "findings.sqlite") as store:
        inventory, asset = _inventory(f"{site.url}/")
        assets = assets_by_site(inventory, [site.url])
        assert {site: one.id for site, one in assets.items()} == {site.url: asset}

        def scan(*templates: Path) -> object:
            started = now()
            return record(store, inventory, scanned(site.url, templates=templates), assets, started)

        scan(one, other)
        (finding,) = store.find(Query()).findings
        assert (finding.asset, finding.check, finding.weakness.rule) == (asset, "template.flaw", "template.flaw")
        flawed[0] = False
        scan(other)
        assert store.get(finding.id).state is State.NEW
        scan(one)
        assert store.get(finding.id).state is State.RESOLVED


def test_a_site_below_an_asset_is_that_asset_and_a_neighbour_is_none() -> None:
    inventory, asset = _inventory("https://a.example/app/")
    found = assets_by_site(inventory, ["https://a.example/app/x", "https://a.example/apple", "https://b.example/app"])
    assert {site: one.id for site, one in found.items()} == {"https://a.example/app/x": asset}
