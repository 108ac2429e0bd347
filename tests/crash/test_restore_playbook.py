"""The crash matrix: the restore playbook killed with `kill -9` at every boundary of its journal, then resumed.

The boundaries are not listed: an uninterrupted run tells them. Whatever the boundary, the end is the same, the
irreversible effect happened once, and no run is stuck.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from backup.failover.haproxy import parse_states, states
from secops.demo import city, site
from secops.demo.centres import Centres, start
from secops.demo.haproxy import BACKEND
from secops.execution.executor import Boundary
from secops.execution.journal import Kind, RunState
from secops.model.step import Dialogue
from secops.service.home import Home
from secops.service.packing import pack_path
from secops.service.running import start as start_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SHARDS = int(os.environ.get("JINDUN_CRASH_SHARDS", "2"))
RUN = "crash"
PLAYBOOK = "restore-tampered-page"


@dataclass
class Stage:
    """Centres with a tampered page and verified copies, which can be set back to that moment."""

    centres: Centres
    home: Path
    finding: str
    before: Path
    forker: "subprocess.Popen[str]"

    def set_back(self) -> None:
        """Files and entry as they were before the run."""
        for name in ("home", "production", "local_dr", "remote_dr"):
            _copy_back(self.before / name, self.centres.folder / name)
        (self.centres.folder / "ledger").write_text("")
        (self.centres.folder / "seen").write_text("")
        with Home(self.home) as home:
            for server in ("production", "local_dr", "remote_dr"):
                state = "ready" if server == "production" else "maint"
                line = f"set server {BACKEND}/{server} state {state}"
                assert home.runners.perform(Dialogue(str(self.centres.entry_socket), line), 5).ok

    def child(self, verb: str, kill_at: int | None = None) -> int:
        """Exit status of a child that starts or resumes the run; -9 when it was killed."""
        folder = self.centres.folder
        job = {
            "verb": verb,
            "home": str(self.home),
            "run": RUN,
            "playbook": PLAYBOOK,
            "finding": self.finding,
            "kill_at": kill_at,
            "ledger": str(folder / "ledger"),
            "seen": str(folder / "seen"),
            "result": str(folder / "result"),
        }
        assert self.forker.stdin and self.forker.stdout
        self.forker.stdin.write(json.dumps(job) + "\n")
        self.forker.stdin.flush()
        return int(self.forker.stdout.readline())

    @property
    def boundaries(self) -> list[str]:
        """Every boundary so far; the moment in the names of new copies is not part of where it is."""
        seen = (self.centres.folder / "seen").read_text()
        return re.sub(r"\d{8}T\d{6}Z", "NOW", seen).splitlines()

    @property
    def said(self) -> str:
        return (self.centres.folder / "result").read_text()

    def end(self) -> dict[str, object]:
        """Everything that must be the same however the run went."""
        with Home(self.home) as home:
            run = home.journal.run(RUN)
            answer = home.runners.perform(states(str(self.centres.entry_socket), BACKEND), 5)
            production = self.centres.production
            points = [(point.vault, point.verdict.proven_clean) for point in home.catalogue.points(city.TREE)]
            steps = [(e.path, e.body["state"]) for e in home.journal.entries(RUN) if e.kind is Kind.STEP]
            return {
                "state": run.state,
                "steps": steps,
                "finding": home.store.get(self.finding).state,
                "page": (production.site / "current" / "index.html").read_bytes(),
                "releases": sorted(path.name for path in production.releases.iterdir()),
                "links": sorted(path.name for path in production.site.iterdir()),
                "isolated": sorted(path.name for path in production.isolated.iterdir()),
                "entry": sorted((one.name, one.open) for one in parse_states(answer.output)),
                "points": sorted(points),
                "sealed": pack_path(home, RUN).exists(),
                "moved": (self.centres.folder / "ledger").read_text(),
            }


def _copy_back(source: Path, target: Path) -> None:
    """Make the target like the source; sockets and the logs of running servers stay."""
    target.mkdir(exist_ok=True, mode=0o700)
    for path in target.iterdir():
        if path.is_dir() and not path.is_symlink():
            if path.name != "logs":
                shutil.rmtree(path)
        elif not path.is_socket():
            path.unlink()
    for path in source.iterdir():
        if path.name != "logs" and not path.is_socket():
            subprocess.run(("cp", "-a", str(path), str(target)), check=True)


def _keep_in_two_vaults(inventory: Path) -> None:
    """A third vault would make each of some hundred runs a second longer, and be copied into by the same steps."""
    written = yaml.safe_load(inventory.read_text())
    next(system for system in written["systems"] if system["id"] == city.HEALTH)["tier"] = "data"
    inventory.write_text(yaml.safe_dump(written, allow_unicode=True, sort_keys=False))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with start() as centres:
        home_folder = centres.folder / "home"
        city.write_home(centres, home_folder)
        _keep_in_two_vaults(home_folder / "inventory.yaml")
        with Home(home_folder) as home:
            page = home.inventory.asset(city.PAGE)
            home.eyes.learn(home.eyes.pairs([page]), "tester")
            place = next(one.id for one in home.inventory.city.places if one.host == city.PRODUCTION_HOST)
            inputs = {"asset": city.TREE, "place": place, "page": city.PAGE}
            copied = start_run(home, home.library.get("backup-by-tier"), inputs)
            assert copied.run.state is RunState.SUCCEEDED, copied.run.because
            site.tamper(centres.production)
            finding = home.eyes.scan(home.eyes.pairs([page], ["page-tamper"])).recorded.new[0]
        before = centres.folder / "before"
        for name in ("home", "production", "local_dr", "remote_dr"):
            before.mkdir(exist_ok=True)
            _copy_back(centres.folder / name, before / name)
        arguments = (sys.executable, "-m", "tests.crash.forker")
        forker = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            yield Stage(centres, home_folder, finding, before, forker)
        finally:
            forker.stdin.close()  # type: ignore[union-attr]
            forker.wait(10)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_killed_at_every_boundary_it_ends_the_same(stage: Stage, shard: int) -> None:
    stage.set_back()
    assert stage.child("start") == 0, stage.said
    expected, boundaries = stage.end(), stage.boundaries
    assert expected["state"] is RunState.SUCCEEDED, stage.said
    assert expected["moved"] == "moved the link over\n"
    assert {line.split()[0] for line in boundaries} == set(Boundary)
    for number in range(1 + shard, len(boundaries) + 1, SHARDS):
        stage.set_back()
        assert stage.child("start", kill_at=number) == -9, f"not killed at {boundaries[number - 1]}: {stage.said}"
        assert stage.boundaries == boundaries[:number]
        assert stage.child("resume") == 0, f"after {boundaries[number - 1]}: {stage.said}"
        assert stage.end() == expected, f"after {boundaries[number - 1]}"
