"""The crash matrix: the restore playbook cut off at every boundary of its journal, then resumed.

The boundaries are not listed: an uninterrupted run tells them. Whatever the boundary, the end is the same, the
irreversible effect happened once, and no run is stuck. What a process that is gone leaves are its files and the state of
the entry: both are kept at each boundary of one halting run, which spares to run up to each of them anew. Where nothing
at all changed since the boundary before (a probe leaves nothing but its outcome), going on is the same and is not
repeated. That a real `kill -9` leaves no more and no less is tried at some boundaries all along the way.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import yaml

from backup.failover.haproxy import parse_states, states
from secops.demo import city, site
from secops.demo.centres import Centres, start
from secops.demo.haproxy import BACKEND
from secops.execution.dialogue import DialogueRunner
from secops.execution.executor import Boundary
from secops.execution.journal import Kind, RunState
from secops.model.step import Dialogue, Result
from secops.service.home import Home
from secops.service.packing import pack_path
from secops.service.running import start as start_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SHARDS = 4
KILLS = 14
RUN = "crash"
PLAYBOOK = "restore-tampered-page"
FOLDERS = ("home", "production", "local_dr", "remote_dr")
_numbers = count()


@dataclass(frozen=True)
class Moment:
    """What a process leaves that is gone."""

    folder: Path
    open_servers: tuple[str, ...]
    digest: str


@dataclass
class Stage:
    """Centres with a tampered page and verified copies, which can be set back to that moment."""

    centres: Centres
    home: Path
    finding: str
    before: Path
    forker: "subprocess.Popen[str]"
    moments: dict[int, Moment] = field(default_factory=dict)
    """By the number of the boundary."""

    def set_back(self) -> None:
        """Files and entry as they were before the run."""
        self._put_back(self.before)
        (self.centres.folder / "ledger").write_text("")
        (self.centres.folder / "seen").write_text("")
        self._open("production")

    def keep(self) -> Moment:
        """Files and entry as they are now."""
        kept = self.centres.folder / f"moment-{next(_numbers)}"
        for name in FOLDERS:
            (kept / name).mkdir(parents=True)
            _copy_back(self.centres.folder / name, kept / name)
        shutil.copy(self.centres.folder / "ledger", kept)
        return Moment(kept, tuple(name for name, is_open in self._entry() if is_open), _digest(kept))

    def go_back(self, moment: Moment) -> None:
        """Files and entry as they were at a moment, which is used up."""
        self._put_back(moment.folder)
        shutil.copy(moment.folder / "ledger", self.centres.folder)
        self._open(*moment.open_servers)

    def _put_back(self, folder: Path) -> None:
        for name in FOLDERS:
            _copy_back(folder / name, self.centres.folder / name)

    def _open(self, *servers: str) -> None:
        for server in FOLDERS[1:]:
            state = "ready" if server in servers else "maint"
            assert self._ask(Dialogue(str(self.centres.entry_socket), f"set server {BACKEND}/{server} state {state}"))

    def _entry(self) -> list[tuple[str, bool]]:
        said = self._ask(states(str(self.centres.entry_socket), BACKEND)).output
        return sorted((one.name, one.open) for one in parse_states(said))

    def _ask(self, question: Dialogue) -> Result:
        answer = DialogueRunner().perform(question, 60)
        assert answer.ok, answer.reason
        return answer

    def child(self, verb: str, kill_at: int | None = None, halts: tuple[int, int] | None = None) -> int:
        """Exit status of a child that starts or resumes the run; -9 when it was killed. Where it halts a moment is kept."""
        folder = self.centres.folder
        job = {
            "verb": verb,
            "home": str(self.home),
            "run": RUN,
            "playbook": PLAYBOOK,
            "finding": self.finding,
            "kill_at": kill_at,
            "halts": halts,
            "ledger": str(folder / "ledger"),
            "seen": str(folder / "seen"),
            "result": str(folder / "result"),
        }
        assert self.forker.stdout
        self._tell(json.dumps(job))
        while (said := self.forker.stdout.readline()).startswith("halted"):
            self._remember(int(said.split()[1]), self.keep())
            self._tell("go on")
        return int(said)

    def _remember(self, number: int, moment: Moment) -> None:
        """Those at which nothing changed share the first one."""
        before = self.moments.get(number - 1)
        if before and (before.open_servers, before.digest) == (moment.open_servers, moment.digest):
            shutil.rmtree(moment.folder)
            moment = before
        self.moments[number] = moment

    def _tell(self, line: str) -> None:
        assert self.forker.stdin
        self.forker.stdin.write(line + "\n")
        self.forker.stdin.flush()

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
                "entry": self._entry(),
                "points": sorted(points),
                "sealed": pack_path(home, RUN).exists(),
                "moved": (self.centres.folder / "ledger").read_text(),
            }


def _digest(folder: Path) -> str:
    """Of everything that a crash leaves: names, kinds, permissions and contents, without SQLite's shared memory."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if not path.name.endswith("-shm")):
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.relative_to(folder)} {path.lstat().st_mode} {len(content)}\0".encode() + content)
    return digest.hexdigest()


def _copy_back(source: Path, target: Path) -> None:
    """Make the target like the source; sockets and the logs of running servers stay."""
    target.mkdir(exist_ok=True, mode=0o700)
    for path in target.iterdir():
        if path.is_dir() and not path.is_symlink():
            if path.name != "logs":
                shutil.rmtree(path)
        elif not path.is_socket():
            path.unlink()
    copied = [path for path in source.iterdir() if path.name != "logs" and not path.is_socket()]
    subprocess.run(("cp", "-a", "-t", target, *copied), check=True)


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
        for name in FOLDERS:
            before.mkdir(exist_ok=True)
            _copy_back(centres.folder / name, before / name)
        arguments = (sys.executable, "-m", "tests.crash.forker")
        forker = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            yield Stage(centres, home_folder, finding, before, forker)
        finally:
            forker.stdin.close()  # type: ignore[union-attr]
            forker.wait(60)


@dataclass(frozen=True)
class Whole:
    """How the run goes when nobody cuts it off."""

    end: dict[str, object]
    boundaries: list[str]


@pytest.fixture(scope="module")
def whole(stage: Stage) -> Whole:
    stage.set_back()
    assert stage.child("start") == 0, stage.said
    told = Whole(stage.end(), stage.boundaries)
    assert told.end["state"] is RunState.SUCCEEDED, stage.said
    assert told.end["moved"] == "moved the link over\n"
    assert {line.split()[0] for line in told.boundaries} == set(Boundary)
    return told


@pytest.mark.parametrize("shard", range(SHARDS))
def test_cut_off_at_every_boundary_it_ends_the_same(stage: Stage, whole: Whole, shard: int) -> None:
    stage.set_back()
    total = len(whole.boundaries)
    first, last = (1 + total * place // SHARDS for place in (shard, shard + 1))
    stage.moments.clear()
    assert stage.child("start", halts=(first, last)) == 0, stage.said
    assert (stage.end(), stage.boundaries) == (whole.end, whole.boundaries)
    assert list(stage.moments) == list(range(first, last))
    for number, moment in stage.moments.items():
        if moment is stage.moments.get(number - 1):
            continue
        stage.go_back(moment)
        assert stage.child("resume") == 0, f"after {whole.boundaries[number - 1]}: {stage.said}"
        assert stage.end() == whole.end, f"after {whole.boundaries[number - 1]}"
        shutil.rmtree(moment.folder)


def test_killed_all_along_the_way_it_ends_the_same(stage: Stage, whole: Whole) -> None:
    total = len(whole.boundaries)
    for number in range(3, total + 1, total // KILLS | 1):  # odd: each of the four kinds of boundary comes up
        stage.set_back()
        assert stage.child("start", kill_at=number) == -9, f"not killed at {whole.boundaries[number - 1]}: {stage.said}"
        assert stage.boundaries == whole.boundaries[:number]
        assert stage.child("resume") == 0, f"after {whole.boundaries[number - 1]}: {stage.said}"
        assert stage.end() == whole.end, f"after {whole.boundaries[number - 1]}"
