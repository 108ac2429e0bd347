"""DefectDojo: Generic Findings JSON. One key that it does not know makes it refuse the whole file."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from secops.exchange.exporter import Around, Exporter, in_pieces
from secops.exchange.identity import encodable, own_line
from secops.model.finding import Finding, Severity, State
from secops.model.text import Text
from secops.support.language import tell

_SEVERITIES = {severity: severity.value.capitalize() for severity in Severity}
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")


def _write(findings: Iterable[Finding], around: Around) -> Iterator[bytes]:
    head = {"name": "Jindun", "type": "Jindun", "version": around.version}
    pieces = (orjson.dumps(_record(finding, around)) for finding in findings)
    return in_pieces(orjson.dumps(head)[:-1] + b',"findings":[', pieces, b"]}\n")


def _record(finding: Finding, around: Around) -> dict[str, Any]:
    weakness, address = finding.weakness, around.addresses.get(finding.asset, "")
    cve = _CVE.search(weakness.rule)
    shown = {
        "title": tell(weakness.title)[:500],
        "severity": _SEVERITIES[weakness.severity],
        "description": tell(weakness.reason),
        "mitigation": tell(weakness.mend),
        "steps_to_reproduce": own_line(finding),
        "service": finding.asset[:200],
        "unique_id_from_tool": finding.id,
        "vuln_id_from_tool": weakness.rule[:500],
    }
    record: dict[str, Any] = {key: encodable(value) for key, value in shown.items()} | {
        "date": finding.first_seen.date().isoformat(),
        "active": finding.state.open,
        "verified": finding.state is State.TRIAGED,
        "is_mitigated": finding.state is State.RESOLVED,
        "risk_accepted": finding.state is State.RISK_ACCEPTED,
        "false_p": finding.state is State.FALSE_POSITIVE,
        "endpoints": [address] if address else [],
        "known_exploited": weakness.exploited,
        "tags": [weakness.weakness_class.value, finding.check],
    }
    return record | ({"cve": cve[0]} if cve else {})


DEFECTDOJO = Exporter("defectdojo", Text("DefectDojo 通用 JSON", "Generic Findings JSON of DefectDojo"), _write)
