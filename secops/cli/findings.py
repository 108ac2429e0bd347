"""`secops findings`: list what is wrong, explain it, move it through its life, and show what was tested."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer

from secops.cli.finding_acceptances import (
    ACCEPT_HELP,
    accept,
    approve_acceptance,
    list_acceptances,
    withdraw_acceptance,
)
from secops.cli.finding_edits import Actor, Id, Reason, Revision, edit, print_state, words
from secops.cli.finding_exchange import export_findings, import_findings
from secops.cli.finding_groups import merge, rekey, split
from secops.cli.finding_query import (
    QUERY_HELP,
    Assets,
    Checks,
    Everything,
    Parts,
    Severities,
    States,
    Systems,
    Wanted,
    asked,
)
from secops.cli.finding_review import review_findings
from secops.cli.finding_tables import print_counts, print_finding, print_findings, print_history
from secops.cli.finding_words import OUTCOMES, outcome_word
from secops.cli.options import AsJson
from secops.cli.tables import console, fill, plain, print_json, table
from secops.model.finding import State
from secops.model.outcome import Outcome
from secops.model.text import Text
from secops.service.home import Home, open_home
from secops.store.edits import Move
from secops.store.finding_store import LARGEST_PAGE, CoverageRow
from secops.store.query import FIELDS
from secops.store.query_text import to_text
from secops.store.refusals import NotFound
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
Limit = Annotated[int, typer.Option(min=1, max=LARGEST_PAGE, help=say(zh="每页条数。", en="How many on one page."))]
Cursor = Annotated[
    str | None,
    typer.Option(help=say(zh="上一页给出的游标。", en="Where to go on, as the page before printed it.")),
]

verb.command(
    name="import",
    help=say(
        zh="导入其他工具的报告。退出码:2 报告无法读取,3 有记录对不上任何资产。",
        en="Take in the report of another tool. Exit code 2: it cannot be read; 3: records match no asset.",
    ),
)(import_findings)
verb.command(
    name="export",
    help=say(
        zh="按其他工具的格式导出发现;缺省只含未关闭的。",
        en="Write findings in the format of another tool; by default those that are open.",
    ),
)(export_findings)
verb.command(name="accept", help=ACCEPT_HELP)(accept)
verb.command(
    name="approve",
    help=say(
        zh="批准一项风险接受;批准人不能是申请人。姓名自报,未经认证。",
        en="Approve an acceptance, as somebody else than who asked. Names are claimed, not authenticated.",
    ),
)(approve_acceptance)
verb.command(
    name="withdraw",
    help=say(
        zh="撤回或拒绝一项风险接受,所涉发现重新打开。",
        en="Withdraw or refuse an acceptance; what it covers is open again.",
    ),
)(withdraw_acceptance)
verb.command(
    name="acceptances",
    help=say(zh="列出风险接受,缺省为有效和待批准的。", en="List acceptances; by default those in force or asked for."),
)(list_acceptances)
verb.command(
    name="merge",
    help=say(
        zh="把同一问题的几个发现并为一个:第一个代表全部,可再拆开。",
        en="Make several findings of one weakness one: the first stands for all; they can be split again.",
    ),
)(merge)
verb.command(
    name="split",
    help=say(
        zh="把并入的发现拆出,恢复合并前的状态;也用于撤销改标识。",
        en="Split a finding off that was merged, in the state that it had; this also takes a rekeying back.",
    ),
)(split)
verb.command(
    name="rekey",
    help=say(
        zh="资产或规则改名后,让发现带着历史换用新标识。退出码 2:有发现被拒绝。",
        en="After an asset or rule was renamed, give findings their new identity, with all that they went through. "
        "Exit code 2: some were refused.",
    ),
)(rekey)
verb.command(
    name="review",
    help=say(
        zh="复核:到期的风险接受终止,有效的覆盖新发现,定下并提醒整改期限。每次扫描和导入后自动进行。",
        en="End acceptances that are over, let those in force cover what is new, set deadlines and tell of them. Every "
        "scan and import does it, too.",
    ),
)(review_findings)


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
    parts: Parts = False,
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
        chosen = {"state": state, "severity": severity, "system": system, "asset": asset, "check": check}
        query = asked(home, wanted, everything, parts, **chosen)
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
    parts: Parts = False,
    as_json: AsJson = False,
) -> None:
    fields = [name.strip() for name in by.split(",") if name.strip()]
    with open_home() as home:
        query = asked(home, wanted, everything, parts, state=None)
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
        parts = [home.store.get(part) for part in found.parts]
        acceptance = next((one for one in home.store.acceptances() if one.id == found.acceptance), None)
    if as_json:
        print_json({"finding": found, "history": events, "coverage": covered, "parts": parts, "acceptance": acceptance})
        return
    print_finding(found, covered, parts, acceptance)
    print_history(events)


@verb.command(help=say(zh="显示一个发现的全部变化。", en="Show everything that happened to one finding."))
def history(finding: Id, as_json: AsJson = False) -> None:
    with open_home() as home:
        events = home.store.history(finding)
    if as_json:
        print_json(events)
    else:
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
    reason: Reason,
    revision: Revision = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    with open_home() as home:
        before = home.store.get(finding)
        move = Move(before.id, words(reason), revision or before.revision, to)
        after = edit(home, move, actor, as_json)
    print_state(after, before, as_json)


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
        elif not rows:
            raise NotFound(
                Text(
                    f"没有编号为 {scan!r} 的扫描,或它什么也没有测", f"no scan has the id {scan!r}, or it tested nothing"
                )
            )
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
