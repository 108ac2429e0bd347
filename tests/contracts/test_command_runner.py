"""What every runner of commands does, here and on a host: programs behave the same wherever they run."""

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from secops.execution.local import LocalRunner
from secops.execution.output import LIMIT_BYTES
from secops.execution.runner import Performs
from secops.execution.secrets import Secrets
from secops.execution.ssh import SshRunner
from secops.model.step import LOCAL, Command, Result, Trouble
from tests.lab.processes import command_lines, wait_until_gone, wait_until_runs
from tests.lab.sshd import running_sshd

pytestmark = pytest.mark.slow

Run = Callable[..., Result]
_marks = (f"{7000 + os.getpid() % 1000}.{number:04d}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def secret_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secrets")


@pytest.fixture(scope="module", params=["local", "ssh"])
def runner(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, secret_folder: Path
) -> Iterator[tuple[str, Performs[Command]]]:
    secrets = Secrets(secret_folder)
    if request.param == "local":
        yield LOCAL, LocalRunner(secrets)
        return
    with running_sshd(tmp_path_factory.mktemp("sshd")) as sshd:
        ssh = SshRunner({"host-1": sshd.asset()}, sshd.client_key, sshd.known_hosts, secrets)
        yield "host-1", ssh
        ssh.close()


@pytest.fixture
def run(runner: tuple[str, Performs[Command]]) -> Run:
    host, performer = runner

    def perform(
        *argv: str,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        good: tuple[int, ...] = (0,),
        timeout_seconds: float = 20.0,
    ) -> Result:
        command = Command(host=host, argv=argv, stdin=stdin, env=env or {}, good_exit_codes=good)
        return performer.perform(command, timeout_seconds)

    return perform


@pytest.fixture
def mark() -> str:
    """A number of seconds that nobody else sleeps for: finds our processes among those of the machine."""
    return next(_marks)


def test_a_program_that_ends_with_zero_succeeds(run: Run) -> None:
    result = run("sh", "-c", "echo out; echo err >&2")
    assert result.ok
    assert (result.output, result.error_output, result.exit_code) == ("out\n", "err\n", 0)
    assert (result.trouble, result.reason) == (Trouble.NONE, "")
    assert 0 < result.seconds < 60


def test_another_exit_code_is_a_failure_that_quotes_the_last_complaint(run: Run) -> None:
    result = run("sh", "-c", "echo first >&2; echo 'disk full' >&2; exit 3")
    assert (result.ok, result.trouble, result.exit_code) == (False, Trouble.FAILED, 3)
    assert "3" in result.reason
    assert "disk full" in result.reason


def test_the_command_says_which_exit_codes_are_good(run: Run) -> None:
    assert run("sh", "-c", "exit 1", good=(0, 1)).ok
    assert not run("true", good=(1,)).ok


@pytest.mark.parametrize(
    "argument",
    ["two words", "$HOME", "`id`", "; exit 9", "it's", '"', "*", "", "-n", "a\nb", "\\", "中文", "$(id)", "~"],
)
def test_no_shell_reads_the_arguments(run: Run, argument: str) -> None:
    assert run("printf", "[%s]", argument).output == f"[{argument}]"


def test_input_is_passed_and_closed(run: Run) -> None:
    assert run("wc", "-c", stdin="津盾\n").output.strip() == "7"
    assert run("cat").output == ""


def test_input_and_output_larger_than_any_buffer_do_not_block_each_other(run: Run) -> None:
    text = "0123456789abcdef" * (3 << 16)
    assert run("cat", stdin=text).output == text


def test_a_program_may_ignore_its_input(run: Run) -> None:
    assert run("true", stdin="x" * (1 << 20)).ok


def test_variables_are_set(run: Run) -> None:
    assert run("printenv", "NAME", env={"NAME": "two 'words' $HOME", "OTHER": "x"}).output == "two 'words' $HOME\n"


def test_the_service_keeps_its_own_variables_to_itself(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINDUN_TEST_PRIVATE", "value")
    assert run("printenv", "JINDUN_TEST_PRIVATE").exit_code == 1


def test_a_missing_program_is_named(run: Run) -> None:
    result = run("no-such-program-here")
    assert (result.trouble, result.exit_code) == (Trouble.FAILED, 127)
    assert "no-such-program-here" in result.reason
    assert run("no-such-program-here", env={"A": "b"}).reason == result.reason


def test_exit_code_127_of_a_program_that_exists_is_its_own(run: Run) -> None:
    result = run("sh", "-c", "no-such-program-here")
    assert result.exit_code == 127
    assert result.reason.startswith("sh ")


def test_a_program_ended_by_a_signal_failed(run: Run) -> None:
    result = run("sh", "-c", "kill -KILL $$")
    assert (result.ok, result.trouble) == (False, Trouble.FAILED)
    assert result.exit_code < 0


def test_time_is_kept_and_nothing_runs_on(run: Run, mark: str) -> None:
    started = time.monotonic()
    result = run("sh", "-c", f"echo begun; sleep {mark}; echo after", timeout_seconds=1)
    assert time.monotonic() - started < 60
    assert (result.ok, result.trouble, result.output) == (False, Trouble.TIMEOUT, "begun\n")
    assert result.reason
    assert wait_until_gone(mark)


def test_grandchildren_that_ignore_the_polite_signal_are_ended_too(run: Run, mark: str) -> None:
    stubborn = f"trap '' TERM; (trap '' TERM; sleep {mark}) & (sleep {mark}); wait"
    assert run("sh", "-c", stubborn, timeout_seconds=1).trouble is Trouble.TIMEOUT
    assert wait_until_gone(mark)


def test_endless_output_ends_with_the_time_and_is_cut(run: Run, mark: str) -> None:
    started = time.monotonic()
    result = run("yes", mark, timeout_seconds=2)
    assert time.monotonic() - started < 60
    assert result.trouble is Trouble.TIMEOUT
    assert 0 < len(result.output) <= LIMIT_BYTES
    assert wait_until_gone(f"yes {mark}")


def test_output_over_the_limit_is_dropped_with_a_note_and_does_not_block(run: Run) -> None:
    result = run("sh", "-c", f"head -c {LIMIT_BYTES + 1000} /dev/zero | tr '\\0' x; echo end >&2")
    assert result.ok
    assert len(result.output) == LIMIT_BYTES
    assert result.error_output == "end\n"
    assert "1000" in result.reason


def test_output_that_is_not_utf_8_is_still_text(run: Run) -> None:
    result = run("printf", r"ok \377\376 \344\270\255")
    assert result.ok
    assert result.output == "ok �� 中"


def test_a_daemon_that_keeps_the_output_open_is_not_waited_for(run: Run) -> None:
    result = run("sh", "-c", "sleep 100 & echo $!")
    daemon = int(result.output)
    try:
        assert result.ok
        assert Path(f"/proc/{daemon}").exists(), "it was waited for"
    finally:
        with suppress(ProcessLookupError):
            os.kill(daemon, signal.SIGKILL)


def test_many_threads_each_get_their_own_answer(run: Run) -> None:
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda number: run("sh", "-c", f"sleep 0.1; echo {number}"), range(40)))
    assert [result.output for result in results] == [f"{number}\n" for number in range(40)]


def test_a_secret_reaches_the_program_and_nobody_else(run: Run, secret_folder: Path, mark: str) -> None:
    secret = "correct-horse-battery-7431"
    _write_secret(secret_folder / "passphrase", secret + "\n")
    seen: list[str] = []
    script = (
        f'read -r got; printf \'%s\' "$got" | wc -c; echo "got $got"; echo "err $got" >&2; sleep 1.{mark[-3:]}; exit 4'
    )

    def watch() -> None:
        assert wait_until_runs(f"sleep 1.{mark[-3:]}")
        seen.extend(command_lines())

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = run("sh", "-c", script, stdin="${file:passphrase}\n")
    watcher.join()
    assert result.output == f"{len(secret)}\ngot ***\n"
    assert "***" in result.error_output
    assert "***" in result.reason
    assert secret not in repr(result)
    assert seen
    assert not any(secret in line for line in seen)


def test_a_secret_in_an_argument_is_refused_and_nothing_runs(run: Run, secret_folder: Path, tmp_path: Path) -> None:
    _write_secret(secret_folder / "other", "whatever-it-is")
    result = run("touch", str(tmp_path / "made"), "${file:other}")
    assert (result.ok, result.trouble) == (False, Trouble.REFUSED)
    assert not (tmp_path / "made").exists()


def test_a_secret_that_is_not_there_is_refused_and_nothing_runs(run: Run, tmp_path: Path) -> None:
    result = run("touch", str(tmp_path / "made"), stdin="${env:JINDUN_TEST_NOT_SET}")
    assert result.trouble is Trouble.REFUSED
    assert "JINDUN_TEST_NOT_SET" in result.reason
    assert not (tmp_path / "made").exists()


def test_a_command_runs_once_whatever_becomes_of_it(run: Run, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    for script, timeout_seconds in (("exit 1", 20.0), ("kill -KILL $$", 20.0), ("sleep 30", 1.0)):
        assert not run("sh", "-c", f"echo ran >> {ledger}; {script}", timeout_seconds=timeout_seconds).ok
    assert ledger.read_text() == "ran\n" * 3


def _write_secret(path: Path, value: str) -> None:
    path.write_text(value)
    path.chmod(0o600)
