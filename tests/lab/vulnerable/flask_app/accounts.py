"""Sessions, logins, rights, headers, caches and things left lying about."""

import base64
import hashlib
import itertools
import secrets
import time

from flask import Response, redirect, request, session
from markupsafe import escape

from tests.lab.vulnerable.flask_app.site import SITE, asked, flaw, page

SITE.secret_key = secrets.token_bytes(16)
SITE.config["SESSION_COOKIE_SAMESITE"] = "Lax"
_COUNTER = itertools.count(70001)
_FAILURES: dict[str, int] = {}
SESSIONS = {"alice-4f5a9c1e77": "alice", "bob-90ab31cc42": "bob"}
"""Two people who are logged in already; the cookie is called `who`."""
ORDERS = {
    "1001": ("alice", "Alice Zhao, 13812345678, invoice 77"),
    "1002": ("bob", "Bob Qian, 13987654321, invoice 78"),
}


def who() -> str:
    """Who asks; empty for a stranger."""
    return SESSIONS.get(request.cookies.get("who", ""), "")


def _with_cookie(value: str, **flags) -> Response:
    """Each page has a cookie of its own, so that a visitor of one is a stranger to the others."""
    answer = Response("<html><body>Welcome</body></html>")
    answer.set_cookie(_cookie(), value, **flags)
    return answer


def _cookie() -> str:
    return "SESSION_" + request.path.replace("/", "_")


def _fresh(value: str, **flags) -> Response:
    """Given to those who have none."""
    return (
        Response("<html><body>Welcome back</body></html>")
        if _cookie() in request.cookies
        else _with_cookie(value, **flags)
    )


_GOOD = {"httponly": True, "samesite": "Lax"}


@SITE.after_request
def keep_private(response: Response) -> Response:
    """What belongs to one person is kept by nobody on the way."""
    if request.path.partition("/")[2].partition("/")[2].startswith(("idor/", "auth/", "sqli/login")):
        response.headers.setdefault("Cache-Control", "no-store")
    return response


@flaw("/securecookie/counter")
def counter(flawed: bool):
    return _fresh(str(next(_COUNTER)) if flawed else secrets.token_hex(16), **_GOOD)


@flaw("/securecookie/clock")
def clock(flawed: bool):
    return _fresh(f"{time.time_ns() // 1_000_000:x}" if flawed else secrets.token_urlsafe(16), **_GOOD)


@flaw("/securecookie/hashed")
def hashed(flawed: bool):
    """Looks random, and is the hash of a counter."""
    number = hashlib.md5(str(next(_COUNTER)).encode()).hexdigest()
    return _fresh(number if flawed else secrets.token_hex(16), **_GOOD)


@flaw("/securecookie/encoded")
def encoded(flawed: bool):
    number = next(_COUNTER) if flawed else secrets.randbits(120)
    return _fresh(base64.urlsafe_b64encode(f"user:{number}".encode()).decode().rstrip("="), **_GOOD)


@flaw("/securecookie/short")
def short(flawed: bool):
    return _fresh(str(secrets.randbelow(9000) + 1000) if flawed else secrets.token_urlsafe(16), **_GOOD)


@flaw("/securecookie/flags")
def flags(flawed: bool):
    return _fresh(secrets.token_hex(16), **({} if flawed else _GOOD))


@flaw("/headers/missing")
def missing(flawed: bool):
    answer = Response("<html><body>Plain</body></html>")
    if flawed:
        answer.headers["X-Bare"] = "1"
    return answer


def _cors(origin: str, credentials: bool = True) -> dict[str, str]:
    headers = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    return {**headers, "Access-Control-Allow-Credentials": "true"} if credentials else headers


@flaw("/cors/reflected")
def cors_reflected(flawed: bool):
    origin = request.headers.get("Origin", "")
    allowed = origin if flawed or origin == "https://app.lab.example" else ""
    return Response('{"balance": 12}', content_type="application/json", headers=_cors(allowed) if allowed else {})


@flaw("/cors/null")
def cors_null(flawed: bool):
    origin = request.headers.get("Origin", "")
    good = origin == "https://app.lab.example" or (flawed and origin == "null")
    return Response('{"balance": 12}', content_type="application/json", headers=_cors(origin) if good else {})


@flaw("/cors/own-name")
def cors_own_name(flawed: bool):
    """Trusts every origin that begins with its own name; the twin shares public data with everybody."""
    origin, own = request.headers.get("Origin", ""), f"http://{request.host.partition(':')[0]}"
    if flawed:
        return Response(
            '{"balance": 12}', content_type="application/json", headers=_cors(origin) if origin.startswith(own) else {}
        )
    return Response('{"weather": "fine"}', content_type="application/json", headers=_cors("*", credentials=False))


def _form(token: str) -> str:
    field = f'<input type=hidden name=csrf_token value="{token}">' if token else ""
    return f'<form method=post action="">{field}<input name=email value=a@lab.example><input type=submit></form>'


@flaw("/csrf/missing", "GET", "POST")
def csrf_missing(flawed: bool):
    if request.method == "POST":
        wrong = not flawed and request.form.get("csrf_token") != session.get("token")
        return page("<p>Refused</p>", 403) if wrong else page("<p>Your address was changed</p>")
    session["token"] = token = secrets.token_hex(16)
    return page(_form("" if flawed else token))


@flaw("/csrf/unchecked", "GET", "POST")
def csrf_unchecked(flawed: bool):
    """A token is in the form, and nobody looks at it."""
    if request.method == "POST":
        wrong = not flawed and (not session.get("token") or request.form.get("csrf_token") != session.get("token"))
        return page("<p>Refused: the form has expired</p>", 403) if wrong else page("<p>Your address was changed</p>")
    session["token"] = token = session.get("token") or secrets.token_hex(16)
    return page(_form(token))


_LOGIN = "<form method=post><input name=username><input name=password type=password><input type=submit></form>"


def _logged_in(flawed: bool, known: dict[str, str]):
    name, password = asked("username"), asked("password")
    if request.method == "GET":
        answer = Response(f"<html><body>{_LOGIN}</body></html>")
        answer.headers["Cache-Control"] = "no-store"
        return answer
    key = f"{request.path} {name}"
    if _FAILURES.get(key, 0) >= 4:
        return page("<p>This account is locked</p>", 403)
    if known.get(name) == password:
        answer = redirect(request.path + "/home")
        answer.set_cookie("SID", secrets.token_hex(16), **_GOOD)
        return answer
    _FAILURES[key] = _FAILURES.get(key, 0) + 1
    return page(f"{_LOGIN}<p>Wrong name or password</p>")


@flaw("/auth/default-login", "GET", "POST")
def default_login(flawed: bool):
    return _logged_in(flawed, {"admin": "admin" if flawed else "t-55-Kq!vv"})


@flaw("/auth/default-login/home")
def home(flawed: bool):
    return page("<p>Administration</p><a href=/logout>Log out</a>")


@flaw("/auth/default-basic")
def default_basic(flawed: bool):
    given = request.authorization
    good = given and (given.username, given.password) == ("admin", "123456" if flawed else "t-55-Kq!vv")
    if good:
        return page("<p>Console of the router</p>")
    return Response("Log in", 401, {"WWW-Authenticate": 'Basic realm="router"'})


@flaw("/auth/api-open")
def api_open(flawed: bool):
    """Personal data for anybody; the twin asks who it is."""
    if not flawed and not who():
        return Response('{"error": "log in"}', 401, content_type="application/json")
    return Response(
        '{"users": [{"name": "Alice Zhao", "phone": "13812345678", "id_card": "11010519491231002X"}]}',
        content_type="application/json",
    )


@flaw("/idor/order")
def order(flawed: bool):
    owner, content = ORDERS.get(asked("id", "1001"), ("", ""))
    name = who()
    if not name:
        return page("<p>Log in first</p>", 401)
    if not content or (not flawed and owner != name):
        return page("<p>No such order</p>", 404)
    return page(f"<p>Order: {escape(content)}</p>", noisy=True)


@flaw("/idor/file/<number>")
def file(flawed: bool, number: str):
    owner, content = ORDERS.get(number, ("", ""))
    if not who():
        return redirect("/login")
    return Response(content) if content and (flawed or owner == who()) else page("<p>No such file</p>", 403)


@flaw("/idor/news")
def news(flawed: bool):
    """The same for everybody who is logged in, flawed or not: nothing to find."""
    return page(f"<p>News {escape(asked('id', '1'))}: holidays</p>") if who() else page("<p>Log in first</p>", 401)


@flaw("/listing/")
def listing(flawed: bool):
    if not flawed:
        return page("<p>Forbidden</p>", 403)
    return Response(
        "<html><head><title>Index of /listing</title></head><body><h1>Index of /listing</h1><a href=../>../</a></body></html>"
    )


@flaw("/exposure/.git/HEAD")
def git(flawed: bool):
    return Response("ref: refs/heads/main\n", content_type="text/plain") if flawed else page("<p>Nothing here</p>")


@flaw("/exposure/.env")
def environment(flawed: bool):
    text = "APP_ENV=production\nDB_PASSWORD=k3Vz8q\n"
    return Response(text, content_type="text/plain") if flawed else page("<p>Nothing here</p>", 404)


@flaw("/exposure/backup.zip")
def archive(flawed: bool):
    content = b"PK\x03\x04" + b"\0" * 60
    return Response(content, content_type="application/zip") if flawed else page("<p>Nothing here</p>")


@flaw("/exposure/")
def exposed_home(flawed: bool):
    return page("<p>Office</p>")


@flaw("/cache/login")
def cached_login(flawed: bool):
    answer = Response(f"<html><body>{_LOGIN}</body></html>")
    answer.headers["Cache-Control"] = "max-age=600" if flawed else "no-store"
    return answer


@flaw("/cache/account")
def cached_account(flawed: bool):
    answer = Response(f"<html><body>Alice Zhao, 11010519491231002X {secrets.token_hex(4)}</body></html>")
    if not flawed:
        answer.headers["Cache-Control"] = "no-store, private"
    return answer


@flaw("/mixed/page")
def mixed(flawed: bool):
    scheme = "http" if flawed else "https"
    return page(f'<script src="{scheme}://static.lab.example/a.js"></script><a href="http://www.lab.example/">link</a>')
