"""Wazuh: alerts.json, one alert per line. An agent and a rule make one finding, however many alerts there are."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from secops.exchange.fields import Fields, moment_of
from secops.exchange.importer import Importer, Sighting
from secops.exchange.json_reading import json_lines
from secops.exchange.reported import known_number, reported, severity_named, tool_check
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

_CHECK = tool_check("wazuh")
_LEVELS = ((15, Severity.CRITICAL), (12, Severity.HIGH), (7, Severity.MEDIUM), (4, Severity.LOW))
_OFFSET = re.compile(r"([+-]\d\d)(\d\d)$")


def _read(stream: BinaryIO) -> Iterator[Sighting]:
    for alert in json_lines(stream):
        agent = alert.within("agent")
        where = (agent.text("ip"), agent.text("name"))
        yield Sighting(_CHECK, tuple(filter(None, where)), _weakness(alert), _moment(alert))


def _moment(alert: Fields) -> datetime | None:
    """Wazuh writes the offset without a colon."""
    return moment_of(_OFFSET.sub(r"\1:\2", alert.text("timestamp", "@timestamp")))


def _weakness(alert: Fields) -> Weakness | None:
    rule, data = alert.within("rule"), alert.within("data")
    if data.has("vulnerability"):
        return _vulnerability(data.within("vulnerability"))
    if data.within("sca").has("check"):
        return _configuration(data.within("sca", "check"))
    path = alert.within("syscheck").text("path")
    return reported(
        _CHECK,
        WeaknessClass.TAMPER if path else WeaknessClass.DETECTION,
        rule.required("id"),
        (path,) if path else (),
        _severity(rule),
        title=rule.text("description"),
        said=alert.text("full_log"),
        evidence={"source": data.text("srcip"), "user": data.text("srcuser", "dstuser"), "alert": alert.text("id")},
    )


def _severity(rule: Fields) -> Severity:
    level = rule.number("level")
    return next((severity for least, severity in _LEVELS if level >= least), Severity.INFO)


def _vulnerability(one: Fields) -> Weakness | None:
    if one.text("status").lower() in ("solved", "fixed"):
        return None
    package = one.within("package")
    return reported(
        _CHECK,
        WeaknessClass.VULNERABILITY,
        known_number(one.required("cve")),
        (package.text("name"), package.text("architecture")),
        severity_named(one.text("severity")),
        title=one.text("title"),
        said=one.text("rationale"),
        evidence={"package": package.text("name"), "installed": package.text("version")},
    )


def _configuration(check: Fields) -> Weakness | None:
    if check.text("result") != "failed":
        return None
    return reported(
        _CHECK,
        WeaknessClass.COMPLIANCE,
        f"sca.{check.required('id')}",
        (),
        Severity.MEDIUM,
        title=check.text("title"),
        said=check.text("rationale", "description"),
        mend=check.text("remediation"),
    )


WAZUH = Importer(
    "wazuh",
    Text("Wazuh 告警(JSON 行)", "alerts of Wazuh, JSON lines"),
    recognises=lambda head: b'"agent"' in head and b'"manager"' in head and b'"rule"' in head,
    read=_read,
    may_be_complete=False,
)
