"""SQL injection that shows in nothing but time."""

from collections.abc import Generator, Iterator

from scanners.web.active.sql_error import SQL_MEND
from scanners.web.message import Request
from scanners.web.points import Part, Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.delays import SCREEN_SECONDS, Line, delayed, filled, obeys
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Ask, Effect, Hits, Listen, Probing, Purpose, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_SLEEPS = (
    ("MySQL", "(SELECT 7 FROM (SELECT SLEEP({s}))x)"),
    ("PostgreSQL", "(SELECT 7 FROM PG_SLEEP({s}))"),
    ("Oracle", "(SELECT DBMS_PIPE.RECEIVE_MESSAGE('x',{s}) FROM DUAL)"),
)
_COUNTS = "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<{n}) SELECT COUNT(*) FROM c)"
"""Work instead of sleep, for databases that cannot: its time grows with `{n}`."""
_FIRST_COUNT = 1_500_000
_MOST_COUNT = 60_000_000
_LEAST_SECONDS = 0.12


class SqlTime(PointCheck):
    """Puts an expression that takes time where the value stands, without leaving its quotes or brackets."""

    name = "sql-time"
    title = Text("SQL 注入(延时)", "SQL injection (by time)")
    weakness = WebClass.SQLI
    severity = Severity.CRITICAL
    cwe = 89
    clauses = ("8.1.4.4 d",)
    mend = SQL_MEND
    unless_found = ("sql-error", "sql-boolean")

    def fits(self, point: Point) -> bool:
        """Contents of files go into no query."""
        return point.part is not Part.FILE_NAME

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """One request for each way to stand in a query."""
        for database, payload in _payloads(point):
            line = yield from obeys(trial, delayed(point, payload), page.seconds)
            if line:
                return _verdict(line, database, filled(payload, 2))
        for joint in _joints(point):
            payload = _joined(point, joint, _COUNTS)
            line = yield from _works(trial, point, payload, page)
            if line:
                return _verdict(line, "SQLite", payload)
        return None


def _joints(point: Point) -> Iterator[str]:
    """Ways to make an expression `{e}` part of the value, the usual ones first."""
    value = point.value
    if point.part is Part.NAME:
        yield f"({{e}})+{value}"
        return
    if value.strip().lstrip("-").isdecimal():
        yield f"{value}-{{e}}"
    elif value.isidentifier():
        yield f"{value},{{e}}"
    yield f"{value}'+{{e}}+'"
    yield f'{value}"+{{e}}+"'


def _joined(point: Point, joint: str, expression: str) -> str:
    """PHP makes underscores of the blanks in a name; comments stand as well between words."""
    return joint.replace("{e}", expression.replace(" ", "/**/") if point.part is Part.NAME else expression)


def _payloads(point: Point) -> Iterator[tuple[str, str]]:
    for database, sleep in _SLEEPS:
        for joint in _joints(point):
            # Only MySQL and its kin add strings with a plus.
            yield database, _joined(point, joint if database == "MySQL" else joint.replace("+", "||"), sleep)
    for quote in ("'", ""):
        yield "SQL Server", f"{point.value}{quote};WAITFOR DELAY '0:0:{{s}}'--"


def _works(trial: Trial, point: Point, payload: str, page: Page) -> Generator[Ask | Listen, Page | Hits, Line | None]:
    """As `obeys`, once it is known how much work takes how long."""

    def counting(count: float) -> Request:
        return point.inject(payload.replace("{n}", str(round(count))))

    took = []
    for purpose in (Purpose.ATTACK, Purpose.AGAIN):
        seen = yield from trial.ask(counting(_FIRST_COUNT), purpose, Effect.LOAD)
        if seen.answer.failure or seen.seconds < page.seconds + _LEAST_SECONDS:
            return None
        idle = yield from trial.ask(counting(1), Purpose.CONTROL)
        took.append(seen.seconds - idle.seconds)
    each = min(took) / _FIRST_COUNT
    if each <= 0 or SCREEN_SECONDS / each > _MOST_COUNT:
        return None
    return (yield from obeys(trial, lambda seconds: counting(max(1.0, seconds / each)), page.seconds, steady=False))


def _verdict(line: Line, database: str, payload: str) -> Verdict:
    because = line.because
    return Verdict(
        Text(f"{because.zh};数据库类型像是 {database}", f"{because.en}; the database looks like {database}"),
        {"payload": payload, "database": database},
        rule="time",
    )


SQL_TIME = SqlTime()
