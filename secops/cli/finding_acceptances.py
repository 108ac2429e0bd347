"""`secops findings accept`, `approve`, `withdraw` and `acceptances`: living with a risk, for a while, agreed by two."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import typer

from secops.cli.finding_edits import Actor, named, written
from secops.cli.finding_query import QUERY_HELP
from secops.cli.finding_review import told_to_machines
from secops.cli.finding_words import SEVERITIES, of_findings, severity_word
from secops.cli.options import AsJson
from secops.cli.tables import console, facts, fill, plain, print_json, table
from secops.model.acceptance import Acceptance, Standing
from secops.model.finding import Severity, State
from secops.model.text import Text
from secops.service.home import Home, open_home
from secops.service.reviewing import Reviewed
from secops.store.acceptances import LONGEST, STANDINGS, approve, covers_exploited, request, withdraw
from secops.store.query import Condition, Equals, Query, all_of, one_of, without_parts
from secops.store.query_text import parse
from secops.store.refusals import NotFound
from secops.support.clock import local, now
from secops.support.errors import BadInput
from secops.support.language import say, tell

ACCEPT_HELP = say(
    zh="申请接受风险:范围是查询,现在和以后符合的都算;由另一人批准,到期自动终止。",
    en="Ask to accept a risk. What it covers is a query, for what matches now and later; somebody else approves it, and "
    "it ends by itself.",
)
Scope = Annotated[str, typer.Argument(metavar="QUERY", help=QUERY_HELP)]
Until = Annotated[
    str,
    typer.Option(
        metavar="DATE",
        help=say(zh="最后一天,YYYY-MM-DD,不超过 365 天。", en="Its last day, YYYY-MM-DD, within 365 days."),
    ),
]
Why = Annotated[str, typer.Option(help=say(zh="为什么接受。", en="Why it is accepted."))]
Control = Annotated[
    str, typer.Option(help=say(zh="补偿措施:其间靠什么控制风险。", en="What makes the risk bearable meanwhile."))
]
UpTo = Annotated[
    Severity | None,
    typer.Option(
        help=say(
            zh="到哪个严重程度;更严重的不算。缺省为现在符合的最高一级。",
            en="Up to which severity; what is worse is not covered. Default: the worst that matches now.",
        ),
        show_default=False,
    ),
]
AcceptanceId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help=say(zh="风险接受的编号,前几位即可。", en="Id of the acceptance, or how it begins.")
    ),
]
MaybeId = Annotated[
    str | None,
    typer.Argument(metavar="ID", help=say(zh="只看这一个。", en="This one alone."), show_default=False),
]
Everything = Annotated[bool, typer.Option("--all", help=say(zh="包括已到期和撤回的。", en="Those that are over, too."))]


def accept(
    query: Scope,
    until: Until,
    reason: Why,
    control: Control,
    up_to: UpTo = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    who, at = named(actor), now()
    with open_home() as home:
        scope = parse(query, home.saved_queries.__getitem__)
        counts = _counted(home, scope.where)
        worst = up_to or max(counts, key=lambda severity: severity.rank, default=None)
        if worst is None:
            raise BadInput(
                Text(
                    "现在没有符合的发现;请用 --up-to 写明接受到哪个严重程度",
                    "nothing matches now; say with --up-to up to which severity it is accepted",
                )
            )
        asked = request(
            scope,
            up_to=worst,
            reason=written(reason),
            control=written(control),
            requester=who,
            expires=_end_of(until, at),
            at=at,
        )
        home.store.keep_acceptance(asked, actor=who, action="requested")
        left_out = _left_out(home, asked)
    covered = sum(number for severity, number in counts.items() if severity.rank <= worst.rank) - left_out
    if as_json:
        matching = {severity.value: number for severity, number in counts.items()}
        print_json({"acceptance": asked, "would_cover": covered, "matching": matching, "exploited_left_out": left_out})
    else:
        _print_asked(asked, counts, covered, left_out)


def approve_acceptance(acceptance: AcceptanceId, actor: Actor = None, as_json: AsJson = False) -> None:
    who = named(actor)
    with open_home() as home:
        agreed = approve(_one(home, acceptance, Standing.REQUESTED), who, now())
        home.store.keep_acceptance(agreed, actor=who, action="approved")
        reviewed = home.review()
    _print_decided(agreed, reviewed, as_json)


def withdraw_acceptance(
    acceptance: AcceptanceId,
    reason: Annotated[str, typer.Option(help=say(zh="为什么撤回或拒绝。", en="Why it is withdrawn or refused."))],
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    who = named(actor)
    with open_home() as home:
        ended = withdraw(_one(home, acceptance, Standing.REQUESTED, Standing.APPROVED), who, written(reason), now())
        home.store.keep_acceptance(ended, actor=who, action="withdrawn")
        reviewed = home.review()
    _print_decided(ended, reviewed, as_json)


def list_acceptances(acceptance: MaybeId = None, everything: Everything = False, as_json: AsJson = False) -> None:
    at = now()
    with open_home() as home:
        if acceptance is not None:
            _show(home, _one(home, acceptance), at, as_json)
            return
        found = home.store.acceptances()
        chosen = [one for one in found if everything or one.standing(at) in (Standing.REQUESTED, Standing.APPROVED)]
        covered = home.store.count(Query(_accepted()), by=("acceptance",))
    numbers = {one.id: covered.get((one.id,), 0) for one in chosen}
    if as_json:
        print_json([_as_json(one, at, numbers[one.id]) for one in chosen])
    else:
        _print_list(chosen, at, numbers)


def _accepted() -> Condition:
    condition = without_parts(Query(Equals("state", State.RISK_ACCEPTED))).where
    assert condition
    return condition


def _counted(home: Home, where: Condition | None) -> dict[Severity, int]:
    """Open findings that match, by severity."""
    still_open = one_of("state", [state for state in State if state.open])
    counts = home.store.count(without_parts(Query(all_of([where, still_open]))), by=("severity",))
    return {Severity(severity): number for (severity,), number in counts.items()}


def _left_out(home: Home, asked: Acceptance) -> int:
    """How many of what matches are exploited, which it does not cover."""
    scope = parse(asked.query).where
    assert scope
    if covers_exploited(scope):
        return 0
    known = _counted(home, all_of([scope, Equals("exploited", "yes")]))
    return sum(number for severity, number in known.items() if severity.rank <= asked.up_to.rank)


def _one(home: Home, beginning: str, *standings: Standing) -> Acceptance:
    """The one acceptance whose id begins so; of several the one of these standings. Raises NotFound."""
    found = [one for one in home.store.acceptances() if beginning and one.id.startswith(beginning)]
    found = [one for one in found if one.standing(now()) in standings] or found
    exact = [one for one in found if one.id == beginning]
    if len(exact or found) > 1:
        several = ", ".join(one.id for one in found[:3])
        raise NotFound(
            Text(
                f"不止一项风险接受的编号以 {beginning!r} 开头,如 {several};请多写几位",
                f"several acceptances begin with {beginning!r}, like {several}; write more of the id",
            )
        )
    if not found:
        raise NotFound(Text(f"没有编号为 {beginning!r} 的风险接受", f"no acceptance has the id {beginning!r}"))
    return (exact or found)[0]


def _end_of(day: str, at: datetime) -> datetime:
    """The midnight, here, that ends it; of the last day that may be named, only the hours that are left of a year."""
    try:
        after = date.fromisoformat(day) + timedelta(days=1)
        midnight, longest = datetime.combine(after, time.min).astimezone(UTC), at + LONGEST
        return longest if timedelta(0) < midnight - longest < timedelta(days=1) else midnight
    except (ValueError, OverflowError):
        raise BadInput(Text(f"“{day}”不是日期", f"“{day}” is not a date like 2027-12-31")) from None


def _as_json(one: Acceptance, at: datetime, covered: int) -> dict[str, object]:
    return {"acceptance": one, "standing": one.standing(at), "findings": covered}


def _print_asked(asked: Acceptance, counts: dict[Severity, int], covered: int, left_out: int) -> None:
    listed = ", ".join(
        f"{tell(words)} {counts[severity]}"
        for severity, (words, _) in reversed(SEVERITIES.items())
        if severity in counts
    )
    screen = console()
    screen.print(
        plain(
            say(
                zh=f"{asked.id}:批准后接受 {covered} 个发现(符合的有:{listed or '无'}),到 {tell(SEVERITIES[asked.up_to][0])} 为止",
                en=f"{asked.id}: once approved it accepts {of_findings(covered)} (matching: {listed or 'none'}), up to "
                f"{tell(SEVERITIES[asked.up_to][0])}",
            )
        ),
        soft_wrap=True,
    )
    if left_out:
        said = say(
            zh=f"其中 {left_out} 个已知被攻击者利用,不在其内;要接受它们须在查询中写明 exploited:yes",
            en=f"attackers are known to use {left_out} of those that match, which are not covered; to accept such ones, "
            "the query must speak of exploited:yes",
        )
        screen.print(plain(said, "yellow"), soft_wrap=True)
    other = say(zh="须由另一人批准", en="somebody else must approve it")
    screen.print(plain(f"{other}: secops findings approve {asked.id} --as NAME"), soft_wrap=True)


def _print_decided(acceptance: Acceptance, reviewed: Reviewed, as_json: bool) -> None:
    if as_json:
        print_json({"acceptance": acceptance, "reviewed": told_to_machines(reviewed)})
        return
    standing = tell(STANDINGS[acceptance.standing(now())])
    said = say(
        zh=f"{acceptance.id}:{standing};接受 {len(reviewed.accepted)} 个发现,重新打开 {len(reviewed.reopened)} 个",
        en=f"{acceptance.id}: {standing}; findings accepted {len(reviewed.accepted)}, open again {len(reviewed.reopened)}",
    )
    console().print(plain(said), soft_wrap=True)


def _print_list(chosen: Sequence[Acceptance], at: datetime, covered: dict[str, int]) -> None:
    made = table(
        say(zh=f"{len(chosen)} 项风险接受", en=f"{len(chosen)} acceptances"),
        "id",
        say(zh="状态", en="standing"),
        say(zh="范围", en="covers"),
        say(zh="程度上限", en="up to"),
        say(zh="发现", en="findings"),
        say(zh="到期", en="ends"),
        say(zh="申请人", en="asked by"),
        say(zh="批准人", en="approved by"),
    )
    console().print(fill(made, (_row(one, at, covered[one.id]) for one in chosen)))


def _row(one: Acceptance, at: datetime, covered: int) -> Iterable[object]:
    standing = tell(STANDINGS[one.standing(at)])
    people = (one.requester, one.approver or "-")
    return (one.id, standing, one.query, severity_word(one.up_to), covered, local(one.expires), *people)


def _show(home: Home, one: Acceptance, at: datetime, as_json: bool) -> None:
    covered = home.store.count(Query(all_of([_accepted(), Equals("acceptance", one.id)])))[()]
    if as_json:
        print_json(_as_json(one, at, covered))
        return
    approved = f"{one.approver}, {local(one.approved)}" if one.approved else "-"
    ended = f"{one.ended_by}, {local(one.ended)}: {one.ended_because}" if one.ended else "-"
    pairs: list[tuple[str, object]] = [
        (say(zh="状态", en="standing"), tell(STANDINGS[one.standing(at)])),
        (say(zh="范围", en="covers"), one.query),
        (say(zh="程度上限", en="up to"), severity_word(one.up_to)),
        (say(zh="发现", en="findings"), covered),
        (say(zh="理由", en="reason"), one.reason),
        (say(zh="补偿措施", en="control"), one.control),
        (say(zh="申请", en="asked"), f"{one.requester}, {local(one.requested)}"),
        (say(zh="批准", en="approved"), approved),
        (say(zh="到期", en="ends"), local(one.expires)),
        (say(zh="撤回", en="withdrawn"), ended),
    ]
    console().print(facts(one.id, pairs))
