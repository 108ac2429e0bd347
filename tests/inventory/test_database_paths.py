"""A database may be a file on a host, which has no address, or have a directory beside its address."""

from dataclasses import replace

import pytest

from secops.inventory.load import sample_inventory
from secops.inventory.soundness import mistakes
from secops.model.city import Asset, AssetKind, Product
from secops.model.text import Text

FILE = Asset("db", AssetKind.DATABASE, Text("库", "db"), "production", host="local", path="/srv/data.db")


@pytest.mark.parametrize(
    ("asset", "complaints"),
    [
        (replace(FILE, product=Product.SQLITE), []),
        (replace(FILE, address="192.0.2.7", path="/var/lib/postgresql"), []),
        (replace(FILE, path=""), ['a database needs the key "address"']),
        (replace(FILE, path="data.db"), ["expected an absolute path"]),
    ],
)
def test_a_database_has_an_address_or_a_path(asset: Asset, complaints: list[str]) -> None:
    city = sample_inventory().city
    first, *others = city.systems
    changed = replace(city, systems=(replace(first, assets=(*first.assets, asset)), *others))
    assert [text.en for _, text in mistakes(changed)] == complaints
