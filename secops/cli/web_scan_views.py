"""How a web scan, and the plan of one, are shown."""

from collections import Counter
from typing import Any

from secops.cli.tables import console, facts, fill, plain, table
from secops.model.finding import Severity
from secops.model.outcome import Outcome
from secops.service.web_wish import WebPlan, WebScanned
from secops.store.event import Recorded
from secops.support.language import say, tell

_MOST_ROWS = 20


def show_plan(planned: WebPlan) -> None:
    """What would be sent, why, and what is saved."""
    screen = console()
    for site, one in planned.sites:
        share = one.saved / one.asked if one.asked else 0.0
        held_back = sum(one.gated.values())
        screen.print(
            facts(
                site,
                [
                    (say(zh="模板", en="templates"), one.templates),
                    (say(zh="请求(至多)", en="requests asked for, at most"), one.asked),
                    (say(zh="其中不同的", en="that differ, and are sent"), one.sent),
                    (say(zh="合并节省", en="saved by asking once"), f"{one.saved} ({share:.0%})"),
                    (
                        say(zh="待指纹放行", en="held back until something names their product"),
                        f"{held_back} ({len(one.gated)} {say(zh='种产品', en='products')})",
                    ),
                ],
            )
        )
        title = say(zh="问得最多的请求", en="the requests that most templates share")
        columns = say(zh="请求", en="request"), say(zh="模板", en="templates")
        rows = [(shared.shown[:100], shared.templates) for shared in one.shared[:_MOST_ROWS]]
        if rows:
            screen.print(fill(table(title, *columns), rows))
    if planned.checks:
        zh = f"另外爬取站点,在所见之处做 {planned.checks} 项自带检查:请求数取决于爬到多少页面和字段"
        en = f"and a crawl, with {planned.checks} checks of ours on what it finds: as many requests as pages and fields ask for"
        screen.print(say(zh=zh, en=en))
    screen.print(say(zh=f"按标签排除的模板 {planned.excluded}", en=f"templates left out by tags: {planned.excluded}"))
    reasons = Counter(reason.feature for one in planned.refused for reason in one.reasons)
    if reasons:
        title = say(zh=f"不可执行的模板文件 {len(planned.refused)}", en=f"files not run: {len(planned.refused)}")
        screen.print(facts(title, reasons.most_common(_MOST_ROWS)))


def plan_as_json(planned: WebPlan) -> dict[str, Any]:
    """The same for machines."""
    return {
        "sites": [
            {
                "url": site,
                "templates": one.templates,
                "asked": one.asked,
                "sent": one.sent,
                "saved": one.saved,
                "gated": one.gated,
                "shared": [{"request": shared.shown, "templates": shared.templates} for shared in one.shared],
            }
            for site, one in planned.sites
        ],
        "excluded": planned.excluded,
        "checks": planned.checks,
        "refused": [
            {"path": one.path, "id": one.identity, "features": [reason.feature for reason in one.reasons]}
            for one in planned.refused
        ],
    }


def show_scanned(scanned: WebScanned, recorded: Recorded | None) -> None:
    """What was found and how much was tested, on standard error: lines may go to the output."""
    screen = console(stderr=True)
    ledger, tally = scanned.ledger, scanned.tally
    severities = Counter(found.severity for _, found in ledger.found)
    listed = ", ".join(f"{one.value} {severities[one]}" for one in reversed(Severity) if severities[one])
    zh = f"扫描 {scanned.id}:发现 {len(ledger.found)}({listed or '无'})"
    en = f"scan {scanned.id}: {len(ledger.found)} found ({listed or 'nothing'})"
    screen.print(plain(say(zh=zh, en=en)))
    zh = f"模板请求 {tally.sent},为 {tally.asked} 次所需;爬取与检查请求 {tally.others}"
    en = f"{tally.sent} requests of templates for {tally.asked} asked, {tally.others} of crawl and checks"
    screen.print(plain(say(zh=zh, en=en)))
    if ledger.discarded:
        zh = f"丢弃 {ledger.discarded} 处匹配:随机路径同样匹配,或重放未再现"
        en = f"{ledger.discarded} matches discarded: a random path gives them too, or they did not happen again"
        screen.print(plain(say(zh=zh, en=en)))
    columns = [say(zh="目标", en="target"), say(zh="已测", en="tested")]
    outcomes = [one for one in Outcome if ledger.total[one]]
    made = table(say(zh="覆盖", en="coverage"), *columns, *(one.value for one in outcomes))
    rows = ((one.site, f"{one.share:.1%}", *(one.counts[outcome] for outcome in outcomes)) for one in ledger.coverage())
    screen.print(fill(made, list(rows)[:200]))
    if ledger.reasons:
        rows = (
            (outcome.value, tell(reason)[:140], count) for (outcome, reason), count in ledger.reasons.most_common(12)
        )
        headings = say(zh="结论", en="outcome"), say(zh="原因", en="why"), say(zh="数量", en="count")
        screen.print(fill(table(say(zh="未测试的", en="not tested"), *headings), rows))
    if recorded is not None:
        counted = say(
            zh="新 {} · 仍在 {} · 复发 {} · 已解决 {}", en="new {} · still there {} · came back {} · resolved {}"
        )
        changes = (recorded.new, recorded.seen_again, recorded.reopened, recorded.resolved)
        screen.print(counted.format(*map(len, changes)))
    if not ledger.complete:
        short = ", ".join(f"{one.site} {one.share:.1%}" for one in ledger.short()[:5])
        zh, en = f"未完成,不能视为无弱点:{short}", f"incomplete, and so not clean: {short}"
        screen.print(plain(say(zh=zh, en=en), "yellow"))
