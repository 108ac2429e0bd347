"""What people and policies do to findings. Pure, so that every store does it alike.

An edit names the findings that it needs, and says what becomes of them: of all of them, or, when it is refused, of
none.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from secops.model.finding import Deadline, Finding, State, WeaknessClass, finding_id
from secops.model.text import Text
from secops.store.event import Event
from secops.store.life_cycle import require_allowed
from secops.store.merge import moved
from secops.store.refusals import Conflict
from secops.support.errors import BadInput

Known = Mapping[str, Finding]


@dataclass(slots=True)
class Edited:
    """What an edit leads to, to be written at once."""

    findings: dict[str, Finding] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def put(self, finding: Finding, at: datetime, actor: str, change: str, reason: Text) -> None:
        """A finding as it is to be, and what is to be remembered of how it became so."""
        self.findings[finding.id] = finding
        self.events.append(Event(finding.id, finding.revision, at, actor, change, reason))


@dataclass(frozen=True, slots=True)
class Edit(ABC):
    """One change of one finding, and of those that belong to it."""

    finding: str
    """The whole id."""
    reason: Text
    """Why; a person's words are alike in both languages."""
    revision: int | None = None
    """Which one was looked at; None: whichever."""

    @property
    def others(self) -> tuple[str, ...]:
        """Ids of what else is to be looked up: findings that are there, or may be."""
        return ()

    @property
    def needed(self) -> tuple[str, ...]:
        """Ids that must be there."""
        return (self.finding,)

    def apply(self, known: Known, *, actor: str, at: datetime) -> Edited:
        """What it leads to, empty when all is so already.

        Args:
            known: by id, the finding, `others` as far as they are there, and all relatives of both.

        Raises Conflict, ForbiddenTransition, BadInput.
        """
        if not actor.strip():
            raise BadInput(Text("须写明是谁改动的", "say who changes the finding"))
        if not (self.reason.zh.strip() and self.reason.en.strip()):
            raise BadInput(Text("须写明改动的理由", "say why the finding is changed"))
        finding = known[self.finding]
        if self.revision is not None and self.revision != finding.revision:
            raise _changed_meanwhile(finding, self.revision)
        edited = Edited()
        self._apply(finding, known, edited, actor, at)
        return edited

    @abstractmethod
    def _apply(self, finding: Finding, known: Known, edited: Edited, actor: str, at: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class Move(Edit):
    """Into another state, as far as the life cycle lets a person."""

    to: State = State.TRIAGED

    def _apply(self, finding: Finding, known: Known, edited: Edited, actor: str, at: datetime) -> None:
        _require_own_state(finding)
        require_allowed(finding.state, self.to)
        change = f"state: {finding.state.value} → {self.to.value}"
        edited.put(moved(finding, self.to, at), at, actor, change, self.reason)


@dataclass(frozen=True, slots=True)
class Accept(Edit):
    """Its risk is accepted, by an acceptance that two people agreed on."""

    acceptance: str = ""

    def _apply(self, finding: Finding, known: Known, edited: Edited, actor: str, at: datetime) -> None:
        if finding.acceptance == self.acceptance:
            return
        _require_own_state(finding)
        require_allowed(finding.state, State.RISK_ACCEPTED)
        now = replace(moved(finding, State.RISK_ACCEPTED, at), acceptance=self.acceptance)
        edited.put(now, at, actor, f"accepted: {self.acceptance}", self.reason)


@dataclass(frozen=True, slots=True)
class EndAcceptance(Edit):
    """The acceptance covers it no more: it is open again."""

    acceptance: str = ""

    def _apply(self, finding: Finding, known: Known, edited: Edited, actor: str, at: datetime) -> None:
        if finding.state is State.RISK_ACCEPTED and finding.acceptance == self.acceptance:
            edited.put(moved(finding, State.REOPENED, at), at, actor, "acceptance ended", self.reason)


@dataclass(frozen=True, slots=True)
class SetDeadline(Edit):
    """By when it is to be resolved; with a mark, that so many percent of the time have passed."""

    deadline: Deadline | None = None
    mark: int | None = None

    def _apply(self, finding: Finding, known: Known, edited: Edited, actor: str, at: datetime) -> None:
        if finding.deadline == self.deadline:
            return
        # Nobody has to look at a finding again because time passes: its revision stays.
        now = replace(finding, deadline=self.deadline)
        if self.mark is None:
            edited.findings[now.id] = now
        else:
            edited.put(now, at, actor, f"deadline: {self.mark} %", self.reason)


@dataclass(frozen=True, slots=True)
class Merge(Edit):
    """Another finding is the same weakness: it becomes a part of this one, with what was merged into it before."""

    part: str = ""

    @property
    def others(self) -> tuple[str, ...]:
        return (self.part,)

    @property
    def needed(self) -> tuple[str, ...]:
        return (self.finding, self.part)

    def _apply(self, finding: Finding, known: Known, edited: Edited, actor: str, at: datetime) -> None:
        if self.part == finding.id:
            raise BadInput(Text("不能把一个发现并入它自己", "a finding cannot be merged into itself"))
        part = known[self.part]
        if part.part_of == finding.id:
            return
        _require_own_state(finding)
        _require_own_state(part)
        joined = (part.id, *part.parts)
        _join(finding, joined, known, edited, (actor, at, self.reason))


@dataclass(frozen=True, slots=True)
class Split(Edit):
    """A part becomes a finding of its own again, in the state that it was in when it was merged."""

    def _apply(self, finding: Finding, known: Known, edited: Edited, actor: str, at: datetime) -> None:
        if not finding.part_of:
            raise BadInput(
                Text(f"发现 {finding.id} 没有并入其他发现", f"finding {finding.id} was not merged into another one")
            )
        first = known[finding.part_of]
        rest = tuple(id for id in first.parts if id != finding.id)
        # What the group's evaluations proved was proven of the group; each is looked for anew.
        own = replace(finding, part_of="", revision=finding.revision + 1, state_since=at, misses=0, gone=False)
        less = replace(first, parts=rest, revision=first.revision + 1, misses=0, gone=False)
        edited.put(own, at, actor, f"split from: {first.id}", self.reason)
        edited.put(less, at, actor, f"split off: {own.id}", self.reason)


@dataclass(frozen=True, slots=True)
class Rekey(Edit):
    """Its identity changed: an asset was renamed, a rule is called otherwise, the key has a new version.

    The finding of the new identity takes over its life, and it becomes a part of that one, gone. Splitting takes it
    back.
    """

    weakness_class: WeaknessClass = WeaknessClass.WEB
    asset: str = ""
    check: str = ""
    rule: str = ""
    locator: tuple[str, ...] = ()

    @property
    def new_id(self) -> str:
        """The id of the new identity."""
        return finding_id(self.weakness_class, self.asset, self.rule, self.locator)

    @property
    def others(self) -> tuple[str, ...]:
        return (self.new_id,)

    def _apply(self, finding: Finding, known: Known, edited: Edited, actor: str, at: datetime) -> None:
        if self.new_id in (finding.id, finding.part_of):
            return
        _require_own_state(finding)
        there = known.get(self.new_id)
        if there is not None:
            _require_own_state(there)
        first = there or self._successor(finding)
        _join(first, (finding.id, *finding.parts), known, edited, (actor, at, self.reason))
        edited.findings[finding.id] = replace(edited.findings[finding.id], gone=True)

    def _successor(self, finding: Finding) -> Finding:
        weakness = replace(finding.weakness, weakness_class=self.weakness_class, rule=self.rule, locator=self.locator)
        check = self.check or finding.check
        return replace(finding, id=self.new_id, asset=self.asset, check=check, weakness=weakness, parts=(), revision=0)


def _join(
    first: Finding, joined: tuple[str, ...], known: Known, edited: Edited, by: tuple[str, datetime, Text]
) -> None:
    """Make the findings parts of the first."""
    actor, at, reason = by
    for id in joined:
        part = replace(known[id], part_of=first.id, parts=(), revision=known[id].revision + 1)
        edited.put(part, at, actor, f"merged into: {first.id}", reason)
    now = replace(first, parts=(*first.parts, *joined), revision=first.revision + 1)
    edited.put(now, at, actor, f"merged: {', '.join(joined)}", reason)


def _require_own_state(finding: Finding) -> None:
    if finding.part_of:
        raise BadInput(
            Text(
                f"发现 {finding.id} 已并入 {finding.part_of};请改那一个,或先拆分",
                f"finding {finding.id} was merged into {finding.part_of}; change that one, or split it off first",
            )
        )


def _changed_meanwhile(finding: Finding, revision: int) -> Conflict:
    return Conflict(
        Text(
            f"发现 {finding.id} 已被改动:现为第 {finding.revision} 版、状态 {finding.state.value},"
            f"而您看到的是第 {revision} 版;请重新查看后再改",
            f"finding {finding.id} was changed meanwhile: it is at revision {finding.revision} in state "
            f"{finding.state.value}, you saw revision {revision}; look at it again first",
        )
    )
