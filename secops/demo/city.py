"""The demo's city: the sample city, in which three systems have real assets in the demo's centres.

Everything else of the sample lies outside the authorised scope, and the demo says so.
"""

import secrets
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from secops.demo import haproxy
from secops.demo.centre import LiveCentre
from secops.demo.centres import Centres
from secops.demo.credentials import write_secret
from secops.demo.site import BUSINESS_MARK, BUSINESS_PATH
from secops.evidence.keys import PRIVATE_KEY_NAME, PUBLIC_KEY_NAME, make_key
from secops.inventory.inventory import Inventory
from secops.inventory.load import load_inventory, sample_inventory
from secops.model.city import (
    Asset,
    AssetKind,
    BusinessCheck,
    CentreRole,
    City,
    Entry,
    EntryServer,
    Place,
    SshAddress,
    System,
    Vault,
)
from secops.model.text import Text
from secops.service.home import FILE, Home
from secops.service.settings import BackupSettings, ScopeSettings, Settings
from secops.support.clock import now

HEALTH = "convenience-01"
PORT = "infrastructure-06"
GRID = "infrastructure-04"

PRODUCTION_HOST = f"{HEALTH}-web"
PAGE = f"{HEALTH}-home"
"""The home page that the intruder changes."""
TREE = f"{HEALTH}-content"
"""The files of the served release."""

_END = {CentreRole.PRODUCTION: "", CentreRole.LOCAL_DR: "-local", CentreRole.REMOTE_DR: "-remote"}
"""Ends of ids, as in the sample city."""
_BEFORE = {
    CentreRole.PRODUCTION: Text("", ""),
    CentreRole.LOCAL_DR: Text("本地灾备", "local DR "),
    CentreRole.REMOTE_DR: Text("异地灾备", "remote DR "),
}


def write_home(centres: Centres, folder: Path) -> Inventory:
    """Make `folder` the home of a service for the demo's city: settings, inventory and keys.

    The inventory is what the strict loader reads from the file.
    """
    keys = folder / "keys"
    keys.mkdir(parents=True, mode=0o700)
    write_secret(keys / "ssh", centres.admin_key.read_bytes())
    write_secret(keys / "vault", secrets.token_urlsafe(24).encode())
    make_key(keys / PRIVATE_KEY_NAME, keys / PUBLIC_KEY_NAME)
    (keys / "known_hosts").write_text(centres.known_hosts.read_text())
    _write_yaml(folder / FILE, settings(centres))
    _write_yaml(folder / "inventory.yaml", city(centres))
    return load_inventory(folder / "inventory.yaml")


def settle(centres: Centres) -> Home:
    """Make the home of a service for the demo's city below the demo's folder, and open it."""
    folder = centres.folder / "home"
    write_home(centres, folder)
    return Home(folder)


def settings(centres: Centres) -> Settings:
    """A service that may touch the demo's own addresses and no others, today and tomorrow."""
    production = centres.production
    return Settings(
        backup=BackupSettings(
            state_directory=str(production.home / "borg"),
            ssh_identity=str(production.vault_key),
            ssh_known_hosts=str(production.known_hosts),
        ),
        scope=ScopeSettings(
            networks=(centres.network,),
            hosts=("localhost",),
            approved_by="演示 demo",
            expires=(now() + timedelta(days=1)).date().isoformat(),
            authorities=str(centres.authority),
        ),
    )


def city(centres: Centres) -> City:
    """The sample city with the demo's assets, vaults, isolated places and entry."""
    sample = sample_inventory()
    ids = {centre.role: centre.id for centre in sample.city.centres}
    named = [(centre, ids[centre.role]) for centre in centres.all]
    assets = {
        HEALTH: tuple(asset for centre, id in named for asset in _portal(centre, id)),
        PORT: (_tree(PORT, "port", Text("报关数据", "customs declarations"), *named[0]),),
        GRID: (_tree(GRID, "grid", Text("变电站数据", "substation data"), *named[0]),),
    }
    return replace(
        sample.city,
        systems=tuple(_with_assets(system, assets) for system in sample.systems),
        vaults=tuple(_vault(centre, id) for centre, id in named),
        places=tuple(_place(centre, id) for centre, id in named),
        entries=(_entry(centres, named), *(entry for entry in sample.city.entries if entry.system != HEALTH)),
    )


def _with_assets(system: System, assets: dict[str, tuple[Asset, ...]]) -> System:
    return replace(system, assets=assets.get(system.id, system.assets))


def _portal(centre: LiveCentre, id: str) -> tuple[Asset, ...]:
    """The health portal in one centre: host and sites; in production also the page and the files behind it."""
    host = _host_id(centre)
    end, ports = _END[centre.role], centre.ports
    over_tls = _named(centre, "门户网站(TLS)", "portal over TLS")
    shared = (
        Asset(
            host,
            AssetKind.HOST,
            _named(centre, "门户服务器", "portal server"),
            id,
            address=centre.address,
            path=str(centre.sshd_config),
            ports=(ports.ssh, ports.site, ports.tls, ports.isolated),
            ssh=SshAddress(centre.user, ports.ssh),
        ),
        _website(f"{HEALTH}-site{end}", _named(centre, "门户网站", "portal"), id, centre.site_url, host),
        _website(f"{HEALTH}-site-tls{end}", over_tls, id, centre.tls_url, host),
    )
    if not centre.production:
        return shared
    page = f"{centre.site_url}index.html"
    return (
        *shared,
        Asset(PAGE, AssetKind.PAGE, Text("门户首页", "portal home page"), id, url=page, host=host),
        Asset(
            TREE, AssetKind.FILE_TREE, Text("门户网站内容", "portal content"), id, path=str(centre.current), host=host
        ),
    )


def _website(id: str, name: Text, centre: str, url: str, host: str) -> Asset:
    return Asset(id, AssetKind.WEBSITE, name, centre, url=url, host=host)


def _tree(system: str, folder: str, name: Text, centre: LiveCentre, id: str) -> Asset:
    path = str(centre.data / folder)
    return Asset(f"{system}-content", AssetKind.FILE_TREE, name, id, path=path, host=_host_id(centre))


def _vault(centre: LiveCentre, id: str) -> Vault:
    """The production vault is a directory of the host whose files are copied; the others are reached over ssh."""
    if centre.production:
        return Vault(f"vault-{id}", id, str(centre.vault), host=_host_id(centre))
    return Vault(f"vault-{id}", id, centre.vault_url)


def _place(centre: LiveCentre, id: str) -> Place:
    return Place(f"isolated-{id}", id, _host_id(centre), str(centre.isolated), centre.isolated_url)


def _entry(centres: Centres, named: list[tuple[LiveCentre, str]]) -> Entry:
    return Entry(
        id="health-entry",
        system=HEALTH,
        url=centres.entry_url,
        socket=str(centres.entry_socket),
        backend=haproxy.BACKEND,
        servers=tuple(EntryServer(id, centre.role.value, centre.site_url) for centre, id in named),
        business_check=BusinessCheck(BUSINESS_PATH, BUSINESS_MARK),
    )


def _host_id(centre: LiveCentre) -> str:
    return PRODUCTION_HOST + _END[centre.role]


def _named(centre: LiveCentre, zh: str, en: str) -> Text:
    before = _BEFORE[centre.role]
    return Text(before.zh + zh, before.en + en)


def _write_yaml(path: Path, value: object) -> None:
    path.write_text(yaml.safe_dump(_plain(value), allow_unicode=True, sort_keys=False, width=120), encoding="utf-8")


def _plain(value: Any) -> Any:
    """A model as YAML has it: mappings without the fields that stand at their default, lists, texts and numbers."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if not is_dataclass(value):
        return value
    given = {field.name: getattr(value, field.name) for field in fields(value) if not _at_default(value, field)}
    return {name: _plain(part) for name, part in given.items()}


def _at_default(value: Any, field: Any) -> bool:
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return bool(default is not MISSING and getattr(value, field.name) == default)
