"""Whatever ends the demo, nothing of it stays; and what is not its own is left alone."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from secops.demo import centres as demo_centres
from secops.demo.centres import start
from secops.demo.guardian import PRIVILEGE_SEPARATION, privilege_separation_folder
from secops.demo.processes import PortTaken, Processes, Server
from secops.support.errors import Incomplete
from tests.demo.standing import Holder, eventually, hold, processes_naming

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]


def assert_nothing_left(folder: Path, within_seconds: float = 30.0) -> None:
    assert eventually(lambda: not processes_naming(folder) and not folder.exists(), within_seconds), (
        processes_naming(folder),
        folder.exists(),
    )


def closed(url: str) -> bool:
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    with socket.socket() as client:
        return client.connect_ex((parts.hostname, parts.port)) != 0


def test_closing_ends_processes_ports_and_files_and_may_be_repeated(folder: Path) -> None:
    standing = start(folder)
    urls = [standing.entry_url, *(centre.site_url for centre in standing.all)]
    standing.close()
    assert_nothing_left(folder, 0)
    assert all(closed(url) for url in urls)
    standing.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_no_server_outlives_the_demo(folder: Path, number: signal.Signals) -> None:
    holder = hold(folder)
    said = holder.standing()
    assert len(processes_naming(folder)) >= 8
    holder.send(number)
    holder.end()
    assert_nothing_left(folder)
    assert all(closed(url) for url in said["urls"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("after_seconds", [0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4])
def test_an_interrupt_during_the_start_leaves_nothing(folder: Path, after_seconds: float) -> None:
    holder = hold(folder)
    assert holder.process.stdout and holder.process.stdout.readline() == "starting\n"
    time.sleep(after_seconds)
    holder.send(signal.SIGINT)
    assert holder.end() != 0
    assert_nothing_left(folder)


def test_commands_that_left_their_session_end_too(folder: Path) -> None:
    with Processes(folder) as processes:
        log = folder / "log"
        mark = folder / "up"
        script = f"setsid sh -c 'trap \"\" TERM; touch {mark}; sleep 300; : {folder}' & exec sleep 301"
        processes.start(Server("shell", ("sh", "-c", script), log, lambda pid: mark.exists()))
        assert processes_naming(folder)
    assert_nothing_left(folder, 0)


def test_a_server_that_does_not_come_up_is_named_with_the_end_of_its_log(folder: Path) -> None:
    with Processes(folder) as processes:
        broken = Server("broken", ("sh", "-c", "echo no such luck; exit 7"), folder / "log", lambda pid: False)
        with pytest.raises(Incomplete, match=r"broken did not start \(exit code 7\): no such luck"):
            processes.start(broken)
    assert not folder.exists()


def test_a_taken_port_is_told_apart(folder: Path) -> None:
    with Processes(folder) as processes:
        taken = Server("taken", ("sh", "-c", "echo Address already in use; exit 1"), folder / "log", lambda pid: False)
        with pytest.raises(PortTaken):
            processes.start(taken)


def test_a_start_whose_ports_were_taken_tries_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign listener on the first choice of every centre's ports: nobody is fooled by its answer."""
    real = demo_centres._free_ports
    holders: list[socket.socket] = []

    def taken_once(address: str, count: int) -> tuple[int, ...]:
        ports = real(address, count)
        if not holders:
            listener = socket.create_server((address, ports[0]))
            holders.append(listener)
        return ports

    monkeypatch.setattr(demo_centres, "_free_ports", taken_once)
    try:
        with start(folder) as standing:
            assert urllib.request.urlopen(standing.entry_url, timeout=30).status == 200
    finally:
        for listener in holders:
            listener.close()


def test_only_own_processes_are_stopped(folder: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        with Processes(folder) as processes:
            processes.stop(bystander.pid)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_kept_centres_stand_until_the_guardian_is_told(folder: Path) -> None:
    holder = hold(folder, "keep")
    said = holder.standing()
    assert holder.end() == 0
    time.sleep(0.3)
    assert urllib.request.urlopen(said["urls"][-1], timeout=30).status == 200  # type: ignore[index]
    os.kill(int(str(said["guardian"])), signal.SIGTERM)
    assert_nothing_left(folder)


def test_a_killed_guardian_takes_the_servers_with_it(folder: Path) -> None:
    with Processes(folder) as processes:
        processes.start(Server("sleep", ("sleep", "300"), folder / "log", lambda pid: True))
        started = [int(line.split()[0]) for line in processes_naming(folder)]
        (guardian,) = [pid for pid in started if "guardian" in Path(f"/proc/{pid}/cmdline").read_text()]
        below = Path(f"/proc/{guardian}/task/{guardian}/children").read_text().split()
        assert below
        os.kill(guardian, signal.SIGKILL)
        assert eventually(lambda: all(_gone(int(pid)) for pid in below), 30)
        with pytest.raises(Incomplete):
            processes.start(Server("late", ("true",), folder / "log", lambda pid: True))


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(os.geteuid() != 0, reason="/run/sshd is needed and made as root only")
def test_run_sshd_stays_while_anybody_holds_it() -> None:
    with privilege_separation_folder():
        with privilege_separation_folder():
            assert PRIVILEGE_SEPARATION.is_dir()
        assert PRIVILEGE_SEPARATION.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_unprivileged_user_can_run_it(short_path: Path) -> None:
    account, python = _somebody()
    holder = _hold_as(account, short_path / "d", python)
    try:
        said = holder.standing()
        assert urllib.request.urlopen(said["urls"][-1], timeout=30).status == 200  # type: ignore[index]
    finally:
        holder.send(signal.SIGTERM)
        holder.end()
    assert_nothing_left(short_path / "d")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_without_a_shell_is_told(short_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    holder = _hold_as(nobody, short_path / "d", _python_for(nobody))
    with pytest.raises(AssertionError, match="nologin"):
        holder.standing()
    holder.end()
    assert_nothing_left(short_path / "d")


def _hold_as(account: pwd.struct_passwd, folder: Path, python: str) -> Holder:
    return hold(folder, before=_as(account), python=python)


def _as(account: pwd.struct_passwd) -> tuple[str, ...]:
    """The command that runs another as this user, with our packages and nothing else of our environment."""
    setpriv = shutil.which("setpriv") or pytest.skip("there is no setpriv")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment = (f"HOME={account.pw_dir}", "PATH=/usr/bin:/bin", f"PYTHONPATH={REPOSITORY}:{packages}")
    become = (setpriv, f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    return (*become, "env", "-i", "PYTHONDONTWRITEBYTECODE=1", *environment)


def _somebody() -> tuple[pwd.struct_passwd, str]:
    for account in pwd.getpwall():
        if account.pw_uid and Path(account.pw_shell).name in ("sh", "bash", "dash"):
            return account, _python_for(account)
    pytest.skip("no unprivileged account has a shell here")


def _python_for(account: pwd.struct_passwd) -> str:
    """Our interpreter may lie where only root may look; Debian's will do when it can load our packages."""
    for python in (sys.executable, "/usr/bin/python3"):
        tried = subprocess.run([*_as(account), python, "-c", "import secops.demo.centres"], capture_output=True)
        if tried.returncode == 0:
            return python
    pytest.skip(f"user {account.pw_name} cannot run any Python that loads our packages")
