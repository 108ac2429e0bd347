"""An entry closes by itself when the daemon that guards it is frozen or gone: a real HAProxy asks a real process."""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from secops.service.agent.pulse import Pulse
from tests.lab.haproxy import HAPROXY, running_haproxy
from tests.lab.sshd import free_port

pytestmark = pytest.mark.skipif(not HAPROXY, reason="haproxy is not installed")
_PATIENCE_SECONDS = 60.0
_CHECK = "check addr 127.0.0.1 port {} inter 200ms fall 3 rise 2 on-marked-down shutdown-sessions"


@dataclass
class Guarded:
    """An entry in front of a server that answers everybody, and the process whose pulse holds it open."""

    entry_port: int
    pulse_port: int
    process: "subprocess.Popen[bytes]"
    unknown: Path

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.entry_port), timeout=5) as client:
                return client.recv(1) == b"!"
        except OSError:
            return False

    def status(self, cluster: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.pulse_port}/pulse/{cluster}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    pulse_port, unknown = free_port(), tmp_path / "unknown"
    argv = [sys.executable, "-m", "tests.service.agent.pulsing", str(pulse_port), str(unknown)]
    with subprocess.Popen(argv) as process, socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_greet, args=(server,), daemon=True).start()
        lines = {"a": f"127.0.0.1:{server.getsockname()[1]} {_CHECK.format(pulse_port)}"}
        options = "    option httpchk GET /pulse/orders\n    timeout check 300ms\n"
        try:
            with running_haproxy(tmp_path / "haproxy", lines, "tcp", options) as haproxy:
                port = int(haproxy.url.rsplit(":", 1)[1].strip("/"))
                yield Guarded(port, pulse_port, process, unknown)
        finally:
            process.kill()
            server.shutdown(socket.SHUT_RDWR)


def _greet(server: socket.socket) -> None:
    """Greet everybody, and keep the line open."""
    kept = []
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        client.send(b"!")
        kept.append(client)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_entry_of_a_frozen_daemon_closes_and_cuts_its_sessions(guarded: Guarded) -> None:
    _until(lambda: guarded.answers() and guarded.status("orders") == 200)
    with socket.create_connection(("127.0.0.1", guarded.entry_port), timeout=_PATIENCE_SECONDS) as session:
        assert session.recv(1) == b"!"
        guarded.process.send_signal(signal.SIGSTOP)
        assert session.recv(1) == b""
    _until(lambda: not guarded.answers())
    guarded.process.send_signal(signal.SIGCONT)
    _until(guarded.answers)


def test_the_entry_of_a_daemon_that_is_gone_or_knows_nothing_closes(guarded: Guarded) -> None:
    _until(guarded.answers)
    guarded.unknown.touch()
    _until(lambda: not guarded.answers())
    assert (guarded.status("orders"), guarded.status("others")) == (503, 404)
    guarded.unknown.unlink()
    _until(guarded.answers)
    guarded.process.kill()
    _until(lambda: not guarded.answers())


def test_a_loop_that_stood_still_is_not_believed_at_once() -> None:
    moment = [100.0]
    pulse = Pulse("127.0.0.1", 0, lambda _name: True, clock=lambda: moment[0])
    assert pulse.steady
    moment[0] = 160.0
    assert not pulse.steady
    pulse._beat()
    assert not pulse.steady
    for _ in range(25):
        moment[0] += 0.1
        pulse._beat()
    assert pulse.steady
