"""CSV (RFC 4180) for spreadsheets; no cell is a formula to them."""

import csv
import io
import re
from collections.abc import Iterable, Iterator

from secops.exchange.exporter import Around, Exporter
from secops.exchange.identity import encodable
from secops.model.finding import Finding
from secops.model.text import Text
from secops.support.clock import to_text
from secops.support.language import tell

COLUMNS = (
    *("id", "severity", "state", "system", "asset", "address", "check", "class", "rule", "locator", "title"),
    *("reason", "mend", "clauses", "first_seen", "last_seen", "times_seen", "regressions"),
)
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_STEERS_A_TERMINAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""And breaks readers of tables: control characters apart from tabs and ends of lines."""
_MARK = "\ufeff"


def _write(findings: Iterable[Finding], around: Around) -> Iterator[bytes]:
    yield ((_MARK if around.byte_order_mark else "") + _line(COLUMNS)).encode()
    for finding in findings:
        yield _line(map(defused, _cells(finding, around))).encode()


def _cells(finding: Finding, around: Around) -> tuple[str, ...]:
    weakness = finding.weakness
    return (
        *(finding.id, weakness.severity.value, finding.state.value, finding.system, finding.asset),
        *(around.addresses.get(finding.asset, ""), finding.check, weakness.weakness_class.value, weakness.rule),
        " ".join(weakness.locator),
        *(tell(weakness.title), tell(weakness.reason), tell(weakness.mend), "; ".join(weakness.clauses)),
        *(to_text(finding.first_seen), to_text(finding.last_seen)),
        *(str(finding.times_seen), str(finding.regressions)),
    )


def defused(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would take for a formula, also after spaces.

    One that begins with an apostrophe gets another, so that whoever takes one away has what was there.
    """
    cell = _STEERS_A_TERMINAL.sub("\ufffd", encodable(cell))
    return f"'{cell}" if cell.lstrip(" ").startswith(_STARTS_A_FORMULA) or cell.startswith("'") else cell


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


CSV = Exporter("csv", Text("CSV 表格", "CSV table"), _write)
