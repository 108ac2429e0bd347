"""From where an asset can be reached: the internet, the government extranet (政务外网) or its own network alone.

The inventory does not say it, so it is told from addresses, and what they do not tell counts as internet: a deadline
may be too short by that, never too long.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import chain
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import PlainValidator

from secops.model.city import Asset, AssetKind, City, System
from secops.model.text import Text
from secops.support.strict_yaml import BadValue


def _network(written: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(written))
    except ValueError:
        raise BadValue(Text(f"“{written}”不是网段", f"“{written}” is not a network like 10.1.0.0/16")) from None


Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network, json_schema_input_type=str)]
_ON_THE_WEB = (AssetKind.WEBSITE, AssetKind.PAGE)


class Exposure(StrEnum):
    """From where it can be reached, the widest first."""

    INTERNET = "internet"
    EXTRANET = "extranet"
    INTERNAL = "internal"


EXPOSURE_NAMES = {
    Exposure.INTERNET: Text("互联网可达", "internet"),
    Exposure.EXTRANET: Text("政务外网可达", "extranet"),
    Exposure.INTERNAL: Text("仅内网可达", "internal"),
}


@dataclass(frozen=True, slots=True)
class Networks:
    """How addresses tell exposures apart."""

    extranet: tuple[Network, ...]
    extranet_suffixes: tuple[str, ...]
    """Ends of host names, like `.gov-extranet.example`."""
    internal: tuple[Network, ...]
    internal_suffixes: tuple[str, ...]


def exposure_of(system: System, asset: Asset, city: City, networks: Networks) -> Exposure:
    """The widest exposure of the addresses that lead to the asset; internet when there are none.

    To a host, database or device leads its own address; to a website or page its URL and the entries of its system; to
    a file tree what leads to the websites and pages on the same host, or to that host when it serves none.
    """
    hosts = list(filter(None, _leading_to(system, asset, city)))
    found = {_of_host(host, networks) for host in hosts} or {Exposure.INTERNET}
    return next(one for one in Exposure if one in found)


def _leading_to(system: System, asset: Asset, city: City) -> Iterator[str]:
    if asset.kind in _ON_THE_WEB:
        yield _host_in(asset.url)
        yield from (_host_in(entry.url) for entry in city.entries if entry.system == system.id)
    elif asset.kind is AssetKind.FILE_TREE:
        yield from _leading_to_files(asset, city)
    else:
        yield asset.address


def _leading_to_files(tree: Asset, city: City) -> Iterator[str]:
    all_assets = [(system, asset) for system in city.systems for asset in system.assets]
    served = [(system, one) for system, one in all_assets if one.kind in _ON_THE_WEB and one.host == tree.host]
    if served:
        yield from chain.from_iterable(_leading_to(system, one, city) for system, one in served)
    else:
        yield from (asset.address for _, asset in all_assets if asset.id == tree.host)


def _host_in(url: str) -> str:
    return urlsplit(url).hostname or ""


def _of_host(host: str, networks: Networks) -> Exposure:
    """Names are told by their ends, as nothing is asked of the network; one without a dot is internal."""
    name = host.lower().rstrip(".")
    try:
        address = ip_address(name)
    except ValueError:
        if _ends(name, networks.extranet_suffixes):
            return Exposure.EXTRANET
        internal = "." not in name or _ends(name, networks.internal_suffixes)
        return Exposure.INTERNAL if internal else Exposure.INTERNET
    if _within(address, networks.extranet):
        return Exposure.EXTRANET
    return Exposure.INTERNAL if _within(address, networks.internal) else Exposure.INTERNET


def _ends(name: str, suffixes: Iterable[str]) -> bool:
    return any(f".{name}".endswith("." + suffix.lower().strip(".")) for suffix in suffixes)


def _within(address: IPv4Address | IPv6Address, networks: Iterable[Network]) -> bool:
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in networks)
