"""Scans restored trees for real in tests that have no home."""

from collections.abc import Callable
from pathlib import Path

from scanners.files.check import Means
from secops.execution.runner import Performs, failure
from secops.inventory.inventory import Inventory
from secops.inventory.load import load_inventory
from secops.model.step import Command, Rescan, Result, Trouble
from secops.service.tree_scanning import TreeEyes
from tests.backup.performing import NO_SCANNER

PAGE = "http://portal.example/index.html"
_CITY = """\
name: {zh: 小城, en: Small town}
sites: [{id: here, name: {zh: 本地, en: here}}]
centres: [{id: c1, name: {zh: 本地中心, en: local centre}, site: here, role: production}]
units: [{id: office, name: {zh: 办公室, en: office}}]
systems:
  - id: portal
    name: {zh: 门户, en: portal}
    programme: {zh: 演示, en: trial}
    lead_units: [office]
    grade:
      information: {object: public_order, degree: serious}
      service: {object: public_order, degree: serious}
    assets:
      - {id: site, kind: file_tree, name: {zh: 网站, en: site}, centre: c1, host: local, path: /srv/site}
      - {id: page, kind: page, name: {zh: 首页, en: home}, centre: c1, host: local, url: "PAGE"}
"""


def small_city(folder: Path) -> Inventory:
    """One system with a tree `site` and the page in it, on this machine."""
    (folder / "city.yaml").write_text(_CITY.replace("PAGE", PAGE))
    return load_inventory(folder / "city.yaml")


def tree_scanner(folder: Path, means: Means, eyes: Performs[Rescan] = NO_SCANNER) -> TreeEyes:
    """Looks at trees with these means."""
    return TreeEyes(lambda: eyes, small_city(folder), means, _nowhere)


def _nowhere(command: Command, timeout_seconds: float, into: Callable[[bytes], None]) -> Result:
    return failure(Trouble.REFUSED, zh="没有别的主机", en="there is no other host")
