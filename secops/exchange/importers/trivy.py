"""Trivy: `--format json`; packages, misconfigurations and secrets. The secrets themselves are never kept."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from secops.exchange.fields import Fields
from secops.exchange.importer import Importer, Sighting
from secops.exchange.json_reading import json_document
from secops.exchange.reported import known_number, place_of_package, reported, severity_named, tool_check
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

_CHECK = tool_check("trivy")
_OS_PACKAGES = "os-pkgs"
_MISCONFIGURATION = re.compile(r"(?:AVD-)?([A-Z]+)-?0*(\d+)")


def _read(stream: BinaryIO) -> Iterator[Sighting]:
    report = json_document(stream)
    at = report.moment("CreatedAt")
    hostname = report.within("Metadata").text("Hostname")
    addresses = tuple(filter(None, (report.required("ArtifactName"), hostname)))
    yield Sighting(_CHECK, addresses, at=at)
    for result in report.items("Results"):
        for weakness in _of_result(result):
            yield Sighting(_CHECK, addresses, weakness, at)


def _of_result(result: Fields) -> Iterator[Weakness]:
    for one in result.items("Vulnerabilities"):
        yield _vulnerability(one, result)
    for one in result.items("Misconfigurations"):
        if one.text("Status") in ("FAIL", ""):
            yield _misconfiguration(one, result)
    for one in result.items("Secrets"):
        yield _secret(one, result)


def _vulnerability(one: Fields, result: Fields) -> Weakness:
    """The target of system packages names the release (`db (debian 12.5)`), so it is no part of the place."""
    package, kind = one.required("PkgName"), result.text("Type")
    os_package = result.text("Class") == _OS_PACKAGES
    installed, fixed = one.text("InstalledVersion"), one.text("FixedVersion")
    path = place_of_package(one.text("PkgPath") or result.text("Target"), installed)
    return reported(
        _CHECK,
        WeaknessClass.VULNERABILITY,
        known_number(one.required("VulnerabilityID"), *one.texts("VendorIDs")),
        (kind, package) if os_package else (kind, path, package),
        severity_named(one.text("Severity"), otherwise=Severity.LOW),
        title=one.text("Title"),
        said=one.text("Description"),
        mend=f"{package} ≥ {fixed}" if fixed else "",
        evidence={"package": package, "installed": installed, "fixed": fixed},
    )


def _misconfiguration(one: Fields, result: Fields) -> Weakness:
    resource = one.within("CauseMetadata").text("Resource")
    return reported(
        _CHECK,
        WeaknessClass.COMPLIANCE,
        _number(one.required("AVDID", "ID")),
        (result.text("Target"), resource),
        severity_named(one.text("Severity")),
        title=one.text("Title"),
        said=one.text("Message", "Description"),
        mend=one.text("Resolution"),
    )


def _number(id: str) -> str:
    """The same however this version of Trivy writes it: `DS002`, `DS-0002` and `AVD-DS-0002` are one."""
    parts = _MISCONFIGURATION.fullmatch(id)
    return f"AVD-{parts[1]}-{int(parts[2]):04}" if parts else id


def _secret(one: Fields, result: Fields) -> Weakness:
    return reported(
        _CHECK,
        WeaknessClass.COMPLIANCE,
        one.required("RuleID"),
        (result.text("Target"),),
        severity_named(one.text("Severity"), otherwise=Severity.HIGH),
        title=one.text("Title"),
        evidence={"line": one.text("StartLine")},
    )


TRIVY = Importer(
    "trivy",
    Text("Trivy 的 JSON 报告", "JSON report of Trivy"),
    recognises=lambda head: b'"ArtifactName"' in head and b'"SchemaVersion"' in head,
    read=_read,
)
