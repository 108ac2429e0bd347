"""`secops backup restore --until`: real databases stand at the second that was asked for, by every engine that can."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backup.catalogue import Catalogue
from backup.engine import engines
from playbooks.approvals import Approval
from secops.execution.journal import RunState
from secops.model.restore_point import Proof, RestorePoint, Rung, Verdict
from secops.model.text import Text
from secops.service.home import Home
from secops.service.running import Ended, approve, resume, start
from secops.support import language
from secops.support.clock import to_text
from tests.backup.performing import Performing
from tests.cli.typed import Done, typed
from tests.contracts.test_database_engine import after_a_second, labs
from tests.lab.database import RunningDatabase
from tests.lab.serving import folder_for_server
from tests.service.databases import ASSET, make_database_home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ABLE = sorted(
    (lab.name, engine.name)
    for lab in labs().values()
    for engine in engines().values()
    if engine.point_in_time and lab.product in engine.products
)
"""Grouped by product, so that one server serves several engines."""


@dataclass
class Town:
    """A home with a database that holds one note, copied, with a clean moment and another note after it."""

    folder: Path
    database: RunningDatabase
    run: Callable[..., Done]
    before: str
    after: str
    until: datetime
    engine: str

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def restored(self, done: Done) -> Path:
        """Where the restore went, by what the command printed as JSON."""
        told = {step["id"]: step for step in json.loads(done.stdout)["steps"]}
        return Path(told["restore"]["outputs"]["directory"])


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[str], RunningDatabase]]:
    """One running server per product, kept until the file's last test."""
    running: dict[str, RunningDatabase] = {}
    with ExitStack() as stack:

        def server(name: str) -> RunningDatabase:
            lab = labs()[name]
            if missing := [program for program in lab.needs if not shutil.which(program)]:
                pytest.skip(f"not installed: {', '.join(missing)}")
            if name not in running:
                running[name] = stack.enter_context(lab.running())
                running[name].write("wanted")
            return running[name]

        yield server


def command_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    monkeypatch.setenv("JINDUN_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "250")

    def run(*arguments: str) -> Done:
        return typed(monkeypatch, capsys, "--lang", "en", *arguments)

    return run


@pytest.fixture(params=ABLE, ids="-".join)
def town(
    request: pytest.FixtureRequest,
    servers: Callable[[str], RunningDatabase],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Town]:
    product, engine = request.param
    if missing := [program for program in engines()[engine].needs if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    database = servers(product)
    with folder_for_server("moment") as folder:
        home = make_database_home(folder, database, labs()[product].product, engine)
        run = command_line(home, monkeypatch, capsys)
        language.choose("en")
        with Home(home) as opened:
            source, vault = opened.inventory.asset(ASSET), opened.inventory.vault("near")
            with Performing(home) as performing:
                performing.run(engines()[engine].prepare(source, vault, opened.vault_keys))
            database.attach(engine, vault, opened.vault_keys, ASSET)
            begun = copy(opened)
            assert begun.run.state is RunState.SUCCEEDED, begun.run.because
        database.write(before := f"before {engine}")
        until = after_a_second()
        database.write(after := f"after {engine}")
        yield Town(folder, database, run, before, after, until, engine)
    language.choose(None)


def copy(home: Home) -> Ended:
    """Copy the database and prove the copies by starting them."""
    return start(home, home.library.get("copy-database"), {"asset": ASSET, "place": "room"})


def reaches_a_vault_that_fetches(home: Path) -> None:
    """The same copy is proven there by starting it."""
    with Home(home) as opened:
        fetched = start(opened, opened.library.get("copy-to-remote"), {"asset": ASSET})
        assert fetched.run.state is RunState.SUCCEEDED, fetched.run.because
        proven = start(opened, opened.library.get("verify-copies"), {"asset": ASSET, "place": "room", "upto": "5"})
        assert proven.run.state is RunState.SUCCEEDED, proven.run.because
        far = next(point for point in opened.catalogue.points(ASSET) if point.vault == "far")
        assert (far.verdict.rung, far.verdict.failed) == (Rung.BUSINESS, Rung.NONE), far.verdict.because


def infected(home: Path, point: RestorePoint, before: datetime) -> None:
    """Enter a copy from between the point and that moment that is not clean."""
    bad = Verdict(Proof.YES, Proof.YES, Proof.NO, judged=before, because=Text("感染", "infected"))
    taken = point.taken + (before - point.taken) / 2
    with Catalogue(home / "state" / "restore_points.sqlite") as catalogue:
        later = replace(point, id="near/infected", archive="infected", taken=taken, verdict=bad)
        catalogue.add(later, catalogue.manifest(point.id))


def by_two(home: Home, given: dict[str, str]) -> Ended:
    """What is not clean, by the word of two people."""
    asked = start(home, home.library.get("restore-unproven-copy"), given)
    for person in ("alice", "bob"):
        approve(home, asked.run.id, "restore", Approval(person, "the council waits"))
    return resume(home, asked.run.id)


def test_a_database_is_brought_to_a_second_and_to_no_other(town: Town) -> None:
    asked = ("backup", "restore", "--asset", ASSET, "--until", to_text(town.until), "--json")
    beyond = town.run(*asked)
    assert beyond.returncode == 1 and "does not reach" in beyond.stdout, "nobody brought the log yet"
    with Home(town.home) as home:
        brought = start(home, home.library.get("bring-log"), {"asset": ASSET})
        assert brought.run.state is RunState.SUCCEEDED, brought.run.because
        (point,) = home.catalogue.points(ASSET)
    done = town.run(*asked)
    assert done.returncode == 0, done.stdout
    found = town.database.notes_in(town.restored(done))
    assert town.before in found and town.after not in found
    early = town.run("backup", "restore", point.id, "--until", to_text(point.taken - timedelta(hours=1)))
    assert early.returncode == 2 and f"is before the oldest copy, {point.id}" in early.stderr
    future = town.run("backup", "verify", ASSET, "--until", "2099-01-01T00:00+08:00")
    assert future.returncode == 2 and "is in the future" in future.stderr
    reaches_a_vault_that_fetches(town.home)
    if town.engine != "mariadb":  # What follows is the same code for every engine.
        return
    infected(town.home, point, town.until)
    refused = town.run("backup", "restore", point.id, "--until", to_text(town.until))
    assert refused.returncode == 1 and "is not clean, and the log would bring that back" in refused.stdout
    with Home(town.home) as home:
        overruled = by_two(home, {"point": point.id, "asset": ASSET, "place": "room", "until": to_text(town.until)})
        assert overruled.run.state is RunState.SUCCEEDED, overruled.run.because
        (restored, _) = overruled.records
        assert "near/infected" in restored.outputs["overruled"]["en"]
    assert town.before in town.database.notes_in(Path(restored.outputs["directory"]))
    left = [path.name for path in (town.folder / "room").iterdir() if "-ledger-" not in path.name]
    assert left == [], "nothing is left of the trials"
