"""`secops init`: a home for one's own city."""

from pathlib import Path
from typing import Annotated

import typer

from secops.cli.tables import console, plain
from secops.service.beginning import make_home
from secops.support.language import say

verb = typer.Typer(
    name="init",
    help=say(
        zh="建立工作目录:设置、示例城市清单、本服务自己的密钥。",
        en="Make a home: settings, the sample city to start from, keys of its own.",
    ),
    invoke_without_command=True,
)

Folder = Annotated[Path, typer.Argument(help=say(zh="新的或空的目录。", en="A new or empty folder."))]


@verb.callback()
def init(folder: Folder) -> None:
    """Make it, and say what comes next."""
    make_home(folder)
    lines = say(
        zh=f"已建立 {folder}。接下来:\n"
        f"  1. 把 {folder}/inventory.yaml 改成自己的城市,用 secops inventory validate 检查\n"
        f"  2. 在 {folder}/jindun.yaml 的 scope 中写明批准人和网段\n"
        f"  3. secops --home {folder} scan --learn,然后 secops --home {folder} scan",
        en=f"Made {folder}. What comes next:\n"
        f"  1. turn {folder}/inventory.yaml into your city; check it with secops inventory validate\n"
        f"  2. name the approver and the networks under `scope` in {folder}/jindun.yaml\n"
        f"  3. secops --home {folder} scan --learn, then secops --home {folder} scan",
    )
    console().print(plain(lines))
