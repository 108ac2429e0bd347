"""Alertmanager: the body of a webhook, version 4. That an alert is resolved closes no finding: it proves no check."""

from collections.abc import Iterator
from typing import BinaryIO

from secops.exchange.addresses import OWN
from secops.exchange.fields import Fields
from secops.exchange.importer import Importer, Sighting
from secops.exchange.json_reading import json_document
from secops.exchange.reported import reported, severity_named, tool_check
from secops.model.finding import Weakness, WeaknessClass
from secops.model.text import Text

_CHECK = tool_check("alertmanager")
_PLACES = ("instance", "target", "url", "host", "hostname", "node")
_NO_IDENTITY = {
    *("alertname", "asset", "severity", "job", "prometheus", "replica", "cluster", "team", "playbook"),
    *("version", "revision", "image", "image_id", "container_id", "pod", "pod_name", "uid"),
}
"""Labels that route an alert, say how bad it is or change with each release or restart; the others tell one alert of a
name from another."""


def _read(stream: BinaryIO) -> Iterator[Sighting]:
    body = json_document(stream)
    version = body.text("version")
    if version != "4":
        raise body.wrong(Text(f"只认第 4 版,而不是 {version!r}", f"version 4 is understood, not {version!r}"))
    for alert in body.items("alerts"):
        labels = alert.within("labels")
        named = [OWN + labels.text("asset")] if labels.has("asset") else []
        addresses = (*named, *filter(None, (labels.text(place) for place in _PLACES)))
        firing = alert.required("status") == "firing"
        at = alert.moment("startsAt")
        yield Sighting(_CHECK, addresses, _weakness(alert, labels) if firing else None, at)


def _weakness(alert: Fields, labels: Fields) -> Weakness:
    notes = alert.within("annotations")
    skipped = _NO_IDENTITY.union(_PLACES)
    name = labels.required("alertname")
    return reported(
        _CHECK,
        WeaknessClass.DETECTION,
        name,
        tuple(f"{key}={value}" for key, value in sorted(labels.entries().items()) if key not in skipped),
        severity_named(labels.text("severity")),
        title=notes.text("summary") or name,
        said=notes.text("description", "message", "summary"),
        mend=notes.text("runbook_url"),
        evidence={"fingerprint": alert.text("fingerprint")},
    )


ALERTMANAGER = Importer(
    "alertmanager",
    Text("Alertmanager 的 webhook 报文", "webhook body of Alertmanager"),
    recognises=lambda head: b'"alerts"' in head and b'"groupKey"' in head,
    read=_read,
    may_be_complete=False,
)
