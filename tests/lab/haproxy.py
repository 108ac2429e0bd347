"""A real HAProxy on a free loopback port, with its runtime socket in a folder of ours."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.sshd import free_port

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/sbin:/bin")

_CONFIG = """
global
    stats socket {socket} mode 600 level admin
    maxconn 200
defaults
    mode {mode}
    timeout connect 2s
    timeout client 30s
    timeout server 30s
frontend entry
    bind 127.0.0.1:{port}
    default_backend web
backend web
{options}{servers}
"""


@dataclass(frozen=True, slots=True)
class Haproxy:
    """A running HAProxy; its backend is `web`."""

    url: str
    socket: str
    pid: int


@contextmanager
def running_haproxy(
    folder: Path, servers: Mapping[str, str], mode: str = "http", options: str = ""
) -> Iterator[Haproxy]:
    """Keep one running. `servers` are the lines of the backend by server name: address and options; `options` other lines
    of it."""
    assert HAPROXY, "haproxy is not installed"
    folder.mkdir(parents=True, exist_ok=True)
    # A path of a socket has at most 107 bytes, and folders of tests are long.
    with tempfile.TemporaryDirectory(prefix="jindun-") as short:
        for _attempt in range(5):
            process, entry = _start(folder, Path(short) / "s", servers, mode, options)
            if process.poll() is None:
                break
        else:
            raise AssertionError((folder / "haproxy.log").read_text())
        try:
            yield entry
        finally:
            process.kill()
            process.wait()


def _start(
    folder: Path, socket: Path, servers: Mapping[str, str], mode: str, options: str
) -> tuple["subprocess.Popen[bytes]", Haproxy]:
    """Another port is tried by the caller when somebody took this one in between."""
    assert HAPROXY
    port = free_port()
    lines = "\n".join(f"    server {name} {rest}" for name, rest in servers.items())
    config = folder / "haproxy.cfg"
    config.write_text(_CONFIG.format(socket=socket, port=port, servers=lines, mode=mode, options=options))
    socket.unlink(missing_ok=True)
    with (folder / "haproxy.log").open("wb") as sink:
        process = subprocess.Popen(
            [HAPROXY, "-db", "-f", str(config)], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
    deadline = time.monotonic() + 60
    while not socket.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process, Haproxy(f"http://127.0.0.1:{port}/", str(socket), process.pid)
