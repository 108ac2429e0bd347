"""Reports of other tools in, findings out, in the formats that lie in `secops.exchange`."""

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import secops
from secops.exchange.addresses import AssetIndex
from secops.exchange.exporter import Around
from secops.exchange.gathering import Gathering
from secops.exchange.importer import Importer, all_importers
from secops.exchange.misread import Misread
from secops.model.finding import Finding
from secops.model.text import Text
from secops.service.home import Home
from secops.store.event import Recorded
from secops.store.finding_store import LARGEST_PAGE
from secops.store.query import Query
from secops.support.clock import now
from secops.support.errors import BadInput
from secops.support.located import BadFile, Problem
from secops.support.suggestions import did_you_mean
from secops.support.system_words import why

AUTO = "auto"
_HEAD_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of one report."""

    scan: str
    """Under which it is recorded; the same report has the same, so that importing it again changes nothing."""
    format: str
    records: int
    unmatched: Counter[str]
    """Records whose address is no asset's, by address."""
    recorded: Recorded
    complete: bool
    """Whether findings that the report does not name were closed."""
    bad: BadFile | None = None
    """Where reading stopped; what came before is recorded."""


def _ignore(size: int) -> None:
    """Nobody watches."""


class _Watched(io.RawIOBase):
    """A stream whose bytes are counted and digested as they are read."""

    def __init__(self, raw: BinaryIO, name: str, on_read: Callable[[int], None]) -> None:
        self._raw = raw
        self._name = name
        self._on_read = on_read
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        try:
            part = self._raw.read(len(buffer))
        except OSError as error:
            said = why(error)
            raise BadInput(Text(f"无法读取 {self._name}:{said.zh}", f"cannot read {self._name}: {said.en}")) from None
        buffer[: len(part)] = part
        self.digest.update(part)
        self._on_read(len(part))
        return len(part)


def import_report(
    home: Home,
    report: BinaryIO,
    name: str,
    *,
    written: datetime | None = None,
    format: str = AUTO,
    complete: bool = False,
    keep_good: bool = False,
    on_read: Callable[[int], None] = _ignore,
) -> Imported:
    """Read a report and record what it says of the city's assets, in one transaction.

    Args:
        name: what the report is called in messages.
        written: when the report was made, for records that do not say.
        complete: what the report does not name of the assets in it is gone; see `Gathering.evaluations`.
        keep_good: a record that cannot be used ends the reading; what came before is recorded, and closes nothing.

    Raises BadFile at the first record that cannot be used, unless `keep_good`; then nothing is recorded.
    """
    settle = home.reviewer()
    watched = _Watched(report, name, on_read)
    stream = io.BufferedReader(watched, _HEAD_BYTES)
    importer = _importer(format, stream.peek(_HEAD_BYTES), name)
    if complete and not importer.may_be_complete:
        raise BadInput(
            Text(
                f"{importer.name} 是事件流,没有出现不等于已消失;请去掉 --complete",
                f"{importer.name} is a stream of events, in which absence proves nothing; leave out --complete",
            )
        )
    gathering = Gathering(_assets(home), written or now(), now())
    bad = _gather(importer, stream, name, gathering)
    if bad and not keep_good:
        raise bad
    closes = complete and bad is None
    scan = f"import-{importer.name}-{watched.digest.hexdigest()[:24]}" + "-complete" * closes
    recorded = home.store.record(scan, gathering.evaluations(closes, importer.noisy))
    settle()
    return Imported(scan, importer.name, gathering.records, gathering.unmatched, recorded, closes, bad)


def _gather(importer: Importer, stream: BinaryIO, name: str, gathering: Gathering) -> BadFile | None:
    try:
        for sighting in importer.read(stream):
            gathering.take(sighting)
    except Misread as error:
        return BadFile([Problem(name, error.line, error.column, error.text)])
    return None


def _importer(format: str, head: bytes, name: str) -> Importer:
    """The importer of that name, or the only one that recognises the file. Raises BadInput."""
    known = all_importers()
    if format in known:
        return known[format]
    listed = ", ".join(known)
    if format != AUTO:
        hint = did_you_mean(format, known)
        raise BadInput(
            Text(
                f'没有导入格式 "{format}"{hint.zh};可用:{listed}',
                f'there is no format "{format}"{hint.en}; known: {listed}',
            )
        )
    if not head:
        raise BadInput(Text(f"{name}:文件为空", f"{name}: the file is empty"))
    fitting = [one for one in known.values() if one.recognises(head)]
    if len(fitting) != 1:
        raise BadInput(
            Text(
                f"{name}:认不出是哪种报告;请用 --format 指明:{listed}",
                f"{name}: cannot tell what kind of report this is; name it with --format: {listed}",
            )
        )
    return fitting[0]


def _assets(home: Home) -> AssetIndex:
    return AssetIndex((system.id, asset) for system in home.inventory.systems for asset in system.assets)


def chosen_findings(home: Home, query: Query) -> Iterator[Finding]:
    """All findings that the query asks for, page by page, in its order."""
    cursor = None
    while True:
        page = home.store.find(query, LARGEST_PAGE, cursor)
        yield from page.findings
        if not (cursor := page.next_cursor):
            return


def around(home: Home, byte_order_mark: bool = False) -> Around:
    """What exporters need to know of this home."""
    addresses = {asset.id: asset.url or asset.address for asset in home.inventory.assets()}
    return Around(now(), secops.__version__, addresses, byte_order_mark)


def written_at(report: Path) -> datetime:
    """When the file was last written."""
    return datetime.fromtimestamp(report.stat().st_mtime, UTC)
