"""SQL injection that shows in what is found: a condition decides what the page says."""

import re
from collections.abc import Iterator

from scanners.web.active.sql_error import SQL_MEND
from scanners.web.points import Part, Point, Where
from scanners.web.probing.check import PointCheck
from scanners.web.probing.difference import Pair, depends
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Effect, Probing, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_NUMBERS = re.compile(r"\s*-?\d+(\.\d+)?(\s*,\s*-?\d+)*\s*")
_NOBODY = "-99817"
_OPERATORS = ("=", "<", ">", "=")


class SqlBoolean(PointCheck):
    """Adds conditions that are true and false and made of the same characters, in each way to stand in a query."""

    name = "sql-boolean"
    title = Text("SQL 注入(布尔)", "SQL injection (by true and false)")
    weakness = WebClass.SQLI
    severity = Severity.CRITICAL
    cwe = 89
    clauses = ("8.1.4.4 d",)
    mend = SQL_MEND
    unless_found = ("sql-error",)

    def fits(self, point: Point) -> bool:
        """Contents of files go into no query."""
        return point.part is not Part.FILE_NAME

    def fits_unknown(self, point: Point) -> bool:
        """Names of columns, and numbers of rows: a random one is no row, and a condition beside it is."""
        if point.part is Part.NAME:
            return point.where in (Where.QUERY, Where.FORM, Where.JSON)
        return point.where is Where.PATH and point.value.isdecimal()

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """Two requests for each form that shows nothing."""
        for form, effect in _forms(point):
            pairs = [_pair(form, trial, operator) for operator in _OPERATORS]
            told = yield from depends(trial, point.inject, pairs, effect)
            if told:
                return Verdict(
                    Text(
                        f"条件为真与为假的 {len(pairs)} 组请求(字符相同)应答稳定不同,例如“{told[0]}”",
                        f"{len(pairs)} pairs of true and false conditions, made of the same characters, always differ, "
                        f"e.g. in “{told[0]}”",
                    ),
                    {"true": pairs[0][0], "false": pairs[0][1], "differs": ", ".join(told[:5])},
                    rule="boolean",
                )
        return None


def _forms(point: Point) -> Iterator[tuple[str, Effect]]:
    """Ways to put a condition `{c}`; the last ones widen a query, which may change rows where it is no SELECT."""
    value = point.value
    if point.part is Part.NAME:
        # Without blanks: PHP makes underscores of them.
        yield f"({{c}})and({value})", Effect.NONE
        return
    number = bool(_NUMBERS.fullmatch(value))
    if number:
        yield f"{value} AND {{c}}", Effect.NONE
    elif value.isidentifier():
        yield f"(CASE WHEN {{c}} THEN {value} ELSE NULL END)", Effect.NONE
    if number or value.isidentifier():
        # Behind what rows are sorted by; the second number is one that has no absolute value.
        yield f"{value},(CASE WHEN {{c}} THEN 1 ELSE abs(-9223372036854775807-1) END)", Effect.NONE
    yield f"{value}' AND {{c}} AND 'a' LIKE 'a", Effect.NONE
    yield f'{value}" AND {{c}} AND "a" LIKE "a', Effect.NONE
    # Where the value stands between wildcards.
    yield f"{value}%' AND {{c}} AND '%'='", Effect.NONE
    widens = Effect.NONE if point.where is Where.QUERY or _logs_in(point) else Effect.WRITE
    if number or not value:
        yield f"{_NOBODY} OR {{c}}", widens
    # Nothing has this value, so that the condition alone decides; the end works in brackets, too.
    yield f"{_NOBODY}' OR {{c}} OR 'a'='b", widens
    yield f'{_NOBODY}" OR {{c}} OR "a"="b', widens
    # Out of brackets, forgetting the conditions behind them, such as a password.
    yield f"{_NOBODY}') OR {{c}} -- ", widens


def _logs_in(point: Point) -> bool:
    return b"passw" in point.request.body.lower() or b"pwd" in point.request.body.lower()


def _pair(form: str, trial: Trial, operator: str) -> Pair:
    """Two numbers of the same digits, so that no filter can tell what is true from what is false."""
    low, high = sorted((trial.number(12_346, 49_999), trial.number(50_000, 98_764)))
    match operator:
        case "=":
            true, false = f"{low}{high}={low}{high}", f"{low}{high}={high}{low}"
        case "<":
            true, false = f"{low}<{high}", f"{high}<{low}"
        case _:
            true, false = f"{high}>{low}", f"{low}>{high}"
    return form.replace("{c}", true), form.replace("{c}", false)


SQL_BOOLEAN = SqlBoolean()
