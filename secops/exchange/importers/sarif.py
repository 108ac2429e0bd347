"""SARIF 2.1.0 of any tool. A result belongs to an asset by `properties.asset`, its web request, or a URL as location."""

from collections.abc import Iterator
from typing import BinaryIO

from secops.exchange.addresses import OWN, parse_address, web_locator
from secops.exchange.fields import Fields
from secops.exchange.identity import own_sighting
from secops.exchange.importer import Importer, Sighting
from secops.exchange.json_reading import json_document
from secops.exchange.reported import known_number, place_of_package, reported, severity_scored, tool_check
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

_LEVELS = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "note": Severity.LOW, "none": Severity.INFO}


def _read(stream: BinaryIO) -> Iterator[Sighting]:
    report = json_document(stream)
    version = report.text("version")
    if version != "2.1.0":
        raise report.wrong(Text(f"只认 SARIF 2.1.0,而不是 {version!r}", f"SARIF 2.1.0 is understood, not {version!r}"))
    for run in report.items("runs"):
        driver = run.within("tool", "driver")
        check = tool_check(driver.required("name"))
        rules = list(driver.items("rules"))
        for result in run.items("results"):
            yield _sighting(check, run, rules, result)


def _sighting(check: str, run: Fields, rules: list[Fields], result: Fields) -> Sighting:
    rule = _rule(rules, result)
    if result.within("properties").has("jindun"):
        return own_sighting(result.within("properties", "jindun"))
    url = _url(result)
    asset = result.within("properties").text("asset") or run.within("properties").text("asset")
    addresses = tuple(filter(None, (asset and OWN + asset, asset, url)))
    at = next((one.moment("endTimeUtc") for one in run.items("invocations")), None)
    return Sighting(check, addresses, _weakness(check, rule, result, url) if _stands(result) else None, at)


def _rule(rules: list[Fields], result: Fields) -> Fields:
    """The rule of a result, by its index or its id; empty when the report does not describe it."""
    wanted = result.text("ruleId") or result.within("rule").text("id")
    index = int(result.number("ruleIndex")) if result.has("ruleIndex") else -1
    # The index may count the rules of an extension instead; then the id does not fit.
    if 0 <= index < len(rules) and (not wanted or wanted.startswith(rules[index].text("id"))):
        return rules[index]
    return next((rule for rule in rules if wanted and rule.text("id") == wanted), Fields({}, result.record))


def _stands(result: Fields) -> bool:
    """Whether the tool says that something is wrong now, and nobody suppressed it."""
    suppressed = any(one.text("status") in ("", "accepted") for one in result.items("suppressions"))
    return (
        result.text("kind") in ("", "fail", "open", "review")
        and result.text("baselineState") != "absent"
        and (not suppressed)
    )


def _url(result: Fields) -> str:
    """Where on the web, from the request or the location; else the path of the file."""
    if target := result.within("webRequest").text("target"):
        return target
    places = [one.within("physicalLocation", "artifactLocation").text("uri") for one in result.items("locations")]
    place = next(filter(None, places), "")
    kind, _, rest = place.partition("/")
    return f"https://{rest}" if kind == "web" and rest else place


def _method(result: Fields) -> str:
    return result.within("webRequest").text("method").upper()


def _severity(rule: Fields, result: Fields) -> Severity:
    for properties in (result.within("properties"), rule.within("properties")):
        if properties.has("security-severity"):
            return severity_scored(properties.number("security-severity"))
    level = result.text("level") or rule.within("defaultConfiguration").text("level") or "warning"
    if level not in _LEVELS:
        raise result.wrong(Text(f"level {level!r} 无效", f"{level!r} is no level"))
    return _LEVELS[level]


def _weakness(check: str, rule: Fields, result: Fields, url: str) -> Weakness:
    """Of the place the path, never the line, which moves with every edit; the tool's fingerprint tells more."""
    address = parse_address(url) if "://" in url else None
    prints = result.within("partialFingerprints").entries() or result.within("fingerprints").entries()
    place = web_locator(_method(result), url) if address else (place_of_package(url.removeprefix("./")),)
    number = result.text("ruleId") or result.within("rule").text("id") or rule.required("id")
    message = result.within("message").text("text", "markdown", "id")
    return reported(
        check,
        WeaknessClass.WEB if address else WeaknessClass.VULNERABILITY,
        known_number(number, *rule.texts("deprecatedIds")),
        (*place, *(value for _, value in sorted(prints.items())[:1])),
        _severity(rule, result),
        title=rule.within("shortDescription").text("text") or rule.text("name") or message,
        said=message,
        mend=rule.within("help").text("text"),
        evidence={"place": url},
    )


SARIF = Importer(
    "sarif",
    Text("SARIF 2.1.0", "SARIF 2.1.0"),
    recognises=lambda head: b'"runs"' in head or b"sarif-2.1.0" in head or b"sarif-schema-2.1.0" in head,
    read=_read,
)
