"""How verbs print: tables for people, JSON for machines. What users wrote is shown as written, never as markup."""

import os
import sys
from collections.abc import Iterable

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text as Shown

_PIPE_WIDTH = 180


def console(stderr: bool = False) -> Console:
    """Standard output, or error; into a pipe, wide enough that rows are rarely broken."""
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(width=wide, highlight=False, stderr=stderr)


def table(title: str, *columns: str) -> Table:
    """An empty table; fill it with `fill`."""
    made = Table(title=_headline(title), title_justify="left", header_style="bold cyan", show_lines=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def fill(made: Table, rows: Iterable[Iterable[object]]) -> Table:
    """The table with these rows, every cell as plain text; a `rich.text.Text` keeps its style."""
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Shown) else plain(str(cell)) for cell in row))
    return made


def plain(text: str, style: str = "") -> Shown:
    """Text that cannot steer the terminal: what a target or a file holds may be written by an attacker."""
    kept = (character if character.isprintable() or character == "\n" else "\ufffd" for character in text)
    return Shown("".join(kept), style=style)


def facts(title: str, pairs: Iterable[tuple[str, object]]) -> Table:
    """A table of two columns without a header: what, and how it is."""
    made = Table(title=_headline(title), title_justify="left", show_header=False, box=None, padding=(0, 2))
    made.add_column(style="cyan", no_wrap=True)
    made.add_column(overflow="fold")
    return fill(made, pairs)


def _headline(title: str) -> Shown:
    """On one line, also above a table that is narrower: rich would break it letter by letter."""
    made = plain(title, "bold")
    made.no_wrap, made.overflow = True, "ignore"
    return made


def print_json(value: object) -> None:
    """One JSON document on standard output; dataclasses and enums are understood."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
