"""Every shipped template against a real site that has what it looks for, and one that only seems to."""

from pathlib import Path

import pytest
import yaml
from flask import Flask, Response, request

from scanners.web.templates.library import load
from secops.service.web_scanning import SHIPPED
from secops.service.web_wish import Job
from tests.lab.sites import running_flask
from tests.scanners.web.campaign.scanning import outcomes, scanned

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def test_every_shipped_template_can_be_run_and_has_golden_cases() -> None:
    library = load([SHIPPED])
    assert not library.refused
    assert [one.identity for one in library.templates] == NAMES
    assert sorted(path.stem for path in GOLDEN.glob("*.yaml")) == NAMES
    assert all(one.info.remediation and one.info.description for one in library.templates)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hit", "miss"])
def test_shipped_templates_find_what_they_look_for_and_nothing_else(kind: str) -> None:
    cases = {name: yaml.safe_load((GOLDEN / f"{name}.yaml").read_text(encoding="utf-8"))[kind] for name in NAMES}
    app = Flask("golden")

    @app.get("/<name>/")
    @app.get("/<name>/<path:path>")
    def answer(name: str, path: str = "") -> Response:
        case = cases.get(name, {})
        if request.full_path.rstrip("?").removeprefix(f"/{name}") != case.get("path"):
            return Response("<html><title>404</title>not found</html>", 404)
        body = bytes.fromhex(case["hex"]) if "hex" in case else case["body"].encode()
        return Response(body, case.get("status", 200), case.get("headers", {}))

    with running_flask(app) as site:
        jobs = tuple(Job(SHIPPED / f"{name}.yaml", f"{site.url}/{name}") for name in NAMES)
        ended = scanned(jobs=jobs)
    wanted = "found" if kind == "hit" else "tested_clean"
    assert outcomes(ended) == dict.fromkeys(NAMES, wanted)
