"""Evaluations to record, with everything that a test does not care about filled in."""

from datetime import UTC, datetime, timedelta

from secops.model.finding import Severity, Weakness, WeaknessClass, finding_id
from secops.model.outcome import Evaluation, Outcome
from secops.model.text import Text

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
RULE = "http-headers.csp-missing"


def at(minutes: float) -> datetime:
    """A moment of the test's day."""
    return START + timedelta(minutes=minutes)


def weakness(
    path: str = "/", severity: Severity = Severity.MEDIUM, wording: str = "missing", exploited: bool = False
) -> Weakness:
    """A weakness of a website at a path."""
    return Weakness(
        weakness_class=WeaknessClass.WEB,
        rule=RULE,
        locator=("GET", path),
        severity=severity,
        title=Text(f"缺少策略 {wording}", f"No policy, {wording}"),
        reason=Text(f"响应里没有:{wording}", f"not in the answer: {wording}"),
        mend=Text("加上", "add it"),
        evidence={"header": wording},
        clauses=("8.1.4.8 a",),
        exploited=exploited,
    )


def id_of(path: str = "/", asset: str = "site") -> str:
    """The id of the finding that `weakness(path)` of the asset becomes."""
    return finding_id(WeaknessClass.WEB, asset, RULE, ("GET", path))


def evaluation(
    *weaknesses: Weakness,
    minutes: float = 0,
    asset: str = "site",
    check: str = "http-headers",
    outcome: Outcome | None = None,
    observation: bytes = b"",
    system: str = "portal",
    noisy: bool = False,
) -> Evaluation:
    """One evaluation that began at that minute; found or tested-clean unless told."""
    ended = outcome or (Outcome.FOUND if weaknesses else Outcome.TESTED_CLEAN)
    reason = Text(f"结果 {ended.value}", f"ended {ended.value}")
    return Evaluation(asset, system, check, ended, at(minutes), 0.1, reason, weaknesses, observation, noisy)
