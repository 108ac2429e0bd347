"""The life of a finding: which state leads to which, by hand and by scan. Pure.

Nobody declares a finding resolved: a person says that it is mended (`pending_verification`) and a successful
evaluation proves it. A weakness that a person judged away (false positive, risk accepted, out of scope) stays so
whatever a scan sees, until a person takes the judgement back. A risk is accepted by two people, through an acceptance
that ends (secops/store/acceptances.py), never by one who moves a finding.
"""

from secops.model.finding import State
from secops.model.finding_names import STATE_NAMES, both
from secops.model.text import Text
from secops.store.refusals import ForbiddenTransition

_JUDGED_AWAY = frozenset({State.FALSE_POSITIVE, State.OUT_OF_SCOPE})

BY_HAND: dict[State, frozenset[State]] = {
    State.NEW: frozenset({State.TRIAGED, State.IN_PROGRESS, State.PENDING_VERIFICATION}) | _JUDGED_AWAY,
    State.TRIAGED: frozenset({State.IN_PROGRESS, State.PENDING_VERIFICATION}) | _JUDGED_AWAY,
    State.IN_PROGRESS: frozenset({State.TRIAGED, State.PENDING_VERIFICATION}) | _JUDGED_AWAY,
    State.PENDING_VERIFICATION: frozenset({State.IN_PROGRESS}) | _JUDGED_AWAY,
    State.REOPENED: frozenset({State.TRIAGED, State.IN_PROGRESS, State.PENDING_VERIFICATION}) | _JUDGED_AWAY,
    State.RESOLVED: frozenset({State.REOPENED}),
    State.FALSE_POSITIVE: frozenset({State.REOPENED}),
    State.RISK_ACCEPTED: frozenset({State.REOPENED}),
    State.OUT_OF_SCOPE: frozenset({State.REOPENED}),
}
"""Where a person may move a finding."""


def allowed(from_: State, to: State) -> bool:
    """Whether a person may move a finding so. Staying where it is is no move."""
    return to in BY_HAND[from_]


def allowed_by_scan(from_: State, to: State) -> bool:
    """Whether an evaluation may move a finding so."""
    return to != from_ and to in (when_seen(from_), when_not_found(from_))


def when_seen(state: State) -> State:
    """The state after a scan saw the weakness again: what was thought mended is open again, all else stays."""
    return State.REOPENED if state in (State.RESOLVED, State.PENDING_VERIFICATION) else state


def when_not_found(state: State) -> State:
    """The state after a successful evaluation did not find the weakness: what was open is resolved."""
    return State.RESOLVED if state.open else state


def acceptable(from_: State) -> bool:
    """Whether the risk of a finding may be accepted."""
    return from_.open


def require_allowed(from_: State, to: State) -> None:
    """Raises ForbiddenTransition, which lists what is allowed, unless a person may move a finding so."""
    if allowed(from_, to):
        return
    leads_to = [state for state in State if allowed(from_, state)]
    hint_zh, hint_en = "", ""
    if to is State.RISK_ACCEPTED and from_.open:
        hint_zh = "接受风险须两人同意:请用 findings accept 申请;"
        hint_en = "two people accept a risk: ask for it with `findings accept`; "
    if to is State.RESOLVED:
        hint_zh = f"只有不再发现它的一次成功扫描才能得出“已解决”:请先转为{both(State.PENDING_VERIFICATION)},再扫描;"
        hint_en = "only a scan that no longer finds it resolves a finding: move it to pending_verification and scan; "
    raise ForbiddenTransition(
        Text(
            f"不能从“{STATE_NAMES[from_].zh}”转到“{STATE_NAMES[to].zh}”;{hint_zh}允许转到:{'、'.join(map(both, leads_to))}",
            f"cannot go from {from_.value} to {to.value}; {hint_en}allowed: {', '.join(leads_to)}",
        )
    )
