"""`secops demo`: the whole story on this machine."""

import shutil
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from secops.cli.narrator import TerminalNarrator
from secops.cli.tables import console
from secops.demo.centres import start
from secops.demo.city import settle
from secops.demo.story import Proof, tell
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.language import say

verb = typer.Typer(
    name="demo",
    help=say(
        zh="在本机回环上演示全程:扫描、分级备份、入侵、发现、恢复、切换、举证。不需要 root,结束后不留痕迹。",
        en="The whole story on loopback: scan, back up by tier, intrusion, detection, restore, failover, evidence. "
        "Needs no root and leaves nothing behind.",
    ),
    invoke_without_command=True,
)


Keep = Annotated[
    bool, typer.Option("--keep", help=say(zh="演示后让一切继续运行。", en="Leave everything standing afterwards."))
]
Evidence = Annotated[
    Path | None,
    typer.Option(
        "--evidence",
        help=say(zh="把证据包和公钥复制到这个目录。", en="Copy the evidence pack and public key into this folder."),
    ),
]


@verb.callback()
def demo(keep: Keep = False, evidence: Evidence = None) -> None:
    """Play the story; Ctrl-C ends it and cleans up."""
    if evidence and evidence.exists() and not evidence.is_dir():
        raise BadInput(Text(f"{evidence} 不是目录", f"{evidence} is not a folder"))
    signal.signal(signal.SIGTERM, _as_interrupt)
    screen = console()
    with start() as centres:
        with settle(centres) as home:
            proof = tell(centres, home, TerminalNarrator(screen))
        if evidence:
            _copy(proof, evidence)
        screen.print(_farewell(home.folder, evidence, centres.keep() if keep else None), highlight=False, markup=False)


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _copy(proof: Proof, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in (proof.pack, proof.public_key):
        shutil.copy(file, folder)


def _farewell(home: Path, evidence: Path | None, guardian: int | None) -> str:
    lines = []
    if evidence:
        lines.append(say(zh=f"证据已复制到 {evidence}", en=f"The evidence was copied to {evidence}"))
    if guardian:
        lines.append(
            say(
                zh=f"一切仍在运行。工作目录:JINDUN_HOME={home}。结束并清除:kill {guardian}",
                en=f"Everything stands. Home: JINDUN_HOME={home}. End and remove it all: kill {guardian}",
            )
        )
    else:
        lines.append(say(zh="演示的服务与文件已全部清除。", en="The demo's servers and files are gone."))
    return "\n".join(lines)
