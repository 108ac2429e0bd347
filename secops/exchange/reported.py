"""A weakness in the words of another tool. Its identity is rule and locator; severity and wording may change."""

import re

from secops.exchange.fields import short
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

_WORDS = {
    Severity.CRITICAL: ("critical", "page", "emergency"),
    Severity.HIGH: ("high", "important", "error"),
    Severity.MEDIUM: ("medium", "moderate", "warning", "warn"),
    Severity.LOW: ("low", "minor", "note", "unknown"),
    Severity.INFO: ("info", "informational", "information", "negligible", "none", "style"),
}
_SEVERITIES = {word: severity for severity, words in _WORDS.items() for word in words}
_CVE = re.compile(r"CVE-(\d{4})-(\d{4,})", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?:CVE|CNVD(?:-C)?|CNNVD|PYSEC|GO|RUSTSEC|OSV|DSA|DLA|USN|RHSA|ALAS\d?|ELSA|TEMP)-\d|GHSA-", re.IGNORECASE
)
# Bounded, for a hostile path is as long as it likes.
_FILE_VERSION = re.compile(
    r"(?<=[-_@])v?\d{1,20}(?:\.\d{1,20}){1,6}[\w.+~-]{0,40}?"
    r"(?=\.(?:jar|war|ear|gemspec|dist-info|egg-info|egg|whl|gem|nupkg)(?:/|$)|/|$)"
)
_NO_ADVICE = Text("按该工具的说明处置。", "Do as the documentation of the tool says.")


def tool_check(name: str) -> str:
    """The check that reports of a tool count as: `tool.NAME`."""
    return f"tool.{slug(name) or 'unknown'}"


def slug(text: str) -> str:
    """Lower-case letters of any script and digits, everything else a hyphen."""
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")


def known_number(first: str, *others: str) -> str:
    """The number that a flaw goes by: `first`, or the lowest CVE among the others when that is an alias (GHSA, CNVD …).

    What is no public number, like a template's own name, stays as it is.
    """
    if _CVE.fullmatch(first):
        return first.upper()
    if not _NUMBER.match(first):
        return first
    found = [match for one in others if (match := _CVE.fullmatch(one.strip()))]
    return min(found, key=lambda match: (int(match[1]), int(match[2])))[0].upper() if found else first


def place_of_package(path: str, installed: str = "") -> str:
    """The path of a package without the version that archives and folders carry in their names."""
    if installed:
        path = re.sub(rf"(?<=[-_@/]){re.escape(installed)}(?![0-9])", "{version}", path)
    return _FILE_VERSION.sub("{version}", path)


def severity_named(word: str, otherwise: Severity = Severity.MEDIUM) -> Severity:
    """The severity by the names that tools use; a word that is not known leaves it to a person at medium."""
    return _SEVERITIES.get(word.strip().lower(), otherwise)


def severity_scored(score: float) -> Severity:
    """By the bands of CVSS 3: 9, 7, 4, above 0."""
    bands = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM))
    return next((severity for least, severity in bands if score >= least), Severity.LOW if score > 0 else Severity.INFO)


def reported(
    check: str,
    weakness_class: WeaknessClass,
    rule: str,
    locator: tuple[str, ...],
    severity: Severity,
    *,
    title: str,
    said: str = "",
    mend: str = "",
    evidence: dict[str, str] | None = None,
    exploited: bool = False,
) -> Weakness:
    """What a tool reports, with the tool's own words in both languages."""
    tool = check.removeprefix("tool.")
    title = short(title or rule, 300)
    words = short(said or title)
    advice = short(mend)
    return Weakness(
        weakness_class=weakness_class,
        rule=_part(f"{check}.{rule}"),
        locator=tuple(map(_part, locator)),
        severity=severity,
        title=Text(title, title),
        reason=Text(f"{tool} 报告:{words}", f"{tool} reports: {words}"),
        mend=Text(advice, advice) if advice else _NO_ADVICE,
        evidence={key: short(value, 500) for key, value in (evidence or {}).items() if value},
        exploited=exploited,
    )


def _part(text: str) -> str:
    """Text without the character that stands between the parts of a finding's key."""
    return text.replace("\x1f", "\ufffd")
