"""The catalogue keeps Prometheus's conventions, and alerts speak of nothing else."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from dashboards.catalogue import ALERTS, METRICS, Alert, Kind, Metric, Unit
from dashboards.prometheus import alert_rules
from secops.model.text import Text

BY_NAME = {metric.name: metric for metric in METRICS}
BOUNDED = {
    "source",
    "severity",
    "level",
    "state",
    "outcome",
    "check",
    "system",
    "role",
    "vault",
    "mode",
    "playbook",
    "store",
}
"""Closed lists of the product, and ids of what people write by hand; no finding, run, copy, asset or address."""
each_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def assert_bilingual(text: Text) -> None:
    assert re.search(r"[\u4e00-\u9fff]", text.zh)
    assert text.en.isascii() or "−" in text.en
    assert not re.search(r"[\u4e00-\u9fff]", text.en)


@each_metric
def test_a_metric_is_named_by_its_unit(metric: Metric) -> None:
    assert re.fullmatch(r"jindun(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
    assert metric.name.endswith(metric.unit.value)
    assert metric.unit is not Unit.ITEMS or not metric.name.endswith(("_seconds", "_bytes"))
    assert metric.unit is Unit.MOMENT or "timestamp" not in metric.name
    assert_bilingual(metric.help)


@each_metric
def test_labels_are_bounded(metric: Metric) -> None:
    assert set(metric.labels) <= BOUNDED
    assert len(set(metric.labels)) == len(metric.labels)


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(METRICS)
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)


@each_alert
def test_an_alert_names_only_metrics_and_labels_of_the_catalogue(alert: Alert) -> None:
    named = set(re.findall(r"\bjindun_\w+", alert.expression))
    assert named and named <= BY_NAME.keys()
    labels = {label for name in named for label in BY_NAME[name].labels}
    assert set(re.findall(r"(\w+)\s*=~?\s*\"", alert.expression)) <= labels
    grouped = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", alert.expression)
    assert {label.strip() for group in grouped for label in group.split(",")} <= labels
    shown = re.findall(r"\$labels\.(\w+)", alert.summary.en + alert.summary.zh)
    assert set(shown) <= labels


@each_alert
def test_an_alert_explains_itself_in_both_languages(alert: Alert) -> None:
    assert re.fullmatch(r"Jindun([A-Z][a-z]+)+", alert.name)
    assert_bilingual(alert.summary)
    assert alert.hold_seconds >= 0


def test_the_rules_are_yaml_with_every_alert() -> None:
    (group,) = yaml.safe_load(alert_rules())["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [alert.name for alert in ALERTS]
    for rule, alert in zip(group["rules"], ALERTS, strict=True):
        assert rule["expr"] == alert.expression
        assert rule["for"] == f"{alert.hold_seconds}s"
        assert rule["labels"] == {"severity": alert.urgency}
        assert rule["annotations"] == {"summary": alert.summary.en, "summary_zh": alert.summary.zh}


def test_prometheus_accepts_the_rules(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    (tmp_path / "rules.yml").write_text(alert_rules(), "utf-8")
    checked = subprocess.run(
        [promtool, "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, timeout=280
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(ALERTS)} rules found" in checked.stdout
