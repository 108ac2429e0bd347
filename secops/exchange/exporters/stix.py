"""STIX 2.1: the foreign domains that tampered pages lead to, as indicators. Other findings are no indicators."""

import re
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from secops.exchange.exporter import Around, Exporter
from secops.model.finding import Finding, Severity, State, WeaknessClass
from secops.model.text import Text
from secops.support.language import tell

_NAMES_A_DOMAIN = frozenset(
    f"page-tamper.{rule}" for rule in ("hidden-link", "redirected", "new-active-content", "new-external-link")
)
"""Rules whose locator is the foreign domain."""
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_NAMES = uuid.UUID("6f0b1a52-2f5c-4f0a-9d3f-0d9f4a3c7b11")
"""Ours: the same domain has the same id in every export."""
_FIRST_VERSION = datetime(2026, 1, 1, tzinfo=UTC)


def _write(findings: Iterable[Finding], around: Around) -> Iterator[bytes]:
    """One indicator per domain, however many pages lead there."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        if domain := _domain(finding):
            found.setdefault(domain, []).append(finding)
    author = _author()
    objects = [author, *(_indicator(name, seen, author["id"]) for name, seen in sorted(found.items()))]
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid5(_NAMES, _time(around.at))}", "objects": objects}
    yield orjson.dumps(bundle, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _domain(finding: Finding) -> str | None:
    """The domain of a grave tampering that nobody called a false alarm; a new link in plain view accuses nobody."""
    weakness = finding.weakness
    if weakness.weakness_class is not WeaknessClass.TAMPER or finding.state is State.FALSE_POSITIVE:
        return None
    if weakness.rule not in _NAMES_A_DOMAIN or weakness.severity.rank < Severity.HIGH.rank:
        return None
    place = weakness.locator[0].lower() if weakness.locator else ""
    return place if _DOMAIN.fullmatch(place) else None


def _author() -> dict[str, Any]:
    name, created = "Jindun", _time(_FIRST_VERSION)
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": f"identity--{uuid.uuid5(_NAMES, name)}",
        "created": created,
        "modified": created,
        "name": name,
        "identity_class": "system",
    }


def _indicator(domain: str, findings: list[Finding], author: str) -> dict[str, Any]:
    first, last = min(one.first_seen for one in findings), max(one.last_seen for one in findings)
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid5(_NAMES, domain)}",
        "created_by_ref": author,
        "created": _time(first),
        "modified": _time(last),
        "name": domain,
        "description": tell(findings[0].weakness.title),
        "indicator_types": ["compromised"],
        "pattern": f"[domain-name:value = '{domain}']",
        "pattern_type": "stix",
        "valid_from": _time(first),
        "external_references": [{"source_name": "jindun", "external_id": one.id} for one in findings],
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


STIX = Exporter("stix", Text("STIX 2.1 指标(篡改所指的域名)", "STIX 2.1 indicators: domains of tampering"), _write)
