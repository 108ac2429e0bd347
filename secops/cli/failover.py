"""`secops failover`: what is decided about a cluster, and why nothing else."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from backup.failover.decide import decide
from backup.failover.situation import Plan, Published, Situation
from backup.failover.suspicion import SEEN, is_fresh, reads_us
from secops.cli.options import AsJson
from secops.cli.tables import console, facts, fill, plain, print_json, table
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.language import say, tell
from secops.support.system_words import why

verb = typer.Typer(
    name="failover",
    help=say(
        zh="跨中心切换:看清为何切换、为何不切换。", en="Failover across centres: why it happens, and why it does not."
    ),
    no_args_is_help=True,
)

SystemId = Annotated[str, typer.Argument(metavar="SYSTEM", help=say(zh="系统的 id。", en="Id of the system."))]
SituationFile = Annotated[
    Path,
    typer.Option("--situation", metavar="FILE", help=say(zh="情形文件(JSON)。", en="File with a situation (JSON).")),
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


@verb.callback()
def failover() -> None:
    """A callback keeps `explain` a word of its own while it is the only one."""


@verb.command(
    help=say(
        zh="说明在某一情形下会作何决定、依据哪些中心的所见,以及为何不作别的决定。",
        en="Say what is decided in a situation, by what the centres see, and why nothing else is.",
    )
)
def explain(system: SystemId, situation: SituationFile, as_json: AsJson = False) -> None:
    """The same code that the leader runs decides."""
    known = _read(situation)
    if known.cluster.system != system:
        other = known.cluster.system
        raise BadInput(Text(f"该情形属于系统 {other}", f"that situation is one of the system {other}"))
    decision = decide(known)
    if as_json:
        print_json({"plan": decision.action.plan, "because": decision.because, "publish": decision.action.publish})
        return
    console().print(plain(f"{tell(PLANS[decision.action.plan])}: {tell(decision.because)}", "bold"), soft_wrap=True)
    console().print(_state(known.published))
    console().print(_votes(known))
    if decision.action.publish:
        console().print(_state(decision.action.publish, Text("将公布", "to be published")))


def _read(path: Path) -> Situation:
    try:
        return TypeAdapter(Situation).validate_json(path.read_bytes())
    except OSError as error:
        text = why(error)
        raise BadInput(Text(f"无法读取 {path}:{text.zh}", f"{path} cannot be read: {text.en}")) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "-"
        raise BadInput(
            Text(f"{path} 不是情形:{place}:{first['msg']}", f"{path} is no situation: at {place}: {first['msg']}")
        ) from None


def _state(published: Published | None, title: Text | None = None) -> object:
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
