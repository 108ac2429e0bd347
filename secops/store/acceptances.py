"""Risk acceptances: who may ask, who may agree, what they cover and when that ends. Pure.

Two people agree to live with a risk for a while. The names are claimed, not authenticated.
"""

import base64
import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from secops.model.acceptance import Acceptance, Standing
from secops.model.decision import Decision
from secops.model.finding import Finding, Severity
from secops.model.finding_names import SEVERITY_NAMES
from secops.model.text import Text
from secops.store.merge import present
from secops.store.query import Comparison, Condition, Equals, Query, Range, all_of, matches, parts_of
from secops.store.query import at as at_moment
from secops.store.query_text import parse, to_text
from secops.store.refusals import Conflict
from secops.support.errors import BadInput

LONGEST = timedelta(days=365)
_SHAPED_BY_LIFE = frozenset({"id", "state", "state_since", "due", "mark", "deadline", "acceptance", "part_of"})
"""What accepting itself changes, and ids: a scope is not a list."""


def request(
    query: Query, *, up_to: Severity, reason: str, control: str, requester: str, expires: datetime, at: datetime
) -> Acceptance:
    """An acceptance that somebody asks for. Raises BadInput for one that could not be judged."""
    _require_scope(query)
    _require_words(reason, Text("理由", "the reason"))
    _require_words(control, Text("补偿措施", "the control that makes it bearable"))
    _require_words(requester, Text("申请人", "who asks"))
    _require_end(expires, at)
    scope = to_text(Query(query.where))
    digest = hashlib.sha256("\x1f".join((scope, requester, at.isoformat())).encode("utf-8", "replace")).digest()
    return Acceptance(
        id=f"risk-{base64.b32encode(digest[:5]).decode().lower()}",
        query=scope,
        up_to=up_to,
        reason=reason.strip(),
        control=control.strip(),
        requester=requester.strip(),
        requested=at,
        expires=expires,
    )


def approve(acceptance: Acceptance, approver: str, at: datetime) -> Acceptance:
    """The acceptance in force. Raises BadInput unless somebody else agrees, while it is asked for."""
    _require_words(approver, Text("批准人", "who approves"))
    _require_standing(acceptance, at, Standing.REQUESTED)
    if _same_person(approver, acceptance.requester):
        raise BadInput(
            Text(
                f"申请人 {acceptance.requester} 不能批准自己的申请;须由另一人批准",
                f"{acceptance.requester} asked for it and cannot approve it; somebody else must",
            )
        )
    _require_end(acceptance.expires, at)
    return replace(acceptance, approver=approver.strip(), approved=at, revision=acceptance.revision + 1)


def withdraw(acceptance: Acceptance, by: str, because: str, at: datetime) -> Acceptance:
    """The acceptance ended before its time, or refused. Raises BadInput when it is over."""
    _require_words(by, Text("撤回人", "who withdraws it"))
    _require_words(because, Text("理由", "the reason"))
    _require_standing(acceptance, at, Standing.REQUESTED, Standing.APPROVED)
    ended = replace(acceptance, ended=at, ended_by=by.strip(), ended_because=because.strip())
    return replace(ended, revision=acceptance.revision + 1)


def covers(acceptance: Acceptance, finding: Finding, at: datetime, parts: Iterable[Finding] = ()) -> Decision[bool]:
    """Whether it covers the finding and what was merged into it; ages in its query are counted back from `at`.

    What attackers are known to use is covered only when the query speaks of `exploited`.
    """
    if over := _not_in_force(acceptance, at):
        return Decision(False, over)
    scope = at_moment(_scope(acceptance.query), at)
    for member in present((finding, *parts)):
        if reason := _outside(acceptance, scope, member):
            return Decision(False, reason)
    until = f"{acceptance.expires:%Y-%m-%d %H:%M} UTC"
    return Decision(
        True,
        Text(
            f"风险接受 {acceptance.id}:{acceptance.requester} 申请,{acceptance.approver} 批准,至 {until};"
            f"{acceptance.reason};补偿措施:{acceptance.control}",
            f"risk acceptance {acceptance.id}, asked for by {acceptance.requester}, approved by {acceptance.approver}, "
            f"until {until}: {acceptance.reason}; bearable by: {acceptance.control}",
        ),
    )


def require_next_revision(acceptance: Acceptance, present: int) -> None:
    """Raises Conflict unless it follows the revision that is there; 0: none is."""
    if acceptance.revision != present + 1:
        raise Conflict(
            Text(
                f"风险接受 {acceptance.id} 已被改动:现为第 {present} 版;请重新查看后再改",
                f"risk acceptance {acceptance.id} was changed meanwhile: it is at revision {present}; "
                "look at it again first",
            )
        )


def scope_of(acceptance: Acceptance, at: datetime) -> Condition:
    """What its query asks for at that moment, without what is too bad for it."""
    scope = _scope(acceptance.query)
    bounds: list[Condition | None] = [Range("severity", Comparison.AT_MOST, acceptance.up_to)]
    if not covers_exploited(scope):
        bounds.append(Equals("exploited", "no"))
    bounded = all_of([at_moment(scope, at), *bounds])
    assert bounded is not None
    return bounded


@lru_cache(maxsize=1024)
def _scope(query: str) -> Condition:
    where = parse(query).where
    assert where is not None, "see request"
    return where


def covers_exploited(scope: Condition) -> bool:
    """Whether a query covers what attackers are known to use: it says so."""
    return any(getattr(part, "field", "") == "exploited" for part in parts_of(scope))


def _not_in_force(acceptance: Acceptance, at: datetime) -> Text | None:
    match acceptance.standing(at):
        case Standing.REQUESTED:
            return Text(f"风险接受 {acceptance.id} 尚未批准", f"risk acceptance {acceptance.id} is not approved yet")
        case Standing.EXPIRED:
            when = f"{acceptance.expires:%Y-%m-%d %H:%M} UTC"
            return Text(
                f"风险接受 {acceptance.id} 已于 {when} 到期", f"risk acceptance {acceptance.id} ended on {when}"
            )
        case Standing.ENDED:
            by, because = acceptance.ended_by, acceptance.ended_because
            return Text(
                f"风险接受 {acceptance.id} 已由 {by} 撤回:{because}",
                f"risk acceptance {acceptance.id} was withdrawn by {by}: {because}",
            )
    return None


def _outside(acceptance: Acceptance, scope: Condition, finding: Finding) -> Text | None:
    """Why this one is not covered."""
    id, severity = acceptance.id, finding.weakness.severity
    if not matches(scope, finding):
        return Text(
            f"风险接受 {id} 的范围不含 {finding.id}:{acceptance.query}",
            f"{finding.id} is outside of what risk acceptance {id} covers: {acceptance.query}",
        )
    if severity.rank > acceptance.up_to.rank:
        return Text(
            f"{finding.id} 的严重程度为“{SEVERITY_NAMES[severity].zh}”,风险接受 {id} 只到“{SEVERITY_NAMES[acceptance.up_to].zh}”",
            f"{finding.id} is of severity {severity.value}; risk acceptance {id} goes up to {acceptance.up_to.value}",
        )
    if finding.weakness.exploited and not covers_exploited(scope):
        return Text(
            f"{finding.id} 已知被攻击者利用,风险接受 {id} 没有写明包含这样的发现",
            f"attackers are known to use {finding.id}; risk acceptance {id} does not say that it covers such ones",
        )
    return None


def _require_scope(query: Query) -> None:
    if query.where is None:
        raise BadInput(Text("须写明接受哪些发现:不能接受全部", "say which findings are accepted: it cannot be all"))
    named = {getattr(part, "field", "") for part in parts_of(query.where)}
    if refused := sorted(named & _SHAPED_BY_LIFE):
        listed = ", ".join(refused)
        raise BadInput(
            Text(
                f"接受范围不能按 {listed} 划定:这些会随接受本身改变,或只列举编号;请用系统、资产、检查、规则等字段",
                f"an acceptance cannot be scoped by {listed}, which accepting changes or which list ids; "
                "use system, asset, check, rule and the like",
            )
        )


def _require_words(words: str, what: Text) -> None:
    if not words.strip():
        raise BadInput(Text(f"须写明{what.zh}", f"{what.en} is missing"))


def _require_end(expires: datetime, at: datetime) -> None:
    if not at < expires <= at + LONGEST:
        raise BadInput(
            Text(
                f"到期时间须在将来,且不超过 {LONGEST.days} 天",
                f"an acceptance ends in the future, at most {LONGEST.days} days from now",
            )
        )


def _require_standing(acceptance: Acceptance, at: datetime, *wanted: Standing) -> None:
    standing = acceptance.standing(at)
    if standing not in wanted:
        zh, en = STANDINGS[standing].zh, STANDINGS[standing].en
        raise BadInput(Text(f"风险接受 {acceptance.id} {zh}", f"risk acceptance {acceptance.id} is {en}"))


STANDINGS = {
    Standing.REQUESTED: Text("待批准", "requested"),
    Standing.APPROVED: Text("已批准", "approved"),
    Standing.EXPIRED: Text("已到期", "expired"),
    Standing.ENDED: Text("已撤回", "withdrawn"),
}
"""What a standing is called."""


def _same_person(one: str, other: str) -> bool:
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    """As names are compared: in any width, in capitals or not, however spaced, without what nobody sees."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(character for character in folded if unicodedata.category(character)[0] in "LNPS")
