"""`secops store migrate`: everything from one kind of store into the other, and the proof that it arrived."""

from typing import Annotated

import typer
from rich.progress import SpinnerColumn, TextColumn

from secops.cli.options import AsJson
from secops.cli.progress import progress
from secops.cli.tables import console, fill, plain, print_json, table
from secops.service.home import open_home
from secops.service.migrating import StoreKind, migrate
from secops.store.moving import Moved, Part
from secops.support.errors import Incomplete
from secops.support.language import say

To = Annotated[
    StoreKind,
    typer.Option(
        "--to",
        help=say(
            zh="迁往哪里;另一个就是来源。Elasticsearch 为 jindun.yaml 中 store 所写的那个,SQLite 为 state 目录中的文件。",
            en="Where to; the other one is the source. Elasticsearch is the one that `store` in jindun.yaml names, "
            "SQLite the file in the state folder.",
        ),
    ),
]


def migrate_store(to: To, as_json: AsJson = False) -> None:
    """The verb; see its help."""
    with open_home() as home, progress(SpinnerColumn(), TextColumn("{task.description}")) as shown:
        task = shown.add_task("")
        words = _words()
        parts = migrate(home, to, lambda part, number: shown.update(task, description=f"{words[part]} {number:,}"))
    whole = all(one.arrived for one in parts)
    if as_json:
        print_json({"to": to, "arrived": whole, "parts": parts})
    else:
        _show(parts, whole)
    if not whole:
        raise typer.Exit(Incomplete.exit_code)


def _show(parts: list[Moved], whole: bool) -> None:
    made = table(
        say(zh="迁移", en="moved"),
        say(zh="内容", en="what"),
        say(zh="来源", en="source"),
        say(zh="目标", en="target"),
        say(zh="新写入", en="written"),
        "SHA-256",
        say(zh="核对", en="proof"),
    )
    words = _words()
    rows = (
        (
            words[one.part],
            f"{one.source.number:,}",
            f"{one.target.number:,}",
            f"{one.written:,}",
            one.target.sha256[:16],
            say(zh="一致", en="alike") if one.arrived else say(zh="不一致", en="not alike"),
        )
        for one in parts
    )
    console().print(fill(made, rows))
    verdict = (
        say(
            zh="全部到达;来源未作任何改动。现在可在 jindun.yaml 中换用目标存储",
            en="everything arrived; nothing was taken from the source. Now let `store` in jindun.yaml name the target",
        )
        if whole
        else say(
            zh="两边不一致:迁移期间有写入,或目标中另有内容;请停下扫描后再执行一次",
            en="both sides differ: something was written meanwhile, or the target held more; stop scanning and repeat",
        )
    )
    console().print(plain(verdict), soft_wrap=True)


def _words() -> dict[Part, str]:
    return {
        Part.CONTENTS: say(zh="观测内容", en="contents"),
        Part.OBSERVATIONS: say(zh="观测", en="observations"),
        Part.COVERAGE: say(zh="检测覆盖", en="coverage"),
        Part.PLACES: say(zh="最近检测", en="newest coverage"),
        Part.FINDINGS: say(zh="发现", en="findings"),
        Part.EVENTS: say(zh="历史", en="history"),
        Part.BASELINES: say(zh="基线", en="baselines"),
        Part.ACCEPTANCES: say(zh="风险接受", en="risk acceptances"),
        Part.AUDIT: say(zh="审计", en="audit"),
    }
