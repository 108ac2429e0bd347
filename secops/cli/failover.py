"""`secops failover`: finds its words in `failover_verbs`."""

import typer

import secops.cli.failover_verbs
from secops.support.language import say
from secops.support.plugins import modules_in

verb = typer.Typer(
    name="failover",
    help=say(
        zh="跨中心切换:看清现状与缘由,并由人请求切换、切回、宣告灾难、暂停。",
        en="Failover across centres: how it stands and why, and what people may ask for: switchover, failback, "
        "a declared disaster, a hold.",
    ),
    no_args_is_help=True,
)
for _module in modules_in(secops.cli.failover_verbs):
    _words = getattr(_module, "words", None)
    if isinstance(_words, typer.Typer):
        verb.add_typer(_words)


@verb.callback()
def failover() -> None:
    """Its words are in the files of `failover_verbs`."""
