"""A real clamd with a few signatures of our own: EICAR and a harmless marker, both put together when a test runs."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CLAMD = shutil.which("clamd") or "/usr/sbin/clamd"
_START_SECONDS = 60.0
_NOBODY = "nobody"


def eicar() -> bytes:
    """The standard test file; never whole in a file of ours, so that no scanner stops this checkout."""
    return b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"


def marker() -> bytes:
    """Harmless bytes that our signatures and rules know."""
    return b"jindun-harmless-" + b"marker-" + b"7f3a9c"


def marker_rule() -> str:
    """A YARA rule for the marker."""
    return f'rule jindun_marker {{ strings: $a = "{marker().decode()}" condition: $a }}\n'


@contextmanager
def running_clamd() -> Iterator[str]:
    """The socket of a clamd that runs as an unprivileged user; the daemon is gone afterwards."""
    if not Path(CLAMD).exists():
        pytest.skip("clamd is not installed")
    folder = Path(tempfile.mkdtemp(prefix="clamd-"))
    try:
        configuration = _lay_out(folder)
        start = (CLAMD, "--foreground", "--config-file", str(configuration))
        if os.geteuid() == 0:
            folder.chmod(0o755)
            shutil.chown(folder / "run", _NOBODY)
            start = ("setpriv", f"--reuid={_NOBODY}", "--clear-groups", *start)
        output = folder / "output"
        with output.open("wb") as said:
            daemon = subprocess.Popen(start, stdout=said, stderr=said)
        try:
            yield _answering(folder / "run" / "clamd.sock", daemon, output)
        finally:
            daemon.send_signal(signal.SIGKILL)
            daemon.wait(10)
    finally:
        shutil.rmtree(folder)


def _lay_out(folder: Path) -> Path:
    signatures, run = folder / "signatures", folder / "run"
    signatures.mkdir()
    run.mkdir()
    (signatures / "ours.ndb").write_text(f"Jindun.Marker:0:*:{marker().hex()}\n")
    known = eicar()
    (signatures / "ours.hdb").write_text(f"{hashlib.md5(known).hexdigest()}:{len(known)}:Jindun.Eicar\n")
    configuration = folder / "clamd.conf"
    configuration.write_text(
        f"DatabaseDirectory {signatures}\nLocalSocket {run}/clamd.sock\nTemporaryDirectory {run}\n"
        f"Foreground yes\nMaxThreads 4\nStreamMaxLength 2M\nLogFile {run}/log\n"
    )
    return configuration


def _answering(path: Path, daemon: "subprocess.Popen[bytes]", output: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert daemon.poll() is None, f"clamd ended at once: {output.read_text()}"
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(b"zPING\0")
                if connection.recv(16) == b"PONG\0":
                    return str(path)
        except OSError:
            time.sleep(0.1)
    raise AssertionError("clamd did not answer")
