"""What people and policies do to findings. Pure, so that every store does it alike.

An edit names the findings that it needs, and says what becomes of them: of all of them, or, when it is refused, of
none.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from secops.model.finding import Deadline, Finding, State, WeaknessClass, finding_id
from secops.model.finding_names import STATE_NAMES
from secops.model.text import Text
from secops.store.event import Event
from secops.store.life_cycle import acceptable, require_allowed
from secops.store.merge import moved, stale
from secops.store.refusals import Conflict, ForbiddenTransition, no_such_finding
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

        Raises NotFound, Conflict, ForbiddenTransition, BadInput.
        """
        if not actor.strip():
            raise BadInput(Text("须写明是谁改动的", "say who changes the finding"))
        if not (self.reason.zh.strip() and self.reason.en.strip()):
            raise BadInput(Text("须写明改动的理由", "say why the finding is changed"))
        for id in self.needed:
            if id not in known:
                raise no_such_finding(id)
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
        if finding.state is State.RISK_ACCEPTED and finding.acceptance == self.acceptance:
            return
        _require_own_state(finding)
        if not acceptable(finding.state):
            raise ForbiddenTransition(
                Text(
                    f"发现 {finding.id} 的状态为“{STATE_NAMES[finding.state].zh}”,只有未关闭的才能接受风险",
                    f"finding {finding.id} is {finding.state.value}; the risk of an open one alone is accepted",
                )
            )
        now = replace(moved(finding, State.RISK_ACCEPTED, at), acceptance=self.acceptance)
        edited.put(now, at, actor, f"accepted: {self.acceptance}", self.reason)


@dataclass(frozen=True, slots=True)
class EndAcceptance(Edit):
    """The acceptance covers it no more: it is open again. Of a part, this is told to who splits it off."""

    acceptance: str = ""

    def _apply(self, finding: Finding, known: Known, edited: Edited, actor: str, at: datetime) -> None:
        if finding.state is State.RISK_ACCEPTED and finding.acceptance == self.acceptance:
            edited.put(moved(finding, State.REOPENED, at), at, actor, "acceptance ended", self.reason)


@dataclass(frozen=True, slots=True)
class SetDeadline(Edit):
    """By when it is to be resolved; with a mark, that so many percent of the time have passed.

    It is done only to the deadline that was `seen`, so that of several who keep the deadlines one tells of a mark.
    """

    deadline: Deadline | None = None
    mark: int | None = None
    seen: Deadline | None = None

    def _apply(self, finding: Finding, known: Known, edited: Edited, actor: str, at: datetime) -> None:
        if finding.deadline != self.seen or finding.deadline == self.deadline:
            return
        # Nobody has to look at a finding again because time passes: its revision stays.
        now = replace(finding, deadline=self.deadline)
        if self.mark is None:
            edited.findings[now.id] = now
        else:
            edited.put(now, at, actor, f"deadline: {self.mark} %", self.reason)


@dataclass(frozen=True, slots=True)
class Merge(Edit):
    """Another finding is the same weakness: it becomes a part of this one, with what was merged into it before.

    Both are of one system. What was resolved is open again when a part is there, and a risk that was accepted is
    judged again, for nobody accepted that of the part.
    """

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
        if part.system != finding.system:
            raise BadInput(
                Text(
                    f"两个发现分属系统 {finding.system} 和 {part.system},不能合并",
                    f"the findings are of different systems, {finding.system} and {part.system}, and stay apart",
                )
            )
        by = _By(edited, actor, at, self.reason)
        _join(finding, (part, *(known[id] for id in part.parts)), by)
        _settle(finding.id, known, by)


@dataclass(frozen=True, slots=True)
class Split(Edit):
    """A part becomes a finding of its own again, in the state that it was in when it was merged.

    When the first took over the part's life (`Rekey`) and was never seen itself, the two change places.
    """

    def _apply(self, finding: Finding, known: Known, edited: Edited, actor: str, at: datetime) -> None:
        if not finding.part_of:
            raise BadInput(
                Text(f"发现 {finding.id} 没有并入其他发现", f"finding {finding.id} was not merged into another one")
            )
        if finding.times_seen == 0:
            raise BadInput(
                Text(
                    f"发现 {finding.id} 自己从未被见到,没有可拆分的",
                    f"finding {finding.id} was never seen itself; there is nothing to split off",
                )
            )
        first, by = known[finding.part_of], _By(edited, actor, at, self.reason)
        rest = tuple(id for id in first.parts if id != finding.id)
        own = replace(finding, part_of="", revision=finding.revision + 1, state_since=at)
        if own.state.open:
            own = replace(own, misses=0, gone=False)
        if first.times_seen:
            by.put(own, f"split from: {first.id}")
            by.put(replace(first, parts=rest, revision=first.revision + 1), f"split off: {own.id}")
            _settle(first.id, known, by)
        else:
            by.put(replace(own, parts=(*rest, first.id)), f"taken back from: {first.id}")
            heir = replace(first, part_of=own.id, parts=(), revision=first.revision + 1, gone=True)
            by.put(heir, f"given back to: {own.id}")
            edited.findings |= {id: replace(known[id], part_of=own.id) for id in rest}
        _settle(own.id, known, by)


@dataclass(frozen=True, slots=True)
class Rekey(Edit):
    """Its identity changed: an asset was renamed, a rule is called otherwise, the key has a new version.

    The finding of the new identity takes over its life, unless it has one of its own that a person shaped, and it
    becomes a part of that one, gone. Splitting takes it back. A part takes its new identity within its group.
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
        there, by = known.get(self.new_id), _By(edited, actor, at, self.reason)
        first = known[finding.part_of] if finding.part_of else finding
        if there and there.part_of not in ("", first.id):
            _require_own_state(there)
        if not finding.part_of:
            parts = (replace(finding, gone=True), *(known[id] for id in finding.parts if id != self.new_id))
            first = self._heir(finding, there)
            _join(first, parts, by, "rekeyed")
        elif not (there and there.part_of):
            new = there or self._unseen(finding)
            _join(first, (new, *(known[id] for id in new.parts)), by)
            by.put(replace(finding, gone=True, revision=finding.revision + 1), f"rekeyed to: {new.id}")
        _settle(first.id, known, by)

    def _heir(self, finding: Finding, there: Finding | None) -> Finding:
        """The finding of the new identity, with the life of the old one unless it has its own."""
        if there is None:
            return self._unseen(finding)
        if there.state is not State.NEW and not there.part_of:
            return there
        return replace(
            there,
            state=finding.state,
            state_since=finding.state_since,
            first_seen=min(there.first_seen, finding.first_seen),
            regressions=finding.regressions,
            acceptance=finding.acceptance,
            deadline=stale(finding.deadline),
            part_of="",
        )

    def _unseen(self, finding: Finding) -> Finding:
        weakness = replace(finding.weakness, weakness_class=self.weakness_class, rule=self.rule, locator=self.locator)
        check = self.check or finding.check
        named = replace(finding, id=self.new_id, asset=self.asset, check=check, weakness=weakness)
        return replace(named, times_seen=0, part_of="", parts=(), revision=0)


@dataclass(frozen=True, slots=True)
class _By:
    """Who writes, when and why."""

    edited: Edited
    actor: str
    at: datetime
    reason: Text

    def put(self, finding: Finding, change: str) -> None:
        self.edited.put(finding, self.at, self.actor, change, self.reason)


def _join(first: Finding, joined: tuple[Finding, ...], by: _By, word: str = "merged") -> None:
    """Make the findings, of which one stood for all, parts of the first."""
    to, from_ = ("merged into", "merged") if word == "merged" else ("rekeyed to", "rekeyed from")
    for part in joined:
        by.put(replace(part, part_of=first.id, parts=(), revision=part.revision + 1), f"{to}: {first.id}")
    ids = tuple(part.id for part in joined)
    now = replace(first, parts=(*(id for id in first.parts if id not in ids), *ids), revision=first.revision + 1)
    now = replace(now, deadline=stale(now.deadline or joined[0].deadline))
    by.put(now, f"{from_}: {', '.join(ids)}")
    if now.state is State.RISK_ACCEPTED and joined[0].times_seen and joined[0].acceptance != now.acceptance:
        by.put(moved(now, State.REOPENED, by.at), "acceptance ended")


def _settle(id: str, known: Known, by: _By) -> None:
    """What is resolved is proven gone, and of what is open something is there, or looked for anew."""
    now = by.edited.findings.get(id) or known[id]
    members = [now, *(by.edited.findings.get(part) or known[part] for part in now.parts)]
    gone = all(member.gone for member in members)
    if now.state is State.RESOLVED and not gone:
        reopened = moved(now, State.REOPENED, by.at)
        by.put(replace(reopened, gone=now.gone, misses=now.misses), "reopened")
    elif now.state.open and gone:
        by.edited.findings[id] = replace(now, gone=False, misses=0)


def _require_own_state(finding: Finding) -> None:
    if finding.part_of:
        raise BadInput(
            Text(
                f"发现 {finding.id} 已并入 {finding.part_of};请改那一个,或先拆分",
                f"finding {finding.id} was merged into {finding.part_of}; change that one, or split it off first",
            )
        )


def _changed_meanwhile(finding: Finding, revision: int) -> Conflict:
    if revision > finding.revision:
        return Conflict(
            Text(
                f"发现 {finding.id} 没有第 {revision} 版:现为第 {finding.revision} 版、状态“{STATE_NAMES[finding.state].zh}”;"
                "请重新查看后再改",
                f"finding {finding.id} has no revision {revision} yet: it is at revision {finding.revision} in state "
                f"{finding.state.value}; look at it again first",
            )
        )
    return Conflict(
        Text(
            f"发现 {finding.id} 已被改动:现为第 {finding.revision} 版、状态“{STATE_NAMES[finding.state].zh}”,"
            f"而您看到的是第 {revision} 版;请重新查看后再改",
            f"finding {finding.id} was changed meanwhile: it is at revision {finding.revision} in state "
            f"{finding.state.value}, you saw revision {revision}; look at it again first",
        )
    )
