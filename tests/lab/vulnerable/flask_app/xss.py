"""Cross-site scripting, reflected and stored, in every context of a page."""

import json
import re
from urllib.parse import unquote

from flask import Response, redirect, request
from markupsafe import escape

from tests.lab.vulnerable.flask_app.site import asked, flaw, page

COMMENTS: dict[bool, list[str]] = {True: [], False: []}
MEMBERS: dict[bool, list[str]] = {True: [], False: []}


def _script_string(text: str) -> str:
    return json.dumps(text).replace("<", "\\u003c")


@flaw("/xss/text")
def text(flawed: bool):
    q = asked("q")
    return page(f"<p>You searched for {q if flawed else escape(q)}</p>", noisy=True)


@flaw("/xss/post", "GET", "POST")
def post(flawed: bool):
    name = asked("name")
    form = "<form method=post><input name=name value=Zhang><input type=submit></form>"
    return page(f"{form}<p>Hello {name if flawed else escape(name)}</p>")


@flaw("/xss/double-quoted")
def double_quoted(flawed: bool):
    q = asked("q")
    shown = q.replace("<", "&lt;").replace(">", "&gt;") if flawed else escape(q)
    return page(f'<form><input name="q" value="{shown}"></form>')


@flaw("/xss/single-quoted")
def single_quoted(flawed: bool):
    q = asked("q")
    shown = q.replace("<", "&lt;").replace('"', "&quot;") if flawed else escape(q)
    return page(f"<form><input name='q' value='{shown}'></form>")


@flaw("/xss/unquoted")
def unquoted(flawed: bool):
    shown = escape(asked("q"))
    return page(
        f"<form><input name=q value={shown}></form>" if flawed else f'<form><input name=q value="{shown}"></form>'
    )


@flaw("/xss/script-string")
def script_string(flawed: bool):
    q = asked("q")
    shown = '"' + q.replace("<", "&lt;") + '"' if flawed else _script_string(q)
    return page(f"<script>var wanted = {shown}; show(wanted);</script>")


@flaw("/xss/script-backslash")
def script_backslash(flawed: bool):
    """Quotes are escaped, backslashes are not."""
    q = asked("q")
    shown = "'" + q.replace("'", "\\'").replace("<", "\\x3c") + "'" if flawed else _script_string(q)
    return page(f"<script>var wanted = {shown};</script>")


@flaw("/xss/script-end")
def script_end(flawed: bool):
    """The string is right, but the script can be ended."""
    q = asked("q")
    return page(f"<script>var wanted = {json.dumps(q) if flawed else _script_string(q)};</script>")


@flaw("/xss/script-bare")
def script_bare(flawed: bool):
    q = asked("q", "1")
    shown = escape(q) if flawed else int(q) if q.isdecimal() else 0
    return page(f"<script>var page = {shown}; show(page);</script>")


@flaw("/xss/handler")
def handler(flawed: bool):
    """HTML escaping does not protect a script inside an attribute."""
    q = asked("q")
    shown = escape(f"go('{q}')") if flawed else escape(f"go({_script_string(q)})")
    return page(f'<button onclick="{shown}">Go</button>')


@flaw("/xss/url")
def url(flawed: bool):
    q = asked("q", "https://www.example.cn/")
    good = flawed or re.match(r"https?://|/(?!/)", q)
    return page(f'<a href="{escape(q) if good else "#"}">continue</a>')


@flaw("/xss/comment")
def comment(flawed: bool):
    q = asked("q")
    return page(f"<!-- asked: {q if flawed else escape(q)} --><p>Done</p>")


@flaw("/xss/style")
def style(flawed: bool):
    q = asked("q", "red")
    shown = q if flawed or re.fullmatch(r"[a-z]+|#[0-9a-f]{3,6}", q) else "black"
    return page(f"<style>p {{ color: {shown} }}</style><p>Coloured</p>")


@flaw("/xss/textarea")
def textarea(flawed: bool):
    q = asked("q")
    return page(f"<textarea name=q>{q if flawed else escape(q)}</textarea>")


@flaw("/xss/title")
def title(flawed: bool):
    q = asked("q")
    return f"<html><head><title>{q if flawed else escape(q)} - Lab</title></head><body>Welcome</body></html>"


@flaw("/xss/filter-tags")
def filter_tags(flawed: bool):
    """Takes script tags out, once, and thinks of nothing else."""
    q = asked("q")
    return page(f"<p>{re.sub('(?i)</?script[^>]*>', '', q) if flawed else escape(q)}</p>")


@flaw("/xss/filter-words")
def filter_words(flawed: bool):
    """Refuses some words in lower case."""
    q = asked("q")
    if flawed and any(word in q for word in ("script", "onerror", "onload", "alert")):
        return page("<p>Forbidden words</p>", 403)
    return page(f"<p>{q if flawed else escape(q)}</p>")


@flaw("/xss/filter-handlers")
def filter_handlers(flawed: bool):
    """Takes event handlers out that follow a blank."""
    q = asked("q")
    return page(f"<p>{re.sub('(?i) on[a-z]+ *=', ' ', q).replace('<script', '') if flawed else escape(q)}</p>")


@flaw("/xss/upper")
def upper(flawed: bool):
    q = asked("q").upper()
    return page(f"<p>{q if flawed else escape(q)}</p>")


@flaw("/xss/header")
def header(flawed: bool):
    agent = request.headers.get("User-Agent", "")
    return page(f"<p>Your browser: {agent if flawed else escape(agent)}</p>")


@flaw("/xss/forwarded")
def forwarded(flawed: bool):
    host = request.headers.get("X-Forwarded-Host", "localhost")
    return page(f'<link rel=canonical href="//{host if flawed else escape(host)}/">')


@flaw("/xss/cookie")
def cookie(flawed: bool):
    theme = request.cookies.get("theme", "light")
    return page(f"<body class='{theme if flawed else escape(theme)}'>Themed")


@flaw("/xss/json", "POST")
def json_body(flawed: bool):
    name = str((request.get_json(force=True, silent=True) or {}).get("name", ""))
    return page(f"<p>Saved {name if flawed else escape(name)}</p>")


@flaw("/xss/path/<path:rest>")
def path(flawed: bool, rest: str):
    return page(f"<p>No article {rest if flawed else escape(rest)}</p>", 404)


@flaw("/xss/names")
def names(flawed: bool):
    fields = "".join(f"<li>{name if flawed else escape(name)}" for name in request.args)
    return page(f"<ul>{fields}</ul>")


@flaw("/xss/query-string")
def query_string(flawed: bool):
    """The whole query, not decoded as fields."""
    raw = request.query_string.decode("latin-1")
    raw = re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), raw)
    return page(f"<p>Printed from ?{raw if flawed else escape(raw)}</p>")


@flaw("/xss/gbk")
def gbk(flawed: bool):
    q = request.query_string.partition(b"=")[2].replace(b"+", b" ")
    q = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), q)
    said = q.decode("gb18030", "replace")
    body = f"<html><head><title>查询</title></head><p>您查询的是:{said if flawed else escape(said)},没有结果</p></html>"
    return Response(body.encode("gb18030"), content_type="text/html; charset=GBK")


@flaw("/xss/gbk-quote")
def gbk_quote(flawed: bool):
    """Escapes bytes before it decodes them: the first byte of a character swallows the backslash."""
    q = request.query_string.partition(b"=")[2].replace(b"+", b" ")
    q = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), q)
    if flawed:
        shown = (
            '"'
            + q.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"<", b"\\x3c").decode("gb18030", "replace")
            + '"'
        )
    else:
        shown = _script_string(q.decode("gb18030", "replace"))
    body = f"<html><meta charset=gb2312><p>中文页面</p><script>var 词 = {shown};</script></html>"
    return Response(body.encode("gb18030"), content_type="text/html")


@flaw("/xss/as-json")
def as_json(flawed: bool):
    """JSON is no page, unless it is sent as one."""
    kind = "text/html" if flawed else "application/json"
    return Response('{"q":"' + asked("q").replace('"', "'") + '"}', content_type=kind)


@flaw("/xss/stored", "GET", "POST")
def stored(flawed: bool):
    kept = COMMENTS[flawed]
    if request.method == "POST":
        kept.append(asked("comment")[:2000])
        del kept[:-20]
        return redirect(request.path)
    shown = "".join(f"<li>{comment if flawed else escape(comment)}" for comment in kept)
    return page(f"<form method=post><input name=comment></form><ul>{shown}</ul>")


@flaw("/xss/stored-elsewhere", "POST")
def stored_elsewhere(flawed: bool):
    MEMBERS[flawed].append(asked("nick")[:2000])
    del MEMBERS[flawed][:-20]
    return page("<p>Thank you.</p>")


@flaw("/xss/members")
def members(flawed: bool):
    shown = "".join(f'<img alt="{nick if flawed else escape(nick)}" src=/face.png>' for nick in MEMBERS[flawed])
    return page(f"<h1>Members</h1>{shown}")


@flaw("/xss/flash", "POST")
def flash(flawed: bool):
    """The page that the answer leads to shows it."""
    MEMBERS[flawed].append(asked("note")[:2000])
    del MEMBERS[flawed][:-20]
    return redirect(f"/{'flawed' if flawed else 'fixed'}/xss/notice")


@flaw("/xss/notice")
def notice(flawed: bool):
    shown = "".join(f"<p>Saved: {note if flawed else escape(note)}</p>" for note in MEMBERS[flawed])
    return page(shown)


@flaw("/xss/decoded")
def decoded(flawed: bool):
    """Escapes first and decodes afterwards; the twin does it the other way round."""
    q = asked("q")
    return page(f"<p>{unquote(str(escape(q))) if flawed else escape(unquote(q))}</p>")
