"""Trivy: `--format json`; packages, misconfigurations and secrets. The secrets themselves are never kept."""

from collections.abc import Iterator
from typing import BinaryIO

from secops.exchange.fields import Fields
from secops.exchange.importer import Importer, Sighting
from secops.exchange.json_reading import json_document
from secops.exchange.reported import reported, severity_named, tool_check
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

_CHECK = tool_check("trivy")
_OS_PACKAGES = "os-pkgs"


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
    fixed = one.text("FixedVersion")
    return reported(
        _CHECK,
        WeaknessClass.VULNERABILITY,
        one.required("VulnerabilityID"),
        (kind, package) if os_package else (kind, one.text("PkgPath") or result.text("Target"), package),
        severity_named(one.text("Severity"), otherwise=Severity.LOW),
        title=one.text("Title"),
        said=one.text("Description"),
        mend=f"{package} ≥ {fixed}" if fixed else "",
        evidence={"package": package, "installed": one.text("InstalledVersion"), "fixed": fixed},
    )


def _misconfiguration(one: Fields, result: Fields) -> Weakness:
    resource = one.within("CauseMetadata").text("Resource")
    return reported(
        _CHECK,
        WeaknessClass.COMPLIANCE,
        one.required("AVDID", "ID"),
        (result.text("Target"), resource),
        severity_named(one.text("Severity")),
        title=one.text("Title"),
        said=one.text("Message", "Description"),
        mend=one.text("Resolution"),
    )


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
