"""A few assets that the golden reports speak of, and reading a report against them."""

import io
from datetime import UTC, datetime
from pathlib import Path

from secops.exchange.addresses import AssetIndex
from secops.exchange.gathering import Gathering
from secops.exchange.importer import all_importers
from secops.model.city import Asset, AssetKind
from secops.model.text import Text

GOLDEN = Path(__file__).parents[1] / "golden" / "exchange"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
_NAME = Text("资产", "asset")
ASSETS = (
    Asset("web", AssetKind.HOST, _NAME, "c", address="192.0.2.11", ports=(22, 80, 443)),
    Asset("db", AssetKind.DATABASE, _NAME, "c", address="192.0.2.12", ports=(5432,)),
    Asset("site", AssetKind.WEBSITE, _NAME, "c", url="https://health.city.example/", host="web"),
    Asset("home", AssetKind.PAGE, _NAME, "c", url="https://health.city.example/index.html", host="web"),
    Asset("content", AssetKind.FILE_TREE, _NAME, "c", path="/srv/www", host="web"),
)


def index() -> AssetIndex:
    return AssetIndex(("health", asset) for asset in ASSETS)


def gathered(name: str, report: bytes) -> Gathering:
    """The report, read to its end. Raises Misread."""
    gathering = Gathering(index(), NOW, NOW)
    for sighting in all_importers()[name].read(io.BytesIO(report)):
        gathering.take(sighting)
    return gathering
