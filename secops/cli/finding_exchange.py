"""`secops findings import` and `export`."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.progress import BarColumn, DownloadColumn, TextColumn

from secops.cli.finding_query import Assets, Checks, Everything, Parts, Severities, States, Systems, Wanted, asked
from secops.cli.finding_words import kept_here
from secops.cli.options import AsJson
from secops.cli.progress import counting, progress
from secops.cli.tables import console, fill, plain, print_json, table
from secops.evidence.new_file import new_file
from secops.exchange.exporter import exporter_named, exporter_names
from secops.exchange.importer import all_importers
from secops.model.finding import Finding
from secops.model.text import Text
from secops.service.exchanging import AUTO, Imported, around, chosen_findings, import_report, written_at
from secops.service.home import open_home
from secops.support.errors import BadInput
from secops.support.language import say
from secops.support.system_words import why

_MOST_UNMATCHED = 20
_STREAM = "-"
_NOISY = ", ".join(name for name, importer in all_importers().items() if importer.noisy)

File = Annotated[
    str, typer.Argument(metavar="FILE", help=say(zh="报告文件;- 为标准输入。", en="The report; - for standard input."))
]
ImportFormat = Annotated[
    str,
    typer.Option("--format", metavar="NAME", help=say(zh="格式:", en="Format: ") + ", ".join((AUTO, *all_importers()))),
]
KeepGood = Annotated[
    bool,
    typer.Option(
        "--keep-good/--all-or-nothing",
        help=say(
            zh="遇到坏记录时,保留它之前的记录,还是全部不要(缺省)。",
            en="At a bad record, keep those before it, or take in nothing (the default).",
        ),
    ),
]
Complete = Annotated[
    bool,
    typer.Option(
        "--complete",
        help=say(
            zh="报告完整:其中出现的资产上,该工具以前报告、这次没有的发现视为已解决;可能漏报的工具"
            f"({_NOISY})须连续两份完整报告都没有。缺省什么也不关闭。",
            en="The report is complete: on the assets in it, what the same tool reported before and does not now is "
            f"resolved; of tools that may overlook something ({_NOISY}), when the next complete report does not name it "
            "either. By default nothing is closed.",
        ),
    ),
]
ExportFormat = Annotated[
    str,
    typer.Option("--format", metavar="NAME", help=say(zh="格式:", en="Format: ") + ", ".join(exporter_names())),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help=say(
            zh="写入新文件(不覆盖);缺省为标准输出。",
            en="Write a new file, never over another; default: standard output.",
        ),
        show_default=False,
    ),
]
Mark = Annotated[
    bool, typer.Option("--bom", help=say(zh="CSV 前加 UTF-8 BOM。", en="Begin CSV with a UTF-8 byte order mark."))
]


def import_findings(
    file: File,
    format: ImportFormat = AUTO,
    keep_good: KeepGood = False,
    complete: Complete = False,
    as_json: AsJson = False,
) -> None:
    with open_home() as home, _opened(file) as (report, written, size), _bar(size, quiet=as_json) as on_read:
        imported = import_report(
            home,
            report,
            file,
            written=written,
            format=format,
            complete=complete,
            keep_good=keep_good,
            on_read=on_read,
        )
    if as_json:
        print_json(_summary(imported))
    else:
        _print(imported, asked_complete=complete)
    if imported.bad:
        raise imported.bad
    if imported.unmatched:
        sys.exit(3)


def export_findings(
    format: ExportFormat,
    wanted: Wanted = "",
    output: Output = None,
    bom: Mark = False,
    severity: Severities = None,
    state: States = None,
    everything: Everything = False,
    parts: Parts = False,
    system: Systems = None,
    asset: Assets = None,
    check: Checks = None,
) -> None:
    exporter = exporter_named(format)
    with open_home() as home:
        chosen = {"state": state, "severity": severity, "system": system, "asset": asset, "check": check}
        query = asked(home, wanted, everything, parts, **chosen)
        words = say(zh="导出", en="exporting")
        chosen_ones = _begun(chosen_findings(home, query))
        with _written(output) as write, counting(words, quiet=output is None) as advance:
            for part in exporter.write(_counted(chosen_ones, advance), around(home, bom)):
                write(part)


def _begun(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The first is drawn: a store that is away is told before anything is written."""
    return chain(list(islice(findings, 1)), findings)


def _counted(findings: Iterator[Finding], advance: Callable[[int], None]) -> Iterator[Finding]:
    for finding in findings:
        yield finding
        advance(1)


@contextmanager
def _opened(file: str) -> Iterator[tuple[BinaryIO, datetime | None, int | None]]:
    """The report, when it was written, and its size in bytes if known. Raises BadInput when it cannot be opened."""
    if file == _STREAM:
        yield sys.stdin.buffer, None, None
        return
    path = Path(file)
    with ExitStack() as stack:
        try:
            report = stack.enter_context(path.open("rb"))
            written, size = written_at(path), os.fstat(report.fileno()).st_size
        except OSError as error:
            said = why(error)
            raise BadInput(Text(f"无法打开 {file}:{said.zh}", f"cannot open {file}: {said.en}")) from None
        yield report, written, size


@contextmanager
def _written(output: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Where the parts of an export go."""
    if output is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    with new_file(output) as file:
        yield file.write


@contextmanager
def _bar(size: int | None, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar that moves with the bytes that are read."""
    with progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), quiet=quiet) as shown:
        task = shown.add_task(say(zh="导入", en="importing"), total=size)
        yield lambda read: shown.update(task, advance=read)


def _summary(imported: Imported) -> dict[str, object]:
    recorded = imported.recorded
    return {
        "scan": imported.scan,
        "format": imported.format,
        "records": imported.records,
        "new": recorded.new,
        "seen_again": recorded.seen_again,
        "reopened": recorded.reopened,
        "resolved": recorded.resolved,
        "complete": imported.complete,
        "waiting": recorded.waiting,
        "unmatched_records": imported.unmatched.total(),
        "unmatched": dict(imported.unmatched.most_common()),
        "stopped_at": str(imported.bad) if imported.bad else None,
    }


def _print(imported: Imported, asked_complete: bool) -> None:
    screen, recorded = console(), imported.recorded
    counted = say(
        zh="{}:{} 条记录 · 新 {} · 仍在 {} · 复发 {} · 已解决 {}",
        en="{}: {} records · new {} · still there {} · came back {} · resolved {}",
    )
    changes = map(len, (recorded.new, recorded.seen_again, recorded.reopened, recorded.resolved))
    screen.print(plain(counted.format(imported.format, imported.records, *changes)))
    if recorded.waiting:
        screen.print(plain(kept_here(recorded.waiting), "yellow"), soft_wrap=True)
    if asked_complete and not imported.complete:
        said = say(zh="报告没有读完,什么也没有关闭。", en="The report was not read to its end; nothing was closed.")
        screen.print(plain(said, "yellow"))
    if not imported.unmatched:
        return
    total = imported.unmatched.total()
    title = say(zh=f"{total} 条记录对不上清单中的任何资产", en=f"{total} records match no asset of the inventory")
    made = table(title, say(zh="地址", en="address"), say(zh="记录数", en="records"))
    nameless = say(zh="(没有地址)", en="(no address)")
    screen.print(
        fill(made, ((name or nameless, count) for name, count in imported.unmatched.most_common(_MOST_UNMATCHED)))
    )
    more = len(imported.unmatched) - _MOST_UNMATCHED
    if more > 0:
        screen.print(plain(say(zh=f"……还有 {more} 个地址(--json 全列)", en=f"… and {more} more (--json lists all)")))
