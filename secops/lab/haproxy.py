"""The entry of each centre: one TCP door, a server behind it per centre, and a runtime socket that chooses."""

import socket

from secops.lab.inside import inside_namespace
from secops.lab.places import CENTRES, CLUSTER, ENTRY_PORT, POSTGRESQL_PORT, Lab, address
from secops.lab.servers import Server, program

_CONFIG = """\
global
    log stdout format raw local0
    stats socket {socket} mode 600 level admin
    maxconn 400
    nbthread 1
    hard-stop-after 1s
defaults
    mode tcp
    log global
    option tcplog
    option clitcpka
    option srvtcpka
    retries 0
    timeout connect 800ms
    timeout client 1h
    timeout server 1h
    timeout client-fin 1s
    timeout server-fin 1s
frontend entry
    bind {address}:{port} tcp-ut 2s
    default_backend {backend}
backend {backend}
    default-server tcp-ut 2s on-marked-down shutdown-sessions
{servers}
"""


def server(lab: Lab, place: str) -> Server:
    """The entry of a centre: leading to the first centre's database, or closed where a daemon is to say where it leads."""
    opened = "" if lab.home(place).exists() else CENTRES[0]
    lines = "\n".join(
        f"    server {each} {address(each)}:{POSTGRESQL_PORT}{'' if each == opened else ' disabled'}"
        for each in CENTRES
    )
    config = lab.at(place) / "haproxy.cfg"
    runtime = lab.entry_socket(place)
    config.write_text(
        _CONFIG.format(socket=runtime, address=address(place), port=ENTRY_PORT, backend=CLUSTER, servers=lines)
    )
    argv = (program("haproxy", "haproxy"), "-db", "-f", str(config))
    return Server("haproxy", place, argv, lambda: _listens(lab, place))


def _listens(lab: Lab, place: str) -> bool:
    with inside_namespace(lab.namespace(place)):
        try:
            socket.create_connection((address(place), ENTRY_PORT), timeout=1).close()
        except OSError:
            return False
    return lab.entry_socket(place).exists()
