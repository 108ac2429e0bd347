"""Our own checks on what a crawl found: places that are no pages, and how many requests a quiet site costs."""

from pathlib import Path

import pytest
from flask import Flask, Response, abort, request
from markupsafe import escape

from tests.lab.sites import running_flask
from tests.scanners.web.campaign.scanning import scanned

pytestmark = pytest.mark.slow


def _with_files(folder: Path, careful: bool) -> Flask:
    """A site whose only file that is asked for by its name is a script."""
    app = Flask("files", static_folder=None)

    @app.get("/")
    def home() -> str:
        return "<script src=/assets/js/app.js></script>"

    @app.get("/assets/<path:name>")
    def asset(name: str) -> Response:
        path = folder / name
        if careful and folder not in path.resolve().parents:
            abort(404)
        return Response(path.read_bytes(), content_type="text/javascript") if path.is_file() else abort(404)

    return app


@pytest.mark.parametrize("careful", [False, True])
def test_files_beside_a_script(tmp_path: Path, careful: bool) -> None:
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "app.js").write_text("start()")
    with running_flask(_with_files(tmp_path, careful)) as site:
        ended = scanned(site.url, checks=True)
    found = [(one.weakness, one.url.removeprefix(site.url)) for _, one in ended.ledger.found if one.where == "path"]
    assert found == ([] if careful else [("pathtraver", "/assets/js/app.js")])


@pytest.mark.parametrize("careful", [False, True])
def test_what_is_said_where_nothing_is(careful: bool) -> None:
    """The page for what is missing repeats the address; it is told once, not for each segment of the site."""
    app = Flask("missing")

    @app.get("/")
    @app.get("/news/<int:number>")
    def page(number: int = 0) -> str:
        return "".join(f"<a href=/news/{one}>news</a>" for one in range(6))

    @app.errorhandler(404)
    def missing(_: Exception) -> tuple[str, int]:
        path = escape(request.path) if careful else request.path
        return f"<html><body>There is no {path}</body></html>", 404

    with running_flask(app) as site:
        ended = scanned(site.url, checks=True)
        asked = len(site.asked)
    found = [one.url.removeprefix(site.url) for _, one in ended.ledger.found if one.weakness == "xss"]
    assert len(found) == (0 if careful else 1)
    assert asked < 600
