"""A real nginx on a free loopback port, for the user who runs the tests (root or not)."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.sshd import free_port

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running server."""

    port: int
    root: Path
    """Its document root."""
    log: Path
    """Its access log: method, host and path of each request."""

    def asked(self) -> list[str]:
        """The requests so far."""
        return self.log.read_text().splitlines()


@contextmanager
def running_nginx(folder: Path, server: str = "", listen: str = "") -> Iterator[Nginx]:
    """Keep an nginx running in `folder`; `server` goes into its server block, `listen` behind the port (` ssl`)."""
    assert NGINX, "nginx is not installed"
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    for _attempt in range(5):
        port = free_port()
        config = folder / "nginx.conf"
        config.write_text(_configuration(folder, root, port, server, listen))
        process = subprocess.Popen(
            [NGINX, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if _listens(process, port):
                yield Nginx(port, root, folder / "access.log")
                return
        finally:
            _stop(process)
    raise AssertionError(f"nginx did not start: {(folder / 'error.log').read_text(errors='replace')}")


def _configuration(folder: Path, root: Path, port: int, server: str, listen: str) -> str:
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return f"""
{"user root;" if os.getuid() == 0 else ""}
daemon off;
worker_processes 1;
pid {folder / "nginx.pid"};
events {{ worker_connections 768; }}
http {{
    types {{ text/html html htm; text/plain txt; }}
    default_type application/octet-stream;
    log_format short '$request_method $http_host $request_uri';
    access_log {folder / "access.log"} short;
    {" ".join(f"{place}_temp_path {folder / place};" for place in places)}
    server {{
        listen 127.0.0.1:{port}{listen};
        root {root};
        {server}
    }}
}}
"""


def _listens(process: "subprocess.Popen[bytes]", port: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
