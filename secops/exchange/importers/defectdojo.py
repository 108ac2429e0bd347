"""DefectDojo: Generic Findings JSON.

The format has no rule of its own: the first of `vuln_id_from_tool`, a vulnerability id (a CVE before its aliases), CWE
and, as the last resort, the title without version numbers is taken for it.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

import orjson

from secops.exchange.addresses import OWN, web_locator
from secops.exchange.fields import Fields
from secops.exchange.identity import IDENTITY, own_sighting
from secops.exchange.importer import Importer, Sighting
from secops.exchange.json_reading import json_document
from secops.exchange.reported import known_number, place_of_package, reported, severity_named, slug, tool_check
from secops.model.finding import Weakness, WeaknessClass
from secops.model.text import Text

_VERSION = re.compile(r"\bv?\d+(\.\d+)+\S*")
_OVER = ("false_p", "is_mitigated", "duplicate", "out_of_scope", "risk_accepted")


def _read(stream: BinaryIO) -> Iterator[Sighting]:
    report = json_document(stream)
    check = tool_check(report.text("type", "name") or "defectdojo")
    for finding in report.items("findings"):
        if own := _own(finding):
            yield own
            continue
        over = not finding.flag("active", default=True) or any(map(finding.flag, _OVER))
        for url in _endpoints(finding) or [""]:
            service, component = finding.text("service"), finding.text("component_name")
            addresses = tuple(filter(None, (url, service and OWN + service, service, component)))
            yield Sighting(check, addresses, None if over else _weakness(check, finding, url), finding.moment("date"))


def _own(finding: Fields) -> Sighting | None:
    """What we exported ourselves comes back as what it was."""
    last = finding.text("steps_to_reproduce").rpartition("\n")[2]
    if not last.startswith(IDENTITY):
        return None
    try:
        value = orjson.loads(last.removeprefix(IDENTITY))
    except orjson.JSONDecodeError:
        raise finding.wrong(Text("津盾身份标识无法解析", "the identity given by Jindun cannot be read")) from None
    return own_sighting(Fields(value, finding.record))


def _endpoints(finding: Fields) -> list[str]:
    """As URLs, or as hosts when no scheme is given."""
    urls = []
    for number, one in enumerate(finding.array("endpoints")):
        if isinstance(one, str):
            urls.append(one)
            continue
        parts = Fields(one, f"{finding.record}.endpoints[{number}]")
        scheme = parts.text("protocol") + "://" if parts.has("protocol") else ""
        port = f":{parts.text('port')}" if parts.has("port") else ""
        urls.append(f"{scheme}{parts.required('host')}{port}/{parts.text('path').lstrip('/')}")
    return urls


def _weakness(check: str, finding: Fields, url: str) -> Weakness:
    ids = [one.text("vulnerability_id") if isinstance(one, Fields) else one for one in _ids(finding)]
    cwe = f"cwe-{finding.text('cwe')}" if finding.text("cwe") not in ("", "0") else ""
    title = finding.required("title")
    path = place_of_package(finding.text("file_path"), finding.text("component_version"))
    place = (finding.text("component_name"), path, finding.text("param"))
    return reported(
        check,
        WeaknessClass.WEB if "://" in url else WeaknessClass.VULNERABILITY,
        _rule(finding.text("vuln_id_from_tool"), [*ids, finding.text("cve")]) or cwe or slug(_VERSION.sub("", title)),
        (*(web_locator("", url) if url else ()), *place),
        severity_named(finding.required("severity")),
        title=title,
        said=finding.text("description"),
        mend=finding.text("mitigation"),
        evidence={"endpoint": url, "component": finding.text("component_name"), "file": finding.text("file_path")},
        exploited=finding.flag("known_exploited"),
    )


def _rule(own: str, numbers: list[str]) -> str:
    """The tool's own id, or the number of the flaw; empty when there is neither. The order of numbers is no matter."""
    numbers = sorted(filter(None, numbers))
    return known_number(own or numbers[0], *numbers) if own or numbers else ""


def _ids(finding: Fields) -> list[str | Fields]:
    """Vulnerability ids, written as texts or as objects."""
    return [
        one if isinstance(one, str) else Fields(one, f"{finding.record}.vulnerability_ids[{number}]")
        for number, one in enumerate(finding.array("vulnerability_ids"))
    ]


DEFECTDOJO = Importer(
    "defectdojo",
    Text("DefectDojo 通用 JSON", "Generic Findings JSON of DefectDojo"),
    recognises=lambda head: b'"findings"' in head and b'"title"' in head and b'"severity"' in head,
    read=_read,
)
