"""nuclei: `-jsonl` output."""

from collections.abc import Iterator
from typing import BinaryIO

from secops.exchange.addresses import origin_locator, parse_address, web_locator
from secops.exchange.fields import Fields
from secops.exchange.importer import Importer, Sighting
from secops.exchange.json_reading import json_lines
from secops.exchange.reported import known_number, reported, severity_named, tool_check
from secops.model.finding import Weakness, WeaknessClass
from secops.model.text import Text

_CHECK = tool_check("nuclei")
_CLASSES = {"http": WeaknessClass.WEB, "headless": WeaknessClass.WEB, "ssl": WeaknessClass.TLS}
_FORMER_NAMES = {"network": "tcp"}
"""Types that nuclei 2 called otherwise."""
_ON_A_PORT = ("ssl", "tcp", "javascript", "websocket")
"""Types whose findings are of one port; of others the port, where it is written, is not the place."""
_PORTS = {"ssl": "443"}
_WHOLE_ORIGIN = ("http-missing-security-headers", "tech-detect", "waf-detect")
"""Templates that speak of a site as a whole, whatever page they asked for."""
_KNOWN_EXPLOITED = frozenset({"kev", "vkev"})
"""Tags of templates for what is on a list of flaws that attackers use."""


def _read(stream: BinaryIO) -> Iterator[Sighting]:
    for line in json_lines(stream):
        addresses = _addresses(line)
        weakness = None
        if line.flag("matcher-status", default=True):
            weakness = _weakness(line, addresses[0] if addresses else "")
        yield Sighting(_CHECK, addresses, weakness, line.moment("timestamp"))


def _addresses(line: Fields) -> tuple[str, ...]:
    """What it was called, then the site at that IP address, then the machine: a site may go by an alias."""
    called = tuple(filter(None, (line.text("matched-at"), line.text("url"), line.text("host"))))
    ip = line.text("ip")
    first = parse_address(called[0]) if called else None
    if not ip or first is None or not first.scheme:
        return (*called, ip) if ip else called
    bracketed = f"[{ip}]" if ":" in ip else ip
    return (*called, f"{first.scheme}://{bracketed}:{first.port}/", ip)


def _weakness(line: Fields, where: str) -> Weakness:
    """Requests and responses are left out: they hold cookies and passwords."""
    info = line.within("info")
    template = line.required("template-id", "templateID")
    number = known_number(template, *info.within("classification").texts("cve-id"))
    matcher = line.text("matcher-name")
    return reported(
        _CHECK,
        _CLASSES.get(line.text("type"), WeaknessClass.VULNERABILITY),
        f"{number}.{matcher}" if matcher else number,
        _locator(line, template, where),
        severity_named(info.text("severity")),
        title=info.text("name"),
        said=info.text("description"),
        mend=info.text("remediation"),
        evidence={"matched-at": where, "extracted": ", ".join(line.texts("extracted-results"))},
        exploited=not _KNOWN_EXPLOITED.isdisjoint(_tags(info)),
    )


def _tags(info: Fields) -> set[str]:
    """A list, or one text with commas."""
    return {tag.strip().lower() for text in info.texts("tags") for tag in text.split(",")}


def _locator(line: Fields, template: str, where: str) -> tuple[str, ...]:
    kind = line.text("type")
    if kind in ("http", "headless"):
        return origin_locator(where) if template in _WHOLE_ORIGIN else web_locator("", where)
    kind = _FORMER_NAMES.get(kind, kind)
    if kind not in _ON_A_PORT:
        return (kind,)
    address = parse_address(where)
    port = line.text("port") or str(address.port if address else 0)
    return (kind, _PORTS.get(kind, port) if port == "0" else port)


NUCLEI = Importer(
    "nuclei",
    Text("nuclei 的 JSON 行输出", "JSON lines of nuclei"),
    recognises=lambda head: b'"template-id"' in head and b'"matched-at"' in head,
    read=_read,
    noisy=True,
)
