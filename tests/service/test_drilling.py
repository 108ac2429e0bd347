"""Drills: what was restored answers, nothing is left behind, and what failed or is overdue is a finding."""

import functools
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from docx import Document

from backup.drills import CHECK
from playbooks.isolation import close_namespace, isolated, open_namespace
from playbooks.load import parse_playbook
from secops.evidence.keys import PUBLIC_KEY_NAME, load_public_key
from secops.evidence.verify import verify_pack
from secops.execution.executor import Boundary
from secops.execution.journal import Mode, RunState
from secops.model.outcome import Outcome
from secops.model.step import LOCAL, Command, Procedure, Step, require
from secops.service.beginning import make_home
from secops.service.drill_reporting import write_report
from secops.service.drilling import PLAYBOOK, assess_drills, badges, due_drills, run_drill
from secops.service.home import FILE, Home
from secops.service.packing import pack_path, timings_of
from secops.service.running import Ended, Watchers, start
from secops.support.clock import now
from secops.support.errors import BadInput
from secops.support.language import choose
from tests.backup.performing import Performing

pytestmark = pytest.mark.slow

CITY = """\
name: {{zh: 小城, en: Small town}}
sites: [{{id: here, name: {{zh: 本地, en: here}}}}]
centres: [{{id: c1, name: {{zh: 本地中心, en: local centre}}, site: here, role: production}}]
units: [{{id: office, name: {{zh: 办公室, en: office}}}}]
vaults: [{{id: v1, centre: c1, location: "{folder}/vault"}}]
places: [{{id: room, centre: c1, host: local, path: "{folder}/room", url: "{url}"}}]
entries:
  - id: door
    system: portal
    url: "{url}"
    socket: "{folder}/none"
    backend: web
    servers: [{{centre: c1, name: a, url: "{url}"}}]
    business_check: {{path: /index.html, contains: welcome}}
systems:
  - id: portal
    name: {{zh: 门户, en: portal}}
    programme: {{zh: 演示, en: trial}}
    lead_units: [office]
    grade:
      information: {{object: public_order, degree: serious}}
      service: {{object: public_order, degree: serious}}
    assets:
      - {{id: site, kind: file_tree, name: {{zh: 网站, en: site}}, centre: c1, host: local, path: "{folder}/site"}}
"""
SETTINGS = """\
scope: {{approved_by: tester, networks: [127.0.0.1/32]}}
backup: {{state_directory: "{folder}/borg"}}
"""
COPY = """\
id: copy
name: {zh: 备份, en: copy}
steps:
  - {id: copy, uses: backup.run, with: {asset: site, vaults: [v1]}, timeout: 10m}
"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing is told."""


@dataclass
class Town:
    home: Home
    site: Path
    room: Path
    left: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def copy(self) -> None:
        ended = start(self.home, parse_playbook(COPY, "copy.yaml"), {})
        assert ended.run.state is RunState.SUCCEEDED, ended.run.because

    def drill(self, watchers: Watchers | None = None) -> Ended:
        return run_drill(self.home, "site", watchers=watchers or Watchers())


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    choose("en")
    room = tmp_path / "room"
    room.mkdir()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>welcome</h1>")
    folder = tmp_path / "home"
    make_home(folder)
    handler = functools.partial(_Quiet, directory=str(room))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        (folder / FILE).write_text(SETTINGS.format(folder=tmp_path))
        (folder / "inventory.yaml").write_text(CITY.format(folder=tmp_path, url=url))
        with Home(folder) as home:
            made = Town(home, tmp_path / "site", room)
            yield made
        server.shutdown()
    for process in made.left:
        process.kill()
        process.wait()
    choose(None)


def test_a_drill_brings_the_copy_back_measures_and_leaves_nothing(town: Town) -> None:
    assert [badge.asset for badge in due_drills(town.home, now())] == ["site"]
    town.copy()
    ended = town.drill()
    assert ended.run.state is RunState.SUCCEEDED, ended.run.because
    assert ended.run.mode is Mode.DRILL
    assert list(town.room.iterdir()) == []
    timings = timings_of(town.home, ended.run)
    assert timings.t0 == timings.t1 == ended.run.started
    assert timings.rto is not None and timedelta() < timings.rto < timedelta(minutes=2)
    assert timings.rpo is not None and timings.rpo > timedelta()
    assert timings.t3 is None, "a drill fences nobody"
    assert timings.t6 is not None and timings.inconsistencies == ()
    asked = {record.path: record for record in ended.records}["ask"].outputs
    assert {"zh": "业务检查通过", "en": "the business check passed"} in asked["checked"]
    assert any("not scanned for malware" in one["en"] for one in asked["unchecked"])
    (badge,) = badges(town.home)
    assert (badge.failed, badge.overdue(now()), badge.days(now()), badge.changed) == (False, False, 0, ())
    assert badge.overdue(now() + timedelta(days=400))
    assert due_drills(town.home, now()) == []
    (clean,) = assess_drills(town.home, now())
    assert (clean.check, clean.outcome) == (CHECK, Outcome.TESTED_CLEAN)


def test_its_pack_is_signed_and_its_reports_say_the_same_in_four_files(town: Town) -> None:
    town.copy()
    run = town.drill().run
    key = load_public_key(town.home.path(town.home.settings.keys) / PUBLIC_KEY_NAME)
    assert verify_pack(pack_path(town.home, run.id), key).ok
    files = write_report(town.home, run)
    assert [path.suffixes[-2:] for path in files] == [
        [".zh", ".html"],
        [".zh", ".docx"],
        [".en", ".html"],
        [".en", ".docx"],
    ]
    page = files[0].read_text("utf-8")
    for clause in ("6 灾难恢复规划", "7 灾难恢复建设", "8.1 预案", "8.3 响应与接管", "8.4", "8.5 审计", "9 测试与评估"):
        assert clause in page
    assert "结论:通过" in page and run.id in page
    assert "src=" not in page and "href=" not in page, "nothing is fetched"
    word = Document(str(files[3]))
    told = "\n".join([*(one.text for one in word.paragraphs), *_cells(word)])
    assert "Conclusion: passed" in told and "9 Test and evaluation" in told and "v1/site-" in told
    with pytest.raises(BadInput, match="not overwritten"):
        write_report(town.home, run)


def _cells(word: object) -> Iterator[str]:
    for table in word.tables:  # type: ignore[attr-defined]
        for row in table.rows:
            yield from (cell.text for cell in row.cells)


def test_what_does_not_answer_is_a_failed_drill_a_finding_and_cleared_up(town: Town) -> None:
    (town.site / "index.html").write_text("<h1>sorry</h1>")
    town.copy()
    ended = town.drill()
    assert ended.run.state is RunState.ROLLED_BACK
    assert list(town.room.iterdir()) == []
    (found,) = assess_drills(town.home, now())
    assert [weakness.rule for weakness in found.weaknesses] == ["drills.failed", "drills.overdue"]
    page = write_report(town.home, ended.run)[2].read_text("utf-8")
    assert 'class="bad"' in page and "Conclusion: failed" in page and "nothing is left of" in page
    (town.site / "index.html").write_text("<h1>welcome</h1>")
    town.copy()
    assert town.drill().run.state is RunState.SUCCEEDED
    (clean,) = assess_drills(town.home, now())
    assert clean.outcome is Outcome.TESTED_CLEAN


def test_without_a_copy_the_drill_fails_and_says_so(town: Town) -> None:
    ended = town.drill()
    assert ended.run.state is RunState.ROLLED_BACK
    assert "no restore point" in ended.run.because.en


def test_what_changed_since_is_told(town: Town) -> None:
    town.copy()
    town.drill()
    file = town.home.path("inventory.yaml")
    file.write_text(file.read_text("utf-8").replace("office]", "office]\n    importance: core", 1), "utf-8")
    with Home(file.parent) as later:
        (badge,) = badges(later)
    assert [one.en for one in badge.changed] == ["what the inventory says of the system"]


def test_a_process_that_is_left_is_a_leak(town: Town) -> None:
    town.copy()

    def leave(boundary: Boundary, path: str) -> None:
        restored = next(town.room.glob("*-site-*"), None)
        if restored and path.startswith("ask/") and not town.left:
            town.left.append(subprocess.Popen(["sleep", "60"], cwd=restored))

    ended = town.drill(Watchers(at_boundary=leave))
    assert town.left
    assert ended.run.state is RunState.FAILED
    assert "processes are left by the drill" in ended.run.because.en


def test_a_drill_cannot_change_production(town: Town) -> None:
    use = "{uses: command.run, with: {argv: [touch, x]}}"
    step = f"  - {{id: run, uses: command.run, with: {{argv: [touch, x]}}, rollback: [{use}]}}\n"
    changing = f"id: bad\nname: {{zh: 坏, en: bad}}\nsteps:\n{step}"
    with pytest.raises(BadInput, match="is not for drills"):
        start(town.home, parse_playbook(changing, "bad.yaml"), {}, mode=Mode.DRILL)
    assert town.home.journal.runs() == []
    assert town.home.library.get(PLAYBOOK).spec.id == PLAYBOOK


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root")
def test_what_runs_in_a_namespace_of_its_own_has_a_loopback_and_nothing_else(tmp_path: Path) -> None:
    name = f"jindun-test-{os.getpid()}"
    with Performing(tmp_path) as performing:
        performing.run(open_namespace(LOCAL, name))
        try:
            links = performing.run(isolated(_links(), LOCAL, name))
            assert [line.split()[1] for line in links.splitlines()] == ["lo:"]
            assert "UP" in links
        finally:
            performing.run(close_namespace(LOCAL, name))
        assert not Path("/run/netns", name).exists()
        performing.run(close_namespace(LOCAL, name))


def _links() -> Procedure[str]:
    listed = yield Step("list the links", Command(LOCAL, ("ip", "-o", "link")))
    return require(listed, "失败", "failed").output
