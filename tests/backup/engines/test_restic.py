"""Restic in trouble, on real repositories: behind a server that only takes additions, over sftp, killed, full."""

import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from backup.engine import Keys
from backup.engines.restic import restic
from backup.vaults import beside
from secops.model.city import Vault
from secops.model.step import LOCAL, Command, ProcedureFailed
from tests.backup.engines.test_borg import tiny_disk
from tests.backup.performing import Performing
from tests.backup.shelf import FIRST, PASSPHRASE, Shelf, later, make_shelf
from tests.lab.serving import folder_for_server, give_to_server, server_identity
from tests.lab.sshd import SSHD, free_port, pin, running_sshd

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("restic"), reason="restic is not installed"),
]
needs_sshd = pytest.mark.skipif(not SSHD, reason="sshd is not installed")
needs_rclone = pytest.mark.skipif(not shutil.which("rclone"), reason="rclone is not installed")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return make_shelf(tmp_path)


@contextmanager
def taking_additions(folder: Path) -> Iterator[str]:
    """A server for `folder` that lets nobody delete or replace what is there; gives its address."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        ["rclone", "serve", "restic", "--append-only", "--addr", address, str(folder)],
        env={**os.environ, "RCLONE_CONFIG": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 90
        while not answers(f"http://{address}/"):
            assert process.poll() is None and time.monotonic() < deadline, "rclone did not start"
            time.sleep(0.05)
        yield address
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        urlopen(url, timeout=1).close()
    except HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Shelf]:
    """A shelf whose vault is behind a real REST server that only takes additions; this machine keeps the vault."""
    folder = tmp_path / "served vault"
    folder.mkdir()
    with taking_additions(folder) as address:
        shelf = make_shelf(tmp_path, location=f"rest:http://{address}/")
        yield replace(shelf, vault=replace(shelf.vault, host=LOCAL, kept_in=str(folder)))


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Shelf]:
    """A shelf whose vault is behind a real sshd."""
    vault = tmp_path / "remote vault"
    vault.mkdir()
    with running_sshd(tmp_path / "sshd") as server:
        yield make_shelf(
            tmp_path,
            location=f"ssh://{server.user}@{server.address}:{server.port}{vault}",
            ssh_identity=str(server.client_key),
            ssh_known_hosts=str(server.known_hosts),
        )


def copy(performing: Performing, shelf: Shelf, archive: str, minutes: int = 0) -> None:
    performing.run(restic.backup(shelf.source, shelf.vault, shelf.keys, archive, later(minutes)))


def points(performing: Performing, shelf: Shelf) -> tuple[str, ...]:
    return performing.run(restic.points(shelf.source, shelf.vault, shelf.keys))


def read(performing: Performing, shelf: Shelf, archive: str) -> None:
    performing.run(restic.read_check(shelf.source, shelf.vault, shelf.keys, archive))


def check(performing: Performing, shelf: Shelf) -> None:
    performing.run(restic.check_repository(shelf.source, shelf.vault, shelf.keys))


def restore(performing: Performing, shelf: Shelf, archive: str, into: Path) -> None:
    point = shelf.point(restic, archive)
    performing.run(restic.restore(shelf.source, point, shelf.vault, shelf.keys, LOCAL, str(into)))


def command(shelf: Shelf) -> list[str]:
    """How restic is called for this vault, up to its verb."""
    effect = next(restic.points(shelf.source, shelf.vault, shelf.keys)).effect
    assert isinstance(effect, Command)
    return list(effect.argv[: effect.argv.index("snapshots")])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a repository but its locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "locks")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@needs_rclone
def test_a_vault_that_only_takes_additions_loses_nothing_to_an_intruder(
    performing: Performing, served: Shelf, tmp_path: Path
) -> None:
    (served.tree / "page").write_text("precious")
    copy(performing, served, "one")
    before = contents(tmp_path / "served vault")

    started = subprocess.Popen(
        [*command(served), "forget", "--prune", "latest"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdin and started.stderr
    with started:
        started.stdin.write(PASSPHRASE)
        started.stdin.close()
        assert any("403 Forbidden" in line for line in started.stderr)
        # It would try for half a minute.
        started.kill()

    root = served.vault.location.removeprefix("rest:")
    for path in before:
        url = f"{root}{path}" if not path.startswith("site/data/") else f"{root}site/data/{Path(path).name}"
        assert refused(Request(url, method="DELETE")), path
        assert refused(Request(url, data=b"rubbish", method="POST")), path
    assert contents(tmp_path / "served vault") == before
    assert points(performing, served) == ("one",)
    read(performing, served, "one")


def refused(request: Request) -> bool:
    try:
        urlopen(request, timeout=5).close()
    except HTTPError as answer:
        return 400 <= answer.code < 500
    return False


@needs_rclone
def test_copies_go_through_the_server_and_come_back(performing: Performing, served: Shelf, tmp_path: Path) -> None:
    for number in range(2):
        (served.tree / "page").write_text(f"version {number}")
        copy(performing, served, f"n{number}", number)
    restore(performing, served, "n0", tmp_path / "into")
    assert (tmp_path / "into" / "page").read_text() == "version 0"


@needs_rclone
def test_the_vaults_own_side_takes_copies_out_and_the_others_stay(performing: Performing, served: Shelf) -> None:
    for number in range(3):
        (served.tree / "page").write_text(f"version {number}")
        copy(performing, served, f"n{number}", number)
    performing.run(restic.expire(served.source, served.vault, served.keys, LOCAL, ("n0", "n1")))
    assert points(performing, served) == ("n2",)
    source, vault = beside(served.source, served.vault)
    assert vault.location == vault.directory, "the vault's side looks at its disk, not through the server"
    assert performing.run(restic.stock(source, vault, served.keys)).archives == ("n2",)
    read(performing, served, "n2")
    check(performing, served)


@needs_rclone
def test_a_vault_behind_a_server_must_say_where_it_is_kept(performing: Performing, served: Shelf) -> None:
    vault = replace(served.vault, kept_in="")
    with pytest.raises(ProcedureFailed, match="does not say in which directory of its host it is kept"):
        performing.run(restic.expire(served.source, vault, served.keys, LOCAL, ("one",)))


@needs_rclone
def test_a_server_that_is_away_is_not_taken_for_an_empty_vault(performing: Performing, shelf: Shelf) -> None:
    away = replace(shelf, vault=replace(shelf.vault, location=f"rest:http://127.0.0.1:{free_port()}/"))
    with pytest.raises(ProcedureFailed, match="the vault cannot be reached"):
        points(performing, away)
    with pytest.raises(ProcedureFailed, match="the vault cannot be reached"):
        copy(performing, away, "one")
    assert performing.changed == []


def test_a_vault_that_has_nothing_of_the_asset_is_a_sentence(performing: Performing, shelf: Shelf) -> None:
    with pytest.raises(ProcedureFailed, match="the vault has no repository of this asset"):
        points(performing, shelf)


@needs_sshd
def test_a_copy_goes_over_sftp_and_comes_back(performing: Performing, remote: Shelf, tmp_path: Path) -> None:
    (remote.tree / "page").write_text("over the line")
    copy(performing, remote, "one")
    copy(performing, remote, "two", 1)
    assert points(performing, remote) == ("one", "two")
    check(performing, remote)
    restore(performing, remote, "two", tmp_path / "into")
    assert (tmp_path / "into" / "page").read_text() == "over the line"
    assert (tmp_path / "remote vault" / "site" / "config").is_file()


@needs_sshd
def test_a_changed_host_key_is_refused(performing: Performing, remote: Shelf, tmp_path: Path) -> None:
    copy(performing, remote, "one")
    known = Path(remote.keys.ssh_known_hosts)
    port = int(known.read_text().split("]:")[1].split()[0])
    known.write_text(pin("127.0.0.1", port, tmp_path / "sshd" / "client_key"))
    with pytest.raises(ProcedureFailed, match="the vault's host key is not the pinned one"):
        read(performing, remote, "one")


def kill_a_copy(shelf: Shelf, archive: str, repository: Path) -> None:
    """Start the copy, wait until it has written something, and kill it."""
    process = subprocess.Popen(
        [*command(shelf), "backup", "--tag", f"archive={archive}", str(shelf.tree)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    process.stdin.write(PASSPHRASE.encode())
    process.stdin.close()
    deadline = time.monotonic() + 90
    while not (list(repository.glob("locks/*")) and list(repository.glob("data/*/*"))):
        assert process.poll() is None and time.monotonic() < deadline, "the copy was not caught at work"
        time.sleep(0.002)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("where", "folder"),
    [
        ("shelf", "deep/vault"),
        pytest.param("remote", "remote vault", marks=needs_sshd),
        pytest.param("served", "served vault", marks=needs_rclone),
    ],
)
def test_a_killed_copy_is_made_again(
    performing: Performing, tmp_path: Path, where: str, folder: str, request: pytest.FixtureRequest
) -> None:
    shelf: Shelf = request.getfixturevalue(where)
    repository = tmp_path / folder / "site"
    (shelf.tree / "page").write_bytes(os.urandom(60 << 20))
    performing.run(restic.prepare(shelf.source, shelf.vault, shelf.keys))
    kill_a_copy(shelf, "one", repository)
    assert points(performing, shelf) == ()
    copy(performing, shelf, "one")
    assert points(performing, shelf) == ("one",)
    assert list(repository.glob("locks/*")), "the lock of the killed copy is still there"
    check(performing, shelf)
    assert performing.changed == ["check the repository: drop the locks of the dead"]
    read(performing, shelf, "one")


def test_the_living_are_not_disturbed(performing: Performing, shelf: Shelf) -> None:
    """A copy that runs holds its lock: neither a check nor a clearing breaks it."""
    copy(performing, shelf, "one")
    (shelf.tree / "pipe").write_bytes(os.urandom(1 << 20))
    process = subprocess.Popen(
        [
            *command(shelf),
            "backup",
            "--stdin",
            "--tag",
            "archive=two",
            "--password-file",
            str(shelf.folder / "passphrase"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 90
        while not list(shelf.repository.glob("locks/*")):
            assert time.monotonic() < deadline, "the copy did not begin"
            time.sleep(0.01)
        for procedure in (
            restic.check_repository(shelf.source, shelf.vault, shelf.keys),
            restic.expire(shelf.source, shelf.vault, shelf.keys, LOCAL, ("one",)),
        ):
            with pytest.raises(ProcedureFailed, match="another operation holds the vault"):
                performing.run(procedure)
        process.communicate(b"the end", timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert points(performing, shelf) == ("one", "two")


def test_a_file_that_really_cannot_be_read_makes_the_copy_incomplete_every_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Restic runs as a user who may not read the file."""
    with folder_for_server("restic") as folder, Performing(folder) as performing:
        shelf = make_shelf(folder)
        (shelf.tree / "page").write_text("readable")
        (shelf.tree / "secret").write_text("x")
        give_to_server(folder)
        (shelf.tree / "secret").chmod(0)
        monkeypatch.setenv("PATH", f"{as_server(folder)}:{os.environ['PATH']}")
        for _again in range(2):
            with pytest.raises(ProcedureFailed, match=r"the copy is incomplete, 1 files could not be read: .*/secret"):
                copy(performing, shelf, "one")
            assert points(performing, shelf) == ()
        (shelf.tree / "secret").chmod(stat.S_IRUSR)
        copy(performing, shelf, "one")
        assert points(performing, shelf) == ("one",)
        restore(performing, shelf, "one", folder / "into")
        assert (folder / "into" / "secret").read_text() == "x"


def as_server(folder: Path) -> Path:
    """A folder for PATH in which `restic` is the real one, as the unprivileged user of servers when we are root."""
    programs = folder / "programs"
    programs.mkdir()
    found = shutil.which("restic")
    identity = server_identity()
    become = f"setpriv --reuid {identity['user']} --regid {identity['group']} --clear-groups " if identity else ""
    (programs / "restic").write_text(f'#!/bin/sh\nexec {become}{found} "$@"\n')
    (programs / "restic").chmod(0o755)
    return programs


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_leaves_the_vault_usable(performing: Performing, tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "tiny") as disk:
        shelf = make_shelf(tmp_path, location=str(disk))
        (shelf.tree / "page").write_text("small")
        copy(performing, shelf, "small")
        (shelf.tree / "big").write_bytes(os.urandom(3 << 20))
        with pytest.raises(ProcedureFailed, match="vault v1 is full; the copies in it are untouched"):
            copy(performing, shelf, "big", 1)
        assert points(performing, shelf) == ("small",)
        read(performing, shelf, "small")


def test_a_host_without_restic_is_told_what_to_install(
    performing: Performing, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for procedure in (
        restic.prepare(shelf.source, shelf.vault, shelf.keys),
        restic.backup(shelf.source, shelf.vault, shelf.keys, "one", FIRST),
    ):
        with pytest.raises(ProcedureFailed, match="Debian package restic"):
            performing.run(procedure)


def test_a_vault_on_another_host_needs_a_location_that_is_reached(performing: Performing, shelf: Shelf) -> None:
    with pytest.raises(ProcedureFailed, match="give it an ssh:// or rest: location"):
        performing.run(restic.prepare(shelf.source, replace(shelf.vault, host="somewhere-else"), shelf.keys))


def test_a_vault_over_ssh_needs_pinned_host_keys(performing: Performing, shelf: Shelf) -> None:
    away = Vault("v1", "c1", "ssh://nobody@127.0.0.1:1/vault")
    with pytest.raises(ProcedureFailed, match="no host keys are pinned"):
        performing.run(restic.prepare(shelf.source, away, Keys("${file:passphrase}", "/state")))
