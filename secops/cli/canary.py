"""`secops canary`: write the records by which the RPO is measured, and see which were acknowledged."""

import sys
import threading
from signal import SIGTERM, signal
from typing import Annotated

import typer
from rich.table import Table

from backup.canary_ledger import Acknowledged
from secops.cli.options import AsJson
from secops.cli.tables import console, fill, plain, print_json, table
from secops.model.city import Asset
from secops.service.canaries import Wrote, keep_writing, with_canaries, write_once
from secops.service.home import open_home
from secops.support.clock import local
from secops.support.language import say, tell

verb = typer.Typer(
    name="canary",
    help=say(
        zh="探针记录:按节奏写入清单中带 canary 的资产,恢复出的副本里有哪些,就量出了 RPO(见 secops backup rpo)。",
        en="Canaries: records written at a rhythm into the assets with `canary` in the inventory; which of them a restored "
        "copy holds measures the RPO (see `secops backup rpo`).",
    ),
    no_args_is_help=True,
)

AssetId = Annotated[str, typer.Argument(metavar="[ASSET]", help=say(zh="只对该资产。", en="Only this asset."))]
Seconds = Annotated[
    float, typer.Option("--seconds", min=0, help=say(zh="运行多久;0 为直到停止。", en="How long; 0: until stopped."))
]


@verb.command(
    help=say(
        zh="向每个资产写一条,并读取各副本。退出码 3:有未写成的。",
        en="Write one into each asset and read the replicas. Exit code 3: one was not written.",
    )
)
def once(asset: AssetId = "", as_json: AsJson = False) -> None:
    """For timers, and to see why none gets there."""
    with open_home() as home:
        wrote = list(write_once(home, with_canaries(home, asset)))
    if as_json:
        print_json([{"asset": one.asset, "counter": one.counter, "failed": one.failed} for one in wrote])
    else:
        for one in wrote:
            console().print(plain(_line(one), "red" if one.failed else ""))
    sys.exit(3 if any(one.failed for one in wrote) else 0)


@verb.command(
    help=say(
        zh="按各自的节奏持续写入,直到 Ctrl-C 或 TERM。退出码 3:最后一次未写成。",
        en="Keep writing, each at its rhythm, until Ctrl-C or TERM. Exit code 3: the last one of an asset failed.",
    )
)
def run(asset: AssetId = "", seconds: Seconds = 0.0) -> None:
    """Says what fails when it begins to, and when it is well again."""
    stop, last = threading.Event(), dict[str, Wrote]()

    def tell_changes(one: Wrote) -> None:
        before = last.get(one.asset)
        last[one.asset] = one
        if before is None or bool(before.failed) != bool(one.failed):
            console().print(plain(_line(one), "red" if one.failed else ""))

    with open_home() as home:
        assets = with_canaries(home, asset)
        signal(SIGTERM, lambda *_: stop.set())
        timer = threading.Timer(seconds, stop.set) if seconds else None
        if timer:
            timer.start()
        try:
            keep_writing(home, assets, stop, tell_changes)
        except KeyboardInterrupt:
            stop.set()
        finally:
            if timer:
                timer.cancel()
    sys.exit(3 if any(one.failed for one in last.values()) else 0)


@verb.command(
    help=say(
        zh="各资产最近一条已确认的探针记录。退出码 1:有从未确认过的。",
        en="The newest acknowledged canary of each asset. Exit code 1: one has none.",
    )
)
def status(asset: AssetId = "", as_json: AsJson = False) -> None:
    """By the ledger alone: nothing is asked."""
    with open_home() as home:
        chosen = [one for one in with_canaries(home, asset) if not one.replica_of]
        rows = [(one, home.canaries.newest(one.id)) for one in chosen]
        if as_json:
            print_json([{"asset": one.id, "every": _every(one), "newest": newest} for one, newest in rows])
        else:
            console().print(_table(rows))
    sys.exit(1 if any(newest is None for _, newest in rows) else 0)


def _table(rows: list[tuple[Asset, Acknowledged | None]]) -> Table:
    made = table(
        "",
        say(zh="资产", en="asset"),
        say(zh="节奏", en="every"),
        say(zh="最近一条", en="newest"),
        say(zh="写于", en="written"),
        say(zh="确认于", en="acknowledged"),
    )
    return fill(made, (_row(one, newest) for one, newest in rows))


def _row(asset: Asset, newest: Acknowledged | None) -> tuple[object, ...]:
    if newest is None:
        return asset.id, _every(asset), "–", "–", "–"
    return asset.id, _every(asset), str(newest.counter), local(newest.moment), local(newest.acknowledged)


def _every(asset: Asset) -> str:
    return asset.canary.every if asset.canary else ""


def _line(one: Wrote) -> str:
    if one.failed:
        return f"{one.asset}: {tell(one.failed)}"
    return say(zh=f"{one.asset}:第 {one.counter} 条", en=f"{one.asset}: number {one.counter}")
