"""OpenSCAP: XCCDF results, alone or within an ARF. One rule of the benchmark is one finding, whatever its version."""

from collections.abc import Iterator
from typing import BinaryIO
from xml.etree.ElementTree import Element

from secops.exchange.fields import moment_of
from secops.exchange.importer import Importer, Sighting
from secops.exchange.misread import Misread
from secops.exchange.reported import reported, severity_named, tool_check
from secops.exchange.xml_reading import child, local_name, text_of, xml_elements
from secops.model.finding import Weakness, WeaknessClass
from secops.model.text import Text

_CHECK = tool_check("openscap")
_RESULTS = {"pass", "fail", "error", "unknown", "notapplicable", "notchecked", "notselected", "informational", "fixed"}
_UNTESTED = {"error", "unknown"}
_TARGET = ("target", "target-address", "target-facts")
_EVERYWHERE = ("127.0.0.1", "::1", "0:0:0:0:0:0:0:1")
"""Every host calls itself so."""


def _read(stream: BinaryIO) -> Iterator[Sighting]:
    """Titles of rules come before the results of a machine, and what the machine is called before each of these."""
    rules: dict[str, tuple[str, str]] = {}
    addresses: list[str] = []
    results = 0
    for element in xml_elements(stream, {"Rule", "rule-result", "score", *_TARGET}):
        kind = local_name(element)
        if kind == "Rule":
            rules[element.get("id", "")] = text_of(child(element, "title")), text_of(child(element, "fixtext"))
        elif kind in _TARGET:
            addresses += _names(element, kind)
        elif kind == "score":
            addresses = []
        else:
            results += 1
            yield _sighting(element, tuple(addresses), rules, results)


def _names(element: Element, kind: str) -> list[str]:
    if kind != "target-facts":
        found = [text_of(element)]
    else:
        found = [text_of(one) for one in element if one.get("name", "").endswith((":fqdn", ":host_name", ":ipv4"))]
    return [name for name in found if name and name not in _EVERYWHERE]


def _sighting(element: Element, addresses: tuple[str, ...], rules: dict[str, tuple[str, str]], number: int) -> Sighting:
    result, rule = text_of(child(element, "result")), element.get("idref", "")
    if result not in _RESULTS or not rule:
        text = Text(f"结果 {result!r} 无效或缺少 idref", f"no valid result ({result!r}), or no idref")
        raise Misread(text, record=f"rule-result[{number}]")
    weakness = _weakness(element, rule, *rules.get(rule, (rule, ""))) if result == "fail" else None
    at = moment_of(element.get("time", ""))
    return Sighting(_CHECK, addresses, weakness, at, untested=result in _UNTESTED)


def _weakness(element: Element, rule: str, title: str, mend: str) -> Weakness:
    instance = text_of(child(element, "instance"))
    return reported(
        _CHECK,
        WeaknessClass.COMPLIANCE,
        rule,
        (instance,) if instance else (),
        severity_named(element.get("severity", "")),
        title=title,
        mend=mend,
        evidence={"message": text_of(child(element, "message"))},
    )


OPENSCAP = Importer(
    "openscap",
    Text("OpenSCAP 的 XCCDF 或 ARF 结果", "XCCDF or ARF results of OpenSCAP"),
    recognises=lambda head: (
        b"http://checklists.nist.gov/xccdf/" in head or b"http://scap.nist.gov/schema/asset-reporting-format" in head
    ),
    read=_read,
)
