"""Two real Redis servers change places, and one takes over from another that was killed."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from backup.failover.applications.redis import Server, fail_over, switch_over
from secops.model.step import ProcedureFailed
from tests.backup.performing import Performing
from tests.lab.sshd import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed"),
]


def ask(server: Server, *words: str) -> str:
    argv = ("redis-cli", "-a", "secret-word", "--no-auth-warning", "-p", str(server.port), *words)
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[Server, "subprocess.Popen[bytes]"]]:
    folder.mkdir()
    server = Server("127.0.0.1", free_port(), f"${{file:{folder.parent}/password}}")
    argv = ("redis-server", "--port", str(server.port), "--dir", str(folder), "--save", "", "--bind", "127.0.0.1")
    secret = ("--requirepass", "secret-word", "--masterauth", "secret-word", "--repl-diskless-sync-delay", "0")
    process = subprocess.Popen((*argv, *secret, *options), stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: ask(server, "PING") == "PONG")
        yield server, process
    finally:
        process.kill()
        process.wait()


def wait_for(holds: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def follows(replica: Server) -> bool:
    return "master_link_status:up" in ask(replica, "INFO", "replication")


def test_in_order_nothing_is_lost_and_after_a_loss_it_is_said(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("secret-word\n")
    secret.chmod(0o600)
    with ExitStack() as stack:
        a, killed_last = stack.enter_context(running(tmp_path / "a"))
        b, _ = stack.enter_context(running(tmp_path / "b", "--replicaof", f"127.0.0.1 {a.port}"))
        performing = stack.enter_context(Performing(tmp_path))
        wait_for(lambda: follows(b))
        assert ask(a, "SET", "order", "1") == "OK"

        with pytest.raises(ProcedureFailed, match="still answers"):
            performing.run(fail_over(a, b))
        with pytest.raises(ProcedureFailed, match="does not follow"):
            performing.run(switch_over(b, a))

        done = performing.run(switch_over(a, b))
        assert done.lossless and ask(b, "GET", "order") == "1"
        assert ask(b, "SET", "order", "2") == "OK"
        wait_for(lambda: follows(a))
        assert "READONLY" in ask(a, "SET", "order", "3")

        assert performing.run(switch_over(b, a)).lossless
        assert (ask(a, "GET", "order"), ask(a, "SET", "order", "4")) == ("2", "OK")
        wait_for(lambda: follows(b) and ask(b, "GET", "order") == "4")

        killed_last.kill()
        killed_last.wait()
        lost = performing.run(fail_over(a, b))
        assert not lost.lossless and lost.offset > 0 and "nobody can tell" in lost.because.en
        assert (ask(b, "GET", "order"), ask(b, "SET", "order", "5")) == ("4", "OK")
