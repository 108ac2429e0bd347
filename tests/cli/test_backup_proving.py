"""`secops backup rescore` and `schedule`, on points that need no vault."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backup.catalogue import Catalogue
from backup.manifest import Entry, Kind, Manifest
from secops.model.restore_point import Rung
from secops.support import language
from tests.backup.points import CLEAN, MANIFEST, at, point
from tests.cli.typed import Done, typed

ASSET = "infrastructure-04-content"
BAD = "b" * 64
INFECTED = Manifest.of([*MANIFEST.entries, Entry("x.php", Kind.FILE, 0o644, 9, BAD)])
Backup = Callable[..., Done]


@pytest.fixture
def backup(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Backup]:
    monkeypatch.setenv("JINDUN_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    scanned = replace(CLEAN, rung=Rung.SCAN, proven=at(30))
    with Catalogue(home / "state" / "restore_points.sqlite") as catalogue:
        catalogue.add(point("old", 0, scanned, ASSET), MANIFEST.text)
        late = replace(point("new", 10, scanned, ASSET), manifest=INFECTED.digest)
        catalogue.add(late, INFECTED.text)

    def run(*arguments: str, lang: str = "en") -> Done:
        return typed(monkeypatch, capsys, "--lang", lang, "backup", *arguments)

    yield run
    language.choose(None)


def test_an_infected_point_is_named_with_the_last_clean_one(backup: Backup) -> None:
    done = backup("rescore", ASSET, "--name", "case 7", "--hash", BAD.upper(), "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["first_infected"], told["last_clean"], list(told["verdicts"])) == ("v1/new", "v1/old", ["v1/new"])
    again = backup("rescore", ASSET, "--name", "case 7", "--hash", BAD)
    assert again.returncode == 1 and "changed the verdict on 0; the first infected is v1/new" in again.stdout
    assert "最早的感染点 v1/new" in backup("rescore", ASSET, "--name", "案 7", "--path", "*.php", lang="zh").stdout


def test_what_nobody_has_is_fine(backup: Backup) -> None:
    done = backup("rescore", ASSET, "--name", "case 8", "--path", "*.exe")
    assert done.returncode == 0 and "none is infected" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--name", "x"), "name a hash, a path or a moment"),
        (("--name", "x", "--hash", "short"), "not a SHA-256"),
        (("--name", "x", "--since", "yesterday"), "is not a moment"),
    ],
)
def test_a_wrong_indicator_is_bad_input(backup: Backup, arguments: tuple[str, ...], said: str) -> None:
    done = backup("rescore", ASSET, *arguments)
    assert done.returncode == 2 and said in done.stderr
    assert backup("rescore", "nowhere", "--name", "x", "--path", "*").returncode == 2


def test_what_is_proven_next_is_shown(backup: Backup) -> None:
    done = backup("schedule", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0 and {job["point"] for job in told["jobs"]} <= {"v1/new", "v1/old"}
    assert told["jobs"] and told["waiting"] == 0
    assert "up to" in backup("schedule").stdout and "个等待" in backup("schedule", lang="zh").stdout
