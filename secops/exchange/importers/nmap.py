"""nmap: `-oX` output; open ports that the inventory does not declare, and what vulnerability scripts found."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO
from xml.etree.ElementTree import Element

from secops.exchange.importer import Importer, Sighting
from secops.exchange.misread import Misread
from secops.exchange.reported import reported, tool_check
from secops.exchange.xml_reading import child, xml_elements
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

_CHECK = tool_check("nmap")


def _read(stream: BinaryIO) -> Iterator[Sighting]:
    for number, host in enumerate(xml_elements(stream, {"host"}), 1):
        addresses, at = _addresses(host), _moment(host)
        if not addresses:
            continue  # with --exclude and the like nmap writes hosts that it never named
        status = child(host, "status")
        if status is not None and status.get("state") != "up":
            yield Sighting(_CHECK, addresses, at=at, untested=True)
            continue
        yield Sighting(_CHECK, addresses, at=at)
        for port in host.iterfind("./ports/port"):
            yield from _of_port(port, addresses, at, number)


def _addresses(host: Element) -> tuple[str, ...]:
    ips = [one.get("addr", "") for one in host.iterfind("address") if one.get("addrtype") in ("ipv4", "ipv6")]
    names = [one.get("name", "") for one in host.iterfind("./hostnames/hostname")]
    return tuple(filter(None, (*ips, *names)))


def _moment(host: Element) -> datetime | None:
    seconds = host.get("endtime") or host.get("starttime") or ""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _of_port(port: Element, addresses: tuple[str, ...], at: datetime | None, host: int) -> Iterator[Sighting]:
    protocol, number = port.get("protocol", ""), port.get("portid", "")
    if not (number.isascii() and number.isdigit() and len(number) < 6 and int(number) < 65536):
        raise Misread(Text(f"端口号无效:{number!r}", f"no port number: {number!r}"), record=f"host[{host}]")
    state = child(port, "state")
    if state is None or state.get("state") != "open":
        return
    declared = int(number) if protocol == "tcp" else 0
    yield Sighting(_CHECK, addresses, _open_port(protocol, number, port), at, open_port=declared)
    for script in port.iterfind("script"):
        if any((one.text or "").startswith("VULNERABLE") for one in script.iterfind(".//elem[@key='state']")):
            yield Sighting(_CHECK, addresses, _vulnerable(protocol, number, script), at)


def _open_port(protocol: str, number: str, port: Element) -> Weakness:
    service = child(port, "service")
    facts = dict(service.attrib) if service is not None else {}
    return reported(
        _CHECK,
        WeaknessClass.PORT,
        "open-port",
        (protocol, number),
        Severity.MEDIUM,
        title=f"{protocol}/{number} open",
        evidence={key: facts.get(key, "") for key in ("name", "product", "version")},
    )


def _vulnerable(protocol: str, number: str, script: Element) -> Weakness:
    name = script.get("id", "script")
    return reported(
        _CHECK,
        WeaknessClass.VULNERABILITY,
        name,
        (protocol, number),
        Severity.HIGH,
        title=name,
        said=" ".join(script.get("output", "").split()),
    )


NMAP = Importer(
    "nmap",
    Text("nmap 的 XML 输出", "XML of nmap"),
    recognises=lambda head: b"<nmaprun" in head,
    read=_read,
    noisy=True,
)
