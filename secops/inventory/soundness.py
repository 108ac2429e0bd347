"""What a city must hold beyond its shape: ids are unique and known, centres fit their roles, assets their kinds."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from secops.inventory.fields import KeyPath, Mistake, check_absolute, check_port, check_url, is_address, refer
from secops.inventory.topology import cluster_mistakes
from secops.inventory.words import KINDS, ROLES
from secops.model.city import Asset, AssetKind, Centre, CentreRole, City, Entry, Place, System, Vault
from secops.model.step import LOCAL
from secops.model.text import Text
from secops.support.durations import parse_duration
from secops.support.misfits import BadValue

_ID = re.compile(r"\w[\w.-]{0,63}")
_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_SIZE = re.compile(r"[1-9]\d{0,8}[KMGT]?")
_WINDOW = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")
_DAY_SECONDS = 86400
_REMOTE_VAULT = re.compile(r"ssh://[^/\s]+/\S+|rest:https?://[^/\s@]+/\S*")

NEEDS: dict[AssetKind, tuple[str, ...]] = {
    AssetKind.WEBSITE: ("url",),
    AssetKind.PAGE: ("url",),
    AssetKind.HOST: ("address",),
    AssetKind.DATABASE: ("address",),
    AssetKind.NETWORK_DEVICE: ("address",),
    AssetKind.FILE_TREE: ("path", "host"),
}
"""The fields that an asset of a kind must have."""

MAY_HAVE: dict[AssetKind, tuple[str, ...]] = {
    AssetKind.WEBSITE: ("host",),
    AssetKind.PAGE: ("host",),
    AssetKind.HOST: ("path", "ports", "ssh"),
    AssetKind.DATABASE: ("host", "path", "ports"),
    AssetKind.NETWORK_DEVICE: ("ports", "ssh"),
    AssetKind.FILE_TREE: (),
}
"""The fields that it may have beside."""


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


def mistakes(city: City) -> Iterator[Mistake]:
    """Every mistake with the place it is at."""
    known = _Known(city)
    for name in ("sites", "centres", "units", "systems", "vaults", "places", "entries", "clusters"):
        yield from _ids([((name, index), noun) for index, noun in enumerate(getattr(city, name))])
    yield from _ids(_assets_with_place(city))
    yield from _centres(city, known)
    for index, system in enumerate(city.systems):
        yield from _system(("systems", index), system, known)
    for path, asset in _assets_with_place(city):
        yield from _asset(path, asset, known)
        yield from _canary(path, asset, known)
    for index, vault in enumerate(city.vaults):
        yield from _vault(("vaults", index), vault, known)
        yield from _keeping(("vaults", index), vault, known)
    for index, place in enumerate(city.places):
        yield from _place(("places", index), place, known)
    for index, entry in enumerate(city.entries):
        yield from _entry(("entries", index), entry, known)
    yield from _one_entry_each(city.entries)
    yield from cluster_mistakes(city)


class _Known:
    """The ids that may be referred to."""

    def __init__(self, city: City) -> None:
        self.sites = {site.id: site for site in city.sites}
        self.centres = {centre.id: centre for centre in city.centres}
        self.units = {unit.id: unit for unit in city.units}
        self.systems = {system.id: system for system in city.systems}
        self.vaults = {vault.id: vault for vault in city.vaults}
        self.hosts = {
            asset.id: asset for system in city.systems for asset in system.assets if asset.kind is AssetKind.HOST
        }
        self.assets = {asset.id: asset for system in city.systems for asset in system.assets}


def _assets_with_place(city: City) -> list[tuple[KeyPath, Asset]]:
    return [
        (("systems", number, "assets", index), asset)
        for number, system in enumerate(city.systems)
        for index, asset in enumerate(system.assets)
    ]


def _ids(nouns: Iterable[tuple[KeyPath, _Identified]]) -> Iterator[Mistake]:
    seen: set[str] = set()
    for path, noun in nouns:
        if noun.id in seen:
            yield (*path, "id"), Text(f'id "{noun.id}" 重复', f'the id "{noun.id}" is taken')
        seen.add(noun.id)
        if not _ID.fullmatch(noun.id):
            yield (
                (*path, "id"),
                Text(
                    "id 只能含字母、数字和 . _ -,以字母或数字开头,至多 64 个字符",
                    "an id is 1 to 64 letters, digits and . _ -, and starts with a letter or digit",
                ),
            )


def _centres(city: City, known: _Known) -> Iterator[Mistake]:
    first: dict[CentreRole, Centre] = {}
    for index, centre in enumerate(city.centres):
        yield from refer(("centres", index, "site"), centre.site, known.sites, Text("地点", "site"))
        if centre.role in first:
            role, other = ROLES[centre.role], first[centre.role].id
            sentence = Text(f'{role.zh}已有 "{other}"', f'there already is a {role.en}, "{other}"')
            yield ("centres", index, "role"), sentence
        first.setdefault(centre.role, centre)
    production, remote = first.get(CentreRole.PRODUCTION), first.get(CentreRole.REMOTE_DR)
    if production is None:
        yield ("centres",), Text("缺少 production 中心", "there is no centre with role production")
    elif remote is not None and remote.site == production.site:
        index = city.centres.index(remote)
        yield (
            ("centres", index, "site"),
            Text("异地中心必须在另一地点", "the remote DR centre must stand on another site"),
        )


def _system(path: KeyPath, system: System, known: _Known) -> Iterator[Mistake]:
    if not system.lead_units:
        yield (*path, "lead_units"), Text("至少要有一个牵头单位", "there must be at least one lead unit")
    for name in ("lead_units", "cooperating_units", "supervising_units"):
        units: Sequence[str] = getattr(system, name)
        for index, unit in enumerate(units):
            yield from refer((*path, name, index), unit, known.units, Text("单位", "unit"))
            if unit in units[:index]:
                yield (*path, name, index), Text(f'"{unit}" 列了两次', f'"{unit}" is listed twice')


def _asset(path: KeyPath, asset: Asset, known: _Known) -> Iterator[Mistake]:
    yield from refer((*path, "centre"), asset.centre, known.centres, Text("中心", "centre"))
    yield from _fields(path, asset)
    if asset.id == LOCAL:
        yield (*path, "id"), Text(f'"{LOCAL}" 指服务本机,不能作 id', f'"{LOCAL}" means the machine of the service')
    if asset.host:
        yield from _refer_host((*path, "host"), asset.host, known)
        host = known.hosts.get(asset.host)
        if host and host.centre != asset.centre:
            sentence = Text(f'主机在另一中心 "{host.centre}"', f'that host stands in another centre, "{host.centre}"')
            yield (*path, "host"), sentence
    if asset.url:
        yield from check_url((*path, "url"), asset.url)
    if asset.address and not is_address(asset.address):
        yield (*path, "address"), Text("不是主机名或 IP 地址", "this is no host name or IP address")
    if asset.path:
        yield from check_absolute((*path, "path"), asset.path)
    for index, port in enumerate(asset.ports):
        yield from check_port((*path, "ports", index), port)
        if port in asset.ports[:index]:
            yield (*path, "ports", index), Text(f"端口 {port} 列了两次", f"port {port} is listed twice")
    if asset.ssh:
        yield from check_port((*path, "ssh", "port"), asset.ssh.port)
        if not _USER.fullmatch(asset.ssh.user):
            yield (*path, "ssh", "user"), Text("不是用户名", "this is no user name")


def _canary(path: KeyPath, asset: Asset, known: _Known) -> Iterator[Mistake]:
    """Canaries go where copies are made of; a replica is of the same kind as what it follows."""
    if asset.canary:
        if asset.kind not in (AssetKind.DATABASE, AssetKind.FILE_TREE):
            kind = KINDS[asset.kind]
            yield (*path, "canary"), Text(f'{kind.zh}没有键 "canary"', f'a {kind.en} has no "canary"')
        if not _is_rhythm(asset.canary.every):
            yield (*path, "canary", "every"), Text("应为 1s 到 1d,如 1m", "expected 1s to 1d, like 1m")
    if not asset.replica_of:
        return
    yield from refer((*path, "replica_of"), asset.replica_of, known.assets, Text("资产", "asset"))
    followed = known.assets.get(asset.replica_of)
    if followed and (followed.replica_of or followed.id == asset.id or followed.kind is not asset.kind):
        sentence = Text(
            "应为同类的、自身不是副本的另一资产", "expected another asset of that kind that is no replica itself"
        )
        yield (*path, "replica_of"), sentence


def _is_rhythm(every: str) -> bool:
    try:
        return 1 <= parse_duration(every) <= _DAY_SECONDS
    except BadValue:
        return False


def _fields(path: KeyPath, asset: Asset) -> Iterator[Mistake]:
    kind = KINDS[asset.kind]
    for name in ("address", "url", "path", "host", "ports", "ssh"):
        given = bool(getattr(asset, name))
        # A database that is a file has no address.
        is_file = name == "address" and asset.kind is AssetKind.DATABASE and bool(asset.path)
        if name in NEEDS[asset.kind] and not given and not is_file:
            yield path, Text(f'{kind.zh}需要键 "{name}"', f'a {kind.en} needs the key "{name}"')
        if given and name not in (*NEEDS[asset.kind], *MAY_HAVE[asset.kind]):
            yield (*path, name), Text(f'{kind.zh}没有键 "{name}"', f'a {kind.en} has no "{name}"')


def _refer_host(path: KeyPath, host: str, known: _Known) -> Iterator[Mistake]:
    """The machine of the service is a host without being an asset: commands for it need no ssh."""
    if host != LOCAL:
        yield from refer(path, host, known.hosts, Text("主机", "host"))


def _vault(path: KeyPath, vault: Vault, known: _Known) -> Iterator[Mistake]:
    yield from refer((*path, "centre"), vault.centre, known.centres, Text("中心", "centre"))
    if vault.host:
        yield from _refer_host((*path, "host"), vault.host, known)
    if not vault.location.startswith("/") and not _REMOTE_VAULT.fullmatch(vault.location):
        yield (
            (*path, "location"),
            Text(
                "应为绝对路径、ssh://用户@地址:端口/目录 或 rest:https://地址:端口/",
                "expected an absolute path, ssh://user@address:port/directory or rest:https://address:port/",
            ),
        )
    if vault.kept_in:
        yield from check_absolute((*path, "kept_in"), vault.kept_in)
    if vault.host and not vault.directory:
        yield (
            path,
            Text(
                '需要键 "kept_in":rest: 位置没有说明备份库在主机上的目录',
                'needs the key "kept_in": a rest: location does not say in which directory of the host the vault is',
            ),
        )


def _keeping(path: KeyPath, vault: Vault, known: _Known) -> Iterator[Mistake]:
    """Who may use a vault, how much, and what it fetches."""
    for index, tenant in enumerate(vault.tenants):
        place = (*path, "tenants", index)
        yield from refer((*place, "unit"), tenant.unit, known.units, Text("单位", "unit"))
        if tenant.quota and not _SIZE.fullmatch(tenant.quota):
            yield (*place, "quota"), Text("配额形如 500G", "a quota looks like 500G")
        if tenant.unit in {other.unit for other in vault.tenants[:index]}:
            yield (*place, "unit"), Text(f'"{tenant.unit}" 列了两次', f'"{tenant.unit}" is listed twice')
    if vault.pulls_from:
        yield from _fetching(path, vault, known)
    if vault.line.limit and not _SIZE.fullmatch(vault.line.limit):
        yield (*path, "line", "limit"), Text("限速形如 20M(每秒字节)", "a limit looks like 20M (bytes a second)")
    for index, window in enumerate(vault.line.windows):
        if not _WINDOW.fullmatch(window):
            yield (*path, "line", "windows", index), Text("时段形如 22:00-06:00", "a window looks like 22:00-06:00")


def _fetching(path: KeyPath, vault: Vault, known: _Known) -> Iterator[Mistake]:
    yield from refer((*path, "pulls_from"), vault.pulls_from, known.vaults, Text("备份库", "vault"))
    source = known.vaults.get(vault.pulls_from)
    if source and (source.pulls_from or source is vault):
        yield (
            (*path, "pulls_from"),
            Text("只能从由源端写入的备份库拉取", "only a vault that sources copy into can be fetched from"),
        )
    for one, name in ((vault, "host"), (source, "pulls_from")):
        if one and not one.host:
            sentence = f'vault "{one.id}" needs the key "host": it fetches, or is fetched from, on that host'
            yield (*path, name), Text(f'备份库 "{one.id}" 需要键 "host",拉取在该主机上进行', sentence)


def _place(path: KeyPath, place: Place, known: _Known) -> Iterator[Mistake]:
    yield from refer((*path, "centre"), place.centre, known.centres, Text("中心", "centre"))
    yield from _refer_host((*path, "host"), place.host, known)
    yield from check_absolute((*path, "path"), place.path)
    yield from check_url((*path, "url"), place.url)


def _entry(path: KeyPath, entry: Entry, known: _Known) -> Iterator[Mistake]:
    yield from refer((*path, "system"), entry.system, known.systems, Text("系统", "system"))
    yield from check_url((*path, "url"), entry.url)
    yield from check_absolute((*path, "socket"), entry.socket)
    if not entry.business_check.path.startswith("/"):
        yield (*path, "business_check", "path"), Text('应以 "/" 开头', 'expected to start with "/"')
    if not entry.servers:
        yield (*path, "servers"), Text("至少要有一个服务器", "there must be at least one server")
    for index, server in enumerate(entry.servers):
        place = (*path, "servers", index)
        yield from refer((*place, "centre"), server.centre, known.centres, Text("中心", "centre"))
        yield from check_url((*place, "url"), server.url)
        if server.name in {other.name for other in entry.servers[:index]}:
            yield (*place, "name"), Text(f'服务器 "{server.name}" 重复', f'the server name "{server.name}" is taken')


def _one_entry_each(entries: Sequence[Entry]) -> Iterator[Mistake]:
    seen: dict[str, str] = {}
    for index, entry in enumerate(entries):
        if entry.system in seen:
            other = seen[entry.system]
            yield (
                ("entries", index, "system"),
                Text(f'该系统已有入口 "{other}"', f'that system already has the entry "{other}"'),
            )
        seen.setdefault(entry.system, entry.id)
