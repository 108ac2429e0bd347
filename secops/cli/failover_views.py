"""What the words of `secops failover` share: options, and how things are shown."""

from typing import Annotated

import typer

from backup.failover.situation import Plan, Published, Situation, Verdict
from backup.failover.suspicion import SEEN, is_fresh, reads_us
from secops.cli.tables import console, facts, fill, plain, table
from secops.model.decision import Decision
from secops.model.text import Text
from secops.support.language import say, tell

SystemId = Annotated[str, typer.Argument(metavar="SYSTEM", help=say(zh="系统的 id。", en="Id of the system."))]
ClusterId = Annotated[
    str,
    typer.Option(
        "--cluster",
        metavar="ID",
        help=say(zh="系统有多个集群时指明其一。", en="Which cluster, when the system has several."),
    ),
]
To = Annotated[
    str, typer.Option("--to", metavar="MEMBER", help=say(zh="由哪个成员服务。", en="The member that is to serve."))
]
By = Annotated[
    list[str] | None,
    typer.Option(
        "--by", metavar="NAME", help=say(zh="何人所请;缺省为登录名。", en="Who asks; by default who is logged in.")
    ),
]
Reason = Annotated[str, typer.Option("--reason", help=say(zh="缘由,写入记录。", en="Why; it is written down."))]
Patience = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=1,
        help=say(zh="最多等多久;到时未执行则撤回。", en="How long to wait; what is not done by then is taken back."),
    ),
]

PLANS = {
    Plan.NOT_LEADING: Text("不主导", "does not lead"),
    Plan.UNPROTECTED: Text("未纳入保护", "not under protection"),
    Plan.HELD: Text("已暂停", "held"),
    Plan.MISTRUSTED: Text("不执行所请", "does not do what was asked"),
    Plan.WAIT: Text("等待", "waits"),
    Plan.STUCK: Text("须由人决定", "needs a person"),
    Plan.STEADY: Text("无事", "nothing to do"),
    Plan.ADOPT: Text("纳入保护", "puts under protection"),
    Plan.FAIL_OVER: Text("切换", "fails over"),
    Plan.SWITCH_OVER: Text("计划内切换", "switches over"),
    Plan.TURN_BACK: Text("退回", "turns back"),
    Plan.DECLARE: Text("宣告灾难", "declares a disaster"),
    Plan.RUN_ALONE: Text("许其单独运行", "permits to run alone"),
    Plan.PROTECT: Text("恢复同步", "restores synchrony"),
    Plan.TRUST: Text("认定可接管", "trusts a standby"),
    Plan.NOTE: Text("记录", "takes note"),
}


def show_decision(known: Situation, decision: Decision[Verdict]) -> None:
    """What is decided, and by what the centres see."""
    console().print(plain(f"{tell(PLANS[decision.action.plan])}: {tell(decision.because)}", "bold"), soft_wrap=True)
    console().print(state(known.published))
    console().print(_votes(known))
    if decision.action.publish:
        console().print(state(decision.action.publish, Text("将公布", "to be published")))


def state(published: Published | None, title: Text | None = None) -> object:
    shown = tell(title or Text("已公布", "published"))
    if published is None:
        return facts(shown, [("–", say(zh="尚无", en="nothing yet"))])
    version, order = published.version, published.order
    return facts(
        shown,
        [
            (say(zh="任期", en="epoch"), f"{version.epoch} / {version.number}"),
            (say(zh="主库", en="primary"), f"{published.primary} ({order.kind})"),
            (
                say(zh="提交等待", en="commits wait for"),
                ", ".join(published.names) or say(zh="无(单独运行)", en="nobody: it runs alone"),
            ),
            (say(zh="可无损接管", en="can take over without loss"), ", ".join(published.promotable) or "–"),
        ],
    )


def _votes(known: Situation) -> object:
    """What each voter says of the primary and of its own member."""
    made = table(
        "",
        say(zh="中心", en="centre"),
        say(zh="消息", en="heard"),
        say(zh="所见主库", en="the primary looks"),
        say(zh="自己的成员", en="own member"),
        say(zh="入口通向", en="entry leads to"),
    )
    return fill(made, (_row(known, centre) for centre in known.cluster.voters))


def _row(known: Situation, centre: str) -> tuple[str, ...]:
    heard = known.reports.get(centre)
    if heard is None or not is_fresh(known, heard):
        return centre, say(zh="无", en="nothing"), "–", "–", "–"
    word = (
        say(zh="双向", en="both ways") if reads_us(known, heard) else say(zh="它听不到我们", en="it does not hear us")
    )
    sight = heard.report.sights.get(known.published.primary) if known.published else None
    looks = f"{tell(SEEN[sight.seen])} {sight.seconds:.1f} s" if sight else "–"
    status = heard.report.member
    member = f"{status.state} @{status.flushed}" if status else "–"
    return centre, word, looks, member, heard.report.entry_leads_to or say(zh="关闭", en="closed")
