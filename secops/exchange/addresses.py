"""Addresses as reports write them, and which asset of the inventory they mean."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import quote, unquote, urlsplit

from secops.model.city import Asset, AssetKind

OWN = "asset:"
"""Before the id of an asset."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MACHINES = (AssetKind.HOST, AssetKind.NETWORK_DEVICE, AssetKind.DATABASE)
_NUMBER = re.compile(r"(?<=/)\d+(?=[./]|$)")
_SESSION = re.compile(r";jsessionid=[^/;]*", re.IGNORECASE)
_HEX = re.compile(r"(?<=/)[0-9a-fA-F]{8}[0-9a-fA-F-]{8,}(?=[./]|$)")


@dataclass(frozen=True, slots=True)
class Address:
    """An address in parts; scheme empty and port 0 when it names none."""

    scheme: str
    host: str
    port: int
    path: str
    parameters: tuple[str, ...] = ()
    """Names in the query, sorted."""


@lru_cache(maxsize=1024)  # a record's address is asked for by its locator and by its asset
def parse_address(text: str) -> Address | None:
    """A URL, `host:port`, host name or IP address; None when it is none of these."""
    text = text.strip()
    bare = "://" not in text
    if bare and text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"
    try:
        parts = urlsplit(f"//{text}" if bare else text)
        host = _host(parts.hostname or "")
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    names = sorted({unquote(pair.partition("=")[0]) for pair in parts.query.split("&")} - {""})
    return Address(parts.scheme, host, port, parts.path or "/", tuple(names)) if host else None


def path_template(path: str) -> str:
    """The path with numbers and long identifiers made alike, sessions left out: `/news/{int}.html`."""
    plain = quote(_SESSION.sub("", unquote(path)), safe="/{}:@!$&'()*+,;=~-._")
    return _NUMBER.sub("{int}", _HEX.sub("{hex}", plain))


def web_locator(method: str, url: str, parameter: str = "") -> tuple[str, ...]:
    """Port, method, path template and names of parameters; never the host, which may have aliases, nor values."""
    address = parse_address(url)
    if address is None:
        return (method, parameter)
    names = (parameter,) if parameter else address.parameters
    return (str(address.port), method, path_template(address.path), *names)


def origin_locator(url: str) -> tuple[str, ...]:
    """Scheme and port, for what is a matter of the whole site, like a header."""
    address = parse_address(url)
    return (address.scheme, str(address.port)) if address else ()


class AssetIndex:
    """Finds the asset that an address means."""

    def __init__(self, assets: Iterable[tuple[str, Asset]]) -> None:
        """Of (system id, asset)."""
        self._by_id: dict[str, tuple[str, Asset]] = {}
        self._sites: dict[tuple[str, str, int], list[tuple[str, str]]] = defaultdict(list)
        self._site_hosts: dict[str, set[str]] = defaultdict(set)
        self._served: dict[tuple[str, str, int], set[str]] = defaultdict(set)
        """Sites by the address of the host that holds them: names that nobody declared lead there, too."""
        self._pages: dict[Address, str] = {}
        self._machines: dict[tuple[AssetKind, str], set[str]] = defaultdict(set)
        for system, asset in assets:
            self._add(system, asset)
        for _, asset in self._by_id.values():
            if asset.kind is AssetKind.WEBSITE and asset.host in self._by_id:
                self._add_served(asset, self._by_id[asset.host][1])

    def _add(self, system: str, asset: Asset) -> None:
        self._by_id[asset.id] = (system, asset)
        url = parse_address(asset.url) if asset.url else None
        if url and asset.kind is AssetKind.WEBSITE:
            self._sites[url.scheme, url.host, url.port].append((url.path, asset.id))
            self._site_hosts[url.host].add(asset.id)
        elif url:
            self._pages[url] = asset.id
        machine = parse_address(asset.address) if asset.address else None
        if machine:
            self._machines[asset.kind, machine.host].add(asset.id)

    def _add_served(self, site: Asset, host: Asset) -> None:
        url, machine = parse_address(site.url), parse_address(host.address)
        if url and machine:
            self._served[url.scheme, machine.host, url.port].add(site.id)

    def find(self, addresses: Iterable[str]) -> tuple[str, Asset] | None:
        """System id and asset of the first address that means exactly one."""
        for text in addresses:
            if found := self._meant(text):
                return self._by_id[found]
        return None

    def _meant(self, text: str) -> str | None:
        if text.startswith(OWN):
            named = text.removeprefix(OWN)
            return named if named in self._by_id else None
        address = parse_address(text) if text else None
        if address is None:
            return None
        site = self._site(address) if address.scheme else None
        return site or self._machine(address.host) or _only(self._site_hosts.get(address.host)) or self._named(text)

    def _named(self, text: str) -> str | None:
        """The asset whose id the tool was given as the name of its target."""
        return text if text in self._by_id else None

    def _site(self, address: Address) -> str | None:
        """The site of that origin whose path is the longest that leads there; else a page with that very address.

        Else the only site that the host of that address serves there.
        """
        origin = (address.scheme, address.host, address.port)
        leading = [(len(path), name) for path, name in self._sites.get(origin, []) if address.path.startswith(path)]
        return max(leading)[1] if leading else self._pages.get(address) or _only(self._served.get(origin))

    def _machine(self, host: str) -> str | None:
        """A host before a device before a database, where they share an address."""
        for kind in _MACHINES:
            if known := self._machines.get((kind, host)):
                return _only(known)
        return None


def _only(names: set[str] | None) -> str | None:
    return next(iter(names)) if names and len(names) == 1 else None


def _host(name: str) -> str:
    name = name.lower().rstrip(".")
    if ":" in name:
        return str(ip_address(name))
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name
