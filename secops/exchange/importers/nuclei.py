"""nuclei: `-jsonl` output."""

from collections.abc import Iterator
from typing import BinaryIO

from secops.exchange.addresses import origin_locator, parse_address, web_locator
from secops.exchange.fields import Fields
from secops.exchange.importer import Importer, Sighting
from secops.exchange.json_reading import json_lines
from secops.exchange.reported import reported, severity_named, tool_check
from secops.model.finding import Weakness, WeaknessClass
from secops.model.text import Text

_CHECK = tool_check("nuclei")
_CLASSES = {"http": WeaknessClass.WEB, "headless": WeaknessClass.WEB, "ssl": WeaknessClass.TLS}
_WHOLE_ORIGIN = ("http-missing-security-headers", "tech-detect", "waf-detect")
"""Templates that speak of a site as a whole, whatever page they asked for."""


def _read(stream: BinaryIO) -> Iterator[Sighting]:
    for line in json_lines(stream):
        where = (line.text("matched-at"), line.text("url"), line.text("host"), line.text("ip"))
        addresses = tuple(filter(None, where))
        weakness = None
        if line.flag("matcher-status", default=True):
            weakness = _weakness(line, addresses[0] if addresses else "")
        yield Sighting(_CHECK, addresses, weakness, line.moment("timestamp"))


def _weakness(line: Fields, where: str) -> Weakness:
    """Requests and responses are left out: they hold cookies and passwords."""
    info = line.within("info")
    template = line.required("template-id", "templateID")
    matcher = line.text("matcher-name")
    return reported(
        _CHECK,
        _CLASSES.get(line.text("type"), WeaknessClass.VULNERABILITY),
        f"{template}.{matcher}" if matcher else template,
        _locator(line, template, where),
        severity_named(info.text("severity")),
        title=info.text("name"),
        said=info.text("description"),
        mend=info.text("remediation"),
        evidence={"matched-at": where, "extracted": ", ".join(line.texts("extracted-results"))},
    )


def _locator(line: Fields, template: str, where: str) -> tuple[str, ...]:
    kind = line.text("type")
    if kind in ("http", "headless"):
        return origin_locator(where) if template in _WHOLE_ORIGIN else web_locator("", where)
    address = parse_address(where)
    return (kind, line.text("port") or str(address.port if address else 0))


NUCLEI = Importer(
    "nuclei",
    Text("nuclei 的 JSON 行输出", "JSON lines of nuclei"),
    recognises=lambda head: b'"template-id"' in head and b'"matched-at"' in head,
    read=_read,
)
