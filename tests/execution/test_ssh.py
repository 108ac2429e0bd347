"""What only a connection can do wrong: keys, silence, breaks; and that it stays warm."""

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from secops.execution.secrets import Secrets
from secops.execution.ssh import SshRunner
from secops.model.city import Asset, SshAddress
from secops.model.step import Command, Result, Trouble
from tests.lab.processes import wait_until_gone, wait_until_runs
from tests.lab.sshd import Sshd, make_key, pin, running_sshd

pytestmark = pytest.mark.slow


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "sshd") as running:
        yield running


@pytest.fixture
def runner(sshd: Sshd, tmp_path: Path) -> Iterator[SshRunner]:
    ready = make_runner(sshd.asset(), sshd)
    yield ready
    ready.close()


def make_runner(asset: Asset, sshd: Sshd) -> SshRunner:
    return SshRunner({asset.id: asset}, sshd.client_key, sshd.known_hosts, Secrets(sshd.log.parent))


def run(runner: SshRunner, *argv: str, stdin: str = "", timeout_seconds: float = 10.0) -> Result:
    return runner.perform(Command(host="host-1", argv=argv or ("true",), stdin=stdin), timeout_seconds)


@contextmanager
def silent_server() -> Iterator[tuple[int, list[socket.socket]]]:
    """Accepts connections and says nothing."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1], taken
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    for connection in taken:
        connection.close()


def test_one_connection_serves_every_command_and_thread(runner: SshRunner, sshd: Sshd) -> None:
    assert all(result.ok for result in runner.open(["host-1"]).values())
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda number: run(runner, "sh", "-c", f"sleep 0.2; echo {number}"), range(40)))
    assert [result.output for result in results] == [f"{number}\n" for number in range(40)]
    assert sshd.connections() == 1


def test_threads_that_all_find_it_cold_open_one_connection(runner: SshRunner, sshd: Sshd) -> None:
    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(lambda _: run(runner).ok, range(20)))
    assert sshd.connections() == 1


def test_a_connection_that_broke_in_between_is_replaced(runner: SshRunner, sshd: Sshd) -> None:
    assert run(runner).ok
    sshd.kill_sessions()
    assert run(runner).ok
    assert sshd.connections() == 2


def test_a_connection_that_froze_is_replaced_while_there_is_time(runner: SshRunner, sshd: Sshd) -> None:
    assert run(runner).ok
    for pid in sshd.sessions():
        os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()
    assert run(runner, timeout_seconds=12).ok
    assert time.monotonic() - started < 12
    assert sshd.connections() == 2


def test_a_frozen_host_is_unreachable_in_time(runner: SshRunner, sshd: Sshd) -> None:
    assert run(runner).ok
    for pid in (sshd.pid, *sshd.sessions()):
        os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        result = run(runner, timeout_seconds=2)
        assert time.monotonic() - started < 30
        assert result.trouble is Trouble.UNREACHABLE
    finally:
        os.kill(sshd.pid, signal.SIGCONT)


def test_a_host_that_freezes_in_mid_command_times_out(runner: SshRunner, sshd: Sshd) -> None:
    def freeze() -> None:
        assert wait_until_runs("sleep 120.0417")
        for pid in sshd.sessions():
            os.kill(pid, signal.SIGSTOP)

    thread = threading.Thread(target=freeze)
    thread.start()
    started = time.monotonic()
    result = run(runner, "sh", "-c", "sleep 120.0417; cat", stdin="x" * (8 << 20), timeout_seconds=2)
    thread.join()
    assert time.monotonic() - started < 60
    assert result.trouble is Trouble.TIMEOUT


def test_a_command_whose_connection_is_lost_is_not_repeated(runner: SshRunner, sshd: Sshd, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    def cut() -> None:
        assert wait_until_runs("sleep 8.0613")
        sshd.kill_sessions()

    thread = threading.Thread(target=cut)
    thread.start()
    result = run(runner, "sh", "-c", f"echo ran >> {ledger}; sleep 8.0613")
    thread.join()
    assert (result.ok, result.trouble) == (False, Trouble.UNREACHABLE)
    assert "lost" in result.reason
    assert "not repeated" in result.reason
    assert ledger.read_text() == "ran\n"


def test_a_lost_command_is_ended_on_the_host_when_its_time_is_up(runner: SshRunner, sshd: Sshd) -> None:
    def cut() -> None:
        assert wait_until_runs("sleep 300.0929")
        sshd.kill_sessions(commands=False)

    thread = threading.Thread(target=cut)
    thread.start()
    assert run(runner, "sleep", "300.0929", timeout_seconds=8).trouble is Trouble.UNREACHABLE
    thread.join()
    assert wait_until_gone("sleep 300.0929", seconds=30)


def test_a_changed_host_key_is_refused_with_both_fingerprints(sshd: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other_host_key")
    sshd.known_hosts.write_text(pin(sshd.address, sshd.port, other))
    result = run(make_runner(sshd.asset(), sshd))
    assert (result.ok, result.trouble) == (False, Trouble.REFUSED)
    assert "host-1" in result.reason
    assert result.reason.count("SHA256:") == 2
    assert "Accepted publickey" not in sshd.log.read_text()


def test_an_unknown_host_is_refused_and_not_remembered(sshd: Sshd) -> None:
    sshd.known_hosts.write_text("")
    runner = make_runner(sshd.asset(), sshd)
    for _ in range(2):
        result = run(runner)
        assert (result.ok, result.trouble) == (False, Trouble.REFUSED)
        assert "SHA256:" in result.reason
        assert f"[{sshd.address}]:{sshd.port}" in result.reason
    assert sshd.known_hosts.read_text() == ""
    assert "Accepted publickey" not in sshd.log.read_text()


def test_a_pin_of_another_type_of_key_is_a_changed_key(sshd: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other_host_key", "ecdsa")
    sshd.known_hosts.write_text(pin(sshd.address, sshd.port, other))
    assert run(make_runner(sshd.asset(), sshd)).trouble is Trouble.REFUSED


def test_a_new_pin_counts_at_once(sshd: Sshd) -> None:
    pinned = sshd.known_hosts.read_text()
    sshd.known_hosts.write_text("")
    runner = make_runner(sshd.asset(), sshd)
    assert run(runner).trouble is Trouble.REFUSED
    sshd.known_hosts.write_text(pinned)
    assert run(runner).ok
    runner.close()


def test_a_missing_file_of_pins_or_identity_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    hosts = {"host-1": sshd.asset()}
    for identity, known_hosts in ((sshd.client_key, tmp_path / "absent"), (tmp_path / "absent", sshd.known_hosts)):
        result = run(SshRunner(hosts, identity, known_hosts, Secrets(tmp_path)))
        assert result.trouble is Trouble.REFUSED
        assert "absent" in result.reason
    assert sshd.connections() == 0


def test_only_the_given_identity_is_offered(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    shutil.copy(sshd.client_key, home / ".ssh" / "id_ed25519")
    (home / ".ssh" / "config").write_text(f"Host *\n  IdentityFile {sshd.client_key}\n")
    monkeypatch.setenv("HOME", str(home))
    stranger = make_key(tmp_path / "stranger")
    result = run(SshRunner({"host-1": sshd.asset()}, stranger, sshd.known_hosts, Secrets(tmp_path)))
    assert result.trouble is Trouble.UNREACHABLE
    assert sshd.user in result.reason


def test_a_server_that_accepts_and_says_nothing_is_unreachable_in_time(sshd: Sshd) -> None:
    with silent_server() as (port, taken):
        asset = replace(sshd.asset(), ssh=SshAddress(user=sshd.user, port=port))
        started = time.monotonic()
        result = run(make_runner(asset, sshd), timeout_seconds=1)
        assert time.monotonic() - started < 30
        assert result.trouble is Trouble.UNREACHABLE
        assert "host-1" in result.reason
        assert len(taken) == 1


def test_a_closed_port_is_unreachable(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    asset = replace(sshd.asset(), ssh=SshAddress(user=sshd.user, port=port))
    assert run(make_runner(asset, sshd)).trouble is Trouble.UNREACHABLE


def test_hosts_that_are_unknown_or_without_ssh_are_refused(sshd: Sshd) -> None:
    asset = replace(sshd.asset(), ssh=None)
    runner = make_runner(asset, sshd)
    assert run(runner).trouble is Trouble.REFUSED
    result = runner.perform(Command(host="nobody", argv=("true",)), 5)
    assert result.trouble is Trouble.REFUSED
    assert "nobody" in result.reason


def test_a_secret_variable_is_refused(runner: SshRunner, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINDUN_TEST_SECRET", "correct-horse-battery")
    command = Command(host="host-1", argv=("true",), env={"PASSPHRASE": "${env:JINDUN_TEST_SECRET}"})
    result = runner.perform(command, 5)
    assert result.trouble is Trouble.REFUSED
    assert "PASSPHRASE" in result.reason
    assert "correct-horse" not in repr(result)
    assert sshd.connections() == 0


def test_a_server_that_admits_one_session_at_a_time_is_waited_for(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "narrow", options=("MaxSessions 1",)) as sshd:
        runner = make_runner(sshd.asset(), sshd)
        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(lambda _: run(runner, "sleep", "0.1").ok, range(6)))
        assert sshd.connections() == 1
        runner.close()


def test_a_server_that_admits_no_session_is_given_up_in_time(tmp_path: Path) -> None:
    with running_sshd(tmp_path / "closed", options=("MaxSessions 0",)) as sshd:
        runner = make_runner(sshd.asset(), sshd)
        started = time.monotonic()
        result = run(runner, timeout_seconds=1)
        assert time.monotonic() - started < 30
        assert (result.ok, result.trouble) == (False, Trouble.TIMEOUT)
        runner.close()


def test_the_shell_of_scanners_runs_on_the_asset_itself(runner: SshRunner, sshd: Sshd) -> None:
    assert runner.run(sshd.asset("another-name"), ("echo", "hi"), 5).output == "hi\n"
    assert run(runner).ok
    assert sshd.connections() == 1


def test_close_ends_the_connections_and_their_threads(sshd: Sshd) -> None:
    before = threading.active_count()
    runner = make_runner(sshd.asset(), sshd)
    assert run(runner).ok
    runner.close()
    deadline = time.monotonic() + 30
    while (sshd.sessions() or threading.active_count() > before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sshd.sessions() == []
    assert threading.active_count() <= before, "those of tests before may have ended meanwhile"


def test_failed_connections_leave_no_threads(sshd: Sshd) -> None:
    sshd.known_hosts.write_text("")
    runner = make_runner(sshd.asset(), sshd)
    before = threading.active_count()
    for _ in range(5):
        run(runner)
    deadline = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before, "those of tests before may have ended meanwhile"


def test_nothing_is_written_to_the_terminal(sshd: Sshd, capfd: pytest.CaptureFixture[str]) -> None:
    sshd.known_hosts.write_text("")
    run(make_runner(sshd.asset(), sshd))
    with silent_server() as (port, _taken):
        run(make_runner(replace(sshd.asset(), ssh=SshAddress(sshd.user, port)), sshd), timeout_seconds=0.5)
    assert capfd.readouterr() == ("", "")
