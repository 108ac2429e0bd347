"""Findings as a person reads them."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text as Shown

from secops.cli.finding_words import (
    FIELD_NAMES,
    OUTCOMES,
    STATES,
    change_words,
    deadline_word,
    of_findings,
    severity_word,
    state_word,
    value_word,
)
from secops.cli.tables import console, facts, fill, plain, table
from secops.model.acceptance import Acceptance
from secops.model.finding import Deadline, Finding, State
from secops.model.finding_names import both
from secops.model.text import Text
from secops.store.event import Event
from secops.store.finding_store import CoverageRow
from secops.store.life_cycle import allowed
from secops.support.clock import local
from secops.support.language import say, tell

_SHOWN_ID = 12
"""Characters of an id in a table; any unambiguous beginning is accepted."""


def print_findings(findings: Sequence[Finding]) -> None:
    """A table of one page."""
    made = table(
        of_findings(len(findings)),
        "id",
        say(zh="程度", en="severity"),
        say(zh="状态", en="state"),
        say(zh="系统", en="system"),
        say(zh="资产", en="asset"),
        say(zh="问题", en="what"),
        say(zh="首见", en="first seen"),
        say(zh="末见", en="last seen"),
        say(zh="期限", en="due"),
    )
    rows = (
        (
            one.id[:_SHOWN_ID],
            severity_word(one.weakness.severity),
            state_word(one.state),
            one.system,
            one.asset,
            tell(one.weakness.title),
            local(one.first_seen),
            local(one.last_seen),
            _due(one),
        )
        for one in findings
    )
    console().print(fill(made, rows))


def print_counts(fields: Sequence[str], rows: Sequence[tuple[tuple[str, ...], int]]) -> None:
    """How many there are of each, most first."""
    total = sum(number for _, number in rows)
    made = table(
        of_findings(total),
        *(tell(FIELD_NAMES.get(field, Text(field, field))) for field in fields),
        say(zh="数量", en="count"),
    )
    console().print(fill(made, _counts(fields, rows)))


def _counts(fields: Sequence[str], rows: Sequence[tuple[tuple[str, ...], int]]) -> Iterator[tuple[object, ...]]:
    for values, number in rows:
        yield (*map(value_word, fields, values), number)


def _due(finding: Finding) -> Shown:
    """Until when, or why there is no such moment."""
    deadline = finding.deadline
    if deadline is None or not finding.state.open:
        return plain("-")
    word = deadline_word(deadline.standing)
    return plain(local(deadline.due), str(word.style)) if deadline.runs else word


def print_finding(
    found: Finding, covered: Sequence[CoverageRow], parts: Sequence[Finding], acceptance: Acceptance | None
) -> None:
    """Everything that is known of one finding."""
    weakness = found.weakness
    times = sum(one.times_seen for one in (found, *parts))
    first, last = local(found.first_seen), local(max(one.last_seen for one in (found, *parts)))
    seen = say(
        zh=f"{first} 至 {last},共 {times} 次,复发 {found.regressions} 次",
        en=f"{first} to {last}, {times} times, came back {found.regressions} times",
    )
    pairs: list[tuple[str, object]] = [
        (say(zh="编号", en="id"), found.id),
        (say(zh="程度", en="severity"), severity_word(weakness.severity)),
        (say(zh="状态", en="state"), f"{tell(STATES[found.state])} ({found.state.value}), {local(found.state_since)}"),
        (say(zh="版本", en="revision"), found.revision),
        (
            say(zh="可转到", en="may go to"),
            ", ".join(_to_type(state) for state in State if allowed(found.state, state)),
        ),
        (say(zh="系统", en="system"), found.system),
        (say(zh="资产", en="asset"), found.asset),
        (say(zh="规则", en="rule"), weakness.rule),
        (say(zh="位置", en="where"), " ".join(weakness.locator)),
        (say(zh="理由", en="reason"), tell(weakness.reason)),
        (say(zh="整改", en="mend"), tell(weakness.mend)),
        (say(zh="条款", en="clauses"), ", ".join(f"GB/T 22239 {clause}" for clause in weakness.clauses) or "-"),
        (say(zh="见到", en="seen"), seen),
        *_standing(found, parts, acceptance),
        *((say(zh=f"证据 {name}", en=f"evidence {name}"), text) for name, text in weakness.evidence.items()),
        *((say(zh="检查", en="check"), _last_went(row)) for row in covered),
    ]
    console().print(facts(tell(weakness.title), pairs))


def _to_type(state: State) -> str:
    """A state that somebody may want to give to a command."""
    return say(zh=both(state), en=state.value)


def _standing(found: Finding, parts: Sequence[Finding], acceptance: Acceptance | None) -> Iterator[tuple[str, object]]:
    """Deadline, exploitation, acceptance and group, as far as there are any."""
    if found.deadline:
        yield say(zh="期限", en="due"), _deadline_told(found.deadline)
    if found.weakness.exploited:
        yield (
            say(zh="利用", en="exploited"),
            plain(say(zh="已知被攻击者利用", en="attackers are known to use it"), "red"),
        )
    if acceptance:
        yield (
            say(zh="风险接受", en="accepted"),
            say(
                zh=f"{acceptance.id},{acceptance.requester} 申请,{acceptance.approver} 批准,到 {local(acceptance.expires)}"
                f":{acceptance.reason};补偿措施:{acceptance.control}",
                en=f"{acceptance.id}, asked by {acceptance.requester}, approved by {acceptance.approver}, until "
                f"{local(acceptance.expires)}: {acceptance.reason}; control: {acceptance.control}",
            ),
        )
    if found.part_of:
        yield say(zh="并入", en="part of"), found.part_of
    for part in parts:
        gone = say(zh="(已不在)", en=" (gone)") if part.gone else ""
        yield say(zh="代表", en="stands for"), f"{part.id} {part.asset} {' '.join(part.weakness.locator)}{gone}"


def _deadline_told(deadline: Deadline) -> Shown:
    word = deadline_word(deadline.standing)
    if not deadline.runs:
        return word
    days = f"{deadline.business_days:g}"
    return word + plain(
        say(
            zh=f":{local(deadline.due)},自 {local(deadline.started)} 起 {days} 个工作日",
            en=f": {local(deadline.due)}, {days} business days from {local(deadline.started)}",
        )
    )


def _last_went(row: CoverageRow) -> str:
    when = local(row.last_successful) if row.last_successful else "-"
    outcome = tell(OUTCOMES[row.outcome][0])
    return say(
        zh=f"{row.check}:{local(row.at)} {outcome},{tell(row.reason)};最近一次测成:{when}",
        en=f"{row.check}: {local(row.at)} {outcome}, {tell(row.reason)}; last carried out: {when}",
    )


def print_history(events: Sequence[Event], title: str = "", screen: Console | None = None) -> None:
    """What happened to it, oldest first."""
    made = table(
        title or say(zh="历史", en="history"),
        say(zh="版本", en="revision"),
        say(zh="时间", en="when"),
        say(zh="谁", en="who"),
        say(zh="变化", en="change"),
        say(zh="理由", en="reason"),
    )
    rows = (
        (event.revision, local(event.at), event.actor, change_words(event.change), tell(event.reason))
        for event in events
    )
    (screen or console()).print(fill(made, rows))
