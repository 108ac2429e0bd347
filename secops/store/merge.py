"""What an evaluation does to findings. Pure, so that every store merges alike.

An evaluation moves a finding only when it began after the finding was last seen and last moved: a slow scan that is
recorded late can neither close what a newer one saw nor reopen what a newer one proved mended.

Findings that a person merged are one group: its members are seen and missed each for itself, and the state of the
first stands for all. It is reopened when one member is seen, and resolved when none is there any more. What somebody
should know of a part, they should know of the first: its revision grows, too.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from secops.model.finding import Deadline, Finding, Severity, State, Weakness, finding_id
from secops.model.finding_names import SEVERITY_NAMES
from secops.model.outcome import Evaluation
from secops.model.text import Text
from secops.store.event import Event, Recorded
from secops.store.life_cycle import when_not_found, when_seen

_MISSES_OF_NOISY = 2
DeadlineOf: TypeAlias = Callable[[Finding], Deadline | None]
"""By when a finding that is new is to be resolved."""


def no_deadline(_finding: Finding) -> Deadline | None:
    """Whoever keeps the deadlines sets one later."""
    return None


@dataclass(slots=True)
class Changes:
    """What merging evaluations changed so far, to be written at once."""

    scan: str
    findings: dict[str, Finding] = field(default_factory=dict)
    """Written or changed, as they are now."""
    events: list[Event] = field(default_factory=list)
    new: set[str] = field(default_factory=set)
    seen_again: set[str] = field(default_factory=set)
    reopened: set[str] = field(default_factory=set)
    resolved: set[str] = field(default_factory=set)
    deadline_of: DeadlineOf = no_deadline

    def recorded(self) -> Recorded:
        """The ids; one that was several things counts as new, else reopened, else resolved."""
        reopened = self.reopened - self.new
        resolved = self.resolved - reopened - self.new
        seen_again = self.seen_again - self.new - reopened - resolved
        new, seen, opened, closed = (tuple(sorted(ids)) for ids in (self.new, seen_again, reopened, resolved))
        return Recorded(new, seen, opened, closed)

    def merge(self, evaluation: Evaluation, seen: Mapping[str, Weakness], known: Mapping[str, Finding]) -> None:
        """Merge one evaluation into what is known.

        Args:
            seen: its weaknesses by id (see `weaknesses_by_id`).
            known: by id, the watched findings of its asset and check, those that it saw, and all relatives of both.
        """
        group = _Group(known, self.findings)
        for id, weakness in seen.items():
            if id in known:
                self._see_again(group, group[id], weakness, evaluation)
            else:
                self._see_first(id, weakness, evaluation)
        if evaluation.outcome.successful:
            place = (evaluation.asset, evaluation.check)
            for finding in known.values():
                if finding.id not in seen and watched(finding) and (finding.asset, finding.check) == place:
                    self._miss(group, group[finding.id], evaluation)

    def _see_first(self, id: str, weakness: Weakness, evaluation: Evaluation) -> None:
        at = evaluation.started
        finding = Finding(
            id=id,
            system=evaluation.system,
            asset=evaluation.asset,
            check=evaluation.check,
            weakness=weakness,
            state=State.NEW,
            first_seen=at,
            last_seen=at,
            last_evaluated=at,
            state_since=at,
        )
        deadline = self.deadline_of(finding)
        if deadline:
            finding = replace(finding, deadline=deadline)
        self.findings[id] = finding
        self.new.add(id)
        self._note(finding, at, "seen", weakness.reason)

    def _see_again(self, group: "_Group", finding: Finding, weakness: Weakness, evaluation: Evaluation) -> None:
        at = evaluation.started
        self.seen_again.add(finding.id)
        overtaken = (finding.gone or finding.misses) and at < finding.last_evaluated
        if at < finding.last_seen or overtaken:
            earlier = min(finding.first_seen, at)
            self.findings[finding.id] = replace(finding, times_seen=finding.times_seen + 1, first_seen=earlier)
            return
        worse = _worse(finding.weakness, weakness)
        now = replace(
            finding,
            weakness=weakness,
            system=evaluation.system,
            check=evaluation.check,
            first_seen=min(finding.first_seen, at),
            last_seen=at,
            times_seen=finding.times_seen + 1,
            misses=0,
            gone=False,
        )
        changes = _graver_or_milder(finding.weakness, weakness)
        for change in changes:
            now = replace(now, revision=now.revision + 1, deadline=stale(now.deadline, at))
            self._note(now, at, change, weakness.reason)
        self.findings[finding.id] = now
        if changes and now.part_of:
            first = group.first_of(now)
            first = replace(first, revision=first.revision + 1, deadline=stale(first.deadline, at))
            self._note(first, at, f"part changed: {now.id}", weakness.reason)
            self.findings[first.id] = first
        self._open_again(group.first_of(now), now, worse, at)

    def _open_again(self, first: Finding, seen: Finding, worse: Text | None, at: datetime) -> None:
        if at < first.state_since:
            return
        if first.state is State.RISK_ACCEPTED and worse is not None:
            self._move(first, State.REOPENED, at, "acceptance ended", worse)
        elif when_seen(first.state) is not first.state:
            self._move(first, when_seen(first.state), at, "reopened", seen.weakness.reason)
            self.reopened.add(first.id)
        else:
            return
        if first.id != seen.id:
            # That a part is there says nothing of the first.
            now = self.findings[first.id]
            self.findings[first.id] = replace(now, misses=first.misses, gone=first.gone)

    def _miss(self, group: "_Group", finding: Finding, evaluation: Evaluation) -> None:
        at, first = evaluation.started, group.first_of(finding)
        if finding.gone or at < finding.last_seen or at < first.state_since:
            return
        misses = finding.misses + 1
        gone = misses >= (_MISSES_OF_NOISY if evaluation.noisy else 1)
        evaluated = max(finding.last_evaluated, at)
        self.findings[finding.id] = replace(finding, misses=misses, gone=gone, last_evaluated=evaluated)
        first = group.first_of(finding)
        to = when_not_found(first.state)
        if to is not first.state and all(member.gone for member in group.members_of(first)):
            self._move(first, to, at, "resolved", evaluation.reason)
            self.resolved.add(first.id)

    def _move(self, finding: Finding, to: State, at: datetime, change: str, reason: Text) -> None:
        now = moved(finding, to, at)
        self.findings[finding.id] = now
        self._note(now, at, change, reason)

    def _note(self, finding: Finding, at: datetime, change: str, reason: Text) -> None:
        self.events.append(Event(finding.id, finding.revision, at, f"scan:{self.scan}", change, reason))


class _Group:
    """Findings as they are now, with their relatives."""

    def __init__(self, known: Mapping[str, Finding], changed: Mapping[str, Finding]) -> None:
        self._known = known
        self._changed = changed

    def __getitem__(self, id: str) -> Finding:
        return self._changed.get(id) or self._known[id]

    def first_of(self, finding: Finding) -> Finding:
        """The one whose state stands for all."""
        return self[finding.part_of or finding.id]

    def members_of(self, first: Finding) -> list[Finding]:
        """It and its parts."""
        return [self[id] for id in (first.id, *first.parts)]


def watched(finding: Finding) -> bool:
    """Whether it matters that an evaluation does not find it."""
    return finding.state.open or bool(finding.part_of)


def relatives(findings: Iterable[Finding]) -> set[str]:
    """The ids of the findings that these were merged into, or that were merged into these."""
    return {id for finding in findings for id in (finding.part_of, *finding.parts) if id}


def weaknesses_by_id(evaluation: Evaluation) -> dict[str, Weakness]:
    """One weakness for each identity; of several at one place the worst."""
    found: dict[str, Weakness] = {}
    for weakness in evaluation.weaknesses:
        id = finding_id(weakness.weakness_class, evaluation.asset, weakness.rule, weakness.locator)
        if id not in found or weakness.severity.rank > found[id].severity.rank:
            found[id] = weakness
    return found


def present(members: Iterable[Finding]) -> list[Finding]:
    """Those of a group that are not proven gone; all of them when all are, for a finding is of something."""
    known = list(members)
    return [member for member in known if not member.gone] or known


def worst(members: Iterable[Finding]) -> Severity:
    """How bad a group is: as bad as the worst of it that is there."""
    return max((member.weakness.severity for member in present(members)), key=lambda severity: severity.rank)


def stale(deadline: Deadline | None, started: datetime | None = None) -> Deadline | None:
    """What it followed from has changed: whoever keeps the deadlines works it out anew, from `started` if it is new."""
    if deadline is None:
        return Deadline(started, started, stale=True) if started else None
    return replace(deadline, stale=True)


def moved(finding: Finding, to: State, at: datetime) -> Finding:
    """The finding in its new state; leaving `resolved` is a regression."""
    opened = to.open and not finding.state.open
    return replace(
        finding,
        state=to,
        state_since=at,
        revision=finding.revision + 1,
        regressions=finding.regressions + (finding.state is State.RESOLVED),
        misses=0 if opened else finding.misses,
        gone=finding.gone and not opened,
        acceptance=finding.acceptance if to is State.RISK_ACCEPTED else "",
        deadline=_at_move(finding.deadline, finding.state, to, at),
    )


def _at_move(deadline: Deadline | None, before: State, after: State, at: datetime) -> Deadline | None:
    """A deadline stands still while a finding is not open."""
    if deadline is None or before.open == after.open:
        return deadline
    if after.open:
        return replace(deadline, resumed=at)
    return replace(deadline, paused=deadline.paused or at, resumed=None)


def _graver_or_milder(before: Weakness, after: Weakness) -> list[str]:
    """Changes that somebody who decides should know of."""
    changes = []
    if after.severity is not before.severity:
        changes.append(f"severity: {before.severity.value} → {after.severity.value}")
    if after.exploited is not before.exploited:
        changes.append("exploited" if after.exploited else "exploited no more")
    return changes


def _worse(before: Weakness, after: Weakness) -> Text | None:
    """Why a risk that was accepted must be judged again; None when it need not."""
    if after.severity.rank > before.severity.rank:
        return Text(
            f"风险接受终止:严重程度由“{SEVERITY_NAMES[before.severity].zh}”升为“{SEVERITY_NAMES[after.severity].zh}”",
            f"the risk was accepted at severity {before.severity.value}; it is {after.severity.value} now",
        )
    if after.exploited and not before.exploited:
        return Text("风险接受终止:已知被攻击者利用", "the risk was accepted before attackers were known to use it")
    return None
