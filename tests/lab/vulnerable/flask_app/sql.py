"""SQL injection before a real SQLite."""

import re
import sqlite3
import time

from flask import Response, redirect, request
from markupsafe import escape

from tests.lab.vulnerable.flask_app.site import asked, flaw, page

_ROWS = """
create table article (id integer, title text, author text);
insert into article values (1, 'Water prices', 'li'), (2, 'School places', 'wang'), (3, 'Bus lines', 'li');
create table account (name text, password text);
insert into account values ('admin', 'k3-Vz8!q'), ('li', 'p-77-ww');
create table visit (agent text);
"""


def database(sleeps: bool = False) -> sqlite3.Connection:
    """A fresh database in memory; one that sleeps knows the functions of slower databases."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(_ROWS)
    if sleeps:
        connection.create_function("sleep", 1, lambda seconds: time.sleep(min(float(seconds), 10)) or 0)
    return connection


def rows(sql: str, values: tuple[str, ...] = (), sleeps: bool = False) -> list[tuple[str, ...]]:
    """What a query gives."""
    connection = database(sleeps)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def quiet(sql: str, values: tuple[str, ...] = (), sleeps: bool = False) -> list[tuple[str, ...]]:
    """The same, and nothing when the query is broken."""
    try:
        return rows(sql, values, sleeps)
    except (sqlite3.Error, sqlite3.Warning):
        return []


def found(articles: list[tuple[str, ...]]) -> str:
    """How articles are shown."""
    shown = "".join(f"<li>{escape(row[0])}</li>" for row in articles)
    return f"<ul>{shown}</ul>" if shown else "<p>Nothing found.</p>"


@flaw("/sqli/error-number")
def error_number(flawed: bool):
    given = asked("id", "1")
    try:
        sql, values = (f"select title from article where id = {given}", ()) if flawed else _bound(given)
        return page(found(rows(sql, values)))
    except sqlite3.Error as error:
        return page(f"<pre>sqlite3.{type(error).__name__}: {escape(str(error))}</pre>", 500)


def _bound(given: str) -> tuple[str, tuple[str, ...]]:
    return "select title from article where id = ?", (given,)


@flaw("/sqli/error-string", "GET", "POST")
def error_string(flawed: bool):
    given = asked("author", "li")
    try:
        if flawed:
            listed = rows(f"select title from article where author = '{given}'")
        else:
            listed = rows("select title from article where author = ?", (given,))
    except sqlite3.Error as error:
        return page(f"Warning: SQLite error: {escape(str(error))}")
    return page(found(listed), noisy=True)


@flaw("/sqli/number")
def number(flawed: bool):
    given = asked("id", "2")
    sql, values = (f"select title from article where id = {given}", ()) if flawed else _bound(given)
    return page(found(quiet(sql, values)), noisy=True)


@flaw("/sqli/lenient-number")
def lenient_number(flawed: bool):
    """The twin reads the number at the start and forgets the rest."""
    given = asked("id", "2")
    start = re.match(r"\d+", given)
    sql = f"select title from article where (id = {given})" if flawed else ""
    return page(found(quiet(sql) if flawed else quiet(*_bound(start[0] if start else "0"))))


@flaw("/sqli/string")
def string(flawed: bool):
    given = asked("author", "wang")
    if flawed:
        return page(found(quiet(f"select title from article where author = '{given}' and id < 10")))
    return page(found(quiet("select title from article where author = ? and id < 10", (given,))))


@flaw("/sqli/search")
def search(flawed: bool):
    """The twin looks for each word, and shows what was asked for."""
    given = asked("q", "Bus")
    if flawed:
        listed = quiet(f"select title from article where (title like '%{given}%')")
    else:
        listed = [
            row
            for word in given.split()[:1]
            for row in quiet("select title from article where instr(title, ?)", (word,))
        ]
    return page(f"<p>Results for {escape(given)}</p>" + found(listed), noisy=True)


@flaw("/sqli/order")
def order(flawed: bool):
    given = asked("sort", "title")
    column = given if flawed else given if given in ("id", "title", "author") else "id"
    return page(found(quiet(f"select title from article order by {column}")))


@flaw("/sqli/login", "GET", "POST")
def login(flawed: bool):
    name, password = asked("name"), asked("password")
    if flawed:
        known = quiet(f'select name from account where name = "{name}" and password = "{password}"')
    else:
        known = quiet("select name from account where name = ? and password = ?", (name, password))
    if known:
        return redirect("/flawed/sqli/welcome")
    form = "<form method=post><input name=name><input name=password type=password></form>"
    return page(f"{form}<p>Wrong name or password</p>")


@flaw("/sqli/json", "POST")
def json_body(flawed: bool):
    given = str((request.get_json(force=True, silent=True) or {}).get("id", ""))
    sql, values = (f"select title from article where id = {given}", ()) if flawed else _bound(given)
    return {"titles": [row[0] for row in quiet(sql, values)]}


@flaw("/sqli/cookie")
def cookie(flawed: bool):
    given = request.cookies.get("region", "li")
    if flawed:
        return page(found(quiet(f"select title from article where author = '{given}'")))
    return page(found(quiet("select title from article where author = ?", (given,))))


@flaw("/sqli/header-time")
def header_time(flawed: bool):
    """Writes the browser's name down; the page is always the same."""
    agent = request.headers.get("User-Agent", "")
    if flawed:
        quiet(f"insert into visit values ('{agent}')", sleeps=True)
    else:
        quiet("insert into visit values (?)", (agent,), sleeps=True)
    return page("<p>Welcome.</p>")


@flaw("/sqli/time-number")
def time_number(flawed: bool):
    given = asked("id", "1")
    quiet(f"select 1 from article where id = {given}", sleeps=True) if flawed else quiet(*_bound(given))
    return page("<p>Counted.</p>")


@flaw("/sqli/time-heavy", "POST")
def time_heavy(flawed: bool):
    """No function sleeps here: only the work of the query takes time."""
    given = asked("tag", "news")
    if flawed:
        quiet(f"select 1 from article where title = '{given}' limit 1")
    else:
        quiet("select 1 from article where title = ? limit 1", (given,))
    return page("<p>Tagged.</p>")


@flaw("/sqli/path/<ident>")
def path(flawed: bool, ident: str):
    sql, values = (f"select title from article where id = {ident}", ()) if flawed else _bound(ident)
    return page(found(quiet(sql, values)))


@flaw("/sqli/names")
def names(flawed: bool):
    """The names of the fields are the columns."""
    listed: list[tuple[str, ...]] = []
    for name, value in request.args.items():
        if flawed or name in ("id", "title", "author"):
            listed += quiet(f"select title from article where {name} = ?", (value,))
    return page(found(listed))


@flaw("/sqli/gbk")
def gbk(flawed: bool):
    given = asked("author", "li")
    if flawed:
        listed = quiet(f"select title from article where author = '{given}'")
    else:
        listed = quiet("select title from article where author = ?", (given,))
    shown = f"<p>共 {len(listed)} 条公告</p>" if listed else "<p>没有找到公告</p>"
    body = f"<html><title>公告</title>{shown}</html>"
    return Response(body.encode("gbk"), content_type="text/html; charset=gb2312")


@flaw("/sqli/jitter")
def jitter(flawed: bool):
    """Answers late by chance, injectable or not."""
    given = asked("id", "1")
    time.sleep((time.time_ns() // 1000 % 5) / 10)
    sql, values = (f"select title from article where id = {given}", ()) if flawed else _bound(given)
    quiet(sql, values, sleeps=True)
    return page("<p>Recorded.</p>")


@flaw("/sqli/direction")
def direction(flawed: bool):
    given = asked("dir", "asc")
    way = given if flawed or given in ("asc", "desc") else "asc"
    return page(found(quiet(f"select title from article order by id {way}")))


@flaw("/sqli/list")
def listed(flawed: bool):
    given = asked("ids", "1,2")
    if flawed:
        return page(found(quiet(f"select title from article where id in ({given})")))
    numbers = tuple(number for number in given.split(",") if number.strip().isdecimal())
    return page(found(quiet(f"select title from article where id in ({','.join('?' * len(numbers))})", numbers)))


@flaw("/sqli/brackets", "POST")
def brackets(flawed: bool):
    """Inside brackets, and nobody has the name that is asked for ordinarily."""
    name, password = asked("user"), asked("password")
    if flawed:
        known = quiet(f"select name from account where (name = '{name}') and (password = '{password}')")
    else:
        known = quiet("select name from account where (name = ?) and (password = ?)", (name, password))
    return page("<p>Welcome back</p>" if known else "<p>Wrong name or password</p>")
