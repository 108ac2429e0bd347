"""The executor: what it performs, what it replays, when it stops for a human."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.execution.dialogue import DialogueRunner
from secops.execution.executor import Allowance, Boundary, Executor, NeedsDecision, ReplayMismatch, Retry
from secops.execution.fetch import FetchRunner
from secops.execution.journal import Fenced, Journal, Kind, Mode, Run, RunState, entry_hash
from secops.execution.local import LocalRunner
from secops.execution.runner import Runners
from secops.execution.secrets import Secrets
from secops.model.step import LOCAL, Command, Procedure, Step, Trouble
from secops.model.text import Text
from secops.support.clock import now
from secops.support.errors import BadInput, Incomplete


class Interrupted(BaseException):
    """Stands for the end of the process at a boundary."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite")
    opened.begin(Run("r1", "p", "text", Mode.REAL, now(), {}), token=1)
    opened.begin(Run("rehearsal", "p", "text", Mode.REHEARSAL, now(), {}), token=1)
    yield opened
    opened.close()


@pytest.fixture
def runners(tmp_path: Path) -> Runners:
    local = LocalRunner(Secrets(tmp_path))
    return Runners(local, local, DialogueRunner(), FetchRunner(lambda host, port: False))


def executor(
    journal: Journal, runners: Runners, *, run: str = "r1", token: int = 1, stop_at: Boundary | None = None
) -> Executor:
    def at_boundary(boundary: Boundary, path: str) -> None:
        if boundary is stop_at:
            raise Interrupted

    mode = Mode.REHEARSAL if run == "rehearsal" else Mode.REAL
    return Executor(journal, run, token, mode, runners, at_boundary=at_boundary)


def append_line(file: Path, **more: object) -> Step:
    return Step("append", Command(LOCAL, ("tee", "-a", str(file)), stdin="x\n"), changes=True, **more)  # type: ignore[arg-type]


def one(step: Step) -> Procedure[str]:
    result = yield step
    return result.output if result.ok else f"{result.trouble}"


def lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_an_effect_is_journaled_before_and_after(journal: Journal, runners: Runners, tmp_path: Path) -> None:
    assert executor(journal, runners).run("s", one(append_line(tmp_path / "f"))) == "x\n"
    kinds = [entry.kind for entry in journal.entries("r1")]
    assert kinds == [Kind.STARTED, Kind.INTENT, Kind.OUTCOME]


def test_entries_form_a_chain(journal: Journal, runners: Runners, tmp_path: Path) -> None:
    executor(journal, runners).run("s", one(append_line(tmp_path / "f")))
    rows = journal._db.execute("select n, token, kind, path, at, body, hash from entries where run = 'r1' order by n")
    previous = ""
    for n, token, kind, path, at, body, digest in rows:
        assert digest == entry_hash(previous, n, token, kind, path, at, body)
        previous = digest


def test_a_recorded_outcome_is_replayed_and_not_performed(journal: Journal, runners: Runners, tmp_path: Path) -> None:
    file = tmp_path / "f"
    for _ in range(3):
        assert executor(journal, runners).run("s", one(append_line(file))) == "x\n"
    assert lines(file) == 1


def test_a_different_effect_on_resume_stops(journal: Journal, runners: Runners, tmp_path: Path) -> None:
    executor(journal, runners).run("s", one(append_line(tmp_path / "f")))
    with pytest.raises(ReplayMismatch):
        executor(journal, runners).run("s", one(append_line(tmp_path / "other")))
    assert not (tmp_path / "other").exists()


def test_a_step_that_is_already_done_is_not_performed(journal: Journal, runners: Runners, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("there\n")
    step = append_line(file, check=Command(LOCAL, ("cat", str(file))))
    assert executor(journal, runners).run("s", one(step)) == "there\n"
    assert lines(file) == 1


def test_retries_until_it_succeeds(journal: Journal, runners: Runners, tmp_path: Path) -> None:
    file = tmp_path / "f"
    script = f"f = open({str(file)!r}, 'a'); f.write('.'); f.flush(); raise SystemExit(f.tell() < 3)"
    step = Step("try", Command(LOCAL, ("python3", "-c", script)), changes=True)
    allowance = Allowance(30, Retry(attempts=5, delay_seconds=0.01))
    executor(journal, runners).run("s", one(step), allowance)
    assert file.read_text() == "..."
    assert [e.body["attempt"] for e in journal.entries("r1") if e.kind is Kind.INTENT] == [1, 2, 3]


def test_a_conclusive_failure_is_not_tried_again(journal: Journal, runners: Runners) -> None:
    step = Step("try", Command(LOCAL, ("cat", "/nothing/here")), conclusive="No such file")
    executor(journal, runners).run("s", one(step), Allowance(30, Retry(attempts=5, delay_seconds=5)))
    assert [e.body["attempt"] for e in journal.entries("r1") if e.kind is Kind.INTENT] == [1]


def test_the_timeout_of_the_procedure_bounds_every_effect(journal: Journal, runners: Runners) -> None:
    step = Step("sleep", Command(LOCAL, ("sleep", "30")))
    assert executor(journal, runners).run("s", one(step), Allowance(0.3)) == Trouble.TIMEOUT


def test_a_rehearsal_probes_but_changes_nothing(journal: Journal, runners: Runners, tmp_path: Path) -> None:
    file = tmp_path / "f"

    def procedure() -> Procedure[tuple[str, str]]:
        probed = yield Step("probe", Command(LOCAL, ("echo", "live")))
        changed = yield append_line(file, assume="assumed")
        return probed.output, changed.output

    assert executor(journal, runners, run="rehearsal").run("s", procedure()) == ("live\n", "assumed")
    assert not file.exists()


def test_two_steps_of_one_name_are_refused(journal: Journal, runners: Runners) -> None:
    def procedure() -> Procedure[None]:
        yield Step("same", Command(LOCAL, ("true",)))
        yield Step("same", Command(LOCAL, ("true",)))

    with pytest.raises(ValueError, match="named s/same"):
        executor(journal, runners).run("s", procedure())


@pytest.mark.parametrize("boundary", list(Boundary))
def test_a_repeatable_step_interrupted_anywhere_ends_done(
    journal: Journal, runners: Runners, tmp_path: Path, boundary: Boundary
) -> None:
    step = append_line(tmp_path / "f")
    with pytest.raises(Interrupted):
        executor(journal, runners, stop_at=boundary).run("s", one(step))
    assert executor(journal, runners).run("s", one(step)) == "x\n"
    # Without a check the effect may happen again after it, that is what repeatable means; never a third time.
    assert lines(tmp_path / "f") == (2 if boundary is Boundary.AFTER_EFFECT else 1)


@pytest.mark.parametrize("boundary", list(Boundary))
def test_an_irreversible_step_is_never_repeated_blindly(
    journal: Journal, runners: Runners, tmp_path: Path, boundary: Boundary
) -> None:
    file = tmp_path / "f"
    step = append_line(file, irreversible=True)
    with pytest.raises(Interrupted):
        executor(journal, runners, stop_at=boundary).run("s", one(step))
    if boundary in (Boundary.AFTER_INTENT, Boundary.AFTER_EFFECT):
        with pytest.raises(NeedsDecision) as question:
            executor(journal, runners).run("s", one(step))
        decision = "done" if boundary is Boundary.AFTER_EFFECT else "repeat"
        journal.append("r1", 1, Kind.DECISION, question.value.path, {"decision": decision})
    executor(journal, runners).run("s", one(step))
    assert lines(file) == 1


@pytest.mark.parametrize("boundary", list(Boundary))
def test_probes_settle_an_irreversible_step_without_a_human(
    journal: Journal, runners: Runners, tmp_path: Path, boundary: Boundary
) -> None:
    file = tmp_path / "f"
    step = append_line(
        file,
        irreversible=True,
        check=Command(LOCAL, ("cat", str(file))),
        untouched=Command(LOCAL, ("test", "!", "-e", str(file))),
    )
    with pytest.raises(Interrupted):
        executor(journal, runners, stop_at=boundary).run("s", one(step))
    assert executor(journal, runners).run("s", one(step)) == "x\n"
    assert lines(file) == 1


def test_an_older_token_is_fenced(journal: Journal, runners: Runners, tmp_path: Path) -> None:
    old = executor(journal, runners, token=1)
    executor(journal, runners, token=2).run("s", one(append_line(tmp_path / "f")))
    with pytest.raises(Fenced):
        old.run("t", one(append_line(tmp_path / "g")))
    assert not (tmp_path / "g").exists()


def test_runs_are_found_by_prefix_and_unknown_ones_are_bad_input(journal: Journal) -> None:
    assert journal.run("r1").id == "r1"
    assert journal.run("reh").id == "rehearsal"
    for name in ("nothing", "r"):
        with pytest.raises(BadInput):
            journal.run(name)


def test_a_state_carries_its_reason(journal: Journal) -> None:
    journal.set_state("r1", 1, RunState.FAILED, Text("因为", "because"))
    assert journal.run("r1").state is RunState.FAILED
    assert journal.run("r1").because == Text("因为", "because")


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 200])
def test_a_file_that_is_no_journal_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="not a usable journal"):
        Journal(path)
    assert path.read_bytes() == content


def test_nothing_is_done_when_the_intent_cannot_be_written(journal: Journal, runners: Runners, tmp_path: Path) -> None:
    pages = journal._db.execute("pragma page_count").fetchone()[0]
    journal._db.execute(f"pragma max_page_count = {pages}")
    step = append_line(tmp_path / "f")

    def fill() -> Procedure[None]:
        for number in range(1000):
            yield Step(f"probe {number}", Command(LOCAL, ("true",)))
        yield step

    with pytest.raises(Incomplete, match="the journal cannot be written"):
        executor(journal, runners).run("s", fill())
    assert not (tmp_path / "f").exists()
    assert journal.run("r1").id == "r1"
