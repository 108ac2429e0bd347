"""HAProxy, the entry: what clients connect to, and the runtime socket that moves them to another centre."""

import json
import socket
from collections.abc import Iterable
from pathlib import Path

from secops.demo.centre import LiveCentre
from secops.demo.processes import Server, program

BACKEND = "site"

_CONFIG = """\
global
    log stdout format raw local0
    stats socket {socket} mode 600 level admin
    maxconn 100
    nbthread 1
    hard-stop-after 1s
defaults
    mode http
    log global
    option httplog
    option redispatch
    retries 2
    timeout connect 500ms
    timeout client 10s
    timeout server 5s
    timeout http-request 5s
frontend entry
    bind {address}:{port}
    default_backend {backend}
backend {backend}
    option httpchk GET /health.txt
    http-check expect status 200
    default-server check inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


def server(folder: Path, address: str, port: int, centres: Iterable[LiveCentre]) -> Server:
    """Write the configuration, with production serving and the others in maintenance; the server to start."""
    runtime = folder / "entry.sock"
    config = folder / "haproxy.cfg"
    lines = "\n".join(
        f"    server {centre.role} {centre.address}:{centre.ports.site}{'' if centre.production else ' disabled'}"
        for centre in centres
    )
    config.write_text(
        _CONFIG.format(socket=runtime, address=address, port=port, backend=BACKEND, servers=lines), encoding="utf-8"
    )
    argv = (program("haproxy", "haproxy"), "-db", "-f", str(config))
    return Server("haproxy", argv, folder / "entry.log", lambda pid: _answers(runtime, pid))


def _answers(runtime: Path, pid: int) -> bool:
    """Whether the process with this pid answers on the runtime socket."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(runtime))
            client.sendall(b"show info json\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
    except OSError:
        return False
    fields = json.loads(answer)
    return any(field["field"]["name"] == "Pid" and field["value"]["value"] == pid for field in fields)
