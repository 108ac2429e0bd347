"""A city's members' site: two people, orders, an interface, a guest book, subscriptions; each flaw with a fixed twin."""

import secrets
import threading
import urllib.request
from contextlib import suppress

from flask import Flask, Response, redirect, request
from markupsafe import escape

PASSWORDS = {"alice": "pass-a", "bob": "pass-b"}
NAMES = {"alice": "赵爱丽", "bob": "钱多宝"}
ORDERS = {"1001": "alice", "1002": "bob"}


def members_city(called_after_seconds: float = 4.0) -> Flask:
    """The application. What is subscribed to is asked for after some time, when every check is over."""
    app, sessions = Flask("members"), dict[str, str]()
    notes: list[str] = []
    nicknames: dict[str, str] = {}

    def who() -> str:
        return sessions.get(request.cookies.get("sid", ""), "")

    @app.get("/")
    def home() -> Response:
        """Strangers get a session of their own."""
        answer = Response(first_page())
        if "visit_session" not in request.cookies:
            answer.set_cookie("visit_session", secrets.token_hex(16))
        return answer

    def first_page() -> str:
        return f"""<p>{f"欢迎{NAMES[who()]}" if who() else "请登录"}</p><a href=/orders?id=1001>o</a>
        <a href=/own-orders?id=1001>o</a><a href=/api/people>p</a><a href=/api/mine>m</a><a href=/wall>w</a>
        <a href=/board>b</a><a href=/logout>退出</a><a href="/subscribe?to=http://www.lab.example/">s</a>
        <a href="/unsubscribe?to=http://www.lab.example/">u</a><a href=/profile>f</a>
        <form action=/sign method=post><input name=note value=hello></form>"""

    @app.route("/login", methods=["GET", "POST"])
    def login() -> Response | str:
        user = request.form.get("user", "")
        if request.method == "POST" and PASSWORDS.get(user) == request.form.get("pass"):
            answer = redirect("/")
            sessions[made := secrets.token_hex(8)] = user
            answer.set_cookie("sid", made, httponly=True)
            return answer  # type: ignore[return-value]
        return "<form action=/login method=post><input name=user><input name=pass type=password></form>"

    @app.get("/logout")
    def logout() -> str:
        sessions.pop(request.cookies.get("sid", ""), None)
        return "bye"

    def order(owned: bool) -> Response:
        owner = ORDERS.get(request.args.get("id", ""), "")
        if not who():
            return Response("请登录", 401)
        if not owner or (owned and owner != who()):
            return Response("没有该订单", 404)
        return Response(f"<p>订单:{NAMES[owner]},自来水 3 月</p>")

    app.add_url_rule("/orders", "orders", lambda: order(False))
    app.add_url_rule("/own-orders", "own-orders", lambda: order(True))

    @app.get("/api/people")
    def people() -> dict[str, str]:
        return {"name": "x", "phone": "13812345678"}

    @app.get("/api/mine")
    def mine() -> tuple[dict[str, str], int]:
        return ({"phone": "13812345678"}, 200) if who() else ({"error": "login"}, 401)

    @app.post("/sign")
    def sign() -> str:
        """The newest comes first."""
        notes.insert(0, request.form.get("note", ""))
        del notes[20:]
        return "thanks"

    @app.get("/wall")
    def wall() -> str:
        return "".join(f"<p>{note}</p>" for note in notes)

    @app.get("/board")
    def board() -> str:
        return "".join(f"<p>{escape(note)}</p>" for note in notes)

    @app.route("/profile", methods=["GET", "POST"])
    def profile() -> str:
        """Of which one is kept, and shown to the others."""
        if request.method == "POST":
            nicknames[who()] = request.form.get("nick", "")
        return (
            "<form action=/profile method=post><input name=nick value=li><input name=mail value=a@b.cn></form>"
            "<a href=/members>all</a>"
        )

    @app.get("/members")
    def members() -> str:
        return "".join(f"<li>{nick}" for nick in nicknames.values())

    @app.get("/subscribe")
    def subscribe() -> str:
        later = threading.Timer(called_after_seconds, _call, [request.args.get("to", "")])
        later.daemon = True
        later.start()
        return "ok"

    @app.get("/unsubscribe")
    def unsubscribe() -> str:
        return "ok"

    return app


def _call(url: str) -> None:
    if url.startswith("http://127.0.0.1:"):
        with suppress(OSError), urllib.request.urlopen(url, timeout=2):
            pass


def session_yaml(url: str, user: str) -> str:
    """How a person logs in."""
    return (
        f"probe: {{url: '{url}/', shows: 欢迎}}\n"
        f"form: {{page: '{url}/login', fields: {{user: {user}, pass: {PASSWORDS[user]}}}}}\n"
    )
