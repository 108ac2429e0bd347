"""A site with members: form and JSON logins, CSRF tokens, sessions that end, accounts that get locked."""

import secrets
from dataclasses import dataclass, field

from flask import Flask, Response, redirect, request

PASSWORD = "s3cret&中"


@dataclass
class Members:
    """What the site knows, for tests to look at and to spoil."""

    sessions: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    """Anti-forgery tokens that were handed out and not used."""
    tried: list[bool] = field(default_factory=list)
    """Logins, and whether they succeeded."""
    lives: int = 10**9
    """Requests that a session lives."""
    used: dict[str, int] = field(default_factory=dict)

    def knows(self, session: str) -> bool:
        """Whether this session is alive; each look makes it older."""
        if session not in self.sessions:
            return False
        self.used[session] = self.used.get(session, 0) + 1
        if self.used[session] > self.lives:
            self.sessions.discard(session)
            return False
        return True

    def begin(self) -> str:
        """A new session."""
        session = secrets.token_hex(8)
        self.sessions.add(session)
        return session


def member_site() -> tuple[Flask, Members]:
    """The application and what it knows."""
    app, members = Flask("members"), Members()

    def who() -> bool:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return members.knows(bearer or request.cookies.get("sid", ""))

    def token() -> str:
        made = secrets.token_hex(8)
        members.tokens.add(made)
        return made

    @app.get("/login")
    def form() -> str:
        return f"""<form action="/search"><input name=q></form>
        <form action="/login?next=%2Fhome" method=post><input type=hidden name=csrf value="{token()}">
        <input name=user><input name=pass type=password><button name=go value=1>登录</button></form>"""

    @app.post("/login")
    def login() -> Response:
        good = request.form.get("csrf") in members.tokens and request.form.get("pass") == PASSWORD
        good = good and request.form.get("go") == "1" and request.form.get("user") == "alice"
        members.tokens.discard(request.form.get("csrf", ""))
        members.tried.append(good)
        if not good:
            return Response("<p>wrong</p>")
        answer = redirect(request.args["next"])
        answer.set_cookie("sid", members.begin(), httponly=True)
        return answer  # type: ignore[return-value]

    @app.get("/start")
    def start() -> Response:
        answer = Response(f"<meta name=x content=y><input name=t value='{(made := token())}'>")
        answer.set_cookie("XSRF-TOKEN", made)
        return answer

    @app.post("/api/login")
    def api_login() -> tuple[dict[str, object], int]:
        good = request.headers.get("X-XSRF-TOKEN", "") in members.tokens and request.json["pass"] == PASSWORD
        members.tried.append(good)
        return ({"data": {"token": members.begin()}}, 200) if good else ({"error": "no"}, 401)

    @app.post("/steps/login")
    def steps_login() -> Response:
        good = request.form.get("t") in members.tokens and request.form.get("pass") == PASSWORD
        members.tried.append(good)
        answer = Response("ok")
        if good:
            answer.set_cookie("sid", members.begin())
        return answer

    @app.get("/home")
    @app.get("/home/<page>")
    def home(page: str = "") -> Response:
        if not who():
            return redirect("/login")  # type: ignore[return-value]
        links = "".join(f"<a href=/home/{word}>x</a>" for word in ("orders", "profile", "bills", "kick"))
        if page == "kick":
            members.sessions.clear()
        return Response(
            f"<p>Welcome alice</p>{links}<a href=/logout>out</a><form action=/home/save method=post><input name=note></form>"
        )

    @app.get("/logout")
    def logout() -> str:
        members.sessions.clear()
        return "bye"

    return app, members
