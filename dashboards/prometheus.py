"""The alerts of the catalogue as a rule file of Prometheus."""

from collections.abc import Iterable

import yaml

from dashboards.catalogue import ALERTS, Alert


def alert_rules(alerts: Iterable[Alert] = ALERTS) -> str:
    """The YAML text; the summaries of both languages stand side by side, for templates to choose from."""
    group = {"name": "jindun", "rules": [_rule(alert) for alert in alerts]}
    return yaml.safe_dump({"groups": [group]}, allow_unicode=True, sort_keys=False, width=1000)


def _rule(alert: Alert) -> dict[str, object]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": f"{alert.hold_seconds}s",
        "labels": {"severity": alert.urgency.value},
        "annotations": {"summary": alert.summary.en, "summary_zh": alert.summary.zh},
    }
