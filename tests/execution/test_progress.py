"""Progress of a running program: told while it runs, kept nowhere, alike on this machine and over ssh."""

import threading
from pathlib import Path

import pytest

from secops.execution.executor import Advanced, Executor
from secops.execution.journal import Journal, Kind, Mode, Run
from secops.execution.local import LocalRunner
from secops.execution.output import LIMIT_BYTES, Output, overheard
from secops.execution.secrets import Secrets
from secops.execution.ssh import SshRunner
from secops.model.step import LOCAL, Command, Moved, Procedure, Result, Step
from secops.support.clock import now
from tests.lab.sshd import running_sshd

_SCRIPT = "printf 'at 10\\rat 20\\r' >&2; echo kept; while [ ! -e \"$1\" ]; do sleep 0.02; done; echo 'at 30'; echo end"


def measure(line: str) -> Moved | None:
    return Moved(int(line.removeprefix("at "))) if line.startswith("at ") else None


def copying(host: str, gate: Path) -> Procedure[Result]:
    command = Command(host, ("sh", "-c", _SCRIPT, "copy", str(gate)))
    return (yield Step("copy", command, changes=True, measure=measure, timeout_seconds=60))


def run_gated(runner: LocalRunner | SshRunner, host: str, folder: Path) -> tuple[Result, list[Advanced], str]:
    """The program waits for the gate, which opens when its first progress is told."""
    gate, told = folder / "gate", list[Advanced]()

    def on_advanced(advanced: Advanced) -> None:
        told.append(advanced)
        if advanced.moved.done_bytes == 20:
            gate.touch()

    journal = Journal(folder / "journal.sqlite")
    journal.begin(Run("r", "test", "", Mode.REAL, now(), {}), 1)

    class Only:
        def perform(self, effect: object, timeout_seconds: float) -> Result:
            assert isinstance(effect, Command)
            return runner.perform(effect, timeout_seconds)

    executor = Executor(journal, "r", 1, Mode.REAL, Only(), on_advanced=on_advanced)
    try:
        result = executor.run("s", copying(host, gate))
        return result, told, repr([one.body for one in journal.entries("r") if one.kind is Kind.OUTCOME])
    finally:
        journal.close()


def test_it_is_told_while_the_program_runs(tmp_path: Path) -> None:
    result, told, kept = run_gated(LocalRunner(Secrets(tmp_path)), LOCAL, tmp_path)
    assert [(one.path, one.moved.done_bytes) for one in told] == [("s/copy", 10), ("s/copy", 20), ("s/copy", 30)]
    assert (result.output, result.error_output) == ("kept\nend\n", "")
    assert "at " not in kept and "kept\\nend" in kept


@pytest.mark.slow
def test_it_is_told_over_ssh_too(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "sshd") as sshd:
        runner = SshRunner({"host-1": sshd.asset()}, sshd.client_key, sshd.known_hosts, Secrets(tmp_path))
        try:
            result, told, _ = run_gated(runner, "host-1", tmp_path)
        finally:
            runner.close()
    assert [one.moved.done_bytes for one in told] == [10, 20, 30]
    assert (result.output, result.error_output) == ("kept\nend\n", "")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_whole_however_they_arrive(size: int) -> None:
    heard: list[str] = []

    def overhear(line: str) -> bool:
        heard.append(line)
        return line.startswith("at ")

    text = "at 1\rerror: no\r\nat 2\n\nlast 津盾".encode()
    with overheard(overhear):
        output = Output()
    for start in range(0, len(text), size):
        output.add(text[start : start + size])
    assert output.text() == "error: no\r\n\nlast 津盾" == output.text()
    assert [line.strip() for line in heard if line.strip()] == ["at 1", "error: no", "at 2", "last 津盾"]


def test_a_line_without_end_takes_no_more_room_than_any_output() -> None:
    with overheard(lambda line: False):
        output = Output()
    for _ in range(100):
        output.add(b"x" * 100_000)
    assert len(output.text()) == LIMIT_BYTES
    assert output.dropped_bytes == 100 * 100_000 - LIMIT_BYTES


def test_others_are_not_overheard(tmp_path: Path) -> None:
    found: list[Output] = []
    with overheard(lambda line: True):
        thread = threading.Thread(target=lambda: found.append(Output()))
        thread.start()
        thread.join()
    found[0].add(b"at 1\n")
    assert found[0].text() == "at 1\n"
