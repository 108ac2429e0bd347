"""`secops drill`: prove that assets come back, see when they last did, hand the proof over."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text as Shown

from backup.drills import Badge
from secops.cli.options import AsJson
from secops.cli.run_views import RUN_STATES, StepLines, exit_code, print_run
from secops.cli.tables import console, fill, plain, print_json, table
from secops.evidence.timings import Timings
from secops.execution.journal import Run
from secops.model.text import Text
from secops.service.drill_reporting import write_report
from secops.service.drilling import assets_named, badges, due_drills, run_drill
from secops.service.home import Home, open_home
from secops.service.packing import timings_of
from secops.service.running import Ended, Watchers
from secops.support.clock import local, now
from secops.support.durations import format_duration
from secops.support.errors import BadInput
from secops.support.language import say, tell

verb = typer.Typer(
    name="drill",
    help=say(
        zh="恢复演练:在隔离区把备份真正恢复起来,测出 T0–T6,出具证据包与报告;不触碰生产。",
        en="Recovery drills: bring copies back in isolation for real, measure T0 to T6, hand over evidence and a report; "
        "production is not touched.",
    ),
    no_args_is_help=True,
)

PlaceId = Annotated[
    str,
    typer.Option(
        "--place", help=say(zh="隔离区;缺省为资产主机上的。", en="Isolated place; by default that on the asset's host.")
    ),
]
Due = Annotated[bool, typer.Option("--due", help=say(zh="演练所有到期的资产。", en="Drill every asset that is due."))]
Named = Annotated[
    str, typer.Argument(metavar="[ASSET|SYSTEM]", help=say(zh="资产或系统的 id。", en="Id of an asset or system."))
]
OnlyNamed = Annotated[
    str, typer.Argument(metavar="[ASSET|SYSTEM]", help=say(zh="只看该资产或系统。", en="Only of this asset or system."))
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help=say(zh="最多多少次。", en="At most how many."))]
RunId = Annotated[
    str, typer.Argument(metavar="RUN", help=say(zh="运行 id 或其开头。", en="Id of a run, or its beginning."))
]
Folder = Annotated[
    Path | None,
    typer.Option("--output", help=say(zh="写到该目录;缺省在证据包旁。", en="Folder; by default beside the evidence.")),
]


@verb.command(
    help=say(
        zh="演练一个资产、一个系统的全部资产,或所有到期的。退出码 1:有演练失败。",
        en="Drill an asset, all assets of a system, or all that are due. Exit code 1: a drill failed.",
    )
)
def run(name: Named = "", due: Due = False, place: PlaceId = "", as_json: AsJson = False) -> None:
    """Each ends with its evidence pack and reports in the home's `evidence` folder."""
    if due == bool(name):
        raise BadInput(
            Text("请给出资产或系统,或用 --due,二者选一", "name an asset or system, or use --due: one of the two")
        )
    with open_home() as home:
        chosen = [badge.asset for badge in due_drills(home, now())] if due else _ids(home, name)
        ended = [_drill(home, asset, place, as_json) for asset in chosen]
        if as_json:
            print_json([_facts(one) for one in ended])
        elif not ended:
            console().print(say(zh="没有到期的演练。", en="No drill is due."))
    sys.exit(max(map(exit_code, ended), default=0))


@verb.command(
    help=say(
        zh="各资产上次何时演练成功、此后有何变化。退出码 1:有失败或逾期。",
        en="When each asset last came back well, and what changed since. Exit code 1: one failed or is overdue.",
    )
)
def status(as_json: AsJson = False) -> None:
    """A badge per asset that is to be copied."""
    moment = now()
    with open_home() as home:
        every = list(badges(home))
    if as_json:
        print_json([_badge_facts(one) for one in every])
    else:
        made = table(
            "",
            say(zh="资产", en="asset"),
            say(zh="系统", en="system"),
            say(zh="上次成功", en="last proven"),
            say(zh="周期", en="every"),
            say(zh="状态", en="standing"),
            say(zh="此后变化", en="changed since"),
        )
        console().print(fill(made, (_row(one) for one in every)))
    sys.exit(1 if any(one.failed or one.overdue(moment) for one in every) else 0)


@verb.command(
    "due",
    help=say(
        zh="现在该演练的资产,从未成功的在前。退出码 1:有到期的。",
        en="What is to be drilled now, what never came back first. Exit code 1: something is.",
    ),
)
def due_now(as_json: AsJson = False) -> None:
    """What `secops drill run --due` would drill."""
    with open_home() as home:
        due = due_drills(home, now())
    if as_json:
        print_json([_badge_facts(one) for one in due])
    elif due:
        made = table("", *(say(zh=zh, en=en) for zh, en in _DUE_HEADS))
        console().print(fill(made, (_due_row(one) for one in due)))
    else:
        console().print(say(zh="没有到期的演练。", en="No drill is due."))
    sys.exit(1 if due else 0)


@verb.command("list", help=say(zh="做过的演练,新的在前。", en="The drills that were run, newest first."))
def list_drills(name: OnlyNamed = "", limit: Limit = 50, as_json: AsJson = False) -> None:
    """Of an asset or a system when one is named."""
    with open_home() as home:
        wanted = set(_ids(home, name)) if name else None
        found = [run for run in home.journal.drills(10_000 if wanted else limit) if _of(run, wanted)][:limit]
        rows = [(one, timings_of(home, one)) for one in found]
    if as_json:
        print_json([_drill_facts(one, timings) for one, timings in rows])
        return
    made = table("", *(say(zh=zh, en=en) for zh, en in _LIST_HEADS))
    console().print(fill(made, (_drill_row(one, timings) for one, timings in rows)))


@verb.command(help=say(zh="再出具一次演练报告。", en="Write the report of a drill again."))
def report(run: RunId, output: Folder = None) -> None:
    """HTML and Word, in Chinese and English. Files that are there are not overwritten."""
    with open_home() as home:
        for path in write_report(home, home.journal.run(run), output):
            console().print(plain(str(path)))


def _ids(home: Home, name: str) -> list[str]:
    return [asset.id for asset in assets_named(home, name)]


def _drill(home: Home, asset: str, place: str, quiet: bool) -> Ended:
    if quiet:
        ended = run_drill(home, asset, place)
    else:
        with StepLines(console(), Text(f"演练 {asset}", f"drill {asset}")) as lines:
            ended = run_drill(home, asset, place, Watchers(on_progress=lines))
        print_run(home, ended)
    if ended.run.state.ended:
        for path in write_report(home, ended.run):
            if not quiet:
                console().print(plain(str(path), "dim"))
    return ended


def _facts(ended: Ended) -> dict[str, object]:
    one = ended.run
    return {"run": one.id, "asset": one.inputs["values"]["asset"], "state": one.state, "because": one.because}


def _badge_facts(badge: Badge) -> dict[str, object]:
    moment = now()
    return {
        "asset": badge.asset,
        "system": badge.system,
        "days": badge.days(moment),
        "run": badge.proven.run if badge.proven else None,
        "failed": badge.failed,
        "overdue": badge.overdue(moment),
        "due": badge.due,
        "changed": badge.changed,
    }


_DUE_HEADS = (("资产", "asset"), ("系统", "system"), ("应于此前完成", "was due"), ("周期", "every"))
_LIST_HEADS = (
    ("运行", "run"),
    ("资产", "asset"),
    ("开始", "started"),
    ("状态", "state"),
    ("RTO", "RTO"),
    ("RPO", "RPO"),
)


def _due_row(badge: Badge) -> tuple[object, ...]:
    due = local(badge.due) if badge.due else say(zh="从未成功", en="never came back")
    return badge.asset, badge.system, due, format_duration(badge.policy.drill_every)


def _of(run: Run, assets: set[str] | None) -> bool:
    return assets is None or run.inputs["values"].get("asset") in assets


def _drill_row(run: Run, timings: Timings) -> tuple[object, ...]:
    spans = (format_duration(round(one.total_seconds(), 1)) if one else "–" for one in (timings.rto, timings.rpo))
    asset = run.inputs["values"].get("asset", "–")
    meaning, style = RUN_STATES[run.state]
    return run.id, asset, local(run.started), Shown(tell(meaning), style=style), *spans


def _drill_facts(run: Run, timings: Timings) -> dict[str, object]:
    return {
        "run": run.id,
        "asset": run.inputs["values"].get("asset"),
        "started": run.started,
        "state": run.state,
        "because": run.because,
        "rto_seconds": timings.rto.total_seconds() if timings.rto else None,
        "rpo_seconds": timings.rpo.total_seconds() if timings.rpo else None,
    }


def _row(badge: Badge) -> tuple[object, ...]:
    proven = local(badge.proven.started) if badge.proven else "–"
    changed = "\n".join(map(tell, badge.changed)) or "–"
    return badge.asset, badge.system, proven, format_duration(badge.policy.drill_every), _standing(badge), changed


def _standing(badge: Badge) -> Shown:
    if badge.failed:
        return Shown(say(zh="上次失败", en="last one failed"), style="bold red")
    if badge.overdue(now()):
        return Shown(say(zh="逾期", en="overdue") if badge.proven else say(zh="从未", en="never"), style="red")
    days = badge.days(now())
    shown = say(zh=f"{days} 天前", en=f"{days} days ago")
    return Shown(shown, style="yellow" if badge.changed else "green")
