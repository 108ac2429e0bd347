"""Copies in three centres for real: made, looked at, fetched, exported, cleared, and what is found when they fall short."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from backup.policies import SHIPPED
from secops.coordination.coordinator import Held
from secops.execution.journal import RunState
from secops.model.finding import State
from secops.service.home import FILE
from secops.service.protecting import assess_copies
from secops.service.running import Ended
from secops.support.clock import now
from tests.backup import points
from tests.lab.sshd import SSHD
from tests.service.homes import environment
from tests.service.kept import OTHER_TREE, SYSTEM, TREE, Kept, kept_home

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("borg") and shutil.which("rsync") and SSHD), reason="borg, rsync or sshd is not installed"
    ),
]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with kept_home(tmp_path) as made:
        yield made


def rules(kept: Kept, asset: str = TREE) -> set[str]:
    """What is found of the asset's copies."""
    (evaluation,) = (one for one in assess_copies(kept.home, now()) if one.asset == asset)
    return {f"{one.rule.removeprefix('copies.')} {'/'.join(one.locator)}" for one in evaluation.weaknesses}


def outputs(ended: Ended, step: str) -> dict[str, object]:
    assert ended.run.state is RunState.SUCCEEDED, ended.run.because
    return dict(next(record.outputs for record in ended.records if record.path == step))


def copied(kept: Kept) -> Ended:
    ended = kept.copy()
    assert ended.run.state is RunState.SUCCEEDED, ended.run.because
    return ended


def secops(kept: Kept, *arguments: str, lang: str = "en") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "secops", "backup", *arguments]
    return subprocess.run(command, env=environment(kept.home.folder, lang), capture_output=True, text=True, timeout=280)


def test_from_nothing_to_a_copy_in_every_place(kept: Kept) -> None:
    assert rules(kept) == {"missing production", "missing remote_dr", "not-apart apart"}
    made = outputs(kept.copy(), "copy")
    assert made["fetched_later"] == ["remote"]
    assert "missing production" not in rules(kept)
    assert "missing remote_dr" in rules(kept)
    assert [name.split("/")[0] for name in made["points"]] == ["near", "local"], "what the remote vault fetches from"  # type: ignore[attr-defined]
    fetched = outputs(kept.play("copy-to-remote"), "fetch")
    assert [name.split("/")[0] for name in fetched["points"]] == ["remote"]  # type: ignore[attr-defined]
    exported = outputs(kept.play("export-offline", vault="medium"), "export")
    assert len(exported["points"]) == 1  # type: ignore[arg-type]
    manifest = json.loads((kept.vault("medium") / f"{TREE}.manifest.json").read_text())
    assert manifest["origin"] == "local" and len(manifest["copies"]) == 1
    assert len((kept.vault("medium") / f"{TREE}.manifest.sig").read_text()) == 128
    left = rules(kept)
    assert not any(rule.startswith(("missing", "not-apart", "too-old")) for rule in left)
    assert left == {"unproven rung-1", "unproven rung-3", "unproven rung-4"}
    assert {one.unit for one in kept.home.catalogue.page()} == {"health"}


def test_findings_go_when_they_are_mended(kept: Kept) -> None:
    kept.home.eyes.scan([], assessed=assess_copies(kept.home, now()))
    kept.copy()
    again = kept.home.eyes.scan([], assessed=assess_copies(kept.home, now()))
    mended = [kept.home.store.get(name) for name in again.recorded.resolved]
    assert [one.weakness.locator for one in mended if one.asset == TREE] == [("production",)]
    assert all(one.state is State.RESOLVED for one in mended)


def test_a_vanished_copy_is_found_and_nothing_is_cleared_or_fetched(kept: Kept) -> None:
    copied(kept)
    outputs(kept.play("prune-by-policy"), "look")
    assert not any(rule.startswith(("lost", "identity")) for rule in rules(kept))
    archive = kept.home.catalogue.page(vault="local")[0].archive
    by_hand(kept, "delete", f"{kept.vault('local')}/{TREE}::{archive}")
    ended = kept.play("prune-by-policy")
    assert outputs(ended, "look")["missing"] == [f"local/{archive}"]
    assert {record.path: record.state for record in ended.records}["prune"] == "skipped"
    assert "lost local" in rules(kept)
    refused = kept.play("copy-to-remote")
    assert refused.run.state is RunState.FAILED
    assert "copies have vanished from local" in refused.run.because.en


def by_hand(kept: Kept, *argv: str) -> None:
    env = {
        **os.environ,
        "BORG_PASSPHRASE": "a passphrase of the vaults",
        "BORG_BASE_DIR": str(kept.folder / "intruder"),
    }
    subprocess.run(["borg", *argv], env=env, check=True, timeout=280)


def test_a_replaced_repository_is_found(kept: Kept) -> None:
    copied(kept)
    kept.play("prune-by-policy")
    shutil.rmtree(kept.vault("local") / TREE)
    shutil.rmtree(kept.folder / "borg")
    by_hand(kept, "init", "-e", "repokey-blake2", f"{kept.vault('local')}/{TREE}")
    kept.play("prune-by-policy")
    assert {"lost local", "identity-changed local"} <= rules(kept)


def test_old_copies_go_by_the_policy_and_the_proven_one_stays(kept: Kept) -> None:
    copied(kept)
    (real,) = kept.home.catalogue.page(vault="local")
    home = kept.home
    for number, age in enumerate((200, 300)):
        # As if copied long ago: the archive is real, the date is ours.
        name = f"old{number}"
        by_hand(kept, "create", f"{kept.vault('local')}/{TREE}::{name}", str(kept.tree))
        verdict = points.CLEAN if number == 0 else None
        old = replace(real, id=f"local/{name}", archive=name, taken=now() - timedelta(days=age))
        home.catalogue.add(old, home.catalogue.manifest(real.id))
        if verdict:
            home.catalogue.judge(old.id, verdict)
    pruned = outputs(kept.play("prune-by-policy"), "prune")
    assert pruned["pruned"] == ["local/old1"]
    assert {one.archive for one in home.catalogue.page(vault="local")} == {real.archive, "old0"}
    again = outputs(kept.play("prune-by-policy"), "prune")
    assert again["pruned"] == []


def test_filling_and_clearing_exclude_each_other(kept: Kept) -> None:
    with kept.home.coordinator.acquire(f"copies-{TREE}"), pytest.raises(Held):
        kept.copy()
    with kept.home.coordinator.acquire(f"copies-{TREE}"), pytest.raises(Held):
        kept.play("prune-by-policy")
    with kept.home.coordinator.acquire(f"copies-{OTHER_TREE}"):
        assert kept.copy().run.state is RunState.SUCCEEDED


def test_outside_its_hours_a_vault_waits_which_is_no_failure(kept: Kept) -> None:
    copied(kept)
    clock = now().astimezone() + timedelta(hours=2)
    later = f"{clock:%H:%M}-{clock + timedelta(hours=1):%H:%M}"
    kept.change_vaults(remote={"line": {"windows": [later]}})
    waited = outputs(kept.play("copy-to-remote"), "fetch")
    assert waited["points"] == []
    assert "outside the hours of vault remote" in waited["waiting"]["remote"]["en"]  # type: ignore[index]
    assert not (kept.vault("remote") / TREE).exists()


def test_a_copy_waits_for_the_hours_of_its_vault_and_goes_into_the_others(kept: Kept) -> None:
    clock = now().astimezone() + timedelta(hours=2)
    later = f"{clock:%H:%M}-{clock + timedelta(hours=1):%H:%M}"
    kept.change_vaults(local={"line": {"windows": [later], "limit": "50M"}})
    made = outputs(kept.copy(), "copy")
    assert [name.split("/")[0] for name in made["points"]] == ["near"]  # type: ignore[attr-defined]
    assert "outside the hours of vault local" in made["waiting"]["local"]["en"]  # type: ignore[index]


def test_a_quota_is_refused_before_anything_is_copied(kept: Kept) -> None:
    (kept.tree / "big").write_bytes(os.urandom(2 << 20))
    kept.change_vaults(local={"tenants": [{"unit": "health", "quota": "1M"}]})
    copied(kept)
    assert "quota local" in rules(kept)
    (kept.tree / "more").write_bytes(os.urandom(1 << 20))
    refused = kept.copy()
    assert refused.run.state is RunState.FAILED
    assert "would pass its quota of 1M" in refused.run.because.en
    assert len(kept.home.catalogue.page(vault="local")) == 1
    kept.change_vaults(local={"tenants": [{"unit": "water"}]})
    assert "takes no copies of unit health" in kept.copy().run.because.en


def test_a_spoiled_medium_is_damage(kept: Kept) -> None:
    copied(kept)
    outputs(kept.play("export-offline", vault="medium"), "export")
    assert len(outputs(kept.play("check"), "check")["points"]) == 1  # type: ignore[arg-type]
    listed = kept.vault("medium") / f"{TREE}.manifest.json"
    listed.write_text(listed.read_text().replace('"origin": "local"', '"origin": "other"'))
    assert "was not signed by this service" in kept.play("check").run.because.en
    listed.write_text(listed.read_text().replace('"origin": "other"', '"origin": "local"'))
    spoil(kept.vault("medium") / TREE / "config")
    assert "are not as listed, config for one" in kept.play("check").run.because.en


def spoil(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + b"?")


def test_run_copies_proves_and_says_how_fast(kept: Kept) -> None:
    ran = secops(kept, "run", TREE)
    assert "MB added in" in ran.stdout and "near/portal-content-" in ran.stdout, ran.stderr
    foreseen = secops(kept, "forecast", "--json")
    assert foreseen.returncode == 0 and json.loads(foreseen.stdout)[0]["seconds"] > 0, foreseen.stderr


@pytest.mark.timeout(300)
def test_the_verbs_show_what_there_is(kept: Kept) -> None:
    copied(kept)
    planned = secops(kept, "plan", "--json")
    assert planned.returncode == 1, planned.stderr
    assert {one["system"] for one in json.loads(planned.stdout)} == {SYSTEM, "water"}
    listed = json.loads(secops(kept, "list", "--json").stdout)
    point = next(one for one in listed["points"] if one["vault"] == "near")
    assert len(listed["points"]) == 2 and point["unit"] == "health" and listed["next"] == ""
    first = json.loads(secops(kept, "list", "--limit", "1", "--json").stdout)
    second = json.loads(secops(kept, "list", "--limit", "1", "--after", first["next"], "--json").stdout)
    assert [*first["points"], *second["points"]] == listed["points"]
    ages = secops(kept, "rpo", "--system", SYSTEM, "--json")
    assert ages.returncode == 1, "the remote centre has none"
    assert {one["role"] for one in json.loads(ages.stdout)} == {"production", "local_dr", "remote_dr"}
    shown = {name: secops(kept, name, *more, lang="zh") for name, *more in (["plan"], ["list"], ["rpo"], ["forecast"])}
    assert "本地策略" in shown["plan"].stdout and "GB/T 20988" in shown["plan"].stdout
    assert point["id"] in shown["list"].stdout and "可恢复到" in shown["rpo"].stdout
    assert shown["forecast"].returncode == 0, shown["forecast"].stderr


def test_a_unit_sees_nothing_of_another_ones(kept: Kept) -> None:
    copied(kept)
    point = kept.home.catalogue.page()[0].id
    assert json.loads(secops(kept, "list", "--unit", "water", "--json").stdout)["points"] == []
    assert json.loads(secops(kept, "plan", "--unit", "water", "--json").stdout)[0]["system"] == "water"
    for verb in ("verdicts", "restore"):
        hidden = secops(kept, verb, point, "--unit", "water")
        assert hidden.returncode == 2 and f"there is no restore point {point}" in hidden.stderr


def test_a_file_of_policies_is_obeyed_and_a_wrong_one_is_told_with_its_place(kept: Kept) -> None:
    own = kept.home.folder / "own.yaml"
    own.write_text(SHIPPED.read_text("utf-8").replace("vaults: [production, remote_dr]", "vaults: [production]", 1))
    settings = kept.home.folder / FILE
    written = yaml.safe_load(settings.read_text("utf-8"))
    written["backup"]["policies"] = "own.yaml"
    settings.write_text(yaml.safe_dump(written, allow_unicode=True), "utf-8")
    kept.reopen()
    assert rules(kept) == {"missing production", "not-apart apart"}
    own.write_text(own.read_text("utf-8").replace("every: 15m", "every: 15", 1))
    refused = secops(kept, "plan")
    assert refused.returncode == 2 and "own.yaml:" in refused.stderr and "a duration needs a unit" in refused.stderr


def test_verify_climbs_as_far_as_it_is_told(kept: Kept) -> None:
    copied(kept)
    proven = secops(kept, "verify", TREE, "--upto", "2", "--json")
    assert proven.returncode == 0, proven.stdout + proven.stderr
    (step,) = json.loads(proven.stdout)["steps"]
    assert len(step["outputs"]["verified"]) == 2
    assert {int(point.verdict.rung) for point in kept.home.catalogue.page()} == {2}
