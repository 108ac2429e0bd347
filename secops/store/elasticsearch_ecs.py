"""What the Elastic Common Schema has names for, so that other programs find their way. Pure; never read back.

What is too long for a name of the schema is left out here, never from what is ours.
"""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from secops.model.finding import Finding, Weakness, WeaknessClass
from secops.store.elasticsearch_json import Document

VERSION = "8.17.0"
WORD: Document = {"type": "keyword", "ignore_above": 1024}
MOMENT: Document = {"type": "date"}
NUMBER: Document = {"type": "long"}
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})


def fields(**properties: Document) -> Document:
    """An object with these fields."""
    return {"properties": properties}


COMMON: Document = {
    "@timestamp": MOMENT,
    "ecs": fields(version=WORD),
    "event": fields(
        **dict.fromkeys(("action", "category", "dataset", "id", "kind", "outcome"), WORD),
        **dict.fromkeys(("duration", "severity"), NUMBER),
        **dict.fromkeys(("start", "end"), MOMENT),
    ),
    "message": {"type": "text"},
    "observer": fields(name=WORD, type=WORD, vendor=WORD),
    "related": fields(hosts=WORD),
}
"""Mapping of what every kind may have."""

OF_FINDINGS: Document = {
    "destination": fields(port=NUMBER),
    "file": fields(path=WORD),
    "http": fields(request=fields(method=WORD)),
    "network": fields(transport=WORD),
    "rule": fields(id=WORD, name=WORD, ruleset=WORD),
    "url": fields(domain=WORD, full=WORD, path=WORD),
    "vulnerability": fields(id=WORD, severity=WORD, description={"type": "text"}),
}
"""Mapping of what findings have beside."""


def moment(at: datetime) -> str:
    """As Elasticsearch reads it, also in years of few digits."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def of_finding(finding: Finding) -> Document:
    """What the schema can say of a finding."""
    weakness = finding.weakness
    first, last = moment(finding.first_seen), moment(finding.last_seen)
    return {
        "@timestamp": last,
        "ecs": {"version": VERSION},
        "event": {
            "kind": "state",
            "category": ["vulnerability"],
            "dataset": "jindun.finding",
            "id": finding.id,
            "severity": weakness.severity.rank,
            "start": first,
            "end": last,
        },
        "message": [weakness.reason.zh, weakness.reason.en],
        "observer": {"name": finding.check, "type": "scanner", "vendor": "Jindun"},
        "related": {"hosts": [finding.asset]},
        "rule": {"id": weakness.rule, "name": [weakness.title.zh, weakness.title.en], "ruleset": finding.check},
        "vulnerability": {
            "severity": weakness.severity.value,
            **({"id": weakness.rule} if weakness.weakness_class is WeaknessClass.VULNERABILITY else {}),
        },
        **_place(weakness),
    }


def of_happening(dataset: str, at: str, action: str, **event: object) -> Document:
    """What the schema can say of something that happened once."""
    return {
        "@timestamp": at,
        "ecs": {"version": VERSION},
        "event": {"kind": "event", "dataset": f"jindun.{dataset}", "action": action, **event},
        "observer": {"type": "scanner", "vendor": "Jindun"},
    }


def _place(weakness: Weakness) -> Document:
    """What the locator names, where the schema has a name for it."""
    match weakness.weakness_class, weakness.locator:
        case WeaknessClass.PORT, (transport, port, *_) if port.isascii() and port.isdecimal() and len(port) <= 5:
            return {"network": {"transport": transport}, "destination": {"port": int(port)}}
        case WeaknessClass.WEB, (method, path, *_) if method in _METHODS:
            return {"http": {"request": {"method": method}}, "url": {"path": path}}
        case ((WeaknessClass.WEB | WeaknessClass.TLS), (origin, *_)) if "://" in origin:
            return {"url": {"full": origin, "domain": _domain(origin)}}
        case WeaknessClass.DETECTION, (path, *_) if path.startswith("/"):
            return {"file": {"path": path}}
    return {}


def _domain(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""
