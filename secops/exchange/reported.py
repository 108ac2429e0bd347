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
_NO_ADVICE = Text("按该工具的说明处置。", "Do as the documentation of the tool says.")


def tool_check(name: str) -> str:
    """The check that reports of a tool count as: `tool.NAME`."""
    return f"tool.{slug(name) or 'unknown'}"


def slug(text: str) -> str:
    """Lower-case letters of any script and digits, everything else a hyphen."""
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")


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
) -> Weakness:
    """What a tool reports, with the tool's own words in both languages."""
    tool = check.removeprefix("tool.")
    title = short(title or rule, 300)
    words = short(said or title)
    advice = short(mend)
    return Weakness(
        weakness_class=weakness_class,
        rule=f"{check}.{rule}",
        locator=locator,
        severity=severity,
        title=Text(title, title),
        reason=Text(f"{tool} 报告:{words}", f"{tool} reports: {words}"),
        mend=Text(advice, advice) if advice else _NO_ADVICE,
        evidence={key: short(value, 500) for key, value in (evidence or {}).items() if value},
    )
