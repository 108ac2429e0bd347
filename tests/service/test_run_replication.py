"""Runs go on in another centre when the one that executed them is gone: homes of two centres over a real etcd."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from playbooks.load import parse_playbook
from secops.coordination.coordinator import Held
from secops.execution.journal import Fenced, Kind, Mode, Run, RunState
from secops.service.beginning import make_home
from secops.service.home import FILE, Home
from secops.service.running import resume, start
from secops.support.clock import now
from secops.support.errors import BadInput, Incomplete
from tests.lab.etcd_trio import ETCD, EtcdTrio, running_trio

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

TEXT = """\
id: trial
name: {{zh: 试, en: trial}}
steps:
  - {{id: first, uses: command.run, with: {{argv: [sh, -c, "echo first >> {file}"]}}, rollback: [{undo}]}}
  - {{id: second, uses: command.run, with: {{argv: [sh, -c, "echo second >> {file}"]}}, rollback: [{undo}]}}
"""
UNDO = "{uses: command.run, with: {argv: ['true']}}"
_CHILD = """
import os, signal, sys
from pathlib import Path
from playbooks.load import parse_playbook
from secops.service.home import Home
from secops.service.running import Watchers, start

def at_boundary(boundary, path):
    if boundary == "after_outcome" and path.startswith("first"):
        os.kill(os.getpid(), signal.SIGKILL)

with Home(Path(sys.argv[1])) as home:
    start(home, parse_playbook(sys.argv[2], "trial.yaml"), {}, run_id="r1", watchers=Watchers(at_boundary=at_boundary))
"""


@pytest.fixture(scope="module")
def module_trio() -> Iterator[EtcdTrio]:
    if not ETCD:
        pytest.skip("etcd is not installed")
    with running_trio() as running:
        yield running


@pytest.fixture
def trio(module_trio: EtcdTrio) -> Iterator[EtcdTrio]:
    yield module_trio
    module_trio.heal()


@pytest.fixture
def homes(trio: EtcdTrio, tmp_path: Path) -> tuple[Path, Path]:
    """Of two centres of one city; nothing is shared but etcd."""
    made, prefix = (tmp_path / "c1", tmp_path / "c2"), f"/test/{time.monotonic_ns()}/"
    for folder in made:
        make_home(folder)
        settings = yaml.safe_load((folder / FILE).read_text("utf-8"))
        settings["coordination"] = {
            "prefix": prefix,
            "endpoints": dict(zip(("c1", "c2", "c3"), trio.endpoints, strict=True)),
            "lease_seconds": 3,
            "renewed_every_seconds": 0.5,
            "self_stop_seconds": 2.0,
        }
        (folder / FILE).write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")
    return made


def text_for(file: Path) -> str:
    return TEXT.format(file=file, undo=UNDO)


def test_a_killed_run_is_finished_elsewhere_and_nothing_is_done_twice(homes: tuple[Path, Path], tmp_path: Path) -> None:
    text = text_for(tmp_path / "done")
    subprocess.run([sys.executable, "-c", _CHILD, str(homes[0]), text], timeout=120)
    assert (tmp_path / "done").read_text() == "first\n"
    with Home(homes[1]) as other:
        deadline = time.monotonic() + 60
        while True:
            try:
                ended = resume(other, "r1")
                break
            except Held:  # until etcd has waited for the dead
                assert time.monotonic() < deadline
                time.sleep(0.2)
        assert ended.run.state is RunState.SUCCEEDED
        finished = other.journal.entries("r1")
    assert (tmp_path / "done").read_text() == "first\nsecond\n"
    # Home again, the first centre reads what was done since.
    with Home(homes[0]) as back:
        back.take_over("r1")
        assert back.journal.run("r1").state is RunState.SUCCEEDED
        assert back.journal.entries("r1") == finished


def test_without_a_majority_no_step_is_begun(homes: tuple[Path, Path], tmp_path: Path, trio: EtcdTrio) -> None:
    with Home(homes[0]) as home, home.coordinator.acquire("run-r2") as lease:
        home.journal.begin(Run("r2", "trial", "", Mode.REAL, now(), {}), lease.token)
        trio.kill(0)
        trio.kill(1)
        with pytest.raises(Incomplete):
            home.journal.append("r2", lease.token, Kind.INTENT, "s", {})
        assert len(home.journal.entries("r2")) == 1


def test_who_lost_the_lease_writes_nothing(homes: tuple[Path, Path]) -> None:
    with Home(homes[0]) as first, Home(homes[1]) as second:
        with first.coordinator.acquire("run-r3") as lease:
            first.journal.begin(Run("r3", "trial", "", Mode.REAL, now(), {}), lease.token)
        with second.coordinator.acquire("run-r3") as later:
            second.take_over("r3")
            second.journal.append("r3", later.token, Kind.DECISION, "s", {"decision": "done"})
            with pytest.raises(Fenced):
                first.journal.append("r3", lease.token, Kind.INTENT, "s", {})
        assert len(first.journal.entries("r3")) == 1
        first.take_over("r3")
        assert first.journal.entries("r3") == second.journal.entries("r3")


def test_a_record_that_was_changed_on_the_way_is_not_taken_over(homes: tuple[Path, Path], tmp_path: Path) -> None:
    with Home(homes[0]) as first, Home(homes[1]) as second:
        start(first, parse_playbook(text_for(tmp_path / "done"), "trial.yaml"), {}, run_id="r4")
        entries = list(first.journal.entries("r4"))
        with pytest.raises(BadInput):
            second.journal.adopt(first.journal.run("r4"), [entries[1], *entries[1:]])
        with pytest.raises(BadInput):
            second.journal.run("r4")
