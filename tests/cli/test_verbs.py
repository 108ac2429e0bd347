"""The verbs as a user runs them: exit codes, both languages, a home of one's own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from secops.cli.main import main
from tests.service.conftest import Town, served, town

pytestmark = pytest.mark.slow  # each starts a process of its own


__all__ = ["served", "town"]


def secops(*arguments: str, home: Path | None = None, typed: str = "") -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "JINDUN_LANG": "en", "COLUMNS": "200"}
    environment.pop("JINDUN_HOME", None)
    if home:
        environment["JINDUN_HOME"] = str(home)
    command = (sys.executable, "-m", "secops", *arguments)
    return subprocess.run(command, env=environment, input=typed, capture_output=True, text=True, timeout=280)


def test_init_makes_a_home_that_every_verb_accepts(tmp_path: Path) -> None:
    home = tmp_path / "mine"
    done = secops("init", str(home))
    assert done.returncode == 0, done.stderr
    assert oct((home / "keys" / "vault").stat().st_mode & 0o777) == "0o600"
    for arguments in (("inventory", "list"), ("findings", "list"), ("playbook", "list"), ("playbook", "runs")):
        listed = secops(*arguments, "--json", home=home)
        assert listed.returncode == 0, listed.stderr
        json.loads(listed.stdout)


def test_init_leaves_a_folder_alone_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    done = secops("init", str(tmp_path))
    assert done.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_init_where_no_folder_can_be_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        done = secops("init", str(place))
        assert (done.returncode, "cannot be made" in done.stderr) == (2, True), done.stderr


def test_a_language_that_does_not_exist_is_refused() -> None:
    done = secops("--lang", "fr", "schema", "settings")
    assert (done.returncode, done.stderr) == (2, "error: there is no language “fr”: zh or en\n")


@pytest.mark.parametrize("arguments", ["--version", "--help", "schema settings"])
def test_output_that_cannot_be_written_is_no_bug_of_ours(arguments: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = (sys.executable, "-m", "secops", *arguments.split())
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=280)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr


def test_closed_streams_are_never_databases(town: Town) -> None:
    script = f'exec "{sys.executable}" -m secops --home "{town.home.folder}" findings list >&- 2>&- <&-'
    assert subprocess.run(["sh", "-c", script], timeout=280).returncode == 0


def test_a_reader_that_leaves_early_finds_nothing_by_it(town: Town) -> None:
    """1 would say that something was found."""
    for verb in ("inventory list", "schema settings", "findings export --format csv"):
        reading, writing = os.pipe()
        os.close(reading)
        command = (sys.executable, "-m", "secops", "--home", str(town.home.folder), *verb.split())
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=280)
        os.close(writing)
        assert (done.returncode, done.stderr) == (141, ""), verb


def test_an_interruption_while_verbs_are_found_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_wanted: str) -> typer.Typer:
        raise KeyboardInterrupt

    monkeypatch.setattr("secops.cli.main.build", interrupted)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130


def test_without_a_home_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    done = secops("--home", str(tmp_path), "scan")
    assert done.returncode == 2
    assert "secops init" in done.stderr


def test_nothing_is_scanned_without_an_authorisation(tmp_path: Path) -> None:
    secops("init", str(tmp_path / "mine"))
    done = secops("scan", home=tmp_path / "mine")
    assert done.returncode == 2
    assert "name the approver" in done.stderr


def test_a_scan_ends_with_what_it_found(town: Town) -> None:
    folder = town.home.folder
    clean = secops("scan", "--check", "page-tamper", home=folder)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    town.tamper()
    found = secops("scan", "--check", "page-tamper", "--react", home=folder)
    assert found.returncode == 1
    assert "bad.example" in found.stdout
    assert "Take a note" in found.stdout
    assert "restore-tampered-page was not run: input “tree” is missing" in found.stderr
    runs = json.loads(secops("playbook", "runs", "--json", home=folder).stdout)
    assert [run["state"] for run in runs] == ["succeeded"]


@pytest.mark.parametrize(
    "arguments", [("--system", "nope"), ("--asset", "nope"), ("--check", "nope"), ("--kind", "nope")]
)
def test_a_scan_of_something_unknown_is_bad_input(town: Town, arguments: tuple[str, str]) -> None:
    assert secops("scan", *arguments, home=town.home.folder).returncode == 2


def test_a_playbook_file_is_validated_with_every_problem(tmp_path: Path) -> None:
    bad = Path(__file__).parent.parent / "bad_input" / "playbook" / "several-at-once.yaml"
    done = secops("playbook", "validate", str(bad))
    assert done.returncode == 2
    assert done.stderr.count("several-at-once.yaml:") >= 4
    done = secops("--lang", "zh", "playbook", "validate", str(bad))
    assert "没有动作" in done.stderr


def test_plan_run_approve_resume_explain(town: Town, tmp_path: Path) -> None:
    folder = town.home.folder
    file = tmp_path / "asks.yaml"
    file.write_text(
        "id: asks\nname: {zh: 问, en: Asks}\nsteps:\n"
        "  - {id: look, uses: command.probe, with: {argv: [echo, hello]}, approval: {quorum: 1}}\n"
    )
    assert secops("playbook", "plan", str(file), home=folder).returncode == 0
    waits = secops("playbook", "run", str(file), home=folder)
    assert waits.returncode == 3, waits.stdout + waits.stderr
    run = next(
        one["run"]
        for one in json.loads(secops("playbook", "runs", "--json", home=folder).stdout)
        if one["mode"] == "real"
    )
    assert f"secops playbook approve {run} look --reason" in waits.stdout
    for step, reason in (("nope", "why not"), ("look", " ")):
        assert secops("playbook", "approve", run, step, "--reason", reason, home=folder).returncode == 2
    assert secops("playbook", "approve", run, "look", "--reason", "agreed", "--as", "Li", home=folder).returncode == 0
    resumed = secops("playbook", "resume", run, home=folder)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    told = secops("playbook", "explain", run, home=folder)
    assert told.returncode == 0
    assert "Li: agreed" in told.stdout
    entries = json.loads(secops("playbook", "explain", run, "--json", home=folder).stdout)["entries"]
    assert {"intent", "outcome", "approval"} <= {entry["kind"] for entry in entries}
    chinese = secops("--lang", "zh", "playbook", "explain", run, home=folder).stdout
    assert "第 1 次" in chinese
    assert not {"performed", "attempt", "outcome"} & set(chinese.replace(",", " ").split())
    assert secops("playbook", "resume", run, home=folder).returncode == 2
    late = secops("playbook", "approve", run, "look", "--reason", "too late", home=folder)
    assert (late.returncode, "has ended" in late.stderr) == (2, True), late.stdout + late.stderr
    pack = folder / "state" / "evidence" / f"{run}.jsonl"
    assert secops("evidence", "verify", str(pack), home=folder).returncode == 0


def test_a_shipped_playbook_explains_its_safety(town: Town) -> None:
    told = secops("playbook", "explain", "restore-tampered-page", home=town.home.folder)
    assert told.returncode == 0
    for words in ("entry.drain", "irreversible", "can be undone", "rto 5m"):
        assert words in told.stdout
    spec = json.loads(secops("playbook", "explain", "restore-tampered-page", "--json", home=town.home.folder).stdout)
    assert spec["id"] == "restore-tampered-page"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "note", "--due"),
        ("run", "note", "-i", "word"),
        ("run", "nope"),
        ("resume", "nope"),
        ("explain", "nope"),
    ],
)
def test_a_wrong_call_is_bad_input_and_records_nothing(town: Town, arguments: tuple[str, ...]) -> None:
    done = secops("playbook", *arguments, home=town.home.folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert town.home.journal.runs() == []


def test_run_due_runs_what_is_due(town: Town) -> None:
    os.utime(town.home.folder / "jindun.yaml", (0, 0))
    done = secops("playbook", "run", "--due", home=town.home.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nightly" in done.stdout
    assert [run.trigger for run in town.home.journal.runs()] == ["schedule:nightly"]


def test_a_schedule_entry_that_cannot_be_run_keeps_no_other_from_running(town: Town) -> None:
    settings = town.home.folder / "jindun.yaml"
    broken = '  - {id: broken, playbook: nope, cron: "* * * * *"}\n  - {id: nightly'
    settings.write_text(settings.read_text().replace("  - {id: nightly", broken))
    os.utime(settings, (0, 0))
    done = secops("playbook", "run", "--due", home=town.home.folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "schedule entry broken was not run: there is no playbook “nope”" in done.stderr
    assert [run.trigger for run in town.home.journal.runs()] == ["schedule:nightly"]


def test_reacting_makes_up_for_a_scan_that_was_cut_off_before_its_playbooks_ran(town: Town) -> None:
    town.tamper()
    assert secops("scan", home=town.home.folder).returncode == 1
    assert secops("scan", "--react", home=town.home.folder).returncode == 1
    assert [run.playbook for run in town.home.journal.runs()] == ["note"]
    secops("scan", "--react", home=town.home.folder)
    assert len(town.home.journal.runs()) == 1


def test_a_broken_playbook_is_told_of_before_anything_is_scanned(town: Town) -> None:
    town.tamper()
    (town.home.folder / "playbooks" / "note.yaml").write_text("id: [")
    done = secops("scan", "--react", home=town.home.folder)
    assert (done.returncode, "note.yaml:2" in done.stderr) == (2, True), done.stderr
    assert secops("findings", "list", home=town.home.folder).stdout.startswith("0 findings")


def test_learning_what_cannot_be_seen_is_incomplete(town: Town) -> None:
    assert secops("scan", "--learn", home=town.home.folder).returncode == 0
    town.page.unlink()
    done = secops("scan", "--learn", "--json", home=town.home.folder)
    assert (done.returncode, json.loads(done.stdout)) == (3, {"approved": 0, "unseen": 1})


def test_settings_with_a_mistake_name_its_place(town: Town) -> None:
    (town.home.folder / "jindun.yaml").write_text("inventory: city.yaml\nscoop: {}\n")
    done = secops("findings", "list", home=town.home.folder)
    assert done.returncode == 2
    assert "jindun.yaml:2:1" in done.stderr
    assert 'did you mean "scope"' in done.stderr
