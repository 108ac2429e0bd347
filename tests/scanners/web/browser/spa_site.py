"""A single-page application: its pages, forms and calls exist only once its scripts have run."""

from dataclasses import dataclass, field

from flask import Flask, Response, jsonify, request

SHELL = "<!doctype html><title>city</title><div id=app></div><script src=/static/app.js></script>"
SCRIPT = """
const api = ['', 'api', 'v1', ''].join('/');
document.cookie = 'theme' + '-choice=dark';
const call = (path, options) => fetch(api + path, {headers: {['X-City' + '-Tenant']: 'one'}, ...options}).then(r => r.json());
const app = document.getElementById('app');
const views = {
  '': () => {
    app.innerHTML = '<h1>Start</h1><nav></nav><button id=more>more</button><button id=bye>Log out</button>' +
      '<div id=tile style="cursor: pointer">tile</div>';
    call('menu').then(menu => app.querySelector('nav').innerHTML = menu.map(m => `<a href="${m}">${m}</a>`).join(''));
    document.getElementById('more').onclick = () => {
      const old = new XMLHttpRequest();
      old.open('GET', api + 'more?' + new URLSearchParams({page: 2, size: 20}));
      old.send();
    };
    document.getElementById('bye').onclick = () => fetch(api + 'log' + 'out');
    document.getElementById('tile').addEventListener('click', () => history.pushState({}, '', '/tiles?kind=round'));
  },
  '#/orders': () => {
    app.innerHTML = '<form id=f></form>';
    const form = document.getElementById('f');
    for (const name of ['title', 'amount']) {
      const field = document.createElement('input');
      field.name = name;
      form.append(field);
    }
    form.insertAdjacentHTML('beforeend', '<button>send</button>');
    form.onsubmit = event => {
      event.preventDefault();
      call('orders', {method: 'POST', body: JSON.stringify(Object.fromEntries(new FormData(form))),
        headers: {'Content-Type': 'application/json', ['X-Order' + '-Key']: 'k'}});
    };
    call('orders' + '?state=open');
  },
  '#/login': () => {
    app.innerHTML = '<form id=l><input name=user><input name=secret type=password><button>in</button></form>';
    document.getElementById('l').onsubmit = event => {
      event.preventDefault();
      call('lo' + 'gin', {method: 'POST', body: new URLSearchParams(new FormData(event.target))});
    };
  },
};
const show = () => (views[location.hash] || views[''])();
addEventListener('hashchange', show);
show();
"""
MENU = ["#/orders", "#/login", "/made/by/script?id=1"]


@dataclass
class Seen:
    """What the site was sent."""

    posted: list[str] = field(default_factory=list)
    tenants: set[str] = field(default_factory=set)


def spa_site() -> tuple[Flask, Seen]:
    """The application and what it was sent."""
    app, seen = Flask("spa", static_folder=None), Seen()
    app.add_url_rule("/", "home", lambda: SHELL)
    app.add_url_rule("/static/app.js", "script", lambda: Response(SCRIPT, content_type="text/javascript"))
    app.add_url_rule("/made/by/script", "made", lambda: "<p>made")
    app.add_url_rule("/tiles", "tiles", lambda: "<p>tiles")

    @app.route("/api/v1/<name>", methods=["GET", "POST"])
    def api(name: str) -> Response:
        seen.tenants.add(request.headers.get("X-City-Tenant", ""))
        if request.method == "POST":
            seen.posted.append(name)
        return jsonify(MENU if name == "menu" else {"orders": []})

    return app, seen
