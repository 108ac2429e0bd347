"""A site whose login works with scripts alone: they ask for a challenge and answer it with what was typed."""

import secrets
from dataclasses import dataclass, field

from flask import Flask, Response, jsonify, redirect, request

PASSWORD = "s3cret&中"
LOGIN = """<!doctype html><title>login</title><div id=app></div><script>
addEventListener('load', () => setTimeout(() => {
  app.innerHTML = '<input id=user><input id=pass type=password><select id=where><option value="">-<option value=city>City' +
    '</select><button id=go>登录</button><p id=said></p>';
  document.getElementById('go').onclick = async () => {
    const {nonce} = await (await fetch('/api/challenge')).json();
    let sum = 0;
    for (const one of document.getElementById('pass').value + nonce) sum = (sum * 31 + one.codePointAt(0)) % 1000000007;
    const body = JSON.stringify({user: user.value, nonce, sum, where: where.value});
    const answer = await fetch('/api/enter', {method: 'POST', body, headers: {'Content-Type': 'application/json'}});
    if (!answer.ok) { said.textContent = 'wrong'; return; }
    const {token} = await answer.json();
    localStorage.setItem('auth', JSON.stringify({token}));
    document.cookie = 'sid=' + token + '; path=/';
    location = '/enter';
  };
}, 100));
</script>"""
HOME = """<!doctype html><title>home</title><div id=app></div><script>
const token = (JSON.parse(localStorage.getItem('auth') || '{}')).token;
if (!token) app.textContent = 'please log in';
else fetch('/api/me', {headers: {Authorization: 'Bearer ' + token}}).then(r => r.json()).then(me => {
  app.innerHTML = `<p id=who>Welcome ${me.name}</p><a href="/mine/${me.name}?tab=bills">bills</a>`;
});
</script>"""


@dataclass
class Entered:
    """What the site knows."""

    sessions: set[str] = field(default_factory=set)
    nonces: set[str] = field(default_factory=set)
    tried: list[bool] = field(default_factory=list)


def answer_to(nonce: str) -> int:
    """What a script of the page works out."""
    total = 0
    for one in PASSWORD + nonce:
        total = (total * 31 + ord(one)) % 1000000007
    return total


def script_site(*, cookies: bool = True) -> tuple[Flask, Entered]:
    """The application and what it knows. Without `cookies` only a token in a header proves a session."""
    app, entered = Flask("scripted"), Entered()
    app.add_url_rule("/login", "login", lambda: LOGIN)
    app.add_url_rule("/home", "home", lambda: HOME)
    app.add_url_rule("/enter", "entered", lambda: redirect("/home"))

    def known() -> bool:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return token in entered.sessions or (cookies and request.cookies.get("sid", "") in entered.sessions)

    @app.get("/api/challenge")
    def challenge() -> Response:
        entered.nonces.add(nonce := secrets.token_hex(4))
        return jsonify(nonce=nonce)

    @app.post("/api/enter")
    def enter() -> tuple[Response, int]:
        said = request.get_json()
        good = said["nonce"] in entered.nonces and said["sum"] == answer_to(said["nonce"])
        good = good and said["user"] == "alice" and said["where"] == "city"
        entered.nonces.discard(said["nonce"])
        entered.tried.append(good)
        if not good:
            return jsonify(error="no"), 401
        entered.sessions.add(token := secrets.token_hex(8))
        return jsonify(token=token), 200

    @app.get("/api/me")
    def me() -> tuple[Response, int]:
        return (jsonify(name="alice"), 200) if known() else (jsonify(error="who"), 401)

    @app.get("/mine/<name>")
    def mine(name: str) -> tuple[str, int]:
        return (f"<p>bills of {name}", 200) if known() else ("no", 403)

    return app, entered
