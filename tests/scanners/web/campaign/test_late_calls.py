"""Calls that a site makes when the template that set them off is over: judged as the template says, told once."""

import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest
from flask import Flask, request

from tests.lab.sites import running_flask
from tests.scanners.web.campaign.scanning import outcomes, scanned

TEMPLATE = """id: {name}
info: {{name: {name}, author: test, severity: high, tags: ssrf}}
http:
  - method: GET
    path: ["{{{{BaseURL}}}}/{path}?to=http://{{{{interactsh-url}}}}"]
    matchers-condition: and
    matchers:
      - {{type: word, part: interactsh_protocol, words: [http]}}
      - {{type: word, part: interactsh_request, words: ["{agent}"]}}
      - {{type: word, words: [queued]}}
"""


def _app() -> Flask:
    """Does what it is asked to when it has answered long since."""
    app = Flask("late")

    def ask(address: str) -> None:
        time.sleep(4)
        urllib.request.urlopen(urllib.request.Request(address, headers={"User-Agent": "Queue"}), timeout=20)

    @app.get("/<path:_name>")
    def queue(_name: str) -> str:
        threading.Thread(target=ask, args=(request.args["to"],), daemon=True).start()
        return "queued"

    return app


@pytest.mark.parametrize("sites", [1, 2])
def test_a_call_that_comes_late_is_found_and_its_entry_amended(tmp_path: Path, sites: int) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    for name, agent in (("calls", "Queue"), ("calls-as-another", "Mozilla")):
        (folder / f"{name}.yaml").write_text(TEMPLATE.format(name=name, path=name, agent=agent))
    with ExitStack() as stack:
        urls = [stack.enter_context(running_flask(_app())).url for _ in range(sites)]
        ended = scanned(*urls, templates=(folder,), journal=tmp_path / "journal", late_seconds=8.0, processes=sites)
    assert outcomes(ended) == {"calls": "found", "calls-as-another": "tested_clean"}
    assert [(found.template_id, found.weakness, found.where) for _, found in ended.ledger.found] == [
        ("calls", "ssrf", "")
    ] * sites
    assert {found.url.partition("/calls")[0] for _, found in ended.ledger.found} == set(urls)
    assert all(found.evidence["called back"] == "http from 127.0.0.1" for _, found in ended.ledger.found)
    rows = [row for row in map(orjson.loads, (tmp_path / "journal").read_bytes().splitlines()) if "check" in row]
    calls = [row["outcome"] for row in rows if row["check"] == "template.calls"]
    assert sorted(calls) == ["found"] * sites + ["tested_clean"] * sites
