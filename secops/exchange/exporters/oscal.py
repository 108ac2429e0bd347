"""OSCAL assessment results, JSON: every finding an observation and a risk, and a finding for each clause it touches.

Each part is checked by compliance-trestle before it is written. Ids come from ours, so that they are the same tomorrow.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from uuid import UUID, uuid5

import orjson
from trestle.core.base_model import OscalBaseModel
from trestle.oscal import OSCAL_VERSION
from trestle.oscal.assessment_results import ImportAp, LocalDefinitions1
from trestle.oscal.common import BackMatter, Metadata, Observation, ReviewedControls, Risk
from trestle.oscal.common import Finding as OscalFinding

from secops.exchange.exporter import Around, Exporter, in_pieces
from secops.exchange.identity import encodable
from secops.model.finding import Finding, State
from secops.model.text import Text
from secops.support.clock import to_text
from secops.support.language import say, tell

_OURS = UUID("2f0f7f0c-3f52-5d0b-8a53-6f2c3e7d9a41")
"""The name space of our ids."""
_NAMESPACE = "urn:jindun"
_IN_MEMORY = 8 << 20
"""Bytes of one section; what is longer waits in a file."""
_RISKS = {
    State.NEW: "open",
    State.TRIAGED: "investigating",
    State.IN_PROGRESS: "remediating",
    State.PENDING_VERIFICATION: "remediating",
    State.REOPENED: "open",
    State.RISK_ACCEPTED: "deviation-approved",
}
"""Every other state is closed."""
_SATISFIED = (State.RESOLVED, State.FALSE_POSITIVE, State.OUT_OF_SCOPE)
_TOOL = str(uuid5(_OURS, "tool"))
_PLAN = str(uuid5(_OURS, "plan"))
_BY_TOOL = {"actors": [{"type": "tool", "actor-uuid": _TOOL}]}


@dataclass(slots=True)
class _Seen:
    """What the findings named, told when all were written."""

    assets: set[str] = field(default_factory=set)
    controls: set[str] = field(default_factory=set)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, finding: Finding) -> None:
        self.assets.add(finding.asset)
        self.controls.update(map(control_id, finding.weakness.clauses))
        self.first = min(self.first or finding.first_seen, finding.first_seen)
        self.last = max(self.last or finding.last_seen, finding.last_seen)


def _write(findings: Iterable[Finding], around: Around) -> Iterator[bytes]:
    """Observations as they come, risks and findings after them: OSCAL keeps each kind in a list of its own."""
    seen = _Seen()
    with ExitStack() as open_files:
        risks, results = (open_files.enter_context(SpooledTemporaryFile(_IN_MEMORY)) for _ in range(2))
        yield b'{"assessment-results":' + orjson.dumps(_head(around))[:-1] + b',"results":[{'
        observations = _observations(findings, seen, risks, results)
        if (first := next(observations, None)) is not None:
            yield from in_pieces(b'"observations":[', chain([first], observations), b"],")
            yield from _section(b"risks", risks)
            yield from _section(b"findings", results)
        yield orjson.dumps(_result(seen, around))[1:] + b"]}}\n"


def _observations(findings: Iterable[Finding], seen: _Seen, risks: IO[bytes], results: IO[bytes]) -> Iterator[bytes]:
    for finding in findings:
        seen.add(finding)
        risks.write(_checked(Risk, _risk(finding)) + b"\n")
        results.writelines(_checked(OscalFinding, one) + b"\n" for one in _of_clauses(finding))
        yield _checked(Observation, _observation(finding))


def _section(name: bytes, lines: IO[bytes]) -> Iterator[bytes]:
    """A list that was kept one item a line; OSCAL forbids empty ones."""
    if not lines.tell():
        return
    lines.seek(0)
    yield from in_pieces(b'"' + name + b'":[', (line.rstrip(b"\n") for line in lines), b"],")


def _checked(kind: type[OscalBaseModel], value: dict[str, Any]) -> bytes:
    """The value as JSON, having passed the model of its kind."""
    kind.model_validate(value)
    return orjson.dumps(value)


def _head(around: Around) -> dict[str, Any]:
    at = to_text(around.at)
    metadata = {
        "title": say(zh="津盾发现", en="Findings of Jindun"),
        "last-modified": at,
        "version": around.version,
        "oscal-version": OSCAL_VERSION,
    }
    plan = {"href": f"#{_PLAN}"}
    scope = say(
        zh="没有单独的评估方案文件;范围以津盾设置中经授权的扫描范围为准。",
        en="There is no assessment plan of its own; what was looked at is the scope authorised in the settings.",
    )
    resources = {
        "resources": [{"uuid": _PLAN, "title": say(zh="评估方案", en="assessment plan"), "description": scope}]
    }
    for kind, value in ((Metadata, metadata), (ImportAp, plan), (BackMatter, resources)):
        _checked(kind, value)
    return {
        "uuid": str(uuid5(_OURS, f"document\x1f{at}")),
        "metadata": metadata,
        "import-ap": plan,
        "back-matter": resources,
    }


def _result(seen: _Seen, around: Around) -> dict[str, Any]:
    selected: dict[str, Any] = {"include-controls": [{"control-id": one} for one in sorted(seen.controls)]}
    controls = {"control-selections": [selected if seen.controls else {"include-all": {}}]}
    definitions: dict[str, Any] = {"components": [_tool(around)]}
    if seen.assets:
        definitions["inventory-items"] = [_item(asset, around) for asset in sorted(seen.assets)]
    for kind, value in ((ReviewedControls, controls), (LocalDefinitions1, definitions)):
        _checked(kind, value)
    return {
        "uuid": str(uuid5(_OURS, f"result\x1f{to_text(around.at)}")),
        "title": say(zh="对照 GB/T 22239-2019 的发现", en="findings against GB/T 22239-2019"),
        "description": say(zh="津盾导出时的全部所选发现。", en="All findings that were chosen, as they were then."),
        "start": to_text(seen.first or around.at),
        "end": to_text(max(seen.last or around.at, around.at)),
        "reviewed-controls": controls,
        "local-definitions": definitions,
    }


def _tool(around: Around) -> dict[str, Any]:
    return {
        "uuid": _TOOL,
        "type": "software",
        "title": say(zh="津盾", en="Jindun"),
        "description": say(zh="扫描与核查工具", en="the tool that scanned and checked"),
        "props": [_property("version", around.version)],
        "status": {"state": "operational"},
    }


def _item(asset: str, around: Around) -> dict[str, Any]:
    return {
        "uuid": _asset_uuid(asset),
        "description": encodable(around.addresses.get(asset) or asset),
        "props": [_property("asset", asset)],
    }


def _observation(finding: Finding) -> dict[str, Any]:
    weakness = finding.weakness
    told: dict[str, Any] = {
        "uuid": _uuid("observation", finding.id),
        "title": _line(tell(weakness.title), weakness.rule),
        "description": encodable(tell(weakness.reason)) or weakness.rule,
        "props": [
            _property("finding", finding.id),
            _property("rule", weakness.rule),
            _property("class", weakness.weakness_class.value),
            _property("state", finding.state.value),
            _property("system", finding.system),
            *(_property("place", part) for part in weakness.locator),
        ],
        "methods": ["TEST"],
        "types": ["finding"],
        "origins": [_BY_TOOL],
        "subjects": [{"subject-uuid": _asset_uuid(finding.asset), "type": "inventory-item"}],
        "collected": to_text(finding.last_seen),
    }
    evidence = [{"description": encodable(f"{key}: {value}")} for key, value in weakness.evidence.items()]
    return told | ({"relevant-evidence": evidence} if evidence else {})


def _risk(finding: Finding) -> dict[str, Any]:
    weakness = finding.weakness
    severity = {"name": "severity", "system": _NAMESPACE, "value": weakness.severity.value}
    due = {"deadline": to_text(finding.deadline.due)} if finding.deadline else {}
    return due | {
        "uuid": _uuid("risk", finding.id),
        "title": _line(tell(weakness.title), weakness.rule),
        "description": encodable(tell(weakness.reason)) or weakness.rule,
        "statement": encodable(tell(weakness.reason)) or weakness.rule,
        "status": _RISKS.get(finding.state, "closed"),
        "origins": [_BY_TOOL],
        "characterizations": [{"origin": _BY_TOOL, "facets": [severity]}],
        "remediations": [
            {
                "uuid": _uuid("remediation", finding.id),
                "lifecycle": "recommendation",
                "title": say(zh="处置建议", en="what to do"),
                "description": encodable(tell(weakness.mend)) or weakness.rule,
            }
        ],
        "related-observations": [{"observation-uuid": _uuid("observation", finding.id)}],
    }


def _of_clauses(finding: Finding) -> Iterator[dict[str, Any]]:
    """One for each clause, as OSCAL has one target for each; none for what touches no clause."""
    for clause in dict.fromkeys(finding.weakness.clauses):
        state = "satisfied" if finding.state in _SATISFIED else "not-satisfied"
        yield {
            "uuid": _uuid("finding", finding.id, clause),
            "title": _line(tell(finding.weakness.title), finding.weakness.rule),
            "description": encodable(tell(finding.weakness.reason)) or finding.weakness.rule,
            "target": {
                "type": "objective-id",
                "target-id": control_id(clause),
                "title": _line(f"GB/T 22239-2019 {clause}"),
                "status": {"state": state},
            },
            "related-observations": [{"observation-uuid": _uuid("observation", finding.id)}],
            "related-risks": [{"risk-uuid": _uuid("risk", finding.id)}],
        }


def control_id(clause: str) -> str:
    """`gbt22239-8.1.4.8.a` for `8.1.4.8 a`: a token of OSCAL has no spaces and begins with a letter."""
    return "gbt22239-" + re.sub(r"[^A-Za-z0-9.-]+", ".", clause.strip())


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": _NAMESPACE, "value": _line(value)}


def _line(text: str, otherwise: str = "-") -> str:
    """Text as one line that is not empty."""
    return " ".join(encodable(text).split()) or " ".join(encodable(otherwise).split()) or "-"


def _uuid(kind: str, *parts: str) -> str:
    return str(uuid5(_OURS, "\x1f".join((kind, *map(encodable, parts)))))


def _asset_uuid(asset: str) -> str:
    return _uuid("asset", asset)


OSCAL = Exporter("oscal", Text("OSCAL 评估结果", "OSCAL assessment results"), _write)
