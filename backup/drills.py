"""When an asset was last proven to come back, judged by its tier: a drill that failed or is overdue. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from backup.policies import Policy
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text
from secops.support.clock import to_text
from secops.support.durations import format_duration

CHECK = "drills"
_CLAUSES = ("8.1.10.13 c",)
"""GB/T 22239 level 3: emergency plans are drilled regularly."""


@dataclass(frozen=True, slots=True)
class Drilled:
    """A drill that ended."""

    run: str
    """Id of the run."""
    started: datetime
    succeeded: bool
    because: Text


@dataclass(frozen=True, slots=True)
class Badge:
    """How well the recovery of one asset is drilled."""

    asset: str
    system: str
    policy: Policy
    last: Drilled | None
    """The newest drill."""
    proven: Drilled | None
    """The newest that succeeded."""
    changed: tuple[Text, ...] = ()
    """What is not as it was when that one ran."""

    @property
    def failed(self) -> bool:
        """Whether the newest drill did not succeed."""
        return self.last is not None and not self.last.succeeded

    @property
    def due(self) -> datetime | None:
        """Until when the next one is to have succeeded; None: at once, there never was a good one."""
        return self.proven.started + timedelta(seconds=self.policy.drill_every) if self.proven else None

    def overdue(self, moment: datetime) -> bool:
        """Whether the proof is older than the tier allows, or there is none."""
        return self.due is None or self.due < moment

    def days(self, moment: datetime) -> int | None:
        """Whole days since the asset was last proven; None: never."""
        return (moment - self.proven.started).days if self.proven else None


def drill_weaknesses(badge: Badge, moment: datetime) -> Iterator[Weakness]:
    """What is to be told of it."""
    if badge.failed and badge.last:
        because = badge.last.because
        yield _weakness(
            badge,
            "failed",
            Severity.HIGH,
            Text("恢复演练失败", "A recovery drill failed"),
            Text(
                f"{to_text(badge.last.started)} 的演练 {badge.last.run} 未成功:{because.zh}",
                f"the drill {badge.last.run} of {to_text(badge.last.started)} did not succeed: {because.en}",
            ),
        )
    if badge.overdue(moment):
        every = format_duration(badge.policy.drill_every)
        when = _last_good(badge)
        yield _weakness(
            badge,
            "overdue",
            Severity.MEDIUM,
            Text("恢复演练逾期", "A recovery drill is overdue"),
            Text(
                f"{badge.policy.tier} 级要求每 {every} 演练一次;{when.zh}",
                f"tier {badge.policy.tier} asks for a drill every {every}; {when.en}",
            ),
        )


def _last_good(badge: Badge) -> Text:
    if badge.proven is None:
        return Text("从未演练成功", "there never was a good one")
    at = to_text(badge.proven.started)
    return Text(f"上次成功于 {at}", f"the last good one was {at}")


def _weakness(badge: Badge, rule: str, severity: Severity, title: Text, reason: Text) -> Weakness:
    return Weakness(
        weakness_class=WeaknessClass.COMPLIANCE,
        rule=f"{CHECK}.{rule}",
        locator=(badge.asset,),
        severity=severity,
        title=title,
        reason=reason,
        mend=Text(
            f"运行 secops drill run {badge.asset},按失败原因整改后重做",
            f"run `secops drill run {badge.asset}`; mend what it says and drill again",
        ),
        evidence={"run": badge.last.run if badge.last else ""},
        clauses=_CLAUSES,
    )
