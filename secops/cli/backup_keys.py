"""`secops backup keys`: split the service's keys among people, check the shares, rebuild the keys from them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from secops.cli.options import AsJson
from secops.cli.tables import console, fill, plain, print_json, table
from secops.model.text import Text
from secops.service.escrowing import Checked, check, hand_out, plan_for, rebuild
from secops.service.home import open_home
from secops.support.errors import BadInput
from secops.support.language import say

keys = typer.Typer(
    name="keys",
    help=say(
        zh="密钥的分割托管:任意 k 份可恢复,更少则什么也不透露。",
        en="Keys in split escrow: any k shares rebuild them, and fewer tell nothing.",
    ),
    no_args_is_help=True,
)

AssetId = Annotated[
    str,
    typer.Argument(
        metavar="[ASSET]",
        help=say(
            zh="由引擎 configuration 备份的资产;份额与备份库中的相配。",
            en="Asset that the engine configuration copies; the shares fit those in its vaults.",
        ),
    ),
]
Into = Annotated[Path, typer.Option("--into", help=say(zh="写入该目录。", en="Folder to write into."))]
Needed = Annotated[
    int, typer.Option("--needed", min=2, max=255, help=say(zh="几份可恢复。", en="How many shares rebuild the keys."))
]
Holders = Annotated[
    list[str] | None, typer.Option("--holder", help=say(zh="持有人,可重复。", en="Name of a holder; repeatable."))
]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help=say(zh="份额文件。", en="Files with shares."))]


@keys.command(
    help=say(
        zh="拆分本服务的密钥,每名持有人一个文件;同样的密钥和持有人得到同样的份额。",
        en="Split the service's keys, one file for each holder; the same keys and holders give the same shares.",
    )
)
def split(into: Into, asset: AssetId = "", needed: Needed = 2, holder: Holders = None, as_json: AsJson = False) -> None:
    """Holders and number come from the asset when one is named."""
    if bool(asset) == bool(holder):
        raise BadInput(
            Text(
                "请给出资产,或用 --holder 给出持有人,二者选一", "name an asset, or holders by --holder: one of the two"
            )
        )
    with open_home() as home:
        plan = plan_for(home, asset, needed, holder or ())
        files = hand_out(home, plan, into)
    if as_json:
        print_json({"needed": plan.needed, "holders": plan.holders, "files": {k: str(v) for k, v in files.items()}})
        return
    made = table("", say(zh="持有人", en="holder"), say(zh="文件", en="file"))
    console().print(fill(made, ((name, str(path)) for name, path in files.items())))
    console().print(
        plain(
            say(
                zh=f"任意 {plan.needed} 份可恢复;请分别交给各人并删除这里的文件。",
                en=f"Any {plan.needed} rebuild the keys; give each to its holder and delete the files here.",
            )
        )
    )


@keys.command(
    help=say(
        zh="检查收来的份额:是否同组、未改动、够数、就是现在的密钥。退出码 1:不够或已过时。",
        en="Check shares that were handed in: of one set, unchanged, enough, and of the keys as they are now. Exit code 1: "
        "too few, or of older keys.",
    )
)
def verify(files: Files, as_json: AsJson = False) -> None:
    """Nothing is written, and no key is shown."""
    with open_home() as home:
        checked = check(home, files)
    if as_json:
        print_json(_facts(checked))
    else:
        made = table("", say(zh="份额", en="share"), say(zh="第几份", en="number"))
        console().print(fill(made, ((one.place, str(one.share.number)) for one in checked.given)))
        console().print(plain(_said(checked), "" if checked.enough and checked.same is not False else "red"))
    sys.exit(0 if checked.enough and checked.same is not False else 1)


@keys.command("rebuild", help=say(zh="由份额恢复密钥,写入目录。", en="Rebuild the keys from shares, into a folder."))
def rebuild_keys(files: Files, into: Into, as_json: AsJson = False) -> None:
    """Needs no home: it is lost. What is there already is not overwritten."""
    written = rebuild(files, into)
    if as_json:
        print_json({"into": str(into), "keys": written})
        return
    for name in written:
        console().print(plain(str(into / name)))


def _said(checked: Checked) -> str:
    if not checked.enough:
        return say(
            zh=f"这些份额完好,还差 {checked.missing} 份(需要 {checked.needed} 份)",
            en=f"these shares are well; {checked.missing} more are needed, {checked.needed} in all",
        )
    count = len(checked.keys)
    if checked.same is None:
        return say(zh=f"可恢复 {count} 个密钥文件", en=f"they rebuild {count} files of keys")
    if checked.same:
        return say(zh=f"可恢复现在的 {count} 个密钥文件", en=f"they rebuild the {count} files of keys as they are now")
    return say(
        zh="可恢复,但不是现在的密钥:密钥已更换,请重新拆分",
        en="they rebuild keys that are not those of now: split the present ones again",
    )


def _facts(checked: Checked) -> dict[str, object]:
    shares = [{"place": one.place, "number": one.share.number} for one in checked.given]
    return {
        "shares": shares,
        "needed": checked.needed,
        "missing": checked.missing,
        "keys": checked.keys,
        "present": checked.same,
    }
