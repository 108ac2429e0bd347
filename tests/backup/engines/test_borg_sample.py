"""Which files of a copy are read back as a sample, and that an append-only vault over ssh lets us look."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.engines.borg import borg, sample_of
from backup.vaults import append_only_line
from tests.backup.performing import Performing
from tests.backup.shelf import FIRST, Shelf, make_shelf
from tests.lab.sshd import SSHD, public, running_sshd


def listing(sizes: dict[str, int]) -> str:
    return "d 0 .\0" + "".join(f"- {size} {path}\0" for path, size in sizes.items())


FILES = listing({f"file {number}": 100 for number in range(200)})


def test_about_so_much_is_chosen_and_other_files_each_time() -> None:
    chosen = sample_of(FILES, 10, "monday")
    assert chosen is not None and len(chosen) == 20
    assert chosen == sample_of(FILES, 10, "monday")
    assert set(chosen) != set(sample_of(FILES, 10, "tuesday") or ())


def test_everything_is_read_when_all_is_asked_for_or_nothing_can_be_named() -> None:
    assert sample_of(FILES, 100, "x") is None
    assert sample_of(listing({"new\nline": 5, "tab\t": 5}), 10, "x") is None
    assert sample_of("- 1 x\0" * 900_000, 10, "x") is None, "a listing that was cut off"


def test_a_copy_without_content_has_no_sample() -> None:
    assert sample_of(listing({}), 10, "x") == ()
    assert sample_of("", 10, "x") == ()


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: "\0" not in name), st.integers(0, 10**6), max_size=30))
def test_what_is_chosen_is_there_and_can_be_an_argument(sizes: dict[str, int]) -> None:
    chosen = sample_of(listing(sizes), 10, "x")
    assert chosen is None or (set(chosen) <= set(sizes) and all(name.isprintable() for name in chosen))


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Shelf]:
    """A shelf whose vault is behind a real sshd that allows appending and nothing else."""
    if not SSHD or not shutil.which("borg"):
        pytest.skip("sshd or borg is not installed")
    vault = tmp_path / "remote vault"
    vault.mkdir()
    with running_sshd(tmp_path / "sshd") as server:
        line = append_only_line(public(server.client_key), str(vault))
        (tmp_path / "sshd" / "authorized_keys").write_text(line + "\n")
        location = f"ssh://{server.user}@{server.address}:{server.port}{vault}"
        yield make_shelf(
            tmp_path, location=location, ssh_identity=str(server.client_key), ssh_known_hosts=str(server.known_hosts)
        )


@pytest.mark.slow
def test_an_append_only_vault_over_ssh_is_checked_and_sampled(performing: Performing, remote: Shelf) -> None:
    for number in range(5):
        (remote.tree / f"page {number}").write_text(f"page {number}")
    performing.run(borg.backup(remote.source, remote.vault, remote.keys, "one", FIRST))
    performing.run(borg.check_repository(remote.source, remote.vault, remote.keys))
    performing.run(borg.read_sample(remote.source, remote.vault, remote.keys, "one", 40))
    assert performing.changed == []
