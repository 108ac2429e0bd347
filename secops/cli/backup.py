"""`secops backup`: copy, and see what is proven of the copies."""

import sys
from typing import Annotated

import typer

from secops.cli.options import AsJson
from secops.cli.point_views import points_table
from secops.cli.run_views import StepLines, exit_code, print_run
from secops.cli.tables import console, print_json
from secops.model.city import AssetKind
from secops.service.copying import PLAYBOOK, copy_and_verify
from secops.service.home import open_home
from secops.service.running import Watchers
from secops.support.language import say

verb = typer.Typer(
    name="backup",
    help=say(
        zh="按灾备等级备份资产并通过恢复来验证;查看恢复点及其结论。",
        en="Copy assets by tier and prove the copies by restoring them; see the restore points and their verdicts.",
    ),
    no_args_is_help=True,
)

AssetId = Annotated[str, typer.Argument(metavar="ASSET", help=say(zh="资产 id。", en="Id of the asset."))]
AnyAsset = Annotated[str, typer.Argument(metavar="[ASSET]", help=say(zh="只看该资产。", en="Only this asset."))]


@verb.command(help=say(zh="备份一个资产并验证每份副本。", en="Copy an asset and prove each copy."))
def run(asset: AssetId) -> None:
    """Exit codes as for `secops playbook run`."""
    with open_home() as home:
        with StepLines(console(), home.library.get(PLAYBOOK).spec.name) as lines:
            ended = copy_and_verify(home, asset, Watchers(on_progress=lines))
        print_run(home, ended)
        console().print(points_table(home.catalogue.points(asset)))
        sys.exit(exit_code(ended))


@verb.command(help=say(zh="列出恢复点及其结论。", en="List the restore points and their verdicts."))
def points(asset: AnyAsset = "", as_json: AsJson = False) -> None:
    """The newest first."""
    with open_home() as home:
        trees = [home.inventory.asset(asset)] if asset else home.inventory.assets(kind=AssetKind.FILE_TREE)
        found = [point for tree in trees for point in home.catalogue.points(tree.id)]
    if as_json:
        print_json(found)
    else:
        console().print(points_table(found))
