"""A home whose city is one page, served by a real server on loopback."""

import functools
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from secops.service.beginning import make_home
from secops.service.home import FILE, Home

CITY = """\
name: {{zh: 小城, en: Small town}}
sites: [{{id: here, name: {{zh: 本地, en: here}}}}]
centres: [{{id: local, name: {{zh: 本地中心, en: local centre}}, site: here, role: production}}]
units: [{{id: office, name: {{zh: 办公室, en: office}}}}]
systems:
  - id: portal
    name: {{zh: 门户, en: portal}}
    programme: {{zh: 演示, en: trial}}
    lead_units: [office]
    grade:
      information: {{object: public_order, degree: serious}}
      service: {{object: public_order, degree: serious}}
    assets:
      - {{id: page, kind: page, name: {{zh: 首页, en: home page}}, centre: local, url: "{url}index.html"}}
"""
SETTINGS = """\
scope: {{approved_by: tester, networks: [127.0.0.1/32]}}
playbooks: [playbooks]
schedule:
  - {{id: nightly, playbook: note, cron: "{cron}", inputs: {{word: nightly}}}}
"""
NOTE = """\
id: note
name: {zh: 记录, en: Take a note}
on: {finding: finding.weakness_class == "tamper" && system.level >= 3}
inputs:
  word: {describes: {zh: 词, en: word}, from_finding: asset}
steps:
  - {id: say, uses: command.probe, with: {argv: [echo, "${{ inputs.word }}"]}}
"""
CLEAN = "<html><head><title>门户</title></head><body><h1>门户</h1><p>欢迎</p></body></html>"
HIDDEN = '<div style="display:none"><a href="http://bad.example/">x</a></div>'


@dataclass
class Town:
    """The home, the served page, and a way to damage it."""

    home: Home
    page: Path

    def tamper(self) -> None:
        self.page.write_text(CLEAN.replace("</body>", HIDDEN + "</body>"))

    def repair(self) -> None:
        self.page.write_text(CLEAN)

    def scan(self) -> tuple[str, ...]:
        """Findings that are new or came back."""
        pairs = self.home.eyes.pairs(self.home.inventory.assets(), ["page-tamper"])
        recorded = self.home.eyes.scan(pairs).recorded
        return (*recorded.new, *recorded.reopened)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text(CLEAN)
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def town(tmp_path: Path, served: str) -> Iterator[Town]:
    folder = tmp_path / "home"
    make_home(folder)
    (folder / FILE).write_text(SETTINGS.format(cron="* * * * *"))
    (folder / "inventory.yaml").write_text(CITY.format(url=served))
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "note.yaml").write_text(NOTE)
    with Home(folder) as home:
        home.eyes.learn(home.eyes.pairs(home.inventory.assets()), "tester")
        yield Town(home, tmp_path / "site" / "index.html")
