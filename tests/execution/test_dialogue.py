"""Dialogues over unix sockets, with a real HAProxy and with servers that misbehave."""

import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from secops.execution.dialogue import DialogueRunner
from secops.execution.output import LIMIT_BYTES
from secops.model.step import Dialogue, Result, Trouble

Behaviour = Callable[[socket.socket], None]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one: the path of a unix socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@contextmanager
def server(path: Path, behaviour: Behaviour) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with suppress(OSError), listener.accept()[0] as connection:
                behaviour(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def talk(path: Path, line: str, expect: str = "", timeout_seconds: float = 5.0) -> Result:
    return DialogueRunner().perform(Dialogue(str(path), line, expect), timeout_seconds)


@pytest.mark.slow
def test_haproxy_is_switched_and_says_so(folder: Path) -> None:
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
    assert program, "haproxy is not installed"
    runtime = folder / "runtime"
    (folder / "cfg").write_text(
        f"global\n stats socket {runtime} mode 600 level admin\n"
        "defaults\n mode http\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n"
        f"frontend entry\n bind unix@{folder}/entry\n default_backend web\n"
        "backend web\n server one 127.0.0.1:1\n server two 127.0.0.1:2 disabled\n"
    )
    with subprocess.Popen([program, "-db", "-q", "-f", str(folder / "cfg")]) as process:
        try:
            deadline = time.monotonic() + 60
            while not talk(runtime, "show info", "Pid:").ok:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert talk(runtime, "show servers state web", r"web 1 one .*").ok
            assert talk(runtime, "set server web/one state maint", r"^\s*$").ok
            answer = talk(runtime, "set server web/nine state maint", r"^\s*$")
            assert (answer.ok, answer.trouble) == (False, Trouble.FAILED)
            assert "No such server" in answer.output
        finally:
            process.terminate()


def test_one_line_goes_out_and_everything_comes_back(folder: Path) -> None:
    heard: list[bytes] = []

    def echo(connection: socket.socket) -> None:
        heard.append(connection.recv(100))
        for part in (b"one\n", b"two\n"):
            connection.sendall(part)

    with server(folder / "s", echo):
        result = talk(folder / "s", "hello 津盾", "t.o")
    assert (result.ok, result.output, heard) == (True, "one\ntwo\n", ["hello 津盾\n".encode()])


def test_several_lines_are_refused(folder: Path) -> None:
    assert talk(folder / "s", "one\ntwo").trouble is Trouble.REFUSED


def test_a_server_that_never_finishes_times_out_with_what_it_said(folder: Path) -> None:
    def drip(connection: socket.socket) -> None:
        while True:
            connection.sendall(b".")
            time.sleep(0.05)

    with server(folder / "s", drip):
        started = time.monotonic()
        result = talk(folder / "s", "hello", timeout_seconds=0.5)
        assert time.monotonic() - started < 20
    assert result.trouble is Trouble.TIMEOUT
    assert result.output.startswith("..")


def test_an_answer_is_cut_at_the_limit(folder: Path) -> None:
    def flood(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x" * 65536)

    with server(folder / "s", flood):
        assert len(talk(folder / "s", "hello").output) == LIMIT_BYTES


def test_a_socket_that_is_not_there_is_unreachable(folder: Path) -> None:
    (folder / "file").touch()
    for path in (folder / "absent", folder / "file", folder / ("long" * 40)):
        result = talk(path, "hello")
        assert result.trouble is Trouble.UNREACHABLE
        assert str(path) in result.reason
