"""The service's own configuration: restored from two vaults, its keys come back; from one they do not."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from backup.engine import engine_for
from backup.engines.configuration import SHARE, configuration
from backup.escrow import share_from
from backup.key_shares import put_back, shares_of
from secops.model.city import CopiedBy, Vault
from secops.model.step import LOCAL, ProcedureFailed
from secops.support.errors import BadInput
from tests.backup.performing import Performing
from tests.backup.shelf import FIRST, Shelf, later, make_shelf

Told = Mapping[str, str | tuple[str, ...]]
HOLDERS = ("v1", "v2", "director")
SECRET = "the private key of everything"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = telling(make_shelf(tmp_path), {"holders": HOLDERS, "needed": "2"})
    for path, text in (("city.yaml", "units: []"), ("playbooks/a.yaml", "steps: []"), ("keys/ssh", SECRET)):
        (shelf.tree / path).parent.mkdir(exist_ok=True)
        (shelf.tree / path).write_text(text)
    (shelf.tree / "state").mkdir()
    (shelf.tree / "state" / "journal").write_text("records")
    return shelf


def telling(shelf: Shelf, told: Told) -> Shelf:
    return replace(shelf, source=replace(shelf.source, copied_by=CopiedBy("configuration", told)))


def through(performing: Performing, shelf: Shelf, vault: str, archive: str = "one", minutes: int = 0) -> Path:
    """Copied into that vault and restored from it."""
    away = replace(shelf, vault=Vault(vault, "c1", str(shelf.folder / vault)))
    performing.run(configuration.backup(away.source, away.vault, away.keys, archive, later(minutes)))
    into = shelf.folder / f"{vault} {archive}"
    point = away.point(configuration, archive)
    performing.run(configuration.restore(away.source, point, away.vault, away.keys, LOCAL, str(into)))
    return into


def held(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_keys_come_back_from_two_vaults_and_from_no_single_one(
    performing: Performing, shelf: Shelf, tmp_path: Path
) -> None:
    first, second = through(performing, shelf, "v1"), through(performing, shelf, "v2", "later", 5)
    third = through(performing, shelf, "v3")
    assert held(first) == held(second) == ["city.yaml", SHARE, "playbooks/a.yaml"]
    assert held(third) == ["city.yaml", "playbooks/a.yaml"], "a vault that holds no share has none"
    assert not any(SECRET in path.read_text() for path in first.rglob("*") if path.is_file())
    shares = [share_from((folder / SHARE).read_text()) for folder in (first, second)]
    with pytest.raises(BadInput, match="2 shares are needed, 1 given"):
        put_back(shares[:1], tmp_path / "new")
    assert put_back(shares, tmp_path / "new") == ["keys/ssh"]
    assert (tmp_path / "new" / "keys" / "ssh").read_text() == SECRET
    assert (tmp_path / "new" / "keys" / "ssh").stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadInput, match="is left alone"):
        put_back(shares, tmp_path / "new")


def test_shares_of_the_same_keys_fit_over_time_and_those_of_others_do_not(shelf: Shelf, tmp_path: Path) -> None:
    def shares(seed: str = "seed") -> list:  # type: ignore[type-arg]
        return list(shares_of(shelf.tree, ["keys"], 2, HOLDERS, tmp_path / "deep" / seed).values())

    old = shares()
    assert shares() == old
    assert (tmp_path / "deep" / "seed").stat().st_mode & 0o777 == 0o600
    assert shares("another")[0] != old[0]
    (shelf.tree / "keys" / "ssh").write_text("another key")
    with pytest.raises(BadInput, match="not of one set"):
        put_back([old[0], shares()[1]], tmp_path / "new")


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"keys": ("../../etc/shadow",)}, r"option keys\.0 for .*no path below the folder"),
        ({"leave": ("/var",)}, r"option leave\.0 for .*no path below the folder"),
        ({"holders": ("a,b", "c")}, r"option holders\.0 for .*no name of a holder"),
        ({"holders": ("a", "a", "b")}, "a holder is named twice"),
        ({"holders": ("a", "b"), "needed": "3"}, "3 shares are needed, and there are 2 holders"),
        ({"holders": ("a", "b"), "needed": "1"}, "option needed for"),
    ],
)
def test_a_mistake_is_named_at_its_place(performing: Performing, shelf: Shelf, told: Told, sentence: str) -> None:
    asked = telling(shelf, told)
    with pytest.raises(BadInput, match=sentence):
        performing.run(configuration.stage(asked.source, asked.keys, "/nowhere", FIRST))


@pytest.mark.slow
def test_keys_that_are_not_there_are_no_copy(performing: Performing, shelf: Shelf) -> None:
    (shelf.tree / "keys" / "ssh").unlink()
    with pytest.raises(ProcedureFailed, match="copying site failed: there are no keys to share"):
        through(performing, shelf, "v1")
    assert list((shelf.folder / "state" / "staging").iterdir()) == []


def test_it_is_chosen_by_name_alone(shelf: Shelf) -> None:
    assert engine_for(shelf.source) is configuration
    assert engine_for(replace(shelf.source, copied_by=None)) is not configuration
