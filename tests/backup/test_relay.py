"""A copy of a copy, over a real sshd: without a key, cut in the middle and taken up again, never half."""

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from backup.engine import CopyBroken, Engine, Keys, engines
from backup.engines.borg import borg
from backup.relay import STATES_KEPT, Fetched, Hop, relay
from secops.execution.executor import Boundary
from secops.model.city import Line, Vault
from secops.model.step import Procedure, ProcedureFailed
from tests.backup.performing import Performing
from tests.backup.shelf import FIRST, Shelf, later, make_shelf
from tests.lab.sshd import SSHD, Sshd, running_sshd

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("borg") and shutil.which("rsync") and SSHD), reason="borg, rsync or sshd is not installed"
    ),
]


@dataclass(frozen=True)
class Pair:
    """A source, the vault that it copies into, and the vault that fetches from that one."""

    shelf: Shelf
    hop: Hop
    server: Sshd

    @property
    def remote(self) -> Shelf:
        """The source as the far vault has it."""
        return replace(self.shelf, vault=self.hop.target, source=replace(self.shelf.source, host="far-host"))

    @property
    def keeps(self) -> Path:
        """The far vault's own folder."""
        return Path(self.hop.target.location)

    def slow(self, limit: str) -> Hop:
        return replace(self.hop, target=replace(self.hop.target, line=Line(limit)))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    near, far = tmp_path / "near", tmp_path / "far"
    near.mkdir()
    far.mkdir()
    with running_sshd(tmp_path / "sshd") as server:
        shelf = make_shelf(tmp_path, location=str(near))
        seen = f"ssh://{server.user}@{server.address}:{server.port}{near}"
        origin = Vault("near", "c2", seen, host="near-host")
        target = Vault("far", "c3", str(far), host="far-host", pulls_from="near")
        # What opens the copies is not there for the hop: no passphrase, no caches.
        keys = Keys("", "/nonexistent", str(server.client_key), str(server.known_hosts))
        yield Pair(shelf, Hop(borg, shelf.source, origin, target, keys), server)


def copy(performing: Performing, shelf: Shelf, archive: str, minutes: int = 0) -> None:
    performing.run(borg.backup(shelf.source, shelf.vault, shelf.keys, archive, later(minutes)))


def fetch(performing: Performing, hop: Hop, minutes: int = 60) -> Fetched:
    return performing.run(relay(hop, later(minutes)))


def points(performing: Performing, shelf: Shelf) -> tuple[str, ...]:
    return performing.run(borg.points(shelf.source, shelf.vault, shelf.keys))


def restored(performing: Performing, shelf: Shelf, archive: str, into: Path) -> bytes:
    point = shelf.point(borg, archive)
    performing.run(borg.restore(shelf.source, point, shelf.vault, shelf.keys, "far-host", str(into)))
    return (into / "page").read_bytes()


def test_a_copy_of_a_copy_restores_and_only_what_is_new_travels(
    performing: Performing, pair: Pair, tmp_path: Path
) -> None:
    first, second = os.urandom(3 << 20), os.urandom(1 << 20)
    (pair.shelf.tree / "page").write_bytes(first)
    copy(performing, pair.shelf, "one")
    fetched = fetch(performing, pair.hop)
    assert fetched.size_bytes >= fetched.fetched_bytes >= 3 << 20
    assert points(performing, pair.remote) == ("one",)
    (pair.shelf.tree / "page").write_bytes(second)
    copy(performing, pair.shelf, "two", 1)
    assert points(performing, pair.remote) == ("one",), "the far vault is what it was until it fetches again"
    again = fetch(performing, pair.hop, 61)
    assert again.size_bytes >= 4 << 20 and again.fetched_bytes < 2 << 20
    assert points(performing, pair.remote) == ("one", "two")
    assert restored(performing, pair.remote, "one", tmp_path / "r1") == first
    assert restored(performing, pair.remote, "two", tmp_path / "r2") == second
    checked = subprocess.run(
        ["borg", "check", "--repository-only", str(pair.keeps / "site")],
        env={**os.environ, "BORG_BASE_DIR": str(tmp_path / "checker"), "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


def test_a_cut_line_leaves_no_half_copy_and_the_next_run_goes_on(performing: Performing, pair: Pair) -> None:
    (pair.shelf.tree / "page").write_bytes(os.urandom(12 << 20))
    copy(performing, pair.shelf, "one")
    cutter = threading.Thread(target=cut_when_some_arrived, args=(pair,))
    cutter.start()
    with pytest.raises(ProcedureFailed, match="did not end; what has arrived stays for the next run"):
        fetch(performing, pair.slow("3M"))
    cutter.join()
    arrived = size_of(pair.keeps / ".incoming")
    assert arrived > 1 << 20
    assert not (pair.keeps / "site").exists()
    assert list((pair.keeps / ".states/site").iterdir()) == []
    fetched = fetch(performing, pair.hop, 61)
    told = next(each.result.output for each in performing.performed if each.step.name == "fetch")
    matched = re.search(r"^Matched data: ([\d,]+) bytes", told, re.M)
    assert matched and int(matched[1].replace(",", "")) > 1 << 20, "what had arrived did not travel again"
    assert fetched.size_bytes > 12 << 20
    assert points(performing, pair.remote) == ("one",)
    performing.run(borg.read_check(pair.remote.source, pair.remote.vault, pair.remote.keys, "one"))


def cut_when_some_arrived(pair: Pair) -> None:
    deadline = time.monotonic() + 30
    while size_of(pair.keeps / ".incoming") < 4 << 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    pair.server.kill_sessions()


def size_of(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # rsync renames its temporary files
            continue
    return total


def test_a_file_that_is_not_what_was_sent_is_not_taken_over(performing: Performing, pair: Pair) -> None:
    (pair.shelf.tree / "page").write_bytes(os.urandom(2 << 20))
    copy(performing, pair.shelf, "one")
    fetch(performing, pair.hop)
    (pair.shelf.tree / "page").write_bytes(os.urandom(2 << 20))
    copy(performing, pair.shelf, "two", 1)
    with pytest.raises(ProcedureFailed, match="is not what was sent; it is not taken over"):
        performing.run(spoiled(pair))
    assert points(performing, pair.remote) == ("one",)
    fetch(performing, pair.hop, 62)
    assert points(performing, pair.remote) == ("one", "two"), "the next run mends what arrived broken"


def spoiled(pair: Pair) -> Procedure[Fetched]:
    """Flips a byte of what has arrived, before it is compared."""
    procedure = relay(pair.hop, later(61))
    step = next(procedure)
    try:
        while True:
            if step.name == "list what is new":
                files = (path for path in (pair.keeps / ".incoming/site/data").rglob("*") if path.is_file())
                new = [path for path in files if path.stat().st_nlink == 1]
                largest = max(new, key=lambda path: path.stat().st_size)
                content = bytearray(largest.read_bytes())
                content[len(content) // 2] ^= 1
                largest.write_bytes(content)
            step = procedure.send((yield step))
    except StopIteration as stop:
        fetched: Fetched = stop.value
        return fetched


def test_older_states_go_and_the_newest_few_stay(performing: Performing, pair: Pair) -> None:
    for number in range(STATES_KEPT + 2):
        (pair.shelf.tree / "page").write_text(f"version {number}")
        copy(performing, pair.shelf, f"n{number}", number)
        fetch(performing, pair.hop, 60 + number)
    states = sorted(path.name for path in (pair.keeps / ".states/site").iterdir())
    assert len(states) == STATES_KEPT
    assert (pair.keeps / "site").resolve().name == states[-1]
    assert len(points(performing, pair.remote)) == STATES_KEPT + 2


@pytest.mark.parametrize("step", ["fetch", "set the whole state aside", "make the link to it", "switch to it"])
@pytest.mark.parametrize("boundary", [Boundary.AFTER_INTENT, Boundary.AFTER_EFFECT])
def test_a_killed_run_goes_on(performing: Performing, pair: Pair, step: str, boundary: Boundary) -> None:
    (pair.shelf.tree / "page").write_text("good")
    copy(performing, pair.shelf, "one")
    moment = FIRST + timedelta(hours=1)
    performing.interrupt_and_resume(lambda: relay(pair.hop, moment), boundary, step)
    assert points(performing, pair.remote) == ("one",)
    performing.run(borg.read_check(pair.remote.source, pair.remote.vault, pair.remote.keys, "one"))


def test_a_changed_host_key_fetches_nothing(performing: Performing, pair: Pair) -> None:
    copy(performing, pair.shelf, "one")
    known = Path(pair.hop.keys.ssh_known_hosts)
    known.write_text(known.read_text().replace("ed25519 AAAA", "ed25519 AAAB"))
    with pytest.raises(ProcedureFailed, match="did not end"):
        fetch(performing, pair.hop)
    assert not (pair.keeps / "site").exists()


def test_an_origin_without_a_copy_is_a_sentence(performing: Performing, pair: Pair) -> None:
    with pytest.raises(ProcedureFailed, match="vault near cannot be read"):
        fetch(performing, pair.hop)


def test_an_engine_whose_repositories_are_no_files_refuses(performing: Performing, pair: Pair) -> None:
    class Streams(type(borg)):  # type: ignore[misc]
        name = "streams"
        at_rest = Engine.at_rest

    with pytest.raises(ProcedureFailed, match="repositories of streams cannot be copied as files"):
        fetch(performing, replace(pair.hop, engine=Streams()))
    assert "streams" not in engines()


def test_odd_paths_are_refused(performing: Performing, pair: Pair) -> None:
    odd = replace(pair.hop.target, location="/a b")
    with pytest.raises(ProcedureFailed, match="is not a plain path"):
        fetch(performing, replace(pair.hop, target=odd))


def test_a_rehearsal_changes_nothing(performing: Performing, pair: Pair) -> None:
    copy(performing, pair.shelf, "one")
    performing.rehearse(relay(pair.hop, later(60)))
    assert list(pair.keeps.iterdir()) == []
    assert not (Path(pair.shelf.vault.location) / ".outgoing").exists()


def test_copies_go_on_the_vaults_side_alone(performing: Performing, pair: Pair) -> None:
    shelf = pair.shelf
    for number in range(4):
        (shelf.tree / "page").write_bytes(os.urandom(1 << 20))
        copy(performing, shelf, f"n{number}", number)
    before = size_of(shelf.repository)
    vault = replace(pair.hop.origin, location=shelf.vault.location)
    performing.run(borg.expire(shelf.source, vault, shelf.keys, "near-host", ("n0", "n2", "gone-already")))
    assert points(performing, shelf) == ("n1", "n3")
    assert size_of(shelf.repository) < before - (1 << 20)
    with pytest.raises(CopyBroken):
        performing.run(borg.read_check(shelf.source, shelf.vault, shelf.keys, "n0"))
    performing.run(borg.read_check(shelf.source, shelf.vault, shelf.keys, "n3"))
    performing.run(borg.expire(shelf.source, vault, shelf.keys, "near-host", ("n0", "n2")))
    assert points(performing, shelf) == ("n1", "n3")


def test_what_a_vault_holds_and_who_it_is(performing: Performing, pair: Pair, tmp_path: Path) -> None:
    (pair.shelf.tree / "page").write_bytes(os.urandom(1 << 20))
    copy(performing, pair.shelf, "one")
    shelf = pair.shelf
    stock = performing.run(borg.stock(shelf.source, shelf.vault, shelf.keys))
    assert stock.archives == ("one",) and stock.size_bytes > 1 << 20
    again = performing.run(borg.stock(shelf.source, shelf.vault, shelf.keys))
    assert again == stock
    shutil.rmtree(shelf.repository)
    fresh = replace(shelf, keys=replace(shelf.keys, state_directory=str(tmp_path / "fresh")))
    copy(performing, fresh, "one")
    other = performing.run(borg.stock(fresh.source, fresh.vault, fresh.keys))
    assert other.identity != stock.identity
