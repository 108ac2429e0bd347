"""A report as data, and as one self-contained HTML page. What is in it may come from strangers: it is shown as text."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from secops.model.text import Text

_STYLE = (
    "body{font:15px/1.6 'Noto Sans CJK SC','Source Han Sans SC',sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "h1{font-size:1.6em}h2{font-size:1.25em;border-bottom:1px solid #999;margin-top:2em}"
    "table{border-collapse:collapse;width:100%;margin:.6em 0}th,td{border:1px solid #bbb;padding:.3em .6em;"
    "text-align:left;vertical-align:top;overflow-wrap:anywhere}th{background:#eee}"
    ".good{color:#0a6b2d;font-weight:bold}.bad{color:#b00020;font-weight:bold}"
    "@media print{h2{break-after:avoid}tr{break-inside:avoid}}"
)


@dataclass(frozen=True, slots=True)
class Rows:
    """A table; cells are texts, or strings that are alike in every language."""

    head: tuple[Text, ...]
    rows: tuple[tuple[Text | str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One clause."""

    title: Text
    parts: tuple[Text | Rows, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What is handed to an assessor."""

    title: Text
    verdict: Text
    good: bool
    sections: tuple[Section, ...]


def spoken(said: Text | str, language: str) -> str:
    """In `zh` or `en`."""
    return said if isinstance(said, str) else said.in_language(language)


def as_html(report: Report, language: str) -> str:
    """One page, without anything that is fetched."""
    title = escape(spoken(report.title, language))
    verdict = f'<p class="{"good" if report.good else "bad"}">{escape(spoken(report.verdict, language))}</p>'
    body = "".join(_section(section, language) for section in report.sections)
    tongue = "zh-CN" if language == "zh" else "en"
    return (
        f'<!doctype html>\n<html lang="{tongue}"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>{verdict}{body}</body></html>\n"
    )


def _section(section: Section, language: str) -> str:
    parts = "".join(_part(part, language) for part in section.parts)
    return f"\n<h2>{escape(spoken(section.title, language))}</h2>{parts}"


def _part(part: Text | Rows, language: str) -> str:
    if isinstance(part, Text):
        return f"\n<p>{escape(spoken(part, language))}</p>"
    rows = "".join(f"\n<tr>{_cells(row, 'td', language)}</tr>" for row in part.rows)
    return f"\n<table><tr>{_cells(part.head, 'th', language)}</tr>{rows}</table>"


def _cells(cells: Iterable[Text | str], tag: str, language: str) -> str:
    return "".join(f"<{tag}>{escape(spoken(cell, language))}</{tag}>" for cell in cells)
