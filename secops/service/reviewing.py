"""The review: what time and policy do to findings, apart from what scans see and people decide.

Acceptances that are over are ended, and those in force cover what they match by now; deadlines are set, moved after a
pause, and told of as they pass. It may be run at any time, by several at once, and be killed: each edit names what it
was decided on, so that what somebody changed meanwhile is left to the next review, and a second run changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from secops.inventory.inventory import Inventory
from secops.model.acceptance import Acceptance, Standing
from secops.model.city import Asset, Level, System
from secops.model.decision import Decision
from secops.model.finding import Deadline, Finding, Severity, State
from secops.model.finding_names import SEVERITY_NAMES
from secops.model.text import Text
from secops.sla.calendar import Calendar
from secops.sla.deadline import deadline_from, marks_passed, told, worked_out
from secops.sla.exposure import EXPOSURE_NAMES, Exposure, exposure_of
from secops.sla.policy import SlaPolicy
from secops.store.acceptances import covers, scope_of
from secops.store.edits import Accept, Edit, EndAcceptance, SetDeadline
from secops.store.finding_store import FindingStore
from secops.store.merge import worst
from secops.store.query import (
    And,
    Comparison,
    Condition,
    Equals,
    In,
    Or,
    Query,
    Range,
    Sort,
    all_of,
    one_of,
    without_parts,
)

ACCEPTANCE = "policy:acceptance"
DEADLINE = "policy:deadline"
_PAGE = 500
_OPEN = one_of("state", [state for state in State if state.open])
_NOBODY = Decision(
    False,
    Text("没有两人同意过的风险接受", "there is no acceptance of this risk that two people agreed on"),
)


@dataclass(frozen=True, slots=True)
class Sla:
    """By which rules deadlines are set."""

    policy: SlaPolicy
    calendar: Calendar


@dataclass(slots=True)
class Reviewed:
    """What a review changed."""

    reopened: list[str] = field(default_factory=list)
    """Findings whose acceptance covers them no more."""
    accepted: list[str] = field(default_factory=list)
    deadlines: int = 0
    """How many were set or worked out anew."""
    told: Counter[int] = field(default_factory=Counter)
    """How many findings passed which percent of their time."""


def ignore(number: int) -> None:
    """Nobody watches."""


def review(
    store: FindingStore,
    inventory: Inventory,
    sla: Sla,
    at: datetime,
    *,
    anew: bool = False,
    on_looked: Callable[[int], None] = ignore,
) -> Reviewed:
    """Bring acceptances and deadlines up to the moment.

    Args:
        anew: work out every deadline again, after the policy, the calendar or the inventory changed.
        on_looked: told how many more findings were looked at.
    """
    reviewed, reader = Reviewed(), _Reader(store, on_looked)
    acceptances = store.acceptances()
    reviewed.reopened += _end_acceptances(reader, {one.id: one for one in acceptances}, at)
    # Before anything is accepted, so that there is a clock that can stand still.
    _keep_deadlines(reader, Times(inventory, sla), at, anew, reviewed)
    for acceptance in acceptances:
        if acceptance.standing(at) is Standing.APPROVED:
            reviewed.accepted += _accept(reader, acceptance, at)
    return reviewed


class _Reader:
    """Findings of the store, page by page; what happens to those of one page does not move the next."""

    def __init__(self, store: FindingStore, on_looked: Callable[[int], None]) -> None:
        self.store = store
        self._on_looked = on_looked

    def pages(self, where: Condition | None, parts: bool = False) -> Iterator[Sequence[Finding]]:
        query, cursor = Query(where, (Sort("id"),)), None
        while True:
            page = self.store.find(query if parts else without_parts(query), _PAGE, cursor)
            yield page.findings
            self._on_looked(len(page.findings))
            if not (cursor := page.next_cursor):
                return

    def edit(self, edits: Sequence[Edit], actor: str) -> tuple[str, ...]:
        return self.store.edit_each(edits, actor=actor) if edits else ()

    def parts_of(self, finding: Finding) -> list[Finding]:
        return [self.store.get(part) for part in finding.parts]


def _end_acceptances(reader: _Reader, known: Mapping[str, Acceptance], at: datetime) -> Iterator[str]:
    for page in reader.pages(Equals("state", State.RISK_ACCEPTED), parts=True):
        edits: list[Edit] = []
        for finding in page:
            acceptance = known.get(finding.acceptance)
            decided = covers(acceptance, finding, at, reader.parts_of(finding)) if acceptance else _NOBODY
            if not decided.action:
                edits.append(EndAcceptance(finding.id, decided.because, finding.revision, finding.acceptance))
        yield from reader.edit(edits, ACCEPTANCE)


def _accept(reader: _Reader, acceptance: Acceptance, at: datetime) -> Iterator[str]:
    for page in reader.pages(all_of([scope_of(acceptance, at), _OPEN])):
        edits: list[Edit] = []
        for finding in page:
            decided = covers(acceptance, finding, at, reader.parts_of(finding))
            if decided.action:
                edits.append(Accept(finding.id, decided.because, finding.revision, acceptance.id))
        yield from reader.edit(edits, ACCEPTANCE)


def _keep_deadlines(reader: _Reader, times: "Times", at: datetime, anew: bool, reviewed: Reviewed) -> None:
    due: list[Condition] = [
        And((Equals("deadline", "none"), Range("severity", Comparison.MORE, Severity.INFO))),
        In("deadline", ("resumed", "stale")),
        Range("mark", Comparison.AT_MOST, at),
    ]
    if anew:
        due.append(In("deadline", ("running", "near", "overdue")))
    for page in reader.pages(all_of([_OPEN, Or(tuple(due))])):
        edits = [edit for finding in page for edit in times.edits(finding, reader.parts_of(finding), at, anew)]
        reader.edit(edits, DEADLINE)
        reviewed.deadlines += sum(edit.mark is None for edit in edits)
        reviewed.told.update(edit.mark for edit in edits if edit.mark is not None)


class Times:
    """How much time there is for what, and what is to be done about it."""

    def __init__(self, inventory: Inventory, sla: Sla) -> None:
        self._inventory = inventory
        self._sla = sla
        self._systems = {system.id: system for system in inventory.systems}
        self._assets = {asset.id: asset for asset in inventory.assets()}
        self._places: dict[tuple[str, str], tuple[Level, Exposure]] = {}

    def first(self, finding: Finding) -> Deadline | None:
        """The deadline of a finding that is new."""
        if finding.system not in self._systems or finding.weakness.severity is Severity.INFO:
            return None
        level, exposure = self._place(finding)
        days = self._sla.policy.business_days(level, finding.weakness.severity, exposure)
        return (
            None
            if days is None
            else deadline_from(finding.first_seen, days, self._sla.policy.marks, self._sla.calendar)
        )

    def edits(self, finding: Finding, parts: Iterable[Finding], at: datetime, anew: bool) -> list[SetDeadline]:
        """What brings the deadline of an open finding up to the moment; nothing when its system left the city."""
        known = finding.deadline
        if finding.system not in self._systems:
            return []
        now, because = self._deadline(finding, worst((finding, *parts)), at, anew)
        made = [] if now == known else [SetDeadline(finding.id, because, finding.revision, now, seen=known)]
        return made + self._tellings(finding, now, at) if now else made

    def _tellings(self, finding: Finding, deadline: Deadline, at: datetime) -> list[SetDeadline]:
        """One for each mark that passed, each upon the one before."""
        made, marks, calendar = [], self._sla.policy.marks, self._sla.calendar
        for mark in marks_passed(deadline, marks, at, calendar):
            now, because = told(deadline, mark, marks, calendar), _of_mark(deadline, mark)
            made.append(SetDeadline(finding.id, because, finding.revision, now, mark, seen=deadline))
            deadline = now
        return made

    def _deadline(self, finding: Finding, severity: Severity, at: datetime, anew: bool) -> tuple[Deadline | None, Text]:
        level, exposure = self._place(finding)
        policy, calendar = self._sla.policy, self._sla.calendar
        days = policy.business_days(level, severity, exposure)
        if days is None:
            return None, Text("提示级的发现没有整改期限", "what is but a hint has no deadline")
        because = Text(
            f"{level.value} 级系统、严重程度“{SEVERITY_NAMES[severity].zh}”、{EXPOSURE_NAMES[exposure].zh}:{days:g} 个工作日",
            f"level {level.value}, {severity.value}, {exposure.value}: {days:g} business days",
        )
        known = finding.deadline
        if known is None:
            return deadline_from(finding.first_seen, days, policy.marks, calendar), because
        if known.runs and not anew:
            return known, because
        return worked_out(known, days, policy.marks, at, calendar, policy.restart_on_reopen), because

    def _place(self, finding: Finding) -> tuple[Level, Exposure]:
        key = (finding.system, finding.asset)
        if key not in self._places:
            system, asset = self._systems[finding.system], self._assets.get(finding.asset)
            self._places[key] = (self._inventory.level(system), self._exposure(system, asset))
        return self._places[key]

    def _exposure(self, system: System, asset: Asset | None) -> Exposure:
        """An asset that nobody registered counts as the worst."""
        if asset is None:
            return Exposure.INTERNET
        return exposure_of(system, asset, self._inventory.city, self._sla.policy.networks)


def _of_mark(deadline: Deadline, mark: int) -> Text:
    due, days = f"{deadline.due:%Y-%m-%d %H:%M} UTC", f"{deadline.business_days:g}"
    if mark >= 100:
        return Text(f"整改已逾期:期限 {due}({days} 个工作日)", f"overdue: it was due {due}, {days} business days")
    return Text(
        f"整改时间已过 {mark}%:期限 {due}({days} 个工作日)",
        f"{mark} % of the time are over: it is due {due}, {days} business days",
    )
