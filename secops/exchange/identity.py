"""A finding of ours as exports carry it, so that what comes back is the same finding and loses nothing."""

from typing import Any

import orjson

from secops.exchange.addresses import OWN
from secops.exchange.fields import Fields
from secops.exchange.importer import Sighting
from secops.model.finding import Finding, Severity, State, Weakness, WeaknessClass
from secops.model.text import Text
from secops.support.clock import to_text

IDENTITY = "jindun-identity: "
"""Begins the line that carries a finding in formats without a field for it."""
_JUDGED_AWAY = (State.FALSE_POSITIVE, State.RISK_ACCEPTED, State.OUT_OF_SCOPE, State.RESOLVED)


def own_fields(finding: Finding) -> dict[str, Any]:
    """The JSON object that `own_sighting` reads."""
    weakness = finding.weakness
    return {
        "asset": finding.asset,
        "check": finding.check,
        "class": weakness.weakness_class.value,
        "rule": weakness.rule,
        "locator": [encodable(part) for part in weakness.locator],
        "severity": weakness.severity.value,
        "title": _in_both(weakness.title),
        "reason": _in_both(weakness.reason),
        "mend": _in_both(weakness.mend),
        "evidence": {encodable(key): encodable(value) for key, value in weakness.evidence.items()},
        "clauses": list(weakness.clauses),
        "exploited": weakness.exploited,
        "seen": to_text(finding.last_seen),
        "open": finding.state not in _JUDGED_AWAY,
    }


def own_line(finding: Finding) -> str:
    """The same as one line of text."""
    return IDENTITY + orjson.dumps(own_fields(finding)).decode()


def own_sighting(fields: Fields) -> Sighting:
    """The finding, seen when it was seen; one that was closed says nothing against its asset. Raises Misread."""
    try:
        weakness = _weakness(fields)
    except ValueError:
        raise fields.wrong(Text("津盾标识中的类别或程度无效", "class or severity are not ones of Jindun")) from None
    addresses = (OWN + fields.required("asset"),)
    still_there = fields.flag("open", default=True)
    return Sighting(fields.required("check"), addresses, weakness if still_there else None, fields.moment("seen"))


def _weakness(fields: Fields) -> Weakness:
    return Weakness(
        weakness_class=WeaknessClass(fields.required("class")),
        rule=fields.required("rule"),
        locator=tuple(fields.texts("locator")),
        severity=Severity(fields.required("severity")),
        title=_both(fields, "title"),
        reason=_both(fields, "reason"),
        mend=_both(fields, "mend"),
        evidence=fields.within("evidence").entries(),
        clauses=tuple(fields.texts("clauses")),
        exploited=fields.flag("exploited"),
    )


def encodable(text: str) -> str:
    """Text that UTF-8 can hold: halves of surrogate pairs become `?`."""
    return text.encode("utf-8", "replace").decode()


def _in_both(text: Text) -> dict[str, str]:
    return {"zh": encodable(text.zh), "en": encodable(text.en)}


def _both(fields: Fields, key: str) -> Text:
    return Text(fields.within(key).text("zh"), fields.within(key).text("en"))
