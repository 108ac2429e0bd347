"""OCSF 1.3, JSON lines: vulnerability (2002), compliance (2003) or detection (2004) by the class of the weakness."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson

from secops.exchange.exporter import Around, Exporter
from secops.exchange.identity import encodable
from secops.model.finding import Finding, Severity, State, WeaknessClass
from secops.model.text import Text
from secops.support.language import tell

_FINDINGS = 2
_VULNERABILITY, _COMPLIANCE, _DETECTION = 2002, 2003, 2004
_CLASSES = {
    WeaknessClass.COMPLIANCE: _COMPLIANCE,
    WeaknessClass.RESILIENCE: _COMPLIANCE,
    WeaknessClass.TAMPER: _DETECTION,
    WeaknessClass.DETECTION: _DETECTION,
}
_CREATED, _UPDATED, _CLOSED = 1, 2, 3
_NEW, _IN_PROGRESS, _SUPPRESSED, _RESOLVED = 1, 2, 3, 4
_STATES = {
    State.NEW: (_CREATED, _NEW),
    State.RESOLVED: (_CLOSED, _RESOLVED),
    State.FALSE_POSITIVE: (_CLOSED, _SUPPRESSED),
    State.RISK_ACCEPTED: (_CLOSED, _SUPPRESSED),
    State.OUT_OF_SCOPE: (_CLOSED, _SUPPRESSED),
}
_PASS, _FAIL = 1, 3
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")


def _write(findings: Iterable[Finding], around: Around) -> Iterator[bytes]:
    for finding in findings:
        yield orjson.dumps(_event(finding, around), option=orjson.OPT_APPEND_NEWLINE)


def _event(finding: Finding, around: Around) -> dict[str, Any]:
    weakness = finding.weakness
    kind = _CLASSES.get(weakness.weakness_class, _VULNERABILITY)
    activity, status = _STATES.get(finding.state, (_UPDATED, _IN_PROGRESS))
    title, reason, mend = (encodable(tell(text)) for text in (weakness.title, weakness.reason, weakness.mend))
    event: dict[str, Any] = {
        "category_uid": _FINDINGS,
        "class_uid": kind,
        "activity_id": activity,
        "type_uid": kind * 100 + activity,
        "severity_id": list(Severity).index(weakness.severity) + 1,
        "status_id": status,
        "time": _milliseconds(finding.last_seen),
        "message": reason,
        "metadata": {
            "version": "1.3.0",
            "product": {"name": "Jindun", "vendor_name": "Jindun", "version": around.version},
        },
        "finding_info": {
            "uid": finding.id,
            "title": title,
            "desc": reason,
            "types": [weakness.weakness_class.value],
            "first_seen_time": _milliseconds(finding.first_seen),
            "last_seen_time": _milliseconds(finding.last_seen),
        },
    }
    resource = {"uid": finding.asset, "name": around.addresses.get(finding.asset) or finding.asset}
    if kind == _VULNERABILITY:
        return event | {"resources": [resource], "vulnerabilities": [_vulnerability(finding, title, reason, mend)]}
    event |= {"remediation": {"desc": mend}, "resources": [resource]}
    if kind == _COMPLIANCE:
        return event | {"compliance": _compliance(finding)}
    # The schema wants an object with at least one field for each evidence.
    return event | {"evidences": [{"data": {encodable(k): encodable(v) for k, v in weakness.evidence.items()}}]}


def _vulnerability(finding: Finding, title: str, reason: str, mend: str) -> dict[str, Any]:
    cve = _CVE.search(finding.weakness.rule)
    shown: dict[str, Any] = {
        "title": title,
        "desc": reason,
        "severity": finding.weakness.severity.value.capitalize(),
        "remediation": {"desc": mend},
    }
    return shown | ({"cve": {"uid": cve[0]}} if cve else {})


def _compliance(finding: Finding) -> dict[str, Any]:
    return {
        "control": encodable(finding.weakness.rule),
        "standards": ["GB/T 22239-2019"],
        "requirements": list(finding.weakness.clauses),
        "status_id": _PASS if finding.state is State.RESOLVED else _FAIL,
    }


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


OCSF = Exporter("ocsf", Text("OCSF 1.3(JSON 行)", "OCSF 1.3, JSON lines"), _write)
