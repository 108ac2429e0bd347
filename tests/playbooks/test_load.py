"""Playbooks of one's own: what is missed in silence would be missed in need."""

from pathlib import Path

import pytest

from playbooks.load import Library
from secops.support.errors import BadInput

PLAYBOOK = "id: {id}\nname: {{zh: 试, en: trial}}\nsteps:\n  - {{id: a, uses: command.probe, with: {{argv: [echo]}}}}\n"


def write(file: Path, name: str) -> None:
    file.write_text(PLAYBOOK.format(id=name), "utf-8")


def test_both_endings_are_read(tmp_path: Path) -> None:
    write(tmp_path / "one.yaml", "one")
    write(tmp_path / "two.yml", "two")
    assert {"one", "two", "backup-by-tier"} <= {playbook.spec.id for playbook in Library([tmp_path])}


def test_one_of_ones_own_replaces_a_shipped_one(tmp_path: Path) -> None:
    write(tmp_path / "mine.yaml", "backup-by-tier")
    assert len(Library([tmp_path]).get("backup-by-tier").spec.steps) == 1


def test_two_of_ones_own_with_the_same_id_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "same")
    write(tmp_path / "b.yaml", "same")
    with pytest.raises(BadInput, match="have the same id: same"):
        Library([tmp_path])


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no folder of playbooks"):
        Library([tmp_path / "nope"])
