"""A finding as a JSON document and back; the same document in every store."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson

from secops.model.acceptance import Acceptance
from secops.model.finding import Deadline, Finding, Severity, State, Weakness, WeaknessClass
from secops.model.text import Text


def to_document(finding: Finding) -> bytes:
    """UTF-8 JSON. Halves of surrogate pairs, which a hostile target can plant in evidence, become `?`."""
    try:
        return orjson.dumps(finding)
    except orjson.JSONEncodeError:
        return orjson.dumps(_encodable(asdict(finding)))


def from_document(document: bytes | str) -> Finding:
    """The finding that `to_document` wrote. Raises ValueError or KeyError for anything else."""
    fields = orjson.loads(document)
    for name in ("first_seen", "last_seen", "last_evaluated", "state_since"):
        fields[name] = datetime.fromisoformat(fields[name])
    fields["state"] = State(fields["state"])
    fields["weakness"] = weakness_of(fields["weakness"])
    if fields.get("deadline"):
        fields["deadline"] = deadline_of(fields["deadline"])
    fields["parts"] = tuple(fields.get("parts", ()))
    return Finding(**fields)


def acceptance_to_document(acceptance: Acceptance) -> bytes:
    """UTF-8 JSON."""
    return orjson.dumps(_encodable(asdict(acceptance)))


def acceptance_from_document(document: bytes | str) -> Acceptance:
    """The acceptance that `acceptance_to_document` wrote."""
    return acceptance_of_fields(orjson.loads(document))


def acceptance_of_fields(fields: dict[str, Any]) -> Acceptance:
    """An acceptance from its JSON."""
    return Acceptance(**_with_moments(fields, Acceptance) | {"up_to": Severity(fields["up_to"])})


def deadline_of(fields: dict[str, Any]) -> Deadline:
    """A deadline from its JSON."""
    return Deadline(**_with_moments(fields, Deadline))


_MOMENTS = {
    Deadline: ("started", "due", "next_mark", "paused", "resumed"),
    Acceptance: ("requested", "expires", "approved", "ended"),
}


def _with_moments(fields: dict[str, Any], kind: type) -> dict[str, Any]:
    moments = {name: datetime.fromisoformat(fields[name]) for name in _MOMENTS[kind] if fields.get(name)}
    return fields | moments


def weakness_of(fields: dict[str, Any]) -> Weakness:
    """A weakness from its JSON, which is used up."""
    fields["weakness_class"] = WeaknessClass(fields["weakness_class"])
    fields["severity"] = Severity(fields["severity"])
    for name in ("title", "reason", "mend"):
        said = fields[name]
        fields[name] = Text(said["zh"], said["en"])
    for name in ("locator", "clauses"):
        fields[name] = tuple(fields[name])
    return Weakness(**fields)


def _encodable(value: Any) -> Any:
    """The same value with every string encodable as UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
