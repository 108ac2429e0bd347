"""What every engine for databases must do, on real servers. An engine is one file in `backup/engines/`, a product one in
`tests/lab/databases/`; this suite tries every engine on every product that it copies."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest

import tests.lab.databases
from backup.comparison import compare
from backup.copying import Copy, take_copy
from backup.engine import CopyBroken, Engine, engines
from backup.listing import take_manifest
from backup.verification import Candidate, Scratch, verify
from secops.execution.executor import Boundary
from secops.model.city import Asset, AssetKind, CopiedBy, Product
from secops.model.restore_point import Proof, Rung
from secops.model.step import LOCAL, Command, Procedure, ProcedureFailed
from secops.model.text import Text
from secops.support.clock import now
from secops.support.language import choose
from secops.support.plugins import plugins_in
from tests.backup.performing import Performing
from tests.backup.shelf import PASSPHRASE, Shelf, make_shelf
from tests.contracts.test_engine import flip_a_byte
from tests.lab.database import DatabaseLab, RunningDatabase
from tests.lab.serving import folder_for_server, server_identity

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
_numbers = count(1)
Pair: TypeAlias = tuple[Engine, RunningDatabase, Product]


@cache
def labs() -> dict[str, DatabaseLab]:
    """Every product that a server can be started of, by name."""
    return plugins_in(tests.lab.databases, DatabaseLab)


def pairs() -> list[str]:
    """Each engine with each product that it copies, as `engine-product`."""
    return [
        f"{engine.name}-{lab.name}"
        for lab in labs().values()
        for engine in engines().values()
        if lab.product in engine.products and (None not in engine.products or engine.name in lab.told)
    ]


@dataclass
class Bench:
    """One server, one engine, a vault of its own for each test, and who performs."""

    engine: Engine
    database: RunningDatabase
    shelf: Shelf
    performing: Performing

    @property
    def source(self) -> Asset:
        return self.shelf.source

    def run(self, method: str, *arguments: object) -> object:
        """A procedure of the engine that takes the source, the vault and the keys first."""
        return self.performing.run(self.plan(method, *arguments)())

    def plan(self, method: str, *arguments: object) -> Callable[[], Procedure[object]]:
        called = getattr(self.engine, method)
        return lambda: called(self.source, self.shelf.vault, self.shelf.keys, *arguments)

    def copying(self, taken: datetime) -> Procedure[Copy]:
        return take_copy(self.engine, self.source, self.shelf.vault, self.shelf.keys, taken)

    def copy(self, taken: datetime | None = None) -> Copy:
        """A new copy; its name has whole seconds, so the moment does too."""
        return self.performing.run(self.copying(taken or moment()))

    def restore(self, copied: Copy, until: datetime | None = None, *, shelf: Shelf | None = None) -> Path:
        """Bring the copy back into a new folder, compare it with its manifest, make it ready."""
        used, into = shelf or self.shelf, self.shelf.folder / f"restored {next(_numbers)}"
        arguments = (copied.point, used.vault, used.keys, LOCAL, str(into), until)
        self.performing.run(self.engine.restore(self.source, *arguments))
        differences = compare(copied.manifest, self.performing.run(take_manifest(LOCAL, str(into), "list")))
        assert not differences, differences
        self.performing.run(self.engine.make_ready(self.source, LOCAL, str(into), until))
        return into

    def write(self) -> str:
        """A new note."""
        note = f"note {next(_numbers)}"
        self.database.write(note)
        return note


def moment() -> datetime:
    """The next whole second: names of copies have whole seconds, and what is written from then on is later."""
    present = now()
    time.sleep(1 - present.microsecond / 1e6 + 0.005)
    return now().replace(microsecond=0)


@pytest.fixture(scope="module", params=pairs())
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    name, _, product = request.param.rpartition("-")
    engine, lab = engines()[name], labs()[product]
    if missing := [program for program in (*engine.needs, *lab.needs) if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with lab.running() as database:
        yield engine, database, lab.product


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    choose("en")
    yield
    choose(None)


@pytest.fixture
def bench(pair: Pair) -> Iterator[Bench]:
    engine, database, product = pair
    with folder_for_server("suite") as folder, Performing(folder) as performing:
        yield make_bench(engine, database, product, folder, performing)


def make_bench(
    engine: Engine, database: RunningDatabase, product: Product, folder: Path, performing: Performing
) -> Bench:
    """A bench below `folder`; what the server's user must reach is that user's."""
    shelf = make_shelf(folder)
    for number, secret in enumerate(database.secrets):
        path = folder / ("login" if number == 0 else f"login{number}")
        path.write_text(secret)
        path.chmod(0o600)
    source = Asset(
        f"db{next(_numbers)}",
        AssetKind.DATABASE,
        Text("数据库", "database"),
        "c1",
        host=LOCAL,
        address=database.address,
        path=database.path,
        product=product,
        copied_by=CopiedBy(engine.name, database.options(engine.name)),
        tried_with=database.tried_with(),
    )
    for name in ("state", "deep", "deep/vault"):
        (folder / name).mkdir()
        if os.getuid() == 0:
            os.chown(folder / name, *(server_identity()[part] for part in ("user", "group")))
    bench = Bench(engine, database, replace(shelf, source=source), performing)
    performing.run(engine.prepare(source, shelf.vault, shelf.keys))
    database.attach(engine.name, shelf.vault, shelf.keys, source.id)
    return bench


def test_it_says_what_it_is(bench: Bench) -> None:
    engine = bench.engine
    assert engine.name and engine.needs and engine.describes.zh and engine.describes.en
    assert AssetKind.DATABASE in engine.kinds
    assert engine.options.__doc__


def test_what_is_restored_holds_what_was_there(bench: Bench) -> None:
    bench.write()
    there = bench.database.notes()
    copied = bench.copy()
    later = bench.write()
    assert copied.manifest.lines and copied.copied.added_bytes > 0
    found = bench.database.notes_in(bench.restore(copied))
    assert there <= found and later not in found


def test_every_copy_stays_what_it_was_and_is_listed_in_order(bench: Bench) -> None:
    states = []
    for _ in range(2):
        bench.write()
        states.append((bench.database.notes(), bench.copy()))
    assert bench.run("points") == tuple(copied.point.archive for _, copied in states)
    for notes, copied in states:
        assert bench.database.notes_in(bench.restore(copied)) == notes


def test_doing_it_again_changes_nothing(bench: Bench) -> None:
    taken = moment()
    first = bench.copy(taken)
    note = bench.write()
    again = bench.copy(taken)
    assert bench.run("points") == (first.point.archive,)
    assert again.manifest.lines, "the manifest is that of what the vault has, without owners and times"
    assert compare(again.manifest, first.manifest) == compare(first.manifest, again.manifest) == ()
    assert note not in bench.database.notes_in(bench.restore(again))


def test_a_directory_that_holds_something_is_refused(bench: Bench) -> None:
    copied = bench.copy()
    into = bench.shelf.folder / "taken"
    into.mkdir()
    (into / "mine").write_text("keep me")
    with pytest.raises(ProcedureFailed, match="is not empty"):
        arguments = (copied.point, bench.shelf.vault, bench.shelf.keys, LOCAL, str(into))
        bench.performing.run(bench.engine.restore(bench.source, *arguments))
    assert [path.name for path in into.iterdir()] == ["mine"]


def test_a_good_copy_reads_back_and_a_flipped_byte_is_damage(bench: Bench) -> None:
    archive = bench.copy().point.archive
    bench.run("check_repository")
    bench.run("read_sample", archive, 20)
    bench.run("read_check", archive)
    if bench.engine.encrypts:  # What keeps no file to read restores the copy for the look, and drops that again.
        assert bench.performing.changed == []
    flip_a_byte(bench.shelf.repository)
    with pytest.raises(CopyBroken):
        bench.run("read_check", archive)


def test_a_copy_that_is_gone_is_damage(bench: Bench) -> None:
    bench.copy()
    with pytest.raises(CopyBroken):
        bench.run("read_check", "db-20200101T000000Z")


def test_a_wrong_passphrase_says_nothing_about_the_copy(bench: Bench) -> None:
    if not bench.engine.encrypts:
        pytest.skip(f"{bench.engine.name} encrypts nothing")
    archive = bench.copy().point.archive
    other = replace(bench, shelf=bench.shelf.with_passphrase("not this one"))
    with pytest.raises(ProcedureFailed) as refusal:
        other.run("read_check", archive)
    assert not isinstance(refusal.value, CopyBroken)
    bench.run("read_check", archive)


def test_a_rehearsal_changes_nothing(bench: Bench) -> None:
    copied = bench.copy()
    before = everything_below(bench.shelf.folder)
    points = bench.run("points")
    bench.performing.rehearse(bench.copying(moment()))
    into = bench.shelf.folder / "rehearsed"
    arguments = (copied.point, bench.shelf.vault, bench.shelf.keys, LOCAL, str(into))
    bench.performing.rehearse(bench.engine.restore(bench.source, *arguments))
    assert everything_below(bench.shelf.folder) - before == set()
    assert bench.run("points") == points


def test_secrets_are_on_nobodys_list(bench: Bench) -> None:
    """Neither in argv nor in an environment; what the journal keeps is the reference; files that hold one are closed."""
    copied = bench.copy()
    performed = list(bench.performing.performed)
    bench.restore(copied)
    performed += bench.performing.performed
    secrets = (PASSPHRASE, *bench.database.secrets)
    for each in performed:
        effect = each.step.effect
        assert isinstance(effect, Command)
        seen = f"{effect.argv} {dict(effect.env)} {each.result.output} {each.result.error_output}"
        assert "${file:" not in seen
        assert not [secret for secret in secrets if secret in seen or secret in effect.stdin], each.step.name
    for path in files_below(bench.shelf.folder / "state"):
        held = [secret for secret in secrets if secret.encode() in path.read_bytes()]
        assert not held or path.stat().st_mode & 0o077 == 0, f"{path} holds a secret and may be read by others"


def test_staging_is_cleared(bench: Bench) -> None:
    bench.copy()
    assert files_below(bench.shelf.folder / "state" / "staging") == []


@pytest.mark.parametrize("boundary", [Boundary.AFTER_INTENT, Boundary.AFTER_EFFECT])
def test_a_copy_that_is_killed_at_every_step_is_taken_up_again(bench: Bench, boundary: Boundary) -> None:
    bench.copy()
    bench.write()
    taken = moment()
    copied = bench.performing.interrupt_everywhere(lambda: bench.copying(taken), boundary)
    assert bench.run("points")[1:] == (copied.point.archive,)  # type: ignore[index]
    bench.run("read_check", copied.point.archive)
    assert bench.database.notes_in(bench.restore(copied)) == bench.database.notes()


def test_it_goes_on_to_a_moment(bench: Bench) -> None:
    if not bench.engine.point_in_time:
        pytest.skip(f"{bench.engine.name} restores copies as they are")
    copied = bench.copy()
    before = bench.write()
    until = after_a_second()
    after = bench.write()
    reach = bench.run("bring_log", moment())
    assert isinstance(reach, datetime) and reach > until
    found = bench.database.notes_in(bench.restore(copied, until))
    assert before in found and after not in found
    whole = bench.database.notes_in(bench.restore(copied, reach.replace(microsecond=0)))
    assert before in whole


def test_a_moment_that_the_log_does_not_reach_is_refused(bench: Bench) -> None:
    if not bench.engine.point_in_time:
        pytest.skip(f"{bench.engine.name} restores copies as they are")
    copied = bench.copy()
    with pytest.raises(ProcedureFailed):
        bench.restore(copied, datetime(2099, 1, 1, tzinfo=UTC))


def test_all_rungs_are_climbed_in_one_run(bench: Bench) -> None:
    """Each rung asks the vault by itself; no two steps of the run may bear one name."""
    copied = bench.copy()
    opened = (bench.shelf.vault, bench.shelf.keys)
    candidate = Candidate(bench.engine, bench.source, copied.point, *opened, copied.manifest)
    scratch = Scratch(LOCAL, str(bench.shelf.folder / "scratch"))
    proven = bench.performing.run(verify(candidate, scratch, now(), upto=Rung.RESTORE)).verdict
    assert (proven.rung, proven.restorable) == (Rung.RESTORE, Proof.YES), proven.because


def test_old_copies_are_taken_out(bench: Bench) -> None:
    bench.write()
    old, new = bench.copy(), bench.copy()
    arguments = (bench.source, bench.shelf.vault, bench.shelf.keys, LOCAL, [old.point.archive])
    bench.performing.run(bench.engine.expire(*arguments))
    bench.performing.run(bench.engine.expire(*arguments))
    assert bench.run("points") == (new.point.archive,)
    assert bench.database.notes_in(bench.restore(new)) == bench.database.notes()


def after_a_second() -> datetime:
    """A whole second with nothing written in it: all before it is written, all after it is not."""
    time.sleep(1.1)
    present = now()
    time.sleep(1.1)
    return present.replace(microsecond=0)


def everything_below(folder: Path) -> set[str]:
    """Paths, without what performing itself and locks leave."""
    kept = (path for path in folder.rglob("*") if "journal.sqlite" not in path.name and "lock" not in path.name)
    return {str(path) for path in kept if "/.cache/" not in str(path) and "/.config/" not in str(path)}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
