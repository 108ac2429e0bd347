"""ZAP: the traditional JSON report."""

from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from secops.exchange.addresses import origin_locator, web_locator
from secops.exchange.fields import Fields
from secops.exchange.importer import Importer, Sighting
from secops.exchange.json_reading import json_document
from secops.exchange.reported import reported, tool_check
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

_CHECK = tool_check("zap")
_RISKS = {"0": Severity.INFO, "1": Severity.LOW, "2": Severity.MEDIUM, "3": Severity.HIGH}
_OF_THE_ORIGIN = {"10020", "10021", "10035", "10036", "10037", "10038", "10055", "10061", "10063"}
"""Plugins that judge response headers, which a site sends with every page: one finding, not one per page."""
_OF_A_COOKIE = {"10010", "10011", "10033", "10054"}
"""Plugins that judge a cookie, which is the same whatever page sets it."""
_FALSE_POSITIVE = "0"
"""Of `confidence`: a person said so in ZAP."""


def _read(stream: BinaryIO) -> Iterator[Sighting]:
    report = json_document(stream)
    at = report.moment("created")
    for site in report.items("site"):
        origin = site.required("@name")
        yield Sighting(_CHECK, (origin,), at=at)
        for alert in site.items("alerts"):
            yield from _of_alert(alert, origin, at)


def _of_alert(alert: Fields, origin: str, at: datetime | None) -> Iterator[Sighting]:
    if alert.text("confidence") == _FALSE_POSITIVE:
        return
    for instance in alert.items("instances"):
        url = instance.text("uri") or origin
        yield Sighting(_CHECK, (url, origin), _weakness(alert, instance, url), at)


def _weakness(alert: Fields, instance: Fields, url: str) -> Weakness:
    plugin = alert.required("pluginid")
    risk = alert.text("riskcode")
    if risk not in _RISKS:
        raise alert.wrong(Text(f"riskcode 应为 0 到 3,而不是 {risk!r}", f"riskcode should be 0 to 3, not {risk!r}"))
    return reported(
        _CHECK,
        WeaknessClass.WEB,
        alert.text("alertRef") or plugin,
        _locator(plugin, instance, url),
        _RISKS[risk],
        title=alert.text("name", "alert"),
        said=alert.text("desc"),
        mend=alert.text("solution"),
        evidence={"uri": url, "param": instance.text("param"), "evidence": instance.text("evidence")},
    )


def _locator(plugin: str, instance: Fields, url: str) -> tuple[str, ...]:
    parameter = instance.text("param")
    if plugin in _OF_THE_ORIGIN:
        return origin_locator(url)
    if plugin in _OF_A_COOKIE and parameter:
        return (*origin_locator(url), parameter)
    return web_locator(instance.text("method"), url, parameter)


ZAP = Importer(
    "zap",
    Text("ZAP 的 JSON 报告", "JSON report of ZAP"),
    recognises=lambda head: b'"site"' in head and (b'"@programName"' in head or b'"@version"' in head),
    read=_read,
    noisy=True,
)
