"""SARIF 2.1.0: one run of Jindun; places that are no files get pseudo-paths, as code hosts ask for."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from secops.exchange.exporter import Around, Exporter, in_pieces
from secops.exchange.identity import encodable, own_fields
from secops.model.finding import Finding, Severity, State
from secops.model.text import Text
from secops.support.language import tell

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {
    Severity.CRITICAL: ("error", "9.5"),
    Severity.HIGH: ("error", "8.0"),
    Severity.MEDIUM: ("warning", "5.5"),
    Severity.LOW: ("note", "2.0"),
    Severity.INFO: ("note", "0.0"),
}
_JUDGED_AWAY = (State.FALSE_POSITIVE, State.RISK_ACCEPTED, State.OUT_OF_SCOPE)


def _write(findings: Iterable[Finding], around: Around) -> Iterator[bytes]:
    """Results first, then the rules that they named."""
    rules: dict[str, dict[str, Any]] = {}
    head = b'{"$schema":' + orjson.dumps(SCHEMA) + b',"version":"2.1.0","runs":[{"columnKind":"unicodeCodePoints",'
    pieces = (orjson.dumps(_result(finding, around, rules)) for finding in findings)
    yield from in_pieces(head + b'"results":[', pieces, b'],"tool":')
    driver = {"name": "Jindun", "semanticVersion": around.version, "rules": list(rules.values())}
    yield orjson.dumps({"driver": driver}) + b"}]}\n"


def _result(finding: Finding, around: Around, rules: dict[str, dict[str, Any]]) -> dict[str, Any]:
    weakness = finding.weakness
    rule = encodable(weakness.rule)
    rules.setdefault(rule, _rule(finding))
    resolved = finding.state is State.RESOLVED
    result: dict[str, Any] = {
        "ruleId": rule,
        "kind": "pass" if resolved else "fail",
        "level": "none" if resolved else _LEVELS[weakness.severity][0],
        "message": {"text": encodable(tell(weakness.reason)) or rule},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _place(finding, around)}}}],
        "partialFingerprints": {"jindunFindingId/v1": finding.id},
        "properties": {"security-severity": _LEVELS[weakness.severity][1], "jindun": own_fields(finding)},
    }
    if finding.state in _JUDGED_AWAY:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": finding.state.value}]
    return result


def _rule(finding: Finding) -> dict[str, Any]:
    weakness = finding.weakness
    title = encodable(tell(weakness.title)) or weakness.rule
    return {
        "id": encodable(weakness.rule),
        "shortDescription": {"text": title},
        "help": {"text": encodable(tell(weakness.mend)) or title},
        "properties": {"security-severity": _LEVELS[weakness.severity][1], "tags": ["security", *weakness.clauses]},
    }


def _place(finding: Finding, around: Around) -> str:
    """`web/HOST/PATH` for what has a URL, else `assets/ID`."""
    parts = urlsplit(around.addresses.get(finding.asset, ""))
    if not parts.hostname:
        return "assets/" + quote(finding.asset, safe="")
    return f"web/{quote(parts.netloc, safe='')}{quote(parts.path) or '/'}"


SARIF = Exporter("sarif", Text("SARIF 2.1.0", "SARIF 2.1.0"), _write)
