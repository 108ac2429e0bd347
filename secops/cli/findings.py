"""`secops findings`: list what is wrong, explain it, move it through its life, and show what was tested."""

import getpass
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

import typer

from secops.cli.finding_tables import print_counts, print_finding, print_findings, print_history
from secops.cli.finding_words import OUTCOMES, STATES, outcome_word
from secops.cli.options import AsJson
from secops.cli.tables import console, fill, plain, print_json, table
from secops.model.finding import Severity, State
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.service.home import Home, open_home
from secops.store.finding_store import LARGEST_PAGE, CoverageRow
from secops.store.query import FIELDS, Query, all_of, one_of, parts_of
from secops.store.query_text import parse, to_text
from secops.support.clock import local
from secops.support.language import say, tell

verb = typer.Typer(
    name="findings",
    help=say(
        zh="发现:列出、解释、流转,并说明测了什么、没测什么。",
        en="What is wrong: list, explain and move findings; what was and was not tested.",
    ),
    no_args_is_help=True,
)

GROUPABLE = [field.name for field in FIELDS.values() if field.groupable]
QUERY_HELP = say(
    zh="查询由条件组成:字段:值、字段!=值、字段<值、字段>=值、字段 in (甲, 乙)、字段:开头*、字段:*(有值)、title~文字;"
    "不写字段的词在标题和理由中查找。用 and、or、not 和括号连接。时间写作 2026-11-01,或多久以前(7d、12h)。"
    "末尾可写 sort 字段, -字段(- 为降序)。字段:",
    en="A query is made of conditions: field:value, field!=value, field<value, field>=value, field in (a, b), "
    "field:begin*, field:* (has a value), title~words; words without a field are looked for in title and reason. "
    "Join them with and, or, not and brackets. A time is 2026-11-01, or an age like 7d or 12h. "
    "It may end with sort field, -field (- for the largest first). Fields: ",
) + ", ".join(FIELDS)

Id = Annotated[
    str, typer.Argument(metavar="ID", help=say(zh="发现的编号,前几位即可。", en="Id of the finding, or how it begins."))
]
Severities = Annotated[
    list[Severity] | None, typer.Option("--severity", help=say(zh="严重程度,可重复。", en="Severity; may be repeated."))
]
States = Annotated[
    list[State] | None,
    typer.Option(
        "--state",
        help=say(zh="状态,可重复;缺省为未关闭的。", en="State; may be repeated. Default: those that are open."),
    ),
]
Everything = Annotated[bool, typer.Option("--all", help=say(zh="包括已关闭的。", en="Those that are closed, too."))]
Systems = Annotated[
    list[str] | None, typer.Option("--system", help=say(zh="系统 id,可重复。", en="System id; may be repeated."))
]
Assets = Annotated[
    list[str] | None, typer.Option("--asset", help=say(zh="资产 id,可重复。", en="Asset id; may be repeated."))
]
Checks = Annotated[
    list[str] | None, typer.Option("--check", help=say(zh="检查项,可重复。", en="Check; may be repeated."))
]
Limit = Annotated[int, typer.Option(min=1, max=LARGEST_PAGE, help=say(zh="每页条数。", en="How many on one page."))]
Cursor = Annotated[
    str | None,
    typer.Option(help=say(zh="上一页给出的游标。", en="Where to go on, as the page before printed it.")),
]


Wanted = Annotated[
    str,
    typer.Argument(
        metavar="QUERY",
        help=say(
            zh="查询,如 severity>=high and system:智慧医疗 and not (check:tls* or 弱口令) and last_seen<7d "
            "sort -last_seen;@名称 引用保存的查询。",
            en='A query, like: severity>=high and system:tax and not (check:tls* or title~"weak password") '
            "and last_seen<7d sort -last_seen; @name stands for a saved one.",
        ),
        show_default=False,
    ),
]


@verb.command(
    name="list",
    help=say(
        zh="列出发现,缺省为未关闭的,最严重、最新的在前。",
        en="List findings; unless told otherwise those that are open, worst and newest first.",
    )
    + "\n\n"
    + QUERY_HELP,
)
def list_findings(
    wanted: Wanted = "",
    severity: Severities = None,
    state: States = None,
    everything: Everything = False,
    system: Systems = None,
    asset: Assets = None,
    check: Checks = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    save: Annotated[
        str | None,
        typer.Option(
            "--save",
            metavar="NAME",
            help=say(zh="把 QUERY 以此名称保存。", en="Save QUERY under this name."),
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    with open_home() as home:
        query = _query(
            home, wanted, everything, state=state, severity=severity, system=system, asset=asset, check=check
        )
        if save is not None:
            home.saved_queries.save(save, wanted)
        page = home.store.find(query, limit, cursor)
    if as_json:
        print_json({"query": to_text(query), "findings": page.findings, "next_cursor": page.next_cursor})
        return
    print_findings(page.findings)
    if page.next_cursor:
        more = say(zh="还有更多,下一页加上:", en="there are more; for the next page add:")
        console().print(plain(f"{more} --cursor {page.next_cursor}"), soft_wrap=True)


def _query(home: Home, wanted: str, everything: bool, **chosen: Sequence[str] | None) -> Query:
    """What the query and the shorthands say together; those that are open, unless one of them speaks of the state."""
    asked = parse(wanted, home.saved_queries.__getitem__)
    speaks_of_state = any(getattr(part, "field", "") == "state" for part in parts_of(asked.where))
    if not (chosen["state"] or everything or speaks_of_state):
        chosen["state"] = [one for one in State if one.open]
    return replace(asked, where=all_of([asked.where, *(one_of(name, values or ()) for name, values in chosen.items())]))


@verb.command(
    help=say(
        zh="按字段统计发现,缺省为未关闭的。",
        en="Count findings by fields; unless told otherwise those that are open.",
    )
)
def stats(
    wanted: Wanted = "",
    by: Annotated[
        str,
        typer.Option(
            metavar="FIELDS",
            help=say(zh="字段,以逗号分隔:", en="Fields, with commas between: ") + ", ".join(GROUPABLE),
        ),
    ] = "severity,state",
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    fields = [name.strip() for name in by.split(",") if name.strip()]
    with open_home() as home:
        query = _query(home, wanted, everything, state=None)
        counts = home.store.count(query, fields)
        total = sum(counts.values())
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    if as_json:
        counted = [{**dict(zip(fields, values, strict=True)), "count": number} for values, number in rows]
        print_json({"query": to_text(query), "by": fields, "total": total, "counts": counted})
        return
    print_counts(fields, rows)


@verb.command(
    help=say(
        zh="显示一个发现:理由、整改办法、条款、证据、历史,以及其检查最近的执行情况。",
        en="Show one finding: reason, mend, clauses, evidence, history, and how its check last went.",
    )
)
def show(finding: Id, as_json: AsJson = False) -> None:
    with open_home() as home:
        found = home.store.get(finding)
        events = home.store.history(found.id)
        covered = [row for row in home.store.coverage() if (row.asset, row.check) == (found.asset, found.check)]
    if as_json:
        print_json({"finding": found, "history": events, "coverage": covered})
        return
    print_finding(found, covered)
    print_history(events)


@verb.command(
    help=say(
        zh="人工改变一个发现的状态。姓名由操作者自报,并未认证。",
        en="Move a finding by hand. The name is claimed by whoever types it, not authenticated.",
    )
)
def transition(
    finding: Id,
    to: Annotated[
        State, typer.Argument(metavar="STATE", help=say(zh="新状态:", en="The new state: ") + ", ".join(State))
    ],
    reason: Annotated[str, typer.Option(help=say(zh="理由,记入历史。", en="Why; it goes into the history."))],
    revision: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=say(
                zh="您看到的版本;此后状态或严重程度变了就拒绝。缺省为现在的版本。",
                en="The revision that you saw: refused when state or severity changed since. Default: the present one.",
            ),
            show_default=False,
        ),
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help=say(
                zh="以谁的名义(自报,未认证);缺省为操作系统用户。",
                en="In whose name (claimed, not authenticated); default: the user of the operating system.",
            ),
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    with open_home() as home:
        seen = home.store.get(finding)
        moved = home.store.transition(
            seen.id,
            to,
            revision=seen.revision if revision is None else revision,
            actor=_user() if actor is None else actor,
            reason=reason,
        )
    if as_json:
        print_json(moved)
        return
    change = f"{tell(STATES[seen.state])} → {tell(STATES[moved.state])}"
    console().print(
        plain(
            say(
                zh=f"{moved.id}:{change}(第 {moved.revision} 版)",
                en=f"{moved.id}: {change} (revision {moved.revision})",
            )
        ),
        soft_wrap=True,
    )


@dataclass(frozen=True, slots=True)
class _Tested:
    """One (asset, check): how its newest evaluation ended, or that there was none."""

    system: str
    asset: str
    check: str
    outcome: Outcome | None
    reason: Text
    scan: str | None = None
    at: datetime | None = None
    last_successful: datetime | None = None


@verb.command(
    help=say(
        zh="测了什么、没测什么及原因;从未测过的也列出。",
        en="What was and was not tested, and why; what was never tested is listed too.",
    )
)
def coverage(
    scan: Annotated[
        str | None,
        typer.Option(
            help=say(zh="只看这一次扫描;缺省为各项最近一次。", en="One scan alone; default: the newest of each."),
            show_default=False,
        ),
    ] = None,
    system: Systems = None,
    asset: Assets = None,
    check: Checks = None,
    missing: Annotated[
        bool, typer.Option("--missing", help=say(zh="只列没测成的。", en="Only what was not tested."))
    ] = False,
    as_json: AsJson = False,
) -> None:
    with open_home() as home:
        rows = [_tested(row) for row in home.store.coverage(scan)]
        if scan is None:
            rows += _never_tested(home, rows)
    chosen = [
        row
        for row in rows
        if (not system or row.system in system)
        and (not asset or row.asset in asset)
        and (not check or row.check in check)
        and not (missing and row.outcome and row.outcome.successful)
    ]
    if as_json:
        print_json(chosen)
    else:
        _print_coverage(chosen)


def _tested(row: CoverageRow) -> _Tested:
    return _Tested(row.system, row.asset, row.check, row.outcome, row.reason, row.scan, row.at, row.last_successful)


def _never_tested(home: Home, tested: Sequence[_Tested]) -> list[_Tested]:
    known = {(row.asset, row.check) for row in tested}
    reason = Text("还没有扫描过", "no scan has looked at it yet")
    return [
        _Tested(system, asset, check, None, reason)
        for system, asset, check in home.eyes.everything()
        if (asset, check) not in known
    ]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid:{os.getuid()}"


def _print_coverage(rows: Sequence[_Tested]) -> None:
    made = table(
        say(zh="检测覆盖", en="coverage"),
        say(zh="系统", en="system"),
        say(zh="资产", en="asset"),
        say(zh="检查", en="check"),
        say(zh="结果", en="outcome"),
        say(zh="说明", en="reason"),
        say(zh="时间", en="when"),
        say(zh="最近测成", en="last carried out"),
    )
    cells = (
        (
            *(row.system, row.asset, row.check, outcome_word(row.outcome), tell(row.reason)),
            *(local(moment) if moment else "-" for moment in (row.at, row.last_successful)),
        )
        for row in rows
    )
    printer = console()
    printer.print(fill(made, cells))
    counted = Counter(row.outcome for row in rows)
    total = ", ".join(f"{tell(word)} {counted[outcome]}" for outcome, (word, _) in OUTCOMES.items() if counted[outcome])
    printer.print(plain(say(zh=f"共 {len(rows)} 项:{total}", en=f"{len(rows)} in all: {total}")), soft_wrap=True)
