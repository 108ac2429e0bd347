"""What only the machine of the service can do wrong."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from secops.execution.local import LocalRunner
from secops.execution.secrets import Secrets
from secops.model.step import LOCAL, Command, Result, Trouble
from tests.lab.processes import wait_until_gone, wait_until_runs


def run(*argv: str, timeout_seconds: float = 10.0, env: dict[str, str] | None = None) -> Result:
    return LocalRunner(Secrets(Path())).perform(Command(host=LOCAL, argv=argv, env=env or {}), timeout_seconds)


def test_the_path_given_is_searched(tmp_path: Path) -> None:
    program = tmp_path / "greet"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    assert run("greet", env={"PATH": str(tmp_path)}).output == "hello\n"
    assert run("greet").reason == "not installed: greet"


def test_a_file_that_is_no_program_cannot_be_started(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("text")
    orphan = tmp_path / "orphan"
    orphan.write_text("#!/no/such/interpreter\n")
    orphan.chmod(0o755)
    for program in (plain, orphan, tmp_path):
        result = run(str(program))
        assert (result.ok, result.trouble) == (False, Trouble.FAILED)
        assert "cannot be started" in result.reason


@pytest.mark.parametrize("argument", ["nul \0 inside", "x" * (1 << 21)])
def test_arguments_that_the_system_refuses_are_a_result(argument: str) -> None:
    assert run("true", argument).trouble is Trouble.FAILED


def test_a_program_that_ends_on_the_polite_signal_may_clean_up(tmp_path: Path) -> None:
    result = run(
        "sh", "-c", f"trap 'echo cleaned; exit 0' TERM; sleep 300 & wait; touch {tmp_path}/no", timeout_seconds=0.3
    )
    assert (result.trouble, result.output) == (Trouble.TIMEOUT, "cleaned\n")
    assert not (tmp_path / "no").exists()


def test_a_child_that_outlives_its_polite_parent_is_ended() -> None:
    script = "(trap '' TERM; sleep 300.0731; sleep 300.0731) & wait"
    assert run("sh", "-c", script, timeout_seconds=0.3).trouble is Trouble.TIMEOUT
    assert wait_until_gone("300.0731")


@pytest.mark.slow
def test_an_interrupted_service_takes_its_command_with_it() -> None:
    code = (
        "from pathlib import Path; from secops.execution.local import LocalRunner;"
        "from secops.execution.secrets import Secrets; from secops.model.step import Command;"
        "LocalRunner(Secrets(Path())).perform(Command('local', ('sleep', '300.0877')), 200)"
    )
    service = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    assert wait_until_runs("sleep 300.0877", 60)
    # Nobody can help a command whose service is interrupted before it was told the number of its process.
    time.sleep(1)
    service.send_signal(signal.SIGINT)
    assert service.wait(60) != 0
    assert wait_until_gone("sleep 300.0877")


def test_no_descriptor_is_left_open() -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    run("true")
    before = count()
    for argv in (("true",), ("no-such-program",), ("sleep", "5")):
        run(*argv, timeout_seconds=0.1)
    assert count() == before


def test_seconds_are_measured() -> None:
    started = time.monotonic()
    result = run("sleep", "0.2")
    assert 0.2 <= result.seconds <= time.monotonic() - started
