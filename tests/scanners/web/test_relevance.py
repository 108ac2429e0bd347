"""How much a point deserves: segments and names that do something are kept, those that do nothing cost two requests."""

import asyncio

import pytest
from flask import Flask, abort, request
from markupsafe import escape

from scanners.web.finding_points import points_of
from scanners.web.inert import Prober
from scanners.web.message import Request
from scanners.web.points import Part, Where
from scanners.web.relevance import Choice, Misses, Worth, worth_of
from scanners.web.urls import target_of
from tests.lab.sites import loopback_client, running_flask

pytestmark = pytest.mark.slow
ROWS = {"1": "Roads", "2": "Parks"}
FILES = {"guide.txt": "How to ask", "fees.txt": "What it costs"}


def _app() -> Flask:
    app = Flask("worth")

    @app.get("/article/<ident>")
    def article(ident: str) -> str:
        return f"<p>{ROWS.get(ident, 'no such article')}</p>"

    @app.get("/strict/<ident>")
    def strict(ident: str) -> str:
        return ROWS.get(ident) or abort(404)

    @app.get("/own-words/<ident>")
    def own_words(ident: str) -> tuple[str, int]:
        return f"<p>No article {escape(ident)}</p>", 404

    @app.get("/files/<name>")
    def files(name: str) -> str:
        return FILES.get(name) or abort(404)

    @app.get("/any/<path:rest>")
    def any_(rest: str) -> str:
        return "always the same"

    @app.get("/fixed")
    def fixed() -> str:
        return f"hello {escape(request.args.get('q', ''))}"

    @app.get("/names")
    def names() -> str:
        return " ".join(map(escape, request.args))

    @app.get("/raw")
    def raw() -> str:
        return f"printed from {escape(request.query_string.decode())}"

    return app


CASES = {
    "a row that is looked up": ("/article/1", Where.PATH, Part.VALUE, "1", Worth.ALL),
    "a row, and 404 for all others": ("/strict/1", Where.PATH, Part.VALUE, "1", Worth.FEW),
    "404 in its own words": ("/own-words/7", Where.PATH, Part.VALUE, "1", Worth.ALL),
    "a file": ("/files/guide.txt", Where.PATH, Part.VALUE, "1", Worth.FEW),
    "a part of a route": ("/article/1", Where.PATH, Part.VALUE, "0", Worth.FEW),
    "a segment that is not looked at": ("/any/x/y", Where.PATH, Part.VALUE, "1", Worth.NONE),
    "a value": ("/fixed?q=a", Where.QUERY, Part.VALUE, "q", Worth.ALL),
    "a name that is not looked at": ("/fixed?q=a", Where.QUERY, Part.NAME, "q", Worth.FEW),
    "a name that is shown": ("/names?q=a", Where.QUERY, Part.NAME, "q", Worth.ALL),
    "a query that is taken apart": ("/fixed?q=a", Where.RAW_QUERY, Part.VALUE, "", Worth.NONE),
    "a query that is shown": ("/raw?q=a", Where.RAW_QUERY, Part.VALUE, "", Worth.ALL),
    "no query, and none is read": ("/fixed", Where.RAW_QUERY, Part.VALUE, "", Worth.NONE),
    "a header that a script of the site sends": ("/fixed", Where.HEADER, Part.VALUE, "X-Device", Worth.ALL),
    "a header that every browser sends": ("/fixed", Where.HEADER, Part.VALUE, "Accept", Worth.NONE),
}
HEADERS = (("X-Device", "d-12"), ("Accept", "*/*"))


@pytest.mark.parametrize(("path", "where", "part", "name", "worth"), CASES.values(), ids=CASES)
def test_worth(path: str, where: Where, part: Part, name: str, worth: Worth) -> None:
    asked = Request("GET", path, HEADERS)

    async def judged(url: str) -> Worth:
        (point,) = (
            one for one in points_of(target_of(url), asked) if (one.where, one.part, one.name) == (where, part, name)
        )
        async with loopback_client() as client:
            return await worth_of(point, Prober(client, point.target, asked), Misses("seed"))

    with running_flask(_app()) as site:
        assert asyncio.run(judged(site.url)) is worth
        assert len(site.asked) <= 6


def test_pages_alike_are_looked_at_twice() -> None:
    choice, target = Choice(), target_of("http://127.0.0.1:1")
    chosen = []
    for number in range(5):
        points = points_of(target, Request("GET", f"/item?id={number}&lang=zh"))
        wanted = choice.of(points).points
        chosen.append({(point.name, point.part) for at, point in enumerate(points) if at in wanted})
    assert ("id", Part.VALUE) in chosen[0] & chosen[1]
    assert ("id", Part.VALUE) not in chosen[2] | chosen[3] | chosen[4]
    # Beside another id, each of the others is another request.
    assert all(("lang", Part.VALUE) in one for one in chosen)


def test_few_files_of_a_folder_are_tried_where_nothing_shows() -> None:
    choice, target = Choice(), target_of("http://127.0.0.1:1")
    tried = []
    for name in ("a.html", "b.html", "c.html"):
        points = points_of(target, Request("GET", f"/docs/{name}"))
        unknown = choice.of(points).unknown
        tried.append({point.name for at, point in enumerate(points) if at in unknown and point.where is Where.PATH})
    assert tried == [{"0", "1"}, {"1"}, set()]
