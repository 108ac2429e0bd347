"""`secops failover explain`: what is decided about a cluster, and why nothing else."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from backup.failover.decide import decide
from backup.failover.situation import Situation
from secops.cli.failover_views import ClusterId, SystemId, show_decision
from secops.cli.options import AsJson
from secops.cli.tables import console, plain, print_json
from secops.model.text import Text
from secops.service.failover.watching import View, cluster_of, watching
from secops.service.home import open_home
from secops.support.errors import BadInput
from secops.support.language import say, tell
from secops.support.system_words import why

words = typer.Typer()

SituationFile = Annotated[
    Path | None,
    typer.Option(
        "--situation",
        metavar="FILE",
        help=say(
            zh="情形文件(JSON);缺省为此刻,取自 etcd。",
            en="File with a situation (JSON); by default this moment, from etcd.",
        ),
    ),
]
Save = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="FILE",
        help=say(zh="把情形写入文件,供以后细看。", en="Write the situation to a file, to look at it later."),
    ),
]


@words.command(
    help=say(
        zh="说明此刻(或某一情形下)会作何决定、依据哪些中心的所见,以及为何不作别的决定。",
        en="Say what is decided now, or in a situation, by what the centres see, and why nothing else is.",
    )
)
def explain(
    system: SystemId,
    situation: SituationFile = None,
    cluster: ClusterId = "",
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """The same code that the leader runs decides."""
    known, view = (_read(situation), None) if situation else _now(system, cluster)
    if known.cluster.system != system:
        other = known.cluster.system
        raise BadInput(Text(f"该情形属于系统 {other}", f"that situation is one of the system {other}"))
    if save:
        save.write_bytes(TypeAdapter(Situation).dump_json(known, indent=1))
    decision = decide(known)
    if as_json:
        said = view.because if view else None
        print_json(
            {
                "plan": decision.action.plan,
                "because": decision.because,
                "publish": decision.action.publish,
                **({"leader": view.leader, "leader_says": said} if view else {}),
            }
        )
        return
    show_decision(known, decision)
    if view:
        told = say(zh=f"主控({view.leader or '无'})说", en=f"the leader ({view.leader or 'nobody'}) says")
        console().print(plain(f"{told}: {tell(view.because)}"), soft_wrap=True)


def _now(system: str, cluster: str) -> tuple[Situation, View]:
    async def look() -> tuple[Situation, View]:
        with open_home() as home:
            async with watching(home, cluster_of(home, system, cluster)) as followed:
                return followed.situation, followed.view

    return asyncio.run(look())


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
