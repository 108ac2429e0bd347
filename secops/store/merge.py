"""What an evaluation or a person does to findings. Pure, so that every store merges alike.

An evaluation moves a finding only when it began after the finding was last seen and last moved: a slow scan that is
recorded late can neither close what a newer one saw nor reopen what a newer one proved mended.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from secops.model.finding import Finding, State, Weakness, finding_id
from secops.model.outcome import Evaluation
from secops.model.text import Text
from secops.store.finding_store import Conflict, Event, Recorded
from secops.store.life_cycle import require_allowed, when_not_found, when_seen
from secops.support.errors import BadInput


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

    def recorded(self) -> Recorded:
        """The ids; one that was several things counts as new, else reopened, else resolved."""
        reopened = self.reopened - self.new
        resolved = self.resolved - reopened - self.new
        seen_again = self.seen_again - self.new - reopened - resolved
        return Recorded(*(tuple(sorted(ids)) for ids in (self.new, seen_again, reopened, resolved)))

    def _note(self, finding: Finding, at: datetime, change: str, reason: Text) -> None:
        self.events.append(Event(finding.id, finding.revision, at, f"scan:{self.scan}", change, reason))

    def merge(self, evaluation: Evaluation, known: Mapping[str, Finding]) -> None:
        """Merge one evaluation into `known`: by id, the open findings of its asset and check and those that it saw."""
        seen = weaknesses_by_id(evaluation)
        for id, weakness in seen.items():
            if id in known:
                self._see_again(known[id], weakness, evaluation)
            else:
                self._see_first(id, weakness, evaluation)
        if evaluation.outcome.successful:
            for finding in known.values():
                if finding.id not in seen:
                    self._miss(finding, evaluation)

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
        self.findings[id] = finding
        self.new.add(id)
        self._note(finding, at, "seen", weakness.reason)

    def _see_again(self, finding: Finding, weakness: Weakness, evaluation: Evaluation) -> None:
        at = evaluation.started
        self.seen_again.add(finding.id)
        counted = replace(finding, times_seen=finding.times_seen + 1, first_seen=min(finding.first_seen, at))
        if at < finding.last_seen:
            self.findings[finding.id] = counted
            return
        now = replace(counted, weakness=weakness, system=evaluation.system, check=evaluation.check, last_seen=at)
        before, after = finding.weakness.severity, weakness.severity
        if after is not before:
            now = replace(now, revision=now.revision + 1)
            self._note(now, at, f"severity: {before.value} → {after.value}", weakness.reason)
        if at >= finding.state_since and when_seen(finding.state) is not finding.state:
            now = moved(now, when_seen(finding.state), at)
            self.reopened.add(finding.id)
            self._note(now, at, "reopened", weakness.reason)
        self.findings[finding.id] = now

    def _miss(self, finding: Finding, evaluation: Evaluation) -> None:
        at = evaluation.started
        to = when_not_found(finding.state)
        if to is finding.state or at < finding.last_seen or at < finding.state_since:
            return
        now = moved(finding, to, at)
        self.findings[finding.id] = now
        self.resolved.add(finding.id)
        self._note(now, at, "resolved", evaluation.reason)


def weaknesses_by_id(evaluation: Evaluation) -> dict[str, Weakness]:
    """One weakness for each identity; of several at one place the worst."""
    found: dict[str, Weakness] = {}
    for weakness in evaluation.weaknesses:
        id = finding_id(weakness.weakness_class, evaluation.asset, weakness.rule, weakness.locator)
        if id not in found or weakness.severity.rank > found[id].severity.rank:
            found[id] = weakness
    return found


def moved(finding: Finding, to: State, at: datetime) -> Finding:
    """The finding in its new state; leaving `resolved` is a regression."""
    back = finding.state is State.RESOLVED
    return replace(
        finding,
        state=to,
        state_since=at,
        revision=finding.revision + 1,
        regressions=finding.regressions + back,
    )


def move_by_hand(
    finding: Finding, to: State, *, revision: int, actor: str, reason: str, at: datetime
) -> tuple[Finding, Event]:
    """The moved finding and what is to be remembered. Raises Conflict, ForbiddenTransition, BadInput."""
    if not actor.strip():
        raise BadInput(Text("须写明是谁改动的", "say who moves the finding"))
    if not reason.strip():
        raise BadInput(Text("须写明改动的理由", "say why the finding is moved"))
    if revision != finding.revision:
        raise Conflict(
            Text(
                f"发现 {finding.id} 已被改动:现为第 {finding.revision} 版、状态 {finding.state.value},"
                f"而您看到的是第 {revision} 版;请重新查看后再改",
                f"finding {finding.id} was changed meanwhile: it is at revision {finding.revision} in state "
                f"{finding.state.value}, you saw revision {revision}; look at it again first",
            )
        )
    require_allowed(finding.state, to)
    now = moved(finding, to, at)
    change = f"state: {finding.state.value} → {to.value}"
    return now, Event(finding.id, now.revision, at, actor, change, Text(reason, reason))
