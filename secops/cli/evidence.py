"""`secops evidence`: check packs and read them."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from rich.table import Table
from rich.text import Text as Shown

from secops.cli.options import AsJson
from secops.cli.tables import console
from secops.evidence.keys import PUBLIC_KEY_NAME, load_public_key
from secops.evidence.summary import Summary, summarise
from secops.evidence.timings import MEASURES, MOMENTS
from secops.evidence.verify import BrokenLink, BrokenPack, Verification, read_pack, verify_pack
from secops.model.finding import Severity
from secops.model.text import Text
from secops.service.home import open_home
from secops.support.clock import from_text, local
from secops.support.durations import format_duration
from secops.support.errors import BadInput
from secops.support.language import language, say, tell

verb = typer.Typer(
    name="evidence",
    help=say(zh="核验并查看证据包。", en="Verify and read evidence packs."),
    no_args_is_help=True,
)

PackFile = Annotated[Path, typer.Argument(metavar="FILE", help=say(zh="证据包(.jsonl)。", en="The pack (.jsonl)."))]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="PUBLIC.pem",
        help=say(
            zh="签署者的公钥(PEM);缺省取工作目录的公钥。",
            en="The signer's public key (PEM); default: that of the home.",
        ),
        show_default=False,
    ),
]


@verb.command(
    help=say(
        zh="核验证据包:0 完好;1 已损坏,并指出第一处;2 文件或公钥不可读。",
        en="Check a pack: 0 whole, 1 broken (the first broken link is named), 2 file or key cannot be read.",
    )
)
def verify(file: PackFile, key: KeyFile = None, as_json: AsJson = False) -> None:
    public_key = _public_key(key)
    if public_key is None:
        raise BadInput(Text("需要签署者的公钥:请给出 --key", "the signer's public key is needed: name it with --key"))
    verification = verify_pack(file, public_key)
    if as_json:
        _print_json({"ok": verification.ok, **asdict(verification)})
    elif verification.broken:
        _print_broken(verification.broken)
    else:
        _print_whole(verification)
    if not verification.ok:
        raise typer.Exit(1)


@verb.command(
    help=say(
        zh="查看证据包摘要:运行、T0–T6、工具、前后发现;有公钥时先核验。",
        en="Show what a pack tells: run, T0–T6, tools, findings before and after; verified when there is a key.",
    )
)
def show(file: PackFile, key: KeyFile = None, as_json: AsJson = False) -> None:
    public_key = _public_key(key)
    summary, broken = Summary(), None
    try:
        summarise(read_pack(file, public_key), into=summary)
    except BrokenPack as error:
        broken = error.link
    verified = public_key is not None and broken is None
    if as_json:
        _print_json({"verified": verified, "broken": broken, "summary": summary})
    else:
        _print_summary(summary)
        _print_standing(verified, broken)
    if broken:
        raise typer.Exit(1)


def _public_key(path: Path | None) -> Ed25519PublicKey | None:
    if path is None and os.environ.get("JINDUN_HOME"):
        with open_home() as home:
            path = home.path(home.settings.keys) / PUBLIC_KEY_NAME
    return load_public_key(path) if path else None


def _print_json(value: object) -> None:
    print(orjson.dumps(value, default=sorted, option=orjson.OPT_INDENT_2).decode())


def _print_whole(verification: Verification) -> None:
    console().print(
        Shown(say(zh="证据完好", en="evidence whole"), style="bold green"),
        Shown(
            say(
                zh=f"运行 {_clean(verification.run)}:{verification.records} 条记录,封签于 {_when(verification.sealed)},"
                f"密钥指纹 {verification.fingerprint}",
                en=f"run {_clean(verification.run)}: {verification.records} records, sealed "
                f"{_when(verification.sealed)}, key fingerprint {verification.fingerprint}",
            )
        ),
        soft_wrap=True,
    )


def _print_broken(broken: BrokenLink) -> None:
    kind = _clean(broken.kind) or say(zh="无法识别", en="unreadable")
    console().print(
        Shown(say(zh="证据已损坏", en="evidence broken"), style="bold red"),
        Shown(
            say(
                zh=f"第 {broken.line} 行({kind}):{_clean(tell(broken.reason))} [{broken.breach}]",
                en=f"line {broken.line} ({kind}): {_clean(tell(broken.reason))} [{broken.breach}]",
            )
        ),
        soft_wrap=True,
    )


def _print_standing(verified: bool, broken: BrokenLink | None) -> None:
    if broken:
        _print_broken(broken)
    elif verified:
        console().print(Shown(say(zh="证据完好,签名有效", en="evidence whole, signature valid"), style="bold green"))
    else:
        unproven = say(
            zh="证据链完整,但未给出公钥,未核验签名",
            en="the chain holds, but without a public key nothing proves who signed it",
        )
        console().print(Shown(unproven, style="yellow"), soft_wrap=True)


def _print_summary(summary: Summary) -> None:
    screen = console()
    screen.print(_facts(summary))
    if summary.timing:
        screen.print(_moments(summary.timing))
        screen.print(_measures(summary.timing))
        for sentence in _list(summary.timing.get("inconsistencies")):
            screen.print(Shown(_sentence(sentence), style="yellow"))
    screen.print(_findings(summary))
    if summary.tools:
        table = Table(say(zh="工具", en="tool"), say(zh="版本", en="version"))
        for name, version in sorted(summary.tools.items()):
            table.add_row(_shown(name), _shown(version))
        screen.print(table)


def _facts(summary: Summary) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    kinds = ", ".join(f"{kind} {count}" for kind, count in summary.kinds.items())
    for label, value in (
        (say(zh="运行", en="run"), summary.run),
        (say(zh="城市", en="city"), _sentence(summary.city)),
        (say(zh="产品版本", en="product"), summary.product),
        (say(zh="开始", en="begun"), _when(summary.begun)),
        (say(zh="封签", en="sealed"), _when(summary.sealed)),
        (say(zh="密钥指纹", en="key fingerprint"), summary.fingerprint),
        (say(zh="记录", en="records"), kinds),
        (say(zh="附件", en="attachments"), ", ".join(sorted(summary.attachments))),
    ):
        facts.add_row(Shown(label, style="bold"), _shown(value or "–"))
    return facts


def _moments(timing: dict[str, object]) -> Table:
    table = Table("", say(zh="时刻", en="when"))
    table.add_column(say(zh="含义", en="what it means"), overflow="fold")
    said = _mapping(timing.get("moments"))
    for name, means in MOMENTS.items():
        table.add_row(name, _shown(_when(_mapping(said.get(name)).get("at"), exact=True)), tell(means))
    return table


def _measures(timing: dict[str, object]) -> Table:
    table = Table("", say(zh="用时", en="took"))
    table.add_column(say(zh="含义", en="what it means"), overflow="fold")
    said = _mapping(timing.get("measures"))
    for name, (formula, means) in MEASURES.items():
        seconds = _mapping(said.get(name)).get("seconds")
        taken = format_duration(seconds) if isinstance(seconds, int | float) else "–"
        table.add_row(name.upper(), taken, f"{tell(means)} ({formula})")
    lost = timing.get("acknowledged_lost")
    if isinstance(lost, int):
        table.add_row("", str(lost), say(zh="已确认却丢失的写入数", en="acknowledged writes that are missing"))
    return table


def _findings(summary: Summary) -> Table:
    table = Table(say(zh="未关闭的发现", en="open findings"), say(zh="之前", en="before"), say(zh="之后", en="after"))
    known = [severity.value for severity in reversed(Severity)]
    for severity in (*known, *sorted((summary.before | summary.after).keys() - set(known))):
        if severity in summary.before or severity in summary.after:
            table.add_row(_shown(severity), str(summary.before[severity]), str(summary.after[severity]))
    table.add_row(say(zh="合计", en="all"), str(summary.before.total()), str(summary.after.total()), style="bold")
    return table


def _when(moment: object, exact: bool = False) -> str:
    """Local time; `exact` to the millisecond."""
    if not isinstance(moment, str) or not moment:
        return "–"
    try:
        read = from_text(moment)
        return local(read) + (f".{read.microsecond // 1000:03d}" if exact else "")
    except (ValueError, OverflowError):
        return _clean(moment)


def _sentence(text: object) -> str:
    return str(_mapping(text).get(language(), "")) or "–"


def _shown(text: str) -> Shown:
    return Shown(_clean(text))


def _clean(text: str) -> str:
    """A pack may come from a stranger: nothing in it may steer the terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
