"""`secops lab fault`: one verb per misfortune."""

from typing import Annotated

import typer

from secops.lab import faults as doing
from secops.lab.down import what_is_left
from secops.lab.places import CENTRES, PLACES, Lab
from secops.lab.status import SERVERS
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.language import say

faults = typer.Typer(
    name="fault",
    help=say(zh="制造一种灾难,或使其恢复。", en="Make a disaster happen, or make it good again."),
    no_args_is_help=True,
)

_CENTRE = say(zh="中心:c1、c2、c3。", en="Centre: c1, c2, c3.")
_PLACE = say(zh="c1、c2、c3 或 client。", en="c1, c2, c3 or client.")
_SERVER = say(zh="postgresql、etcd、haproxy、sshd 或 service。", en="postgresql, etcd, haproxy, sshd or service.")
Centre = Annotated[str, typer.Argument(metavar="CENTRE", help=_CENTRE)]
Server = Annotated[str, typer.Argument(metavar="SERVER", help=_SERVER)]
AnyServer = Annotated[
    str,
    typer.Argument(metavar="[SERVER]", help=say(zh="缺省为整个中心。", en="By default the whole centre.") + _SERVER),
]
Source = Annotated[str, typer.Argument(metavar="FROM", help=_PLACE)]
Target = Annotated[str, typer.Argument(metavar="TO", help=_PLACE)]
OneWay = Annotated[
    bool, typer.Option("--one-way", help=say(zh="只限 FROM → TO 方向。", en="Only in the direction FROM → TO."))
]
Name = Annotated[str, typer.Option("--name", help=say(zh="实验场名称。", en="The lab's name."))]
_DEFAULT = "jindun"


@faults.command(help=say(zh="杀死一个服务的所有进程。", en="Kill every process of a server."))
def kill(centre: Centre, server: Server, name: Name = _DEFAULT) -> None:
    doing.kill(_lab(name), _centre(centre), _server(server))


@faults.command(help=say(zh="正常停止一个服务。", en="Stop a server as an administrator would."))
def stop(centre: Centre, server: Server, name: Name = _DEFAULT) -> None:
    doing.stop(_lab(name), _centre(centre), _server(server))


@faults.command(help=say(zh="启动一个没有运行的服务。", en="Start a server that does not run."))
def start(centre: Centre, server: Server, name: Name = _DEFAULT) -> None:
    doing.start_server(_lab(name), _centre(centre), _server(server))


@faults.command(
    help=say(
        zh="冻结:不结束、不应答,内核仍会确认。冻结 sshd 即“接受连接而不出声”。",
        en="Freeze: nothing ends or answers, and the kernel still acknowledges. A frozen sshd accepts and says nothing.",
    )
)
def freeze(centre: Centre, server: AnyServer = "", name: Name = _DEFAULT) -> None:
    doing.freeze(_lab(name), _centre(centre), _server(server) if server else "")


@faults.command(help=say(zh="解冻。", en="Let what is frozen go on."))
def thaw(centre: Centre, server: AnyServer = "", name: Name = _DEFAULT) -> None:
    doing.thaw(_lab(name), _centre(centre), _server(server) if server else "")


@faults.command(help=say(zh="切断两处之间的线路。", en="Cut the line between two places."))
def cut(source: Source, target: Target, one_way: OneWay = False, name: Name = _DEFAULT) -> None:
    doing.cut(_lab(name), _place(source), _place(target), one_way)


@faults.command(help=say(zh="使一个中心与所有其他处隔绝。", en="Cut a centre off from all other places."))
def isolate(centre: Centre, name: Name = _DEFAULT) -> None:
    doing.isolate(_lab(name), _place(centre))


Milliseconds = Annotated[float, typer.Argument(metavar="MS", min=0, max=60_000)]
Percent = Annotated[float, typer.Argument(metavar="PERCENT", min=0, max=100)]
Kbit = Annotated[float, typer.Argument(metavar="KBIT", min=0)]
Jitter = Annotated[
    float, typer.Option("--jitter", min=0, max=60_000, help=say(zh="再加 0 至该值,毫秒。", en="Plus 0 to this, in ms."))
]


@faults.command(help=say(zh="单向时延,毫秒。", en="Delay of one way, in ms."))
def delay(
    source: Source,
    target: Target,
    ms: Milliseconds,
    jitter: Jitter = 0,
    one_way: OneWay = False,
    name: Name = _DEFAULT,
) -> None:
    doing.slow(_lab(name), _place(source), _place(target), one_way, delay_ms=ms, jitter_ms=jitter)


@faults.command(help=say(zh="丢包率,百分比。", en="Share of packets that get lost, in percent."))
def loss(source: Source, target: Target, percent: Percent, one_way: OneWay = False, name: Name = _DEFAULT) -> None:
    doing.slow(_lab(name), _place(source), _place(target), one_way, loss_percent=percent)


@faults.command(help=say(zh="带宽,kbit/s;0 为不限。", en="Bandwidth in kbit/s; 0: unlimited."))
def bandwidth(source: Source, target: Target, kbit: Kbit, one_way: OneWay = False, name: Name = _DEFAULT) -> None:
    doing.slow(_lab(name), _place(source), _place(target), one_way, kbit=kbit)


@faults.command(name="disk-full", help=say(zh="写满数据库的磁盘。", en="Fill the database's disk."))
def disk_full(centre: Centre, name: Name = _DEFAULT) -> None:
    doing.disk_full(_lab(name), _centre(centre))


@faults.command(name="disk-free", help=say(zh="腾出磁盘。", en="Make room on the disk again."))
def disk_free(centre: Centre, name: Name = _DEFAULT) -> None:
    doing.disk_free(_lab(name), _centre(centre))


@faults.command(
    name="power-off",
    help=say(
        zh="断电:先断网再杀死一切,对端得不到任何通知。", en="Power off: silent at once, then everything is killed."
    ),
)
def power_off(centre: Centre, name: Name = _DEFAULT) -> None:
    doing.power_off(_lab(name), _centre(centre))


@faults.command(
    name="power-on",
    help=say(
        zh="来电:线路恢复,除数据库外的服务启动;数据库由津盾服务决定,或用 start。",
        en="Power on: lines and all servers but the database; that is for the service to start, or for `start`.",
    ),
)
def power_on(centre: Centre, name: Name = _DEFAULT) -> None:
    doing.power_on(_lab(name), _centre(centre))


@faults.command(
    help=say(zh="线路如初,解冻,腾出磁盘。", en="Lines as in the beginning, nothing frozen, room on every disk.")
)
def heal(name: Name = _DEFAULT) -> None:
    doing.heal(_lab(name))


def _lab(name: str) -> Lab:
    lab = Lab(name)
    if not what_is_left(lab):
        raise BadInput(
            Text(f"没有实验场 {name};先 secops lab up", f"there is no lab {name}; secops lab up first"),
        )
    return lab


def _centre(name: str) -> str:
    return _one_of(name, CENTRES)


def _place(name: str) -> str:
    return _one_of(name, PLACES)


def _server(name: str) -> str:
    return _one_of(name, SERVERS)


def _one_of(name: str, known: tuple[str, ...]) -> str:
    if name not in known:
        raise BadInput(Text(f"“{name}”不是 {'、'.join(known)} 之一", f"“{name}” is none of {', '.join(known)}"))
    return name
