"""A report as a Word document; the only module that knows python-docx."""

import re
from io import BytesIO

from docx import Document
from docx.document import Document as Opened
from docx.oxml.ns import qn
from docx.shared import RGBColor

from secops.evidence.report import Report, Rows, spoken

_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold."""
_GOOD, _BAD = RGBColor(0x0A, 0x6B, 0x2D), RGBColor(0xB0, 0x00, 0x20)


def as_docx(report: Report, language: str) -> bytes:
    """The file."""
    made = Document()
    fonts = made.styles["Normal"].element.get_or_add_rPr().get_or_add_rFonts()
    fonts.set(qn("w:eastAsia"), "宋体")
    title = _plain(spoken(report.title, language))
    made.core_properties.title, made.core_properties.author = title, "Jindun"
    made.add_heading(title, level=0)
    verdict = made.add_paragraph().add_run(_plain(spoken(report.verdict, language)))
    verdict.bold, verdict.font.color.rgb = True, _GOOD if report.good else _BAD
    for section in report.sections:
        made.add_heading(_plain(spoken(section.title, language)), level=1)
        for part in section.parts:
            if isinstance(part, Rows):
                _add_table(made, part, language)
            else:
                made.add_paragraph(_plain(spoken(part, language)))
    file = BytesIO()
    made.save(file)
    return file.getvalue()


def _add_table(made: Opened, table: Rows, language: str) -> None:
    grid = made.add_table(rows=1, cols=len(table.head), style="Table Grid")
    for cell, said in zip(grid.rows[0].cells, table.head, strict=True):
        cell.paragraphs[0].add_run(_plain(spoken(said, language))).bold = True
    for row in table.rows:
        for cell, value in zip(grid.add_row().cells, row, strict=True):
            cell.text = _plain(spoken(value, language))


def _plain(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
