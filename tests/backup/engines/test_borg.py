"""Borg in trouble, on real repositories: full, locked, killed, over ssh, append-only."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from backup.engine import Copied, CopyBroken, Keys
from backup.engines.borg import INCOMPLETE, borg
from backup.vaults import append_only_line
from secops.model.city import Line, Vault
from secops.model.step import LOCAL, Procedure, ProcedureFailed
from tests.backup.performing import Performing
from tests.backup.shelf import FIRST, PASSPHRASE, Shelf, later, make_shelf
from tests.backup.trees import make_tree
from tests.lab.sshd import SSHD, descendants, pin, public, running_sshd

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("borg"), reason="borg is not installed"),
]
needs_sshd = pytest.mark.skipif(not SSHD, reason="sshd is not installed")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return make_shelf(tmp_path)


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Shelf]:
    """A shelf whose vault is behind a real sshd that allows appending and nothing else."""
    vault = tmp_path / "remote vault"
    vault.mkdir()
    with running_sshd(tmp_path / "sshd") as server:
        line = append_only_line(public(server.client_key), str(vault))
        (tmp_path / "sshd" / "authorized_keys").write_text(line + "\n")
        location = f"ssh://{server.user}@{server.address}:{server.port}{vault}"
        yield make_shelf(
            tmp_path,
            location=location,
            ssh_identity=str(server.client_key),
            ssh_known_hosts=str(server.known_hosts),
        )


def copy(performing: Performing, shelf: Shelf, archive: str, minutes: int = 0) -> None:
    performing.run(borg.prepare(shelf.source, shelf.vault, shelf.keys))
    performing.run(borg.backup(shelf.source, shelf.vault, shelf.keys, archive, later(minutes)))


def points(performing: Performing, shelf: Shelf) -> tuple[str, ...]:
    return performing.run(borg.points(shelf.source, shelf.vault, shelf.keys))


def read(performing: Performing, shelf: Shelf, archive: str) -> None:
    performing.run(borg.read_check(shelf.source, shelf.vault, shelf.keys, archive))


def by_hand(shelf: Shelf, *argv: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What an intruder on the source does: borg with the source's own keys."""
    effect = next(borg.points(shelf.source, shelf.vault, shelf.keys)).effect
    env = {**os.environ, **effect.env, **environment}  # type: ignore[union-attr]
    return subprocess.run(["borg", *argv], env=env, input=PASSPHRASE, capture_output=True, text=True, timeout=280)


@needs_sshd
def test_a_copy_goes_over_ssh_and_comes_back(performing: Performing, remote: Shelf, tmp_path: Path) -> None:
    remote.tree.rmdir()
    make_tree(remote.tree)
    copy(performing, remote, "one")
    copy(performing, remote, "two", 1)
    assert points(performing, remote) == ("one", "two")
    read(performing, remote, "two")
    into = tmp_path / "into"
    performing.run(borg.restore(remote.source, remote.point(borg, "two"), remote.vault, remote.keys, LOCAL, str(into)))
    compared = subprocess.run(["diff", "-r", "--no-dereference", str(remote.tree), str(into)], capture_output=True)
    assert b"Only in" not in compared.stdout and b"differ" not in compared.stdout


@needs_sshd
def test_an_append_only_vault_loses_nothing_to_an_intruder(
    performing: Performing, remote: Shelf, tmp_path: Path
) -> None:
    (remote.tree / "page").write_text("precious")
    copy(performing, remote, "one")
    vault = tmp_path / "remote vault" / "site"
    before = {path.name: path.read_bytes() for path in (vault / "data" / "0").iterdir()}
    address = f"{remote.vault.location}/{remote.source.id}"

    destroyed = by_hand(remote, "delete", address, BORG_DELETE_I_KNOW_WHAT_I_AM_DOING="YES")
    assert destroyed.returncode == 2
    assert "is in append-only mode" in destroyed.stderr
    by_hand(remote, "delete", f"{address}::one")
    by_hand(remote, "compact", address)
    with pytest.raises(CopyBroken):
        read(performing, remote, "one")

    after = {path.name: path.read_bytes() for path in (vault / "data" / "0").iterdir()}
    assert before.items() <= after.items(), "segments are only ever added"
    roll_back(vault, {int(name) for name in before})
    with pytest.raises(ProcedureFailed, match="rolled back or replaced"):
        read(performing, remote, "one")
    fresh = replace(remote, keys=replace(remote.keys, state_directory=str(tmp_path / "fresh state")))
    read(performing, fresh, "one")


def roll_back(repository: Path, keep: set[int]) -> None:
    """What the vault's keeper does: forget every transaction after the last good one."""
    for segment in (repository / "data" / "0").iterdir():
        if int(segment.name) not in keep:
            segment.unlink()
    for name in ("index", "hints", "integrity"):
        for path in repository.glob(f"{name}.*"):
            path.unlink()


@needs_sshd
def test_the_forced_command_keeps_to_its_directory(performing: Performing, remote: Shelf, tmp_path: Path) -> None:
    elsewhere = replace(remote.vault, location=remote.vault.location.removesuffix("remote vault") + "elsewhere")
    with pytest.raises(ProcedureFailed, match="the vault does not allow this path"):
        performing.run(borg.prepare(remote.source, elsewhere, remote.keys))
    assert not (tmp_path / "elsewhere").exists()


@needs_sshd
def test_a_changed_host_key_is_refused(performing: Performing, remote: Shelf, tmp_path: Path) -> None:
    copy(performing, remote, "one")
    known = Path(remote.keys.ssh_known_hosts)
    port = int(known.read_text().split("]:")[1].split()[0])
    known.write_text(pin("127.0.0.1", port, tmp_path / "sshd" / "client_key"))
    with pytest.raises(ProcedureFailed, match="the vault's host key is not the pinned one"):
        read(performing, remote, "one")


@needs_sshd
def test_a_key_that_is_not_authorised_is_a_sentence(performing: Performing, remote: Shelf, tmp_path: Path) -> None:
    (tmp_path / "sshd" / "authorized_keys").write_text("")
    with pytest.raises(ProcedureFailed, match="the vault does not accept the login key"):
        performing.run(borg.prepare(remote.source, remote.vault, remote.keys))


def test_a_vault_that_does_not_answer_is_a_sentence(performing: Performing, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "known").write_text("")
    away = Vault("v1", "c1", "ssh://nobody@127.0.0.1:1/vault")
    keys = replace(shelf.keys, ssh_known_hosts=str(tmp_path / "known"))
    with pytest.raises(ProcedureFailed, match="the vault cannot be reached"):
        performing.run(borg.prepare(shelf.source, away, keys))


@contextmanager
def tiny_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk of our own cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill_the_vault(performing: Performing, shelf: Shelf, too_much_bytes: int = 3 << 20) -> None:
    """A good copy, one that does not fit, and the proof that the first is still good and a small one still fits."""
    (shelf.tree / "page").write_text("small")
    copy(performing, shelf, "small")
    (shelf.tree / "big").write_bytes(os.urandom(too_much_bytes))
    with pytest.raises(ProcedureFailed, match=r"vault v1 is full; the copies in it are untouched"):
        copy(performing, shelf, "big", 1)
    assert points(performing, shelf) == ("small",)
    read(performing, shelf, "small")
    (shelf.tree / "big").unlink()
    copy(performing, shelf, "again", 2)
    assert points(performing, shelf) == ("small", "again")
    read(performing, shelf, "again")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_leaves_the_vault_usable(performing: Performing, tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "tiny") as disk:
        fill_the_vault(performing, make_shelf(tmp_path, location=str(disk)))


@needs_sshd
@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_behind_ssh_leaves_the_vault_usable(performing: Performing, remote: Shelf, tmp_path: Path) -> None:
    (tmp_path / "remote vault").rmdir()
    with tiny_disk(tmp_path / "remote vault"):
        fill_the_vault(performing, remote)


@needs_sshd
def test_a_quota_that_is_reached_leaves_the_vault_usable(performing: Performing, remote: Shelf, tmp_path: Path) -> None:
    line = append_only_line(public(Path(remote.keys.ssh_identity)), str(tmp_path / "remote vault"), "10M")
    (tmp_path / "sshd" / "authorized_keys").write_text(line + "\n")
    fill_the_vault(performing, remote, 12 << 20)


def wait_for(condition: str, repository: Path) -> None:
    deadline = time.monotonic() + 90
    while not list(repository.glob(condition)):
        assert time.monotonic() < deadline, f"no {condition}"
        time.sleep(0.005)


def start(shelf: Shelf, archive: str) -> "subprocess.Popen[bytes]":
    """The command of the step that copies, started and left alone."""
    procedure = borg.backup(shelf.source, shelf.vault, shelf.keys, archive, FIRST)
    command = next(procedure).effect
    process = subprocess.Popen(
        command.argv,  # type: ignore[union-attr]
        env={**os.environ, **command.env},  # type: ignore[union-attr]
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    process.stdin.write(PASSPHRASE.encode())
    process.stdin.close()
    return process


@pytest.mark.parametrize("over_ssh", [False, pytest.param(True, marks=needs_sshd)])
def test_a_killed_copy_is_made_again(
    performing: Performing, tmp_path: Path, over_ssh: bool, request: pytest.FixtureRequest
) -> None:
    shelf: Shelf = request.getfixturevalue("remote" if over_ssh else "shelf")
    repository = tmp_path / "remote vault" / "site" if over_ssh else shelf.repository
    (shelf.tree / "page").write_bytes(os.urandom(60 << 20))
    performing.run(borg.prepare(shelf.source, shelf.vault, shelf.keys))
    process = start(shelf, "one")
    wait_for("lock.exclusive", repository)
    wait_for("data/0/[2-9]", repository)
    below = descendants(process.pid)
    process.kill()
    for pid in below:
        os.kill(pid, signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    performing.run(borg.backup(shelf.source, shelf.vault, shelf.keys, "one", FIRST))
    assert performing.changed == ["copy the source"]
    assert points(performing, shelf) == ("one",)
    read(performing, shelf, "one")


@needs_sshd
def test_a_slow_line_that_is_cut_leaves_no_half_copy(performing: Performing, remote: Shelf, tmp_path: Path) -> None:
    """Its ssh alone is killed. The ledger: no copy, and then one with every byte."""
    content = os.urandom(16 << 20)
    (remote.tree / "page").write_bytes(content)
    performing.run(borg.prepare(remote.source, remote.vault, remote.keys))
    slow = replace(remote, vault=replace(remote.vault, line=Line("2M")))
    began = time.monotonic()
    cutting = threading.Thread(target=_cut_when_there_is, args=(tmp_path / "remote vault/site", "data/0/[1-9]"))
    cutting.start()
    with pytest.raises(ProcedureFailed, match="copying site failed") as failed:
        performing.run(borg.backup(slow.source, slow.vault, slow.keys, "one", FIRST))
    cutting.join(90)
    assert time.monotonic() - began < 80, "a line that is cut is not waited for"
    assert not isinstance(failed.value, CopyBroken)
    assert points(performing, remote) == ()
    performing.run(borg.backup(remote.source, remote.vault, remote.keys, "one", FIRST))
    into = str(tmp_path / "back")
    performing.run(borg.restore(remote.source, remote.point(borg, "one"), remote.vault, remote.keys, LOCAL, into))
    assert (tmp_path / "back/page").read_bytes() == content


def _cut_when_there_is(repository: Path, condition: str) -> None:
    """Ends the ssh that this process has started through borg."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        lines = [pid for pid in descendants(os.getpid()) if Path(f"/proc/{pid}/comm").read_text() == "ssh\n"]
        if lines and list(repository.glob(condition)):
            os.kill(lines[0], signal.SIGKILL)
            return
        time.sleep(0.01)


def test_a_copy_that_went_on_without_us_is_waited_for(performing: Performing, shelf: Shelf) -> None:
    (shelf.tree / "page").write_bytes(os.urandom(40 << 20))
    performing.run(borg.prepare(shelf.source, shelf.vault, shelf.keys))
    process = start(shelf, "one")
    wait_for("lock.exclusive", shelf.repository)
    copied = performing.run(borg.backup(shelf.source, shelf.vault, shelf.keys, "one", FIRST))
    assert process.wait(20) == 0
    assert points(performing, shelf) == ("one",)
    assert copied.added_bytes > 0


def test_a_file_that_changes_meanwhile_is_remarked(performing: Performing, shelf: Shelf) -> None:
    performing.run(borg.prepare(shelf.source, shelf.vault, shelf.keys))
    log = shelf.tree / "log"
    log.write_bytes(os.urandom(8 << 20))
    writer = subprocess.Popen(
        ["python3", "-c", "import os,sys,time\nwhile True:\n os.utime(sys.argv[1]); time.sleep(0.0005)", str(log)]
    )
    try:
        copied = performing.run(borg.backup(shelf.source, shelf.vault, shelf.keys, "one", FIRST))
    finally:
        writer.kill()
        writer.wait()
    assert any("file changed while we backed it up" in warning for warning in copied.warnings)
    assert points(performing, shelf) == ("one",)


class Shortened:
    """Borg on a host where `create` could not read one file."""

    def __init__(self, performing: Performing) -> None:
        self._performing = performing

    def backup(self, shelf: Shelf) -> None:
        procedure = borg.backup(shelf.source, shelf.vault, shelf.keys, "one", FIRST)
        self._performing.run(self._shortened(procedure))

    def _shortened(self, procedure: Procedure[Copied]) -> Procedure[Copied]:
        step = next(procedure)
        result = yield step
        assert result.ok
        warning = "secret: open: [Errno 13] Permission denied: 'secret'"
        step = procedure.send(replace(result, exit_code=1, error_output=warning))
        while True:
            try:
                step = procedure.send((yield step))
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]


def test_a_copy_that_lacks_a_file_is_set_aside_every_time(performing: Performing, shelf: Shelf) -> None:
    performing.run(borg.prepare(shelf.source, shelf.vault, shelf.keys))
    (shelf.tree / "page").write_text("x")
    for _ in range(2):
        with pytest.raises(ProcedureFailed, match="the copy is incomplete, 1 files could not be read: secret"):
            Shortened(performing).backup(shelf)
        assert points(performing, shelf) == ()
    listed = by_hand(shelf, "list", "--short", str(shelf.repository))
    assert listed.stdout.split() == [f"one.{number}{INCOMPLETE}" for number in (1, 2)]


def test_a_file_that_really_cannot_be_read_makes_the_copy_incomplete(performing: Performing, shelf: Shelf) -> None:
    performing.run(borg.prepare(shelf.source, shelf.vault, shelf.keys))
    (shelf.tree / "secret").write_text("x")
    (shelf.tree / "secret").chmod(0)
    if os.access(shelf.tree / "secret", os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(ProcedureFailed, match="the copy is incomplete, 1 files could not be read"):
        performing.run(borg.backup(shelf.source, shelf.vault, shelf.keys, "one", FIRST))


def test_a_host_without_borg_is_told_what_to_install(
    performing: Performing, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ProcedureFailed, match="Debian package borgbackup"):
        performing.run(borg.prepare(shelf.source, shelf.vault, shelf.keys))


def test_a_vault_on_another_host_needs_an_ssh_location(performing: Performing, shelf: Shelf) -> None:
    away = replace(shelf.vault, host="somewhere-else")
    with pytest.raises(ProcedureFailed, match="give it an ssh:// location"):
        performing.run(borg.prepare(shelf.source, away, shelf.keys))


def test_a_vault_over_ssh_needs_pinned_host_keys(performing: Performing, shelf: Shelf) -> None:
    away = Vault("v1", "c1", "ssh://nobody@127.0.0.1:1/vault")
    with pytest.raises(ProcedureFailed, match="no host keys are pinned"):
        performing.run(borg.prepare(shelf.source, away, Keys("${file:passphrase}", "/state")))
