"""`secops backup restore`: bring a copy back into isolation, as it is or as of a moment."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from backup.catalogue import UnknownPoint
from secops.cli.backup_proving import moment_in
from secops.cli.backup_views import print_rates
from secops.cli.options import AsJson
from secops.cli.run_views import StepLines, exit_code, print_run
from secops.cli.tables import console, print_json
from secops.model.restore_point import RestorePoint
from secops.model.text import Text
from secops.service.copying import RESTORING, RESTORING_CLEAN, refuse_moment_for, restore_clean, restore_copy
from secops.service.home import Home, open_home
from secops.service.running import Ended, Watchers
from secops.support.clock import to_text
from secops.support.errors import BadInput
from secops.support.language import say

RESTORE_HELP = say(
    zh="把一份已证明干净的备份恢复到隔离区;--asset 选最新的干净备份,--until 用日志前进到某一时刻。",
    en="Restore a copy that is proven clean into an isolated place: the one named, or with --asset the newest; with "
    "--until the log takes it on to a moment.",
)

AnyPoint = Annotated[str, typer.Argument(metavar="[POINT]", help=say(zh="恢复点 id。", en="Id of the restore point."))]
OfAsset = Annotated[
    str,
    typer.Option(
        "--asset", help=say(zh="恢复该资产最新的干净备份。", en="Restore the newest clean copy of this asset.")
    ),
]
Before = Annotated[
    str,
    typer.Option(
        "--before",
        help=say(
            zh="只用该时刻(迹象首次出现)之前的备份(ISO 8601)。",
            en="Only copies from before this moment, the first sign of trouble (ISO 8601).",
        ),
    ),
]
Until = Annotated[
    str,
    typer.Option(
        "--until",
        help=say(
            zh="用日志前进到该时刻(ISO 8601,带时区),先在该时刻试运行。",
            en="Go on to this moment by the log (ISO 8601 with its zone), after a trial as of then.",
        ),
    ),
]
PlaceId = Annotated[
    str,
    typer.Option(
        "--place", help=say(zh="隔离区;缺省为资产主机上的。", en="Isolated place; by default that on the asset's host.")
    ),
]
UnitId = Annotated[
    str, typer.Option("--unit", help=say(zh="只看该单位的数据。", en="Only what is this unit's; others stay unseen."))
]


def restore(
    point: AnyPoint = "",
    asset: OfAsset = "",
    before: Before = "",
    until: Until = "",
    place: PlaceId = "",
    unit: UnitId = "",
    as_json: AsJson = False,
) -> None:
    """Exit codes as for `secops playbook run`."""
    if bool(point) == bool(asset) or (before and point):
        raise BadInput(
            Text("给出恢复点,或 --asset(可加 --before)", "name a restore point, or --asset, which may have --before")
        )
    moment = moment_in(until) if until else None
    latest = to_text(moment_in(before)) if before else ""
    goes_on = to_text(moment) if moment else ""
    with open_home() as home:
        named = point_of(home, point, unit).asset if point else _asset(home, asset, unit)
        if moment:
            refuse_moment_for(home, named, moment, point)

        def act(watchers: Watchers) -> Ended:
            if point:
                return restore_copy(home, point, place, watchers, goes_on)
            return restore_clean(home, asset, place, watchers, latest, goes_on)

        sys.exit(exit_code(perform(home, RESTORING if point else RESTORING_CLEAN, as_json, act)))


def perform(home: Home, playbook: str, quiet: bool, act: Callable[[Watchers], Ended]) -> Ended:
    """Run a playbook of the library, with its steps shown while it goes on."""
    if quiet:
        ended = act(Watchers())
        steps = [{"id": one.path, "state": one.state, "outputs": one.outputs} for one in ended.records]
        print_json({"run": ended.run.id, "state": ended.run.state, "because": ended.run.because, "steps": steps})
        return ended
    with StepLines(console(), home.library.get(playbook).spec.name) as lines:
        ended = act(Watchers(on_progress=lines))
    print_run(home, ended)
    print_rates(console(), ended.records)
    return ended


def point_of(home: Home, point: str, unit: str) -> RestorePoint:
    """The point; with a unit, one of another unit is as unknown as one that is not there."""
    found = home.catalogue.get(point)
    if unit and found.unit != unit:
        raise UnknownPoint(point)
    return found


def _asset(home: Home, asset: str, unit: str) -> str:
    """With a unit, an asset of another unit is as unknown as one that is not there."""
    if unit:
        home.inventory.unit(unit)
        if unit not in home.inventory.system_of(asset).lead_units:
            raise BadInput(Text(f"没有资产 {asset}", f"there is no asset {asset}"))
    return home.inventory.asset(asset).id
