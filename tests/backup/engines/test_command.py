"""The command engine: what it is told is checked before anything runs, and its programs really run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from backup.engine import engine_for
from backup.engines.command import CommandOptions, command
from secops.model.city import AssetKind, CopiedBy
from secops.model.step import LOCAL, ProcedureFailed
from secops.support.errors import BadInput
from tests.backup.performing import Performing
from tests.backup.shelf import FIRST, Shelf, make_shelf

Told = Mapping[str, str | tuple[str, ...]]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return make_shelf(tmp_path)


def telling(shelf: Shelf, told: Told) -> Shelf:
    """The source as a database of a product that nobody knows."""
    unknown = replace(shelf.source, kind=AssetKind.DATABASE, address="192.0.2.7", copied_by=CopiedBy("command", told))
    return replace(shelf, source=unknown)


def backup(performing: Performing, shelf: Shelf) -> None:
    performing.run(command.backup(shelf.source, shelf.vault, shelf.keys, "one", FIRST))


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({}, "option dump for copying asset site is wrong: Field required"),
        ({"dump": "pg_dump > {folder}/x"}, "option dump for .*valid tuple"),
        ({"dump": ()}, "option dump for .*at least 1 item"),
        ({"dump": ("dump", "-o", "{fodler}/x")}, r"option dump\.2 for .*\{fodler\} stands for nothing here"),
        ({"dump": ("dump", "/tmp")}, r"option dump for .*no word names the \{folder\}"),
        ({"dump": ("dump", "{folder}"), "ready": ("make",)}, r"option ready for .*no word names the \{folder\}"),
        ({"dump": ("dump", "{folder}"), "secret_variable": "a b"}, "option secret_variable for"),
        ({"dump": ("dump", "{folder}"), "dmup": ("x",)}, "option dmup for"),
    ],
)
def test_a_mistake_is_named_at_its_place_before_anything_runs(
    performing: Performing, shelf: Shelf, told: Told, sentence: str
) -> None:
    asked = telling(shelf, told)
    with pytest.raises(BadInput, match=sentence):
        performing.run(command.stage(asked.source, asked.keys, "/nowhere", FIRST))
    assert performing.performed == []


def test_it_is_never_the_first_choice_and_copies_what_nobody_knows(shelf: Shelf) -> None:
    assert engine_for(telling(shelf, {}).source) is command
    with pytest.raises(BadInput, match="no engine copies assets of kind database"):
        engine_for(replace(telling(shelf, {}).source, copied_by=None))
    assert engine_for(shelf.source) is not command


def test_words_stay_words(performing: Performing, shelf: Shelf, tmp_path: Path) -> None:
    """Nothing of a word is read by a shell, and what is put in is not looked through again."""
    odd = "$(touch /x); a  b {} {folder"
    asked = telling(
        shelf, {"dump": ("sh", "-c", 'printf "%s|" "$@" > "$0/out"', "{folder}", odd, "{path}", "{address}")}
    )
    asked = replace(asked, source=replace(asked.source, path="/data/{folder}"))
    folder = tmp_path / "staging"
    folder.mkdir()
    performing.run(command.stage(asked.source, asked.keys, str(folder), FIRST))
    assert (folder / "out").read_text() == f"{odd}|/data/{{folder}}|192.0.2.7|"


@pytest.mark.slow
def test_a_secret_reaches_the_program_and_no_command_line(performing: Performing, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "login").write_text("s3cret")
    (tmp_path / "login").chmod(0o600)
    script = 'printf %s "$TOKEN" > "$0/token"; tr "\\0" " " < /proc/$$/cmdline > "$0/line"'
    told: Told = {
        "dump": ("sh", "-c", script, "{folder}"),
        "ready": ("sh", "-c", 'tr a-z A-Z < "$0/token" > "$0/made"', "{folder}"),
        "secret": "${file:login}",
        "secret_variable": "TOKEN",
    }
    asked = telling(shelf, told)
    backup(performing, asked)
    into = str(tmp_path / "into")
    point = asked.point(command, "one")
    performing.run(command.restore(asked.source, point, asked.vault, asked.keys, LOCAL, into))
    for _again in range(2):
        performing.run(command.make_ready(asked.source, LOCAL, into))
    assert (tmp_path / "into" / "token").read_text() == "s3cret"
    assert (tmp_path / "into" / "made").read_text() == "S3CRET"
    assert "s3cret" not in (tmp_path / "into" / "line").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dump", "sentence"),
    [
        (("no-such-program", "{folder}"), "copying site failed: there is no no-such-program on local"),
        (("sh", "-c", "touch $0/half; echo the line was cut >&2; exit 7", "{folder}"), "failed: the line was cut"),
        (("true", "{folder}"), "copying site failed: its program wrote nothing"),
    ],
)
def test_a_dump_that_fails_is_no_copy_and_leaves_nothing_behind(
    performing: Performing, shelf: Shelf, tmp_path: Path, dump: tuple[str, ...], sentence: str
) -> None:
    asked = telling(shelf, {"dump": dump})
    with pytest.raises(ProcedureFailed, match=sentence):
        backup(performing, asked)
    assert performing.run(command.points(asked.source, asked.vault, asked.keys)) == ()
    assert list((tmp_path / "state" / "staging").iterdir()) == []


def test_what_it_may_be_told_is_explained() -> None:
    assert CommandOptions.__doc__
