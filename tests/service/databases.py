"""A home whose one system is a database on this machine, with a vault near it from which the other centres fetch. All are folders here."""

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from secops.model.city import Product
from secops.service.beginning import make_home
from secops.service.home import FILE
from tests.lab.database import RunningDatabase
from tests.lab.serving import give_to_server

ASSET = "ledger"
RULE = 'rule evil { strings: $word = "evil" condition: $word }\n'
"""Nothing of it is in what a server writes by itself."""


def make_database_home(
    folder: Path, database: RunningDatabase, product: Product, engine: str, *, tier: str = "data"
) -> Path:
    """The home, below a folder that the server's user may enter."""
    home = folder / "home"
    make_home(home)
    (home / "rules").mkdir()
    (home / "rules" / "evil.yar").write_text(RULE)
    settings = {"backup": {"state_directory": str(folder / "state")}, "malware": {"rules": "rules"}}
    _write(home / FILE, settings)
    for number, secret in enumerate(database.secrets):
        login = home / ("login" if number == 0 else f"login{number}")
        login.write_text(secret)
        login.chmod(0o600)
    for name in ("state", "near", "far", "local", "room"):
        (folder / name).mkdir()
    give_to_server(folder)
    (folder / "room").chmod(0o755)
    _write(home / "inventory.yaml", _city(folder, database, product, engine, tier))
    return home


def _city(folder: Path, database: RunningDatabase, product: Product, engine: str, tier: str) -> Mapping[str, object]:
    text = {"zh": "账务", "en": "ledger"}
    harm = {"object": "public_order", "degree": "serious"}
    asset = {
        "id": ASSET,
        "kind": "database",
        "product": str(product),
        "name": text,
        "centre": "c1",
        "host": "local",
        "path": database.path or None,
        "address": database.address or "127.0.0.1",
        "copied_by": {"engine": engine, "options": json.loads(json.dumps(dict(database.options(engine))))},
        "tried_with": dict(database.tried_with()),
    }
    return {
        "name": text,
        "sites": [{"id": "s1", "name": text}, {"id": "s2", "name": text}],
        "centres": [
            {"id": "c1", "name": text, "site": "s1", "role": "production"},
            {"id": "c2", "name": text, "site": "s1", "role": "local_dr"},
            {"id": "c3", "name": text, "site": "s2", "role": "remote_dr"},
        ],
        "units": [{"id": "tax", "name": text}],
        "vaults": [
            {"id": "near", "centre": "c1", "host": "local", "location": str(folder / "near")},
            {"id": "local", "centre": "c2", "host": "local", "location": str(folder / "local"), "pulls_from": "near"},
            {"id": "far", "centre": "c3", "host": "local", "location": str(folder / "far"), "pulls_from": "near"},
        ],
        "places": [
            {"id": "room", "centre": "c1", "host": "local", "path": str(folder / "room"), "url": "http://127.0.0.1:9/"}
        ],
        "systems": [
            {
                "id": "books",
                "name": text,
                "programme": text,
                "lead_units": ["tax"],
                "tier": tier,
                "grade": {"information": harm, "service": harm},
                "assets": [{key: value for key, value in asset.items() if value is not None}],
            }
        ],
    }


def _write(path: Path, value: object) -> None:
    path.write_text(yaml.safe_dump(value, allow_unicode=True, sort_keys=False), "utf-8")
