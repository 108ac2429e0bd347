"""`secops canary` and what `secops backup rpo` measures by it, on a tree with a copy and a replica."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backup.canaries.file_tree import FILE
from secops.service.beginning import make_home
from secops.service.home import FILE as SETTINGS_FILE
from secops.service.home import Home
from secops.service.metrics import exposition
from secops.service.protecting import assess_copies
from secops.support import language
from secops.support.clock import now
from tests.cli.typed import Done, typed

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("borg"), reason="borg is not installed")]

CITY = """\
name: {{zh: 小城, en: Small town}}
sites: [{{id: here, name: {{zh: 本地, en: here}}}}, {{id: far, name: {{zh: 异地, en: far}}}}]
centres:
  - {{id: c1, name: {{zh: 本地, en: local}}, site: here, role: production}}
  - {{id: c3, name: {{zh: 异地, en: far}}, site: far, role: remote_dr}}
units: [{{id: office, name: {{zh: 办公室, en: office}}}}]
vaults:
  - {{id: v1, centre: c1, location: "{folder}/v1"}}
  - {{id: v3, centre: c3, location: "{folder}/v3"}}
places: [{{id: room, centre: c1, host: local, path: "{folder}/room", url: "http://127.0.0.1:1/"}}]
systems:
  - id: portal
    name: {{zh: 门户, en: portal}}
    programme: {{zh: 演示, en: trial}}
    lead_units: [office]
    grade:
      information: {{object: public_order, degree: serious}}
      service: {{object: public_order, degree: serious}}
    assets:
      - {{id: site, kind: file_tree, name: {{zh: 网站, en: site}}, centre: c1, host: local, path: "{folder}/site",
         canary: {{every: 1s}}}}
      - {{id: standby, kind: file_tree, name: {{zh: 备, en: standby}}, centre: c3, host: local, path: "{folder}/standby",
         canary: {{every: 1s}}, replica_of: site}}
"""


@dataclass
class Town:
    """A home with its trees, and the command line over it."""

    folder: Path
    run: Callable[..., Done]

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def told(self, *arguments: str) -> list[dict[str, object]]:
        """What is printed as JSON."""
        told: list[dict[str, object]] = json.loads(self.run(*arguments, "--json").stdout)
        return told

    def measured(self, vault: str) -> dict[str, object]:
        row = next(row for row in self.told("backup", "rpo") if vault in (row.get("vault"), row.get("replica")))
        assert isinstance(row["measured"], dict), row
        return row["measured"]

    def rules(self) -> set[str]:
        with Home(self.home) as home:
            (found,) = (one for one in assess_copies(home, now()) if one.asset == "site")
            return {f"{one.rule.removeprefix('copies.')} {'/'.join(one.locator)}" for one in found.weaknesses}

    def replicate(self) -> None:
        shutil.copytree(self.folder / "site", self.folder / "standby", dirs_exist_ok=True)


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Town]:
    for name in ("site", "standby", "room"):
        (tmp_path / name).mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>welcome</h1>")
    make_home(tmp_path / "home")
    (tmp_path / "home" / SETTINGS_FILE).write_text(f'backup: {{state_directory: "{tmp_path}/borg"}}\n')
    (tmp_path / "home" / "inventory.yaml").write_text(CITY.format(folder=tmp_path))
    monkeypatch.setenv("JINDUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "250")

    def run(*arguments: str, lang: str = "en") -> Done:
        return typed(monkeypatch, capsys, "--lang", lang, *arguments)

    yield Town(tmp_path, run)
    language.choose(None)


def test_the_rpo_of_each_centre_is_measured(town: Town) -> None:
    assert town.run("canary", "status").returncode == 1
    assert "canary-silent canary" in town.rules()
    assert town.run("canary", "once").returncode == 0
    assert town.run("canary", "status").returncode == 0
    assert "canary-silent canary" not in town.rules()
    assert town.run("backup", "run", "site").returncode == 0
    for vault in ("v1", "v3"):
        measured = town.measured(vault)
        assert (measured["canary"], measured["would_be_lost"], measured["missing"], measured["forged"]) == (1, 0, 0, 0)
    (wrote, looked) = town.told("canary", "once")
    assert (wrote["counter"], looked["counter"], looked["failed"]) == (2, 0, None), "the replica has none yet"
    assert town.measured("v3")["would_be_lost"] == 1
    town.replicate()
    town.run("canary", "once")
    live = town.measured("standby")
    assert (live["canary"], live["would_be_lost"]) == (2, 1)
    shown = town.run("backup", "rpo").stdout
    assert "measured by canaries" in shown and "standby" in shown
    with Home(town.home):
        told = exposition(lambda: Home(town.home)).decode()
    assert 'jindun_canary_recoverable_timestamp_seconds{role="remote_dr",source="copy",system="portal"}' in told
    assert 'jindun_canaries_missing{role="production",source="copy",system="portal"} 0.0' in told
    verdict = town.run("backup", "verdicts", str(town.measured("v1")["from"])).stdout
    assert "canaries up to number 1" in verdict


def test_what_was_acknowledged_and_is_not_in_the_copy_breaks_it(town: Town) -> None:
    town.run("canary", "once")
    (town.folder / "site" / FILE).unlink()
    done = town.run("backup", "run", "site")
    assert done.returncode == 1
    assert "the last 1 canaries that were acknowledged" in " ".join(done.stdout.split())


def test_a_forged_canary_is_a_finding_and_the_copy_is_not_clean(town: Town) -> None:
    town.run("canary", "once")
    file = town.folder / "site" / FILE
    file.write_text(f"7 2099-01-01T00:00:00.000000Z {'ab' * 64}\n" + file.read_text())
    town.run("backup", "run", "site")
    point = str(town.measured("v1")["from"])
    assert town.measured("v1")["forged"] == 1
    assert town.measured("v1")["canary"] == 1, "what is forged makes no copy younger"
    assert "canaries-forged v1" in town.rules()
    assert town.run("backup", "restore", point).returncode == 1


def test_the_service_writes_on_at_its_rhythm_and_only_one_does(town: Town) -> None:
    with Home(town.home) as home, home.coordinator.acquire("canaries"):
        done = town.run("canary", "run", "--seconds", "5")
    assert done.returncode == 3 and "canaries" in done.stderr
    done = town.run("canary", "run", "--seconds", "4")
    assert done.returncode == 0, done.stderr
    (row,) = town.told("canary", "status")
    newest = row["newest"]
    assert isinstance(newest, dict) and newest["counter"] >= 2


def test_what_cannot_be_written_is_told(town: Town) -> None:
    shutil.rmtree(town.folder / "site")
    done = town.run("canary", "once", "site")
    assert done.returncode == 3 and "is no directory" in done.stdout
    assert town.run("canary", "once", "nope").returncode == 2


@pytest.mark.parametrize("trap", ["link", "pipe", "folder", "link to folder"])
def test_whoever_owns_the_tree_cannot_lead_the_service_elsewhere(town: Town, trap: str) -> None:
    secret, file = town.folder / "secret", town.folder / "site" / FILE
    secret.write_text("root's own\n")
    if trap == "link":
        file.symlink_to(secret)
    elif trap == "pipe":
        os.mkfifo(file)
    elif trap == "folder":
        file.mkdir()
    else:
        file.symlink_to(town.folder / "room")
    done = town.run("canary", "once", "site")
    assert secret.read_text() == "root's own\n" and list((town.folder / "room").iterdir()) == []
    if trap == "folder":
        assert done.returncode == 3
    else:
        assert done.returncode == 0 and file.is_file() and not file.is_symlink()
        assert "root's own" not in file.read_text()


def test_the_inventory_says_what_is_wrong_with_a_rhythm(town: Town) -> None:
    file = town.home / "inventory.yaml"
    good = file.read_text()
    for wrong, complaint in (
        (good.replace("every: 1s", "every: 0.2s", 1), "expected 1s to 1d"),
        (good.replace("replica_of: site", "replica_of: sitee"), "did you mean"),
        (good.replace("replica_of: site", "replica_of: standby"), "no replica itself"),
    ):
        file.write_text(wrong)
        done = town.run("inventory", "validate", str(file))
        assert done.returncode == 2 and complaint in done.stderr + done.stdout, done
    file.write_text(good.replace("every: 1s}", "every: 1s, options: {database: x}}", 1))
    done = town.run("canary", "once", "site")
    assert done.returncode == 3 and "canary.options.database" in done.stdout


def test_a_timer_may_write_them_by_a_playbook(town: Town) -> None:
    done = town.run("playbook", "run", "write-canary", "-i", "asset=site")
    assert done.returncode == 0, done.stderr
    (row,) = town.told("canary", "status")
    assert isinstance(row["newest"], dict) and row["newest"]["counter"] == 1
